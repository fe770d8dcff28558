/* Membership of a consumer group.
 *
 * The happy path of a rebalance (eager: everything is given up and dealt out anew): Kafka assigns -> the helper reads
 * what was committed (kafka_start.c) -> each partition gets a queue of its own, then rd_kafka_assign -> `assigned` for
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
#include <stdlib.h>
#include <string.h>

#include "io/kafka.h"

enum { LEAVE_MS = 10000 };

kafka_partition_t *kafka_group_find(kafka_group_t *group, int32_t partition)
{
    size_t low = 0, high = group->owned_n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (group->owned[middle].id < partition)
            low = middle + 1;
        else
            high = middle;
    }
    return low < group->owned_n && group->owned[low].id == partition ? &group->owned[low] : NULL;
}

const char *kafka_group_member(bus_group_t *base)
{
    return ((kafka_group_t *)base)->member;
}

static void learn_member(kafka_group_t *group)
{
    char *member = rd_kafka_memberid(group->rk);
    if (member == NULL)
        return;
    (void)snprintf(group->member, sizeof group->member, "%s", member);
    rd_kafka_mem_free(group->rk, member);
}

/* ---- taking and giving up ---- */

static int by_id(const void *a, const void *b)
{
    int32_t x = ((const kafka_partition_t *)a)->id, y = ((const kafka_partition_t *)b)->id;
    return (x > y) - (x < y);
}

static void free_partition(kafka_partition_t *partition)
{
    kafka_source_unfeed(partition->queue);
    if (partition->queue != NULL)
        rd_kafka_queue_destroy(partition->queue);
    kafka_commit_forget(partition);
}

static void disown(kafka_group_t *group)
{
    for (size_t i = 0; i < group->owned_n; i++)
        free_partition(&group->owned[i]);
    free(group->owned);
    group->owned = NULL;
    group->owned_n = group->turn_from = 0;
}

static void stop_starting(kafka_group_t *group)
{
    if (group->starting != NULL)
        rd_kafka_topic_partition_list_destroy(group->starting);
    group->starting = NULL;
    group->asked = 0;
    loop_timer_stop(group->start_again);
}

static bool own(kafka_group_t *group, const rd_kafka_topic_partition_list_t *list)
{
    kafka_kick_t kick = kafka_kick_new(group->rk);
    group->owned = calloc((size_t)list->cnt + 1, sizeof *group->owned);
    for (int i = 0; group->owned != NULL && i < list->cnt; i++) {
        kafka_partition_t *partition = &group->owned[group->owned_n];
        *partition =
            (kafka_partition_t){.id = list->elems[i].partition, .position = list->elems[i].offset, .kick = kick};
        partition->queue = rd_kafka_queue_get_partition(group->rk, list->elems[i].topic, partition->id);
        if (partition->queue == NULL)
            return false;
        rd_kafka_queue_forward(partition->queue, NULL);
        kafka_source_feed(&group->source, partition->queue);
        group->owned_n++;
    }
    if (group->owned != NULL)
        qsort(group->owned, group->owned_n, sizeof *group->owned, by_id);
    return group->owned != NULL;
}

static void announce(kafka_group_t *group, const rd_kafka_topic_partition_list_t *list, const int64_t *lows)
{
    for (int i = 0; i < list->cnt && !group->leaving; i++) {
        const rd_kafka_topic_partition_t *element = &list->elems[i];
        const char *metadata = element->metadata == NULL ? "" : element->metadata;
        size_t metadata_len = element->metadata == NULL ? 0 : element->metadata_size;
        bool was_committed = lows[i] < 0;
        group->callbacks.assigned(group->arg, element->partition, element->offset, was_committed,
                                  was_committed ? metadata : "", was_committed ? metadata_len : 0);
    }
    if (!group->leaving && group->callbacks.rebalanced != NULL)
        group->callbacks.rebalanced(group->arg);
}

void kafka_group_begin(kafka_group_t *group, rd_kafka_topic_partition_list_t *list, const int64_t *lows)
{
    for (int i = 0; i < list->cnt; i++)
        if (lows[i] >= 0)
            list->elems[i].offset = lows[i];
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE;
    if (own(group, list))
        code = rd_kafka_assign(group->rk, list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        kafka_log(group->bus, FANMAP_LOG_ERROR, "kafka: cannot take the partitions: %s", rd_kafka_err2str(code));
        disown(group);
        kafka_group_start_later(group);
        return;
    }
    stop_starting(group);
    learn_member(group);
    announce(group, list, lows);
}

static void on_assign(kafka_group_t *group, const rd_kafka_topic_partition_list_t *list)
{
    stop_starting(group);
    learn_member(group);
    group->starting = rd_kafka_topic_partition_list_copy(list);
    kafka_group_start(group);
}

static void tell_revoked(kafka_group_t *group, bool lost)
{
    size_t n = group->owned_n;
    int32_t *ids = n == 0 ? NULL : calloc(n, sizeof *ids);
    for (size_t i = 0; ids != NULL && i < n; i++)
        ids[i] = group->owned[i].id;
    group->told_revoked = true;
    group->callbacks.revoked(group->arg, ids, ids == NULL ? 0 : n, lost);
    free(ids);
}

static void give_up(kafka_group_t *group)
{
    stop_starting(group);
    disown(group);
    (void)rd_kafka_assign(group->rk, NULL);
    learn_member(group);
}

static void on_revoke(kafka_group_t *group)
{
    bool lost = rd_kafka_assignment_lost(group->rk) != 0;
    group->is_holding = false;
    group->may_hold = !lost && !group->leaving;
    if (group->owned_n > 0)
        tell_revoked(group, lost);
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

static void let_go(void *arg)
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
        loop_defer(group->bus->loop, let_go, group);
}

static void on_rebalance(kafka_group_t *group, rd_kafka_event_t *event)
{
    if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS && !group->leaving)
        on_assign(group, rd_kafka_event_topic_partition_list(event));
    else if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
        (void)rd_kafka_assign(group->rk, NULL);
    else
        on_revoke(group);
    rd_kafka_event_destroy(event);
}

/* ---- turns ---- */

static void poll_queue(kafka_group_t *group, rd_kafka_queue_t *queue)
{
    rd_kafka_event_t *event;
    while ((event = rd_kafka_queue_poll(queue, 0)) != NULL) {
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE)
            on_rebalance(group, event);
        else
            kafka_event(group->bus, event);
    }
}

static void group_gone(kafka_group_t *group);

static bool group_turn(void *arg)
{
    kafka_group_t *group = arg;
    poll_queue(group, group->queue);
    if (group->close_queue != NULL)
        poll_queue(group, group->close_queue);
    kafka_group_committed(group);
    if (group->leaving && rd_kafka_consumer_closed(group->rk)) {
        group_gone(group);
        return false;
    }
    kafka_budget_t budget = kafka_budget();
    bool more = kafka_group_records(group, &budget);
    loop_timer_at(group->poll, loop_now_ms(group->bus->loop) + KAFKA_POLL_MS);
    return more;
}

static void poll_again(void *arg)
{
    kafka_group_t *group = arg;
    kafka_source_again(&group->source);
}

/* ---- life ---- */

static void group_close(kafka_group_t *group)
{
    kafka_group_t **at = &group->bus->groups;
    while (*at != NULL && *at != group)
        at = &(*at)->next;
    if (*at != NULL)
        *at = group->next;
    if (group->starting != NULL)
        rd_kafka_topic_partition_list_destroy(group->starting);
    disown(group);
    loop_timer_free(group->poll);
    loop_timer_free(group->leave);
    loop_timer_free(group->start_again);
    loop_defer_cancel(group->bus->loop, kafka_commit_deferred, group);
    loop_defer_cancel(group->bus->loop, let_go, group);
    kafka_source_unfeed(group->queue);
    kafka_source_unfeed(group->close_queue);
    kafka_source_unfeed(group->commit_queue);
    kafka_source_close(&group->source);
    if (group->commit_queue != NULL)
        rd_kafka_queue_destroy(group->commit_queue);
    kafka_destroy_t *destroy = group->rk == NULL ? NULL : kafka_destroy_new(group->rk, group->queue);
    if (destroy != NULL) {
        destroy->close_queue = group->close_queue;
        kafka_ask(group->bus, &destroy->ask);
    }
    free(group);
}

static void group_gone(kafka_group_t *group)
{
    if (!group->told_revoked)
        tell_revoked(group, false);
    group_close(group);
}

static void leave_at_last(void *arg)
{
    kafka_group_t *group = arg;
    group_gone(group);
}

void kafka_group_leave(bus_group_t *base)
{
    kafka_group_t *group = (kafka_group_t *)base;
    if (group->leaving)
        return;
    let_go(group);
    group->leaving = true;
    group->told_revoked = false;
    if (group->starting != NULL) { /* librdkafka waits for our word */
        stop_starting(group);
        (void)rd_kafka_assign(group->rk, NULL);
    }
    /* The events of closing come to a queue of their own. */
    group->close_queue = rd_kafka_queue_new(group->rk);
    kafka_source_feed(&group->source, group->close_queue);
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(group->rk, group->close_queue);
    int64_t wait_ms = error == NULL ? LEAVE_MS : 0;
    rd_kafka_error_destroy(error);
    loop_timer_at(group->leave, loop_now_ms(group->bus->loop) + wait_ms);
}

void kafka_groups_close(kafka_bus_t *bus)
{
    while (bus->groups != NULL) {
        kafka_group_t *group = bus->groups;
        if (group->leaving && !group->told_revoked)
            group->callbacks.revoked(group->arg, NULL, 0, false);
        group_close(group);
    }
}

static int subscribe(kafka_group_t *group, fanmap_error_t *err)
{
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, group->topic->name, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(group->rk, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return err_set(err, FANMAP_EUSAGE, "topic %s: %s", group->topic->name, rd_kafka_err2str(code));
    return FANMAP_OK;
}

static int group_open(kafka_group_t *group, const char *group_id, fanmap_error_t *err)
{
    loop_t *loop = group->bus->loop;
    int code = kafka_source_open(&group->source, loop, group_turn, group, err);
    if (code == FANMAP_OK)
        code = loop_timer_new(loop, poll_again, group, &group->poll, err);
    if (code == FANMAP_OK)
        code = loop_timer_new(loop, kafka_group_start_again, group, &group->start_again, err);
    if (code == FANMAP_OK)
        code = loop_timer_new(loop, leave_at_last, group, &group->leave, err);
    if (code == FANMAP_OK)
        code = kafka_handle_new(group->bus, KAFKA_GROUP, group_id, &group->rk, err);
    if (code != FANMAP_OK)
        return code;
    group->queue = rd_kafka_queue_get_consumer(group->rk);
    group->commit_queue = rd_kafka_queue_new(group->rk);
    kafka_source_feed(&group->source, group->queue);
    kafka_source_feed(&group->source, group->commit_queue);
    return subscribe(group, err);
}

int kafka_group_join(bus_topic_t *base, const char *group_id, const bus_group_callbacks_t *callbacks, void *arg,
                     bus_group_t **ret, fanmap_error_t *err)
{
    kafka_topic_t *topic = (kafka_topic_t *)base;
    kafka_group_t *group = calloc(1, sizeof *group);
    if (group == NULL)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    *group = (kafka_group_t){.base.bus = base->bus,
                             .bus = topic->bus,
                             .next = topic->bus->groups,
                             .topic = topic,
                             .callbacks = *callbacks,
                             .arg = arg,
                             .source.fd = -1,
                             .wanted = true};
    topic->bus->groups = group;
    int code = group_open(group, group_id, err);
    if (code != FANMAP_OK) {
        group_close(group);
        return code;
    }
    *ret = &group->base;
    return FANMAP_OK;
}
