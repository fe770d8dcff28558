/* Membership of a consumer group: joining, turns, leaving. rebalance.c has what comes between. */
#include <stdio.h>
#include <stdlib.h>

#include "io/kafka/blocking_call.h"
#include "io/kafka/bus.h"
#include "io/kafka/config.h"
#include "io/kafka/events.h"
#include "io/kafka/group.h"
#include "io/kafka/source.h"
#include "io/kafka/topics.h"

enum { LEAVE_MS = 10000 };

const char *kafka_group_member(bus_group_t *base)
{
    return ((kafka_group_t *)base)->member;
}

/* ---- turns ---- */

static void poll_queue(kafka_group_t *group, rd_kafka_queue_t *queue)
{
    rd_kafka_event_t *event;
    while ((event = rd_kafka_queue_poll(queue, 0)) != NULL) {
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE)
            kafka_group_rebalance(group, event);
        else {
            if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
                kafka_absent_heard(group);
            kafka_event(group->bus, event);
        }
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
    kafka_absent_look(group);
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
    if (group->assigning != NULL)
        rd_kafka_topic_partition_list_destroy(group->assigning);
    kafka_group_disown(group);
    if (group->metadata != NULL)
        rd_kafka_consumer_group_metadata_destroy(group->metadata);
    loop_timer_free(group->poll);
    loop_timer_free(group->leave);
    loop_timer_free(group->look_up_again);
    loop_defer_cancel(group->bus->loop, kafka_commit_deferred, group);
    loop_defer_cancel(group->bus->loop, kafka_group_let_go_deferred, group);
    kafka_source_unfeed(group->queue);
    kafka_source_unfeed(group->close_queue);
    kafka_source_unfeed(group->commit_queue);
    kafka_source_close(&group->source);
    if (group->commit_queue != NULL)
        rd_kafka_queue_destroy(group->commit_queue);
    kafka_destroy_t *destroy = group->rk == NULL ? NULL : kafka_destroy_new(group->rk, group->queue);
    if (destroy != NULL) {
        destroy->close_queue = group->close_queue;
        kafka_destroy_submit(group->bus, destroy);
    }
    free(group->topics);
    free(group);
}

static void group_gone(kafka_group_t *group)
{
    if (!group->revoked_announced)
        kafka_group_announce_revoked(group, false);
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
    kafka_group_let_go_deferred(group);
    group->leaving = true;
    group->revoked_announced = false;
    if (group->assigning != NULL) { /* librdkafka waits for our word */
        kafka_assignment_forget(group);
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
        if (group->leaving && !group->revoked_announced)
            group->callbacks.revoked(group->arg, NULL, 0, false);
        group_close(group);
    }
}

static int group_open(kafka_group_t *group, const char *group_id, fanmap_error_t *err)
{
    loop_t *loop = group->bus->loop;
    int code = kafka_source_open(&group->source, loop, group_turn, group, err);
    if (code == FANMAP_OK)
        code = loop_timer_new(loop, poll_again, group, &group->poll, err);
    if (code == FANMAP_OK)
        code = loop_timer_new(loop, kafka_assignment_look_up_again, group, &group->look_up_again, err);
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
    return kafka_group_subscribe(group, err);
}

int kafka_group_join(bus_topic_t *const *topics, size_t topics_n, const char *group_id,
                     const bus_group_callbacks_t *callbacks, void *arg, bus_group_t **ret, fanmap_error_t *err)
{
    kafka_bus_t *bus = ((kafka_topic_t *)topics[0])->bus;
    kafka_group_t *group = calloc(1, sizeof *group);
    kafka_topic_t **copy = calloc(topics_n, sizeof(kafka_topic_t *));
    if (group == NULL || copy == NULL) {
        free(group);
        free(copy);
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < topics_n; i++)
        copy[i] = (kafka_topic_t *)topics[i];
    *group = (kafka_group_t){.base.bus = &bus->base,
                             .bus = bus,
                             .next = bus->groups,
                             .topics = copy,
                             .topics_n = topics_n,
                             .callbacks = *callbacks,
                             .arg = arg,
                             .source.fd = -1,
                             .wanted = callbacks->record != NULL};
    (void)snprintf(group->id, sizeof group->id, "%s", group_id);
    bus->groups = group;
    kafka_producer_leave_out(bus, copy, topics_n);
    int code = group_open(group, group_id, err);
    if (code != FANMAP_OK) {
        group_close(group);
        return code;
    }
    *ret = &group->base;
    return FANMAP_OK;
}
