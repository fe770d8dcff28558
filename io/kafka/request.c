/* bus_request: one attempt in the helper; who asks asks again. */
#include <stdlib.h>
#include <string.h>

#include "io/kafka/blocking_call.h"
#include "io/kafka/bus.h"
#include "io/kafka/config.h"
#include "io/kafka/describe.h"
#include "io/kafka/events.h"
#include "io/kafka/group.h"
#include "io/kafka/members.h"
#include "io/kafka/requests.h"
#include "io/kafka/rights.h"
#include "io/kafka/topics.h"

enum { EARLY_MAX = 50 }; /* every KAFKA_RETRY_MS */

typedef struct {
    kafka_call_t call;
    kafka_bus_t *bus;
    bus_request_t what;
    char *topic, *group;
    rd_kafka_topic_partition_list_t *positions; /* of BUS_FIRST_COMMIT */
    int64_t value, *offsets;
    char **metadata;
    fanmap_error_t err;
    bool is_early; /* the group's coordinator is only on its way */
    unsigned early_n;
    bus_answer_fn fn;
    void *arg;
} request_t;

static void request_drop(kafka_call_t *call)
{
    request_t *request = (request_t *)call;
    free(request->topic);
    free(request->group);
    free(request->offsets);
    for (uint32_t i = 0; request->metadata != NULL && i < request->what.n; i++)
        free(request->metadata[i]);
    free(request->metadata);
    if (request->positions != NULL)
        rd_kafka_topic_partition_list_destroy(request->positions);
    free(request);
}

static void request_fail(request_t *request, rd_kafka_resp_err_t code, const char *operation)
{
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    request->is_early = code == RD_KAFKA_RESP_ERR_NOT_COORDINATOR ||
                        code == RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE ||
                        code == RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS;
    if (kafka_error_class(code) == FANMAP_EREFUSED)
        kafka_refusal(request->bus, code, &(kafka_wanted_t){operation, request->topic, request->group},
                      rd_kafka_err2str(code), &request->err);
    else
        (void)err_set_retry(&request->err, FANMAP_EUNREACHABLE, "topic %s: %s", request->topic, rd_kafka_err2str(code));
}

/* ---- offsets ---- */

static void find_watermark(request_t *request)
{
    int64_t low = -1, high = -1;
    uint32_t partitions;
    if (rd_kafka_query_watermark_offsets(request->call.rk, request->topic, request->what.partition, &low, &high,
                                         KAFKA_CALL_MS) == RD_KAFKA_RESP_ERR_NO_ERROR)
        request->value = request->what.kind == BUS_FIND_BEGIN ? low : high;
    else if (kafka_look_up(request->call.rk, request->topic, &partitions) == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        request->value = BUS_NO_TOPIC;
}

static void find_time(request_t *request)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *place =
        rd_kafka_topic_partition_list_add(list, request->topic, request->what.partition);
    place->offset = request->what.at;
    bool found = rd_kafka_offsets_for_times(request->call.rk, list, KAFKA_CALL_MS) == RD_KAFKA_RESP_ERR_NO_ERROR &&
                 place->err == RD_KAFKA_RESP_ERR_NO_ERROR;
    request->value = !found ? BUS_BEGIN : place->offset >= 0 ? place->offset : BUS_END;
    rd_kafka_topic_partition_list_destroy(list);
}

static void read_offsets(request_t *request, const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *element = &list->elems[i];
        if (element->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            request_fail(request, element->err, "Describe");
        if (element->err != RD_KAFKA_RESP_ERR_NO_ERROR || element->offset < 0)
            continue;
        request->offsets[element->partition] = element->offset;
        free(request->metadata[element->partition]); /* of a try that was too early */
        char *metadata = strndup(element->metadata == NULL ? "" : element->metadata, element->metadata_size);
        if (metadata == NULL)
            (void)err_set(&request->err, FANMAP_ENOMEM, "out of memory");
        request->metadata[element->partition] = metadata;
    }
}

/* Who may not see a group waits for its coordinator in vain; why stands in the handle's queue alone. */
static rd_kafka_resp_err_t reason_of_timeout(rd_kafka_t *rk, rd_kafka_resp_err_t code)
{
    rd_kafka_queue_t *queue = code == RD_KAFKA_RESP_ERR__TIMED_OUT ? rd_kafka_queue_get_consumer(rk) : NULL;
    rd_kafka_event_t *event;
    while (queue != NULL && (event = rd_kafka_queue_poll(queue, 0)) != NULL) {
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR &&
            kafka_error_class(rd_kafka_event_error(event)) == FANMAP_EREFUSED)
            code = rd_kafka_event_error(event);
        rd_kafka_event_destroy(event);
    }
    if (queue != NULL)
        rd_kafka_queue_destroy(queue);
    return code;
}

/* By a handle of the group that never joins it: the request that does without (ListConsumerGroupOffsets) brings 2.0.2
 * down where the group has no coordinator yet. */
static void query_committed(request_t *request, rd_kafka_t *rk)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)request->what.n);
    for (uint32_t i = 0; i < request->what.n; i++)
        rd_kafka_topic_partition_list_add(list, request->topic, (int32_t)i);
    rd_kafka_resp_err_t code = rd_kafka_committed(rk, list, 2 * KAFKA_CALL_MS);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        read_offsets(request, list);
    else
        request_fail(request, reason_of_timeout(rk, code),
                     request->what.kind == BUS_FIRST_COMMIT ? "Read" : "Describe");
    rd_kafka_topic_partition_list_destroy(list);
}

/* A group that has members has its positions from them. */
static bool has_members(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID || code == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION ||
           code == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS;
}

static void commit_first(request_t *request, rd_kafka_t *rk)
{
    rd_kafka_topic_partition_list_t *list = request->positions;
    for (int i = list->cnt - 1; i >= 0; i--)
        if (request->offsets[list->elems[i].partition] >= 0)
            rd_kafka_topic_partition_list_del_by_idx(list, i);
    rd_kafka_resp_err_t code = list->cnt == 0 ? RD_KAFKA_RESP_ERR_NO_ERROR : kafka_commit_whole(rk, list);
    if (!has_members(code))
        request_fail(request, code, "Read");
}

static void commit_one(request_t *request, rd_kafka_t *rk)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, request->topic, request->what.partition)->offset = request->what.at;
    request_fail(request, kafka_commit_whole(rk, list), "Read");
    rd_kafka_topic_partition_list_destroy(list);
}

static void find_committed(request_t *request)
{
    rd_kafka_t *rk = NULL;
    if (kafka_handle_new(request->bus, request->what.as_stands ? KAFKA_ONLOOKER : KAFKA_GROUP, request->group, &rk,
                         &request->err) != FANMAP_OK)
        return;
    if (request->what.kind == BUS_COMMIT)
        commit_one(request, rk);
    else
        query_committed(request, rk);
    if (request->what.kind == BUS_FIRST_COMMIT && request->err.code == 0)
        commit_first(request, rk);
    rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

/* ---- the group ---- */

static void count_members(request_t *request)
{
    const struct rd_kafka_group_list *list;
    rd_kafka_resp_err_t code;
    const struct rd_kafka_group_info *group = kafka_list_group(request->call.rk, request->group, &list, &code);
    if (group != NULL)
        request->value = kafka_count_members(group, request->topic, request->what.n);
    else if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        request->value = 0;
    if (list != NULL)
        rd_kafka_group_list_destroy(list);
}

/* ---- deleting ---- */

/* What the answer says of the one thing that was to be deleted. */
static rd_kafka_resp_err_t deleted(bus_request_kind_t kind, rd_kafka_event_t *event)
{
    size_t n = 0;
    if (event == NULL)
        return RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return rd_kafka_event_error(event);
    if (kind == BUS_DELETE_RECORDS) {
        const rd_kafka_DeleteRecords_result_t *result = rd_kafka_event_DeleteRecords_result(event);
        const rd_kafka_topic_partition_list_t *list =
            result == NULL ? NULL : rd_kafka_DeleteRecords_result_offsets(result);
        return list == NULL || list->cnt != 1 ? RD_KAFKA_RESP_ERR__TIMED_OUT : list->elems[0].err;
    }
    const rd_kafka_DeleteTopics_result_t *result = rd_kafka_event_DeleteTopics_result(event);
    const rd_kafka_topic_result_t **topics = result == NULL ? NULL : rd_kafka_DeleteTopics_result_topics(result, &n);
    rd_kafka_resp_err_t code = n == 1 ? rd_kafka_topic_result_error(topics[0]) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    return code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ? RD_KAFKA_RESP_ERR_NO_ERROR : code;
}

static void send_delete(request_t *request, const rd_kafka_AdminOptions_t *options, rd_kafka_queue_t *queue)
{
    rd_kafka_t *rk = request->call.rk;
    if (request->what.kind == BUS_DELETE_TOPIC) {
        rd_kafka_DeleteTopic_t *topic = rd_kafka_DeleteTopic_new(request->topic);
        rd_kafka_DeleteTopics(rk, &topic, 1, options, queue);
        rd_kafka_DeleteTopic_destroy(topic);
        return;
    }
    rd_kafka_topic_partition_list_t *before = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(before, request->topic, request->what.partition)->offset = request->what.at;
    rd_kafka_DeleteRecords_t *records = rd_kafka_DeleteRecords_new(before);
    rd_kafka_DeleteRecords(rk, &records, 1, options, queue);
    rd_kafka_DeleteRecords_destroy(records);
    rd_kafka_topic_partition_list_destroy(before);
}

static void delete (request_t *request)
{
    bool is_topic = request->what.kind == BUS_DELETE_TOPIC;
    char text[128];
    rd_kafka_queue_t *queue = rd_kafka_queue_new(request->call.rk);
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(
        request->call.rk, is_topic ? RD_KAFKA_ADMIN_OP_DELETETOPICS : RD_KAFKA_ADMIN_OP_DELETERECORDS);
    (void)rd_kafka_AdminOptions_set_request_timeout(options, KAFKA_CALL_MS, text, sizeof text);
    send_delete(request, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 2 * KAFKA_CALL_MS);
    request_fail(request, deleted(request->what.kind, event), "Delete");
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
}

/* ---- all of them ---- */

static void request_run(kafka_call_t *call)
{
    static void (*const runs[])(request_t *) = {
        [BUS_FIND_END] = find_watermark,     [BUS_FIND_TIME] = find_time,
        [BUS_FIND_BEGIN] = find_watermark,   [BUS_FIND_COMMITTED] = find_committed,
        [BUS_FIRST_COMMIT] = find_committed, [BUS_COMMIT] = find_committed,
        [BUS_COUNT_MEMBERS] = count_members, [BUS_COUNT_OWNED] = count_members,
        [BUS_DELETE_RECORDS] = delete,       [BUS_DELETE_TOPIC] = delete};
    request_t *request = (request_t *)call;
    runs[request->what.kind](request);
}

static void request_done(kafka_call_t *call)
{
    request_t *request = (request_t *)call;
    if (request->is_early && request->early_n++ < EARLY_MAX) { /* as of the first group of a broker */
        request->is_early = false;
        request->err = (fanmap_error_t){0};
        kafka_call_submit_later(request->bus, call);
        return;
    }
    const bus_answer_t answer = {.value = request->value,
                                 .offsets = request->offsets,
                                 .metadata = (const char *const *)request->metadata,
                                 .n = request->what.n,
                                 .err = request->err.code == 0 ? NULL : &request->err};
    if (kafka_call_answered(request->bus, call))
        request->fn(request->arg, &answer);
    request_drop(call);
}

static bool copy_names(request_t *request, const kafka_topic_t *topic, const char *group)
{
    request->topic = strdup(topic->name);
    request->group = group == NULL ? NULL : strdup(group);
    request->offsets = malloc((request->what.n + 1) * sizeof *request->offsets);
    request->metadata = calloc(request->what.n + 1, sizeof *request->metadata);
    for (uint32_t i = 0; request->offsets != NULL && i < request->what.n; i++)
        request->offsets[i] = -1;
    return request->topic != NULL && request->offsets != NULL && request->metadata != NULL &&
           (group == NULL || request->group != NULL);
}

int kafka_request(bus_topic_t *base, const bus_request_t *what, bus_answer_fn fn, void *arg, fanmap_error_t *err)
{
    const kafka_topic_t *topic = (kafka_topic_t *)base;
    request_t *request = calloc(1, sizeof *request);
    if (request == NULL)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    *request = (request_t){.bus = topic->bus, .what = *what, .value = -1, .fn = fn, .arg = arg};
    request->call = (kafka_call_t){.run = request_run, .done = request_done, .drop = request_drop, .of_producer = true};
    if (what->kind == BUS_FIRST_COMMIT)
        request->positions = kafka_positions_copy(topic->name, what->positions, what->n);
    if (!copy_names(request, topic, what->group) || (what->kind == BUS_FIRST_COMMIT && request->positions == NULL)) {
        request_drop(&request->call);
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    }
    kafka_call_ask(request->bus, &request->call, arg);
    return FANMAP_OK;
}
