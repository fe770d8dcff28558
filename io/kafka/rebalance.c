/* Rebalances of a consumer group.
 *
 * The happy path of a rebalance (eager: everything is given up and dealt out anew): Kafka assigns -> the helper reads
 * what was committed (assignment.c) -> each partition gets a queue of its own, then rd_kafka_assign -> `assigned` for
 * each, `rebalanced` -> records -> Kafka revokes -> `revoked`, which commits and waits for that, or holds the
 * partitions while what runs there ends -> rd_kafka_assign(NULL) -> the group goes on.
 *
 * Between Kafka's assignment and ours the member is alive: librdkafka sends heartbeats and the main queue is polled
 * always, also while nobody wants records, which keeps max.poll.interval.ms alive.
 *
 * What can fail: the commits cannot be read (asked again, the assignment is just not announced yet); a revocation comes
 * meanwhile (the answer is dropped by its number); the assignment is lost (said to `revoked`); leaving does not end
 * because Kafka is away (after LEAVE_MS the member is dropped; its session times out).
 */
#include <stdio.h>
#include <stdlib.h>

#include "io/kafka/bus.h"
#include "io/kafka/events.h"
#include "io/kafka/fetch_nudge.h"
#include "io/kafka/group.h"
#include "io/kafka/source.h"

static void learn_member(kafka_group_t *group)
{
    char *member = rd_kafka_memberid(group->rk);
    if (member == NULL)
        return;
    (void)snprintf(group->member, sizeof group->member, "%s", member);
    rd_kafka_mem_free(group->rk, member);
}

/* Transactions give Kafka what it is now, and not what it may be by then. */
static void take_metadata(kafka_group_t *group)
{
    if (group->metadata != NULL)
        rd_kafka_consumer_group_metadata_destroy(group->metadata);
    group->metadata = rd_kafka_consumer_group_metadata(group->rk);
}

static int by_lane(const void *a, const void *b)
{
    int32_t x = ((const kafka_partition_t *)a)->lane, y = ((const kafka_partition_t *)b)->lane;
    return (x > y) - (x < y);
}

static void free_partition(kafka_group_t *group, kafka_partition_t *partition)
{
    kafka_source_unfeed(partition->queue);
    kafka_ahead_drop(group, partition);
    if (partition->queue != NULL)
        rd_kafka_queue_destroy(partition->queue);
    kafka_commit_forget(partition);
}

void kafka_group_disown(kafka_group_t *group)
{
    for (size_t i = 0; i < group->owned_n; i++)
        free_partition(group, &group->owned[i]);
    free(group->owned);
    group->owned = NULL;
    group->owned_n = group->turn_from = 0;
}

void kafka_assignment_forget(kafka_group_t *group)
{
    if (group->assigning != NULL)
        rd_kafka_topic_partition_list_destroy(group->assigning);
    group->assigning = NULL;
    group->call_number = 0;
    loop_timer_stop(group->look_up_again);
}

static bool own(kafka_group_t *group, const rd_kafka_topic_partition_list_t *list)
{
    kafka_nudge_t nudge = kafka_nudge_new(group->rk);
    group->owned = calloc((size_t)list->cnt + 1, sizeof *group->owned);
    for (int i = 0; group->owned != NULL && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *element = &list->elems[i];
        kafka_partition_t *partition = &group->owned[group->owned_n];
        int32_t lane = kafka_group_lane(group, element->topic, element->partition);
        if (lane < 0)
            return false;
        *partition = (kafka_partition_t){.lane = lane,
                                         .partition = element->partition,
                                         .topic = group->topics[BUS_LANE_TOPIC(lane)],
                                         .position = element->offset,
                                         .nudge = nudge};
        partition->queue = rd_kafka_queue_get_partition(group->rk, element->topic, element->partition);
        if (partition->queue == NULL)
            return false;
        rd_kafka_queue_forward(partition->queue, NULL);
        group->owned_n++;
    }
    if (group->owned == NULL)
        return false;
    qsort(group->owned, group->owned_n, sizeof *group->owned, by_lane);
    for (size_t i = 0; i < group->owned_n; i++)
        kafka_source_feed_flagged(&group->source, group->owned[i].queue, &group->owned[i].flag);
    kafka_source_again(&group->source);
    return true;
}

static void announce(kafka_group_t *group, const rd_kafka_topic_partition_list_t *list, const int64_t *lows)
{
    for (int i = 0; i < list->cnt && !group->leaving; i++) {
        const rd_kafka_topic_partition_t *element = &list->elems[i];
        const char *metadata = element->metadata == NULL ? "" : element->metadata;
        size_t metadata_len = element->metadata == NULL ? 0 : element->metadata_size;
        bool was_committed = lows[i] < 0;
        group->callbacks.assigned(group->arg, kafka_group_lane(group, element->topic, element->partition),
                                  element->offset, was_committed, was_committed ? metadata : "",
                                  was_committed ? metadata_len : 0);
    }
    if (!group->leaving && group->callbacks.rebalanced != NULL)
        group->callbacks.rebalanced(group->arg);
}

/* Where no records are wanted nothing is fetched. */
static rd_kafka_resp_err_t take(const kafka_group_t *group, const rd_kafka_topic_partition_list_t *list)
{
    if (group->callbacks.record != NULL)
        return rd_kafka_assign(group->rk, list);
    rd_kafka_topic_partition_list_t *at_end = rd_kafka_topic_partition_list_copy(list);
    for (int i = 0; i < at_end->cnt; i++)
        at_end->elems[i].offset = RD_KAFKA_OFFSET_END;
    rd_kafka_resp_err_t code = rd_kafka_assign(group->rk, at_end);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = rd_kafka_pause_partitions(group->rk, at_end);
    rd_kafka_topic_partition_list_destroy(at_end);
    return code;
}

void kafka_assignment_take(kafka_group_t *group, rd_kafka_topic_partition_list_t *list, const int64_t *lows)
{
    for (int i = 0; i < list->cnt; i++)
        if (lows[i] >= 0)
            list->elems[i].offset = lows[i];
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE;
    if (own(group, list))
        code = take(group, list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        kafka_log(group->bus, FANMAP_LOG_ERROR, "kafka: cannot take the partitions: %s", rd_kafka_err2str(code));
        kafka_group_disown(group);
        kafka_assignment_look_up_later(group);
        return;
    }
    kafka_assignment_forget(group);
    learn_member(group);
    take_metadata(group);
    announce(group, list, lows);
}

static void on_assign(kafka_group_t *group, const rd_kafka_topic_partition_list_t *list)
{
    kafka_assignment_forget(group);
    learn_member(group);
    group->assigning = rd_kafka_topic_partition_list_copy(list);
    kafka_assignment_look_up(group);
}

void kafka_group_announce_revoked(kafka_group_t *group, bool lost)
{
    size_t n = group->owned_n;
    int32_t *lanes = n == 0 ? NULL : calloc(n, sizeof *lanes);
    for (size_t i = 0; lanes != NULL && i < n; i++)
        lanes[i] = group->owned[i].lane;
    group->revoked_announced = true;
    group->callbacks.revoked(group->arg, lanes, lanes == NULL ? 0 : n, lost);
    free(lanes);
}

static void give_up(kafka_group_t *group)
{
    kafka_assignment_forget(group);
    kafka_group_disown(group);
    (void)rd_kafka_assign(group->rk, NULL);
    if (!group->leaving) /* else librdkafka may have ended the membership by now, and would never answer */
        learn_member(group);
}

static void on_revoke(kafka_group_t *group)
{
    bool lost = rd_kafka_assignment_lost(group->rk) != 0;
    group->is_holding = false;
    group->may_hold = !lost && !group->leaving;
    if (group->owned_n > 0)
        kafka_group_announce_revoked(group, lost);
    group->may_hold = false;
    if (!group->is_holding)
        give_up(group);
}

bool kafka_group_hold(bus_group_t *base)
{
    kafka_group_t *group = (kafka_group_t *)base;
    group->is_holding = group->may_hold;
    return group->is_holding;
}

void kafka_group_let_go_deferred(void *arg)
{
    kafka_group_t *group = arg;
    if (!group->is_holding)
        return;
    group->is_holding = false;
    give_up(group);
}

void kafka_group_let_go(bus_group_t *base)
{
    kafka_group_t *group = (kafka_group_t *)base;
    if (group->may_hold) /* still inside `revoked`: on_revoke goes on by itself */
        group->is_holding = false;
    else if (group->is_holding) /* the caller may be in a callback that goes over the partitions */
        loop_defer(group->bus->loop, kafka_group_let_go_deferred, group);
}

void kafka_group_rebalance(kafka_group_t *group, rd_kafka_event_t *event)
{
    if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS && !group->leaving)
        on_assign(group, rd_kafka_event_topic_partition_list(event));
    else if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
        (void)rd_kafka_assign(group->rk, NULL);
    else
        on_revoke(group);
    rd_kafka_event_destroy(event);
}
