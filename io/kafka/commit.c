/* Commits of the group. Those asked for in one turn go out together; one request is under way at a time, so that a
 * later commit can never be overtaken by an earlier one; what is asked for meanwhile waits, the latest of each
 * partition. The offsets and their metadata are in the request itself (what librdkafka stores by itself loses the
 * metadata before 2.2.0).
 *
 * A closing commit is a member's last word on a partition. What still waits is forgotten then: while other partitions are
 * held it would go out behind, and name what this member has dropped since; the next owner would leave that alone for as
 * long as this member lives. */
#include <stdlib.h>
#include <string.h>

#include "io/kafka/bus.h"
#include "io/kafka/events.h"
#include "io/kafka/group.h"
#include "io/kafka/rights.h"
#include "io/kafka/topics.h"

enum { WHOLE_COMMIT_MS = 10000 };

void kafka_commit_forget(kafka_partition_t *partition)
{
    free(partition->commit_metadata);
    partition->commit_metadata = NULL;
    partition->commit_waits = false;
}

static bool add(rd_kafka_topic_partition_list_t *list, const char *topic, int32_t partition, int64_t offset,
                const char *metadata, size_t metadata_len)
{
    rd_kafka_topic_partition_t *element = rd_kafka_topic_partition_list_add(list, topic, partition);
    element->offset = offset;
    if (metadata_len == 0)
        return true;
    element->metadata = malloc(metadata_len); /* the list frees it */
    if (element->metadata == NULL)
        return false;
    memcpy(element->metadata, metadata, metadata_len);
    element->metadata_size = metadata_len;
    return true;
}

/* ---- asynchronous ---- */

static void report_commit(kafka_group_t *group, const rd_kafka_topic_partition_t *element, bool ok)
{
    int32_t lane = kafka_group_lane(group, element->topic, element->partition);
    kafka_partition_t *owned = kafka_group_find(group, lane);
    if (owned == NULL || !owned->commit_sent || group->leaving)
        return;
    owned->commit_sent = false;
    if (group->callbacks.committed != NULL)
        group->callbacks.committed(group->arg, lane, element->offset, owned->sent_cookie, ok);
}

static const char *a_topic(const kafka_group_t *group, const rd_kafka_topic_partition_list_t *list)
{
    return list != NULL && list->cnt > 0 ? list->elems[0].topic : group->topics[0]->name;
}

static void on_answer(kafka_group_t *group, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    const rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
    group->commit_sent = false;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR && kafka_error_class(code) == FANMAP_EREFUSED)
        kafka_refused(group->bus, code, KAFKA_WANTED("Read", a_topic(group, list)), NULL);
    for (int i = 0; list != NULL && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *element = &list->elems[i];
        bool ok = code == RD_KAFKA_RESP_ERR_NO_ERROR && element->err == RD_KAFKA_RESP_ERR_NO_ERROR;
        report_commit(group, element, ok);
    }
}

static bool any_waits(const kafka_group_t *group)
{
    for (size_t i = 0; i < group->owned_n; i++)
        if (group->owned[i].commit_waits)
            return true;
    return false;
}

static void send_waiting(kafka_group_t *group)
{
    if (group->commit_sent || !any_waits(group))
        return;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)group->owned_n);
    bool ok = true;
    for (size_t i = 0; i < group->owned_n; i++) {
        kafka_partition_t *owned = &group->owned[i];
        if (!owned->commit_waits)
            continue;
        ok = add(list, owned->topic->name, owned->partition, owned->commit_offset, owned->commit_metadata,
                 owned->commit_metadata_len) &&
             ok;
        owned->commit_sent = true;
        owned->sent_cookie = owned->commit_cookie;
        kafka_commit_forget(owned);
    }
    group->commit_sent =
        ok && rd_kafka_commit_queue(group->rk, list, group->commit_queue, NULL, NULL) == RD_KAFKA_RESP_ERR_NO_ERROR;
    for (int i = 0; !group->commit_sent && i < list->cnt; i++)
        report_commit(group, &list->elems[i], false);
    rd_kafka_topic_partition_list_destroy(list);
}

void kafka_group_committed(kafka_group_t *group)
{
    rd_kafka_event_t *event;
    while ((event = rd_kafka_queue_poll(group->commit_queue, 0)) != NULL) {
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_OFFSET_COMMIT)
            on_answer(group, event);
        rd_kafka_event_destroy(event);
    }
    if (!group->leaving)
        send_waiting(group);
}

void kafka_commit_deferred(void *arg)
{
    kafka_group_t *group = arg;
    group->commit_deferred = false;
    if (!group->leaving)
        send_waiting(group);
}

void kafka_group_commit(bus_group_t *base, int32_t lane, int64_t offset, const char *metadata, size_t metadata_len,
                        uint64_t cookie)
{
    kafka_group_t *group = (kafka_group_t *)base;
    kafka_partition_t *owned = kafka_group_find(group, lane);
    char *copy = owned == NULL ? NULL : malloc(metadata_len + 1);
    if (copy == NULL)
        return; /* not ours any more, or out of memory: the next one will do */
    if (metadata_len > 0)
        memcpy(copy, metadata, metadata_len);
    kafka_commit_forget(owned);
    owned->commit_metadata = copy;
    owned->commit_metadata_len = metadata_len;
    owned->commit_offset = offset;
    owned->commit_cookie = cookie;
    owned->commit_waits = true;
    if (group->commit_deferred)
        return;
    group->commit_deferred = true;
    loop_defer(group->bus->loop, kafka_commit_deferred, group);
}

/* ---- closing ---- */

static rd_kafka_resp_err_t answer_of(const rd_kafka_event_t *event)
{
    rd_kafka_event_t *of = (rd_kafka_event_t *)(uintptr_t)event;
    const rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(of);
    rd_kafka_resp_err_t code = rd_kafka_event_error(of);
    for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && list != NULL && i < list->cnt; i++)
        code = list->elems[i].err;
    return code;
}

static rd_kafka_resp_err_t wait_answer(rd_kafka_queue_t *queue, int timeout_ms)
{
    int64_t until_ms = loop_clock_ms() + timeout_ms;
    for (int64_t left_ms = timeout_ms; left_ms >= 0; left_ms = until_ms - loop_clock_ms()) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(queue, (int)left_ms);
        if (event == NULL)
            break;
        bool is_answer = rd_kafka_event_type(event) == RD_KAFKA_EVENT_OFFSET_COMMIT;
        rd_kafka_resp_err_t code = is_answer ? answer_of(event) : RD_KAFKA_RESP_ERR_NO_ERROR;
        rd_kafka_event_destroy(event);
        if (is_answer)
            return code;
    }
    return RD_KAFKA_RESP_ERR__TIMED_OUT;
}

static rd_kafka_resp_err_t commit_and_wait(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *list, int timeout_ms)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_resp_err_t code = rd_kafka_commit_queue(rk, list, queue, NULL, NULL);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = wait_answer(queue, timeout_ms);
    rd_kafka_queue_destroy(queue);
    return code;
}

rd_kafka_resp_err_t kafka_commit_whole(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *list)
{
    return commit_and_wait(rk, list, WHOLE_COMMIT_MS);
}

bool kafka_group_commit_now(bus_group_t *base, int32_t lane, int64_t offset, const char *metadata, size_t metadata_len,
                            int timeout_ms)
{
    kafka_group_t *group = (kafka_group_t *)base;
    kafka_partition_t *owned = kafka_group_find(group, lane);
    if (owned == NULL)
        return false;
    kafka_commit_forget(owned);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    bool ok = add(list, owned->topic->name, owned->partition, offset, metadata, metadata_len) &&
              commit_and_wait(group->rk, list, timeout_ms) == RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_topic_partition_list_destroy(list);
    return ok;
}

rd_kafka_topic_partition_list_t *kafka_positions_copy(const char *topic, const bus_position_t *positions, size_t n)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)n);
    for (size_t i = 0; i < n; i++)
        if (!add(list, topic, positions[i].partition, positions[i].offset, positions[i].metadata,
                 strlen(positions[i].metadata))) {
            rd_kafka_topic_partition_list_destroy(list);
            return NULL;
        }
    return list;
}
