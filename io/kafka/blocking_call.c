/* What the loop submits to the helper, and the call that destroys a handle. */
#include <stdlib.h>

#include "io/kafka/blocking_call.h"
#include "io/kafka/bus.h"
#include "io/kafka/producer.h"
#include "io/thread.h"

void kafka_call_submit(kafka_bus_t *bus, kafka_call_t *call)
{
    if (call->of_producer)
        call->rk = bus->producer.rk;
    if (call->rk == NULL)
        kafka_call_submit_later(bus, call);
    else
        kafka_helper_submit(bus->helper, call);
}

void kafka_call_submit_later(kafka_bus_t *bus, kafka_call_t *call)
{
    if (bus->calls_waiting == NULL)
        loop_timer_at(bus->retry, loop_now_ms(bus->loop) + KAFKA_RETRY_MS);
    call->next = bus->calls_waiting;
    bus->calls_waiting = call;
}

void kafka_call_ask(kafka_bus_t *bus, kafka_call_t *call, const void *asker)
{
    call->asker = asker != NULL ? asker : call;
    call->asked_next = bus->asked;
    bus->asked = call;
    kafka_call_submit(bus, call);
}

bool kafka_call_answered(kafka_bus_t *bus, kafka_call_t *call)
{
    kafka_call_t **at = &bus->asked;
    while (*at != NULL && *at != call)
        at = &(*at)->asked_next;
    if (*at != NULL)
        *at = call->asked_next;
    return call->asker != NULL;
}

void kafka_calls_resubmit(void *arg)
{
    kafka_bus_t *bus = arg;
    kafka_call_t *call = bus->calls_waiting;
    bus->calls_waiting = NULL;
    for (kafka_call_t *next; call != NULL; call = next) {
        next = call->next;
        kafka_call_submit(bus, call);
    }
}

/* Those that wait to be submitted would find the handle gone. */
static void drop_calls_of(kafka_bus_t *bus, const rd_kafka_t *rk)
{
    for (kafka_call_t **at = &bus->calls_waiting, *call; rk != NULL && (call = *at) != NULL;) {
        if (call->rk != rk || call->of_producer) {
            at = &call->next;
            continue;
        }
        *at = call->next;
        call->drop(call);
    }
}

void kafka_calls_drop(kafka_bus_t *bus)
{
    while (bus->calls_waiting != NULL) {
        kafka_call_t *next = bus->calls_waiting->next;
        bus->calls_waiting->drop(bus->calls_waiting);
        bus->calls_waiting = next;
    }
}

/* ---- destroying a handle ---- */

static void *destroy_as_it_is(void *rk)
{
    rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    return NULL;
}

static void *destroy_closed(void *rk)
{
    rd_kafka_destroy(rk);
    return NULL;
}

/* A member of a topic that was deleted may never be destroyed to the end (2.0.2). It has a thread for that, so that the
 * helper goes on. */
static void destroy_apart(rd_kafka_t *rk, bool is_closed)
{
    void *(*run)(void *) = is_closed ? destroy_closed : destroy_as_it_is;
    if (thread_start(run, rk, 0, NULL) != 0)
        (void)run(rk);
}

/* A consumer that is being closed must be closed to the end: rd_kafka_destroy waits without end for the answer to a
 * second close, which went to the queue of the first (2.0.2). If that takes too long it is destroyed as it is. */
static void destroy_closing(rd_kafka_t *rk, rd_kafka_queue_t *close_queue)
{
    int64_t until_ms = loop_clock_ms() + KAFKA_CALL_MS;
    while (!rd_kafka_consumer_closed(rk) && loop_clock_ms() < until_ms) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(close_queue, 20);
        if (event != NULL && rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE)
            (void)rd_kafka_assign(rk, NULL);
        if (event != NULL)
            rd_kafka_event_destroy(event);
    }
    bool is_closed = rd_kafka_consumer_closed(rk) != 0;
    rd_kafka_queue_destroy(close_queue);
    destroy_apart(rk, is_closed);
}

static void destroy_run(kafka_call_t *call)
{
    kafka_destroy_t *destroy = (kafka_destroy_t *)call;
    for (size_t i = 0; i < destroy->topics_n; i++)
        rd_kafka_topic_destroy(destroy->topics[i]);
    if (destroy->queue != NULL)
        rd_kafka_queue_destroy(destroy->queue);
    if (destroy->close_queue != NULL)
        destroy_closing(call->rk, destroy->close_queue);
    else if (call->rk != NULL)
        rd_kafka_destroy(call->rk);
    for (kafka_record_t *record = destroy->records, *next; record != NULL; record = next) {
        next = record->next;
        kafka_record_free(record);
    }
    destroy->records = NULL;
}

static void destroy_drop(kafka_call_t *call)
{
    kafka_destroy_t *destroy = (kafka_destroy_t *)call;
    free(destroy->topics);
    free(destroy);
}

static void destroy_done(kafka_call_t *call)
{
    kafka_destroy_t *destroy = (kafka_destroy_t *)call;
    void (*after)(void *arg) = destroy->after;
    void *arg = destroy->arg;
    destroy_drop(call);
    if (after != NULL)
        after(arg);
}

kafka_destroy_t *kafka_destroy_new(rd_kafka_t *rk, rd_kafka_queue_t *queue)
{
    kafka_destroy_t *destroy = calloc(1, sizeof *destroy);
    if (destroy == NULL)
        return NULL;
    destroy->call =
        (kafka_call_t){.run = destroy_run, .done = destroy_done, .drop = destroy_drop, .must_run = true, .rk = rk};
    destroy->queue = queue;
    return destroy;
}

void kafka_destroy_submit(kafka_bus_t *bus, kafka_destroy_t *destroy)
{
    drop_calls_of(bus, destroy->call.rk);
    kafka_call_submit(bus, &destroy->call);
}
