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

/* A commit that lies behind the end is of a topic that was deleted since, and made anew. */
static rd_kafka_resp_err_t forget_old_commits(assignment_t *assignment)
{
    rd_kafka_topic_partition_list_t *all = assignment->list;
    rd_kafka_topic_partition_list_t *ends = rd_kafka_topic_partition_list_new(all->cnt);
    for (int i = 0; i < all->cnt; i++)
        if (all->elems[i].offset > 0)
            rd_kafka_topic_partition_list_add(ends, all->elems[i].topic, all->elems[i].partition)->offset =
                RD_KAFKA_OFFSET_END;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (ends->cnt > 0)
        code = rd_kafka_offsets_for_times(assignment->call.rk, ends, KAFKA_CALL_MS);
    for (int i = 0, n = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < all->cnt; i++) {
        if (all->elems[i].offset <= 0)
            continue;
        code = ends->elems[n].err;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR && ends->elems[n].offset < all->elems[i].offset)
            all->elems[i].offset = RD_KAFKA_OFFSET_INVALID;
        n++;
    }
    rd_kafka_topic_partition_list_destroy(ends);
    return code;
}

/* Of those without a commit, in one request a broker however many there are. */
static rd_kafka_resp_err_t look_up_lows(assignment_t *assignment)
{
    const rd_kafka_topic_partition_list_t *all = assignment->list;
    rd_kafka_topic_partition_list_t *call_number = rd_kafka_topic_partition_list_new(all->cnt);
    for (int i = 0; i < all->cnt; i++)
        if (all->elems[i].offset < 0)
            rd_kafka_topic_partition_list_add(call_number, all->elems[i].topic, all->elems[i].partition)->offset =
                RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (call_number->cnt > 0)
        code = rd_kafka_offsets_for_times(assignment->call.rk, call_number, KAFKA_CALL_MS);
    for (int i = 0, n = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < all->cnt; i++) {
        if (all->elems[i].offset >= 0)
            continue;
        code = call_number->elems[n].err;
        assignment->lows[i] = call_number->elems[n++].offset;
    }
    rd_kafka_topic_partition_list_destroy(call_number);
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
        assignment->failed = look_up_lows(assignment);
}

static void assignment_free(kafka_call_t *call)
{
    assignment_t *assignment = (assignment_t *)call;
    if (assignment->list != NULL)
        rd_kafka_topic_partition_list_destroy(assignment->list);
    free(assignment->lows);
    free(assignment);
}

static kafka_group_t *assignment_group(const assignment_t *assignment)
{
    kafka_group_t *group = assignment->bus->groups;
    while (group != NULL && (group != assignment->group || group->call_number != assignment->number))
        group = group->next;
    return group;
}

static void assignment_done(kafka_call_t *call)
{
    assignment_t *assignment = (assignment_t *)call;
    kafka_group_t *group = assignment_group(assignment);
    if (group == NULL || group->leaving) {
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
