/* Where assigned partitions begin: at what was committed, or at the low watermark.
 *
 * We read the commits ourselves, because their metadata is wanted and librdkafka would start a partition that has none
 * according to auto.offset.reset. Both calls block, so the helper makes them. Until they are answered the assignment is
 * held back. */
#include <stdlib.h>

#include "io/kafka/blocking_call.h"
#include "io/kafka/bus.h"
#include "io/kafka/events.h"
#include "io/kafka/group.h"
#include "io/kafka/rights.h"

typedef struct {
    kafka_call_t call;
    kafka_bus_t *bus;
    const kafka_group_t *group; /* if it still is there ... */
    uint64_t number;            /* ... and asked for this */
    rd_kafka_topic_partition_list_t *list;
    int64_t *lows; /* -1: committed, nobody asked */
    rd_kafka_resp_err_t failed;
} assignment_t;

static bool has_commit(const rd_kafka_topic_partition_t *element)
{
    return element->offset > 0;
}

static bool has_none(const rd_kafka_topic_partition_t *element)
{
    return element->offset < 0;
}

/* Where the logs of these begin or end, into `lows`; in one request a broker however many there are. */
static rd_kafka_resp_err_t look_up(assignment_t *assignment, int64_t what,
                                   bool (*is_meant)(const rd_kafka_topic_partition_t *element))
{
    const rd_kafka_topic_partition_list_t *all = assignment->list;
    rd_kafka_topic_partition_list_t *found = rd_kafka_topic_partition_list_new(all->cnt);
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    for (int i = 0; i < all->cnt; i++)
        if (is_meant(&all->elems[i]))
            rd_kafka_topic_partition_list_add(found, all->elems[i].topic, all->elems[i].partition)->offset = what;
    if (found->cnt > 0)
        code = rd_kafka_offsets_for_times(assignment->call.rk, found, KAFKA_CALL_MS);
    for (int i = 0, n = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < all->cnt; i++) {
        if (!is_meant(&all->elems[i]))
            continue;
        code = found->elems[n].err;
        assignment->lows[i] = found->elems[n++].offset;
    }
    rd_kafka_topic_partition_list_destroy(found);
    return code;
}

/* A commit that lies behind the end is of a topic that was deleted since, and made anew. */
static rd_kafka_resp_err_t forget_old_commits(assignment_t *assignment)
{
    rd_kafka_resp_err_t code = look_up(assignment, RD_KAFKA_OFFSET_END, has_commit);
    for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < assignment->list->cnt; i++) {
        rd_kafka_topic_partition_t *element = &assignment->list->elems[i];
        if (has_commit(element) && assignment->lows[i] < element->offset)
            element->offset = RD_KAFKA_OFFSET_INVALID;
        assignment->lows[i] = -1;
    }
    return code;
}

static void assignment_run(kafka_call_t *call)
{
    assignment_t *assignment = (assignment_t *)call;
    assignment->failed = rd_kafka_committed(call->rk, assignment->list, KAFKA_CALL_MS);
    for (int i = 0; assignment->failed == RD_KAFKA_RESP_ERR_NO_ERROR && i < assignment->list->cnt; i++) {
        assignment->lows[i] = -1;
        assignment->failed = assignment->list->elems[i].err;
    }
    if (assignment->failed == RD_KAFKA_RESP_ERR_NO_ERROR)
        assignment->failed = forget_old_commits(assignment);
    if (assignment->failed == RD_KAFKA_RESP_ERR_NO_ERROR)
        assignment->failed = look_up(assignment, RD_KAFKA_OFFSET_BEGINNING, has_none);
}

static void assignment_free(kafka_call_t *call)
{
    assignment_t *assignment = (assignment_t *)call;
    if (assignment->list != NULL)
        rd_kafka_topic_partition_list_destroy(assignment->list);
    free(assignment->lows);
    free(assignment);
}

static void assignment_done(kafka_call_t *call)
{
    assignment_t *assignment = (assignment_t *)call;
    kafka_group_t *group = kafka_group_present(assignment->bus, assignment->group);
    if (group == NULL || group->call_number != assignment->number) {
        assignment_free(call);
        return;
    }
    if (assignment->failed != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (kafka_error_class(assignment->failed) == FANMAP_EREFUSED)
            kafka_refused(group->bus, assignment->failed, KAFKA_WANTED("Read", assignment->list->elems[0].topic), NULL);
        assignment_free(call);
        kafka_assignment_look_up_later(group);
        return;
    }
    kafka_assignment_take(group, assignment->list, assignment->lows);
    assignment_free(call);
}

static assignment_t *assignment_new(kafka_group_t *group)
{
    assignment_t *assignment = calloc(1, sizeof *assignment);
    if (assignment == NULL)
        return NULL;
    assignment->call =
        (kafka_call_t){.run = assignment_run, .done = assignment_done, .drop = assignment_free, .rk = group->rk};
    assignment->bus = group->bus;
    assignment->group = group;
    assignment->list = rd_kafka_topic_partition_list_copy(group->assigning);
    assignment->lows = calloc((size_t)group->assigning->cnt + 1, sizeof *assignment->lows);
    if (assignment->lows != NULL)
        return assignment;
    assignment_free(&assignment->call);
    return NULL;
}

void kafka_assignment_look_up(kafka_group_t *group)
{
    assignment_t *assignment = assignment_new(group);
    if (assignment == NULL) {
        kafka_assignment_look_up_later(group);
        return;
    }
    assignment->number = group->call_number = ++group->bus->call_number;
    kafka_call_submit(group->bus, &assignment->call);
}

void kafka_assignment_look_up_again(void *arg)
{
    kafka_group_t *group = arg;
    if (group->assigning != NULL)
        kafka_assignment_look_up(group);
}

void kafka_assignment_look_up_later(kafka_group_t *group)
{
    loop_timer_at(group->look_up_again, loop_now_ms(group->bus->loop) + KAFKA_RETRY_MS);
}
