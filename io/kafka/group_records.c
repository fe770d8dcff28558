/* Records of the group: partitions take turns, a run of records each, for as long as records are wanted and the turn
 * lasts.
 *
 * What can fail: the topic was deleted and made anew: nothing here is what it was, and whoever owns the group has to join
 * it again. Or retention took the records at our position. librdkafka says so and stops the partition; the helper
 * looks where the log begins, and all partitions are assigned again with that position for this one (a stopped
 * partition cannot be sought). */
#include <stdlib.h>

#include "io/kafka/blocking_call.h"
#include "io/kafka/bus.h"
#include "io/kafka/events.h"
#include "io/kafka/group.h"
#include "io/kafka/records.h"
#include "io/kafka/rights.h"
#include "io/kafka/source.h"
#include "io/kafka/topics.h"

enum { RECORDS_IN_A_ROW = 128 };

void kafka_group_want(bus_group_t *base, bool want)
{
    kafka_group_t *group = (kafka_group_t *)base;
    group->wanted = want;
    if (want)
        kafka_source_again(&group->source);
}

void kafka_group_want_lane(bus_group_t *base, int32_t lane, bool want)
{
    kafka_group_t *group = (kafka_group_t *)base;
    kafka_partition_t *partition = kafka_group_find(group, lane);
    if (partition == NULL)
        return;
    partition->is_held = !want;
    if (want)
        kafka_source_again(&group->source);
}

/* As the last fetch said; nobody is asked. */
bool kafka_group_extent(const bus_group_t *base, int32_t lane, int64_t *ret_position, int64_t *ret_end)
{
    const kafka_group_t *group = (const kafka_group_t *)base;
    int64_t low, high;
    for (size_t i = 0; i < group->owned_n; i++) {
        const kafka_partition_t *at = &group->owned[i];
        if (at->lane != lane || rd_kafka_get_watermark_offsets(group->rk, at->topic->name, at->partition, &low,
                                                               &high) != RD_KAFKA_RESP_ERR_NO_ERROR)
            continue;
        *ret_position = at->position;
        *ret_end = high;
        return high >= 0;
    }
    return false;
}

/* ---- gaps ---- */

static void assign_again(kafka_group_t *group)
{
    if (group->is_holding) /* the partitions are about to go: who takes them finds the gap */
        return;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)group->owned_n);
    for (size_t i = 0; i < group->owned_n; i++)
        rd_kafka_topic_partition_list_add(list, group->owned[i].topic->name, group->owned[i].partition)->offset =
            group->owned[i].position;
    rd_kafka_resp_err_t code = rd_kafka_assign(group->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        kafka_log(group->bus, FANMAP_LOG_ERROR, "kafka: cannot move past a gap: %s", rd_kafka_err2str(code));
}

void kafka_group_remade(kafka_group_t *group, kafka_partition_t *partition)
{
    int64_t from = partition->position;
    kafka_log(group->bus, FANMAP_LOG_WARNING, "kafka: topic %s, partition %d, was deleted and made anew",
              partition->topic->name, (int)partition->partition);
    if (group->callbacks.gap != NULL)
        group->callbacks.gap(group->arg, partition->lane, from, 0);
}

static kafka_partition_t *find_waiting_partition(const kafka_watermarks_t *marks, kafka_group_t **ret_group)
{
    kafka_group_t *group = marks->bus->groups;
    while (group != NULL && group != marks->of)
        group = group->next;
    kafka_partition_t *partition = group == NULL ? NULL : kafka_group_find(group, marks->lane);
    *ret_group = group;
    return partition != NULL && partition->call_number == marks->number ? partition : NULL;
}

static void cross_gap(kafka_call_t *call)
{
    kafka_watermarks_t *marks = (kafka_watermarks_t *)call;
    kafka_group_t *group;
    kafka_partition_t *partition = find_waiting_partition(marks, &group);
    if (partition != NULL && marks->low < 0) {
        kafka_call_submit_later(marks->bus, call);
        return;
    }
    if (partition != NULL && partition->position > marks->high) {
        kafka_group_remade(group, partition);
    } else if (partition != NULL) {
        int64_t from = partition->position, to = from < marks->low ? marks->low : from;
        partition->position = to;
        partition->call_number = 0;
        assign_again(group);
        if (to != from && group->callbacks.gap != NULL)
            group->callbacks.gap(group->arg, partition->lane, from, to);
    }
    kafka_watermarks_free(call);
}

static void partition_query_begin(kafka_group_t *group, kafka_partition_t *partition)
{
    kafka_watermarks_t *marks = kafka_watermarks_new(partition->topic, partition->partition, group->rk, cross_gap);
    if (marks == NULL)
        return;
    marks->of = group;
    marks->lane = partition->lane;
    marks->number = partition->call_number = ++group->bus->call_number;
    kafka_call_submit(group->bus, &marks->call);
}

/* ---- records ---- */

static void partition_event(kafka_group_t *group, kafka_partition_t *partition, const rd_kafka_message_t *message)
{
    switch (message->err) {
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
        partition_query_begin(group, partition);
        break;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        kafka_refused(group->bus, message->err, KAFKA_WANTED("Read", partition->topic->name), NULL);
        break;
    default:
        kafka_error(group->bus, message->err, rd_kafka_message_errstr(message));
    }
}

static void on_message(kafka_group_t *group, kafka_partition_t *partition, rd_kafka_message_t *message)
{
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        partition_event(group, partition, message);
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR || message->offset < partition->position) {
        rd_kafka_message_destroy(message);
        return;
    }
    partition->position = message->offset + 1;
    const bus_group_callbacks_t *to = &group->callbacks;
    if (!to->keeps_none) {
        kafka_hand_out(group->bus, message, partition->lane, to->shows_headers, to->record, group->arg);
        return;
    }
    kafka_show(group->bus, message, partition->lane, to->shows_headers, to->record, group->arg);
    rd_kafka_message_destroy(message);
}

/* False: the turn is over. */
static bool run_partition(kafka_group_t *group, kafka_partition_t *partition, kafka_budget_t *budget, bool *ret_any)
{
    if (partition->is_held)
        return true;
    kafka_ahead_fill(group, partition);
    for (int i = 0; i < RECORDS_IN_A_ROW && !partition->is_held; i++) {
        if (!group->wanted || group->leaving || !kafka_budget_spend(budget))
            return false;
        rd_kafka_message_t *message = kafka_ahead_next(group, partition);
        if (message == NULL)
            return true;
        *ret_any = true;
        on_message(group, partition, message);
    }
    return true;
}

/* Nobody wants records now. */
static void fill_all(kafka_group_t *group)
{
    for (size_t i = 0; i < group->owned_n; i++)
        if (!group->owned[i].is_held)
            kafka_ahead_fill(group, &group->owned[i]);
}

bool kafka_group_records(kafka_group_t *group, kafka_budget_t *budget)
{
    bool any = group->owned_n > 0 && !group->is_holding && !group->leaving;
    if (any && !group->wanted) {
        fill_all(group);
        return false;
    }
    while (any) {
        any = false;
        for (size_t i = 0; i < group->owned_n; i++) {
            size_t at = group->turn_from;
            if (!run_partition(group, &group->owned[at], budget, &any))
                return group->wanted && !group->leaving;
            group->turn_from = (at + 1) % group->owned_n;
        }
    }
    return false;
}
