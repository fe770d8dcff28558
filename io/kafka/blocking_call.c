/* What the loop asks the helper for, and the ask that destroys a handle. */
#include <stdlib.h>

#include "io/kafka/kafka.h"

void kafka_ask(kafka_bus_t *bus, kafka_ask_t *ask)
{
    if (ask->of_producer)
        ask->rk = bus->producer.rk;
    if (ask->rk == NULL)
        kafka_ask_later(bus, ask);
    else
        kafka_helper_ask(bus->helper, ask);
}

void kafka_ask_later(kafka_bus_t *bus, kafka_ask_t *ask)
{
    if (bus->asks_waiting == NULL)
        loop_timer_at(bus->retry, loop_now_ms(bus->loop) + KAFKA_RETRY_MS);
    ask->next = bus->asks_waiting;
    bus->asks_waiting = ask;
}

void kafka_asks_retry(void *arg)
{
    kafka_bus_t *bus = arg;
    kafka_ask_t *ask = bus->asks_waiting;
    bus->asks_waiting = NULL;
    for (kafka_ask_t *next; ask != NULL; ask = next) {
        next = ask->next;
        kafka_ask(bus, ask);
    }
}

void kafka_asks_drop(kafka_bus_t *bus)
{
    while (bus->asks_waiting != NULL) {
        kafka_ask_t *next = bus->asks_waiting->next;
        bus->asks_waiting->drop(bus->asks_waiting);
        bus->asks_waiting = next;
    }
}

/* ---- destroying a handle ---- */

/* A consumer that is being closed must be closed to the end: rd_kafka_destroy waits without end for the answer to a
 * second close, which went to the queue of the first (2.0.2). If that takes too long it is destroyed as it is. */
static void destroy_closing(rd_kafka_t *rk, rd_kafka_queue_t *close_queue)
{
    int64_t until_ms = loop_clock_ms() + KAFKA_ASK_MS;
    while (!rd_kafka_consumer_closed(rk) && loop_clock_ms() < until_ms) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(close_queue, 20);
        if (event != NULL && rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE)
            (void)rd_kafka_assign(rk, NULL);
        if (event != NULL)
            rd_kafka_event_destroy(event);
    }
    bool is_closed = rd_kafka_consumer_closed(rk) != 0;
    rd_kafka_queue_destroy(close_queue);
    rd_kafka_destroy_flags(rk, is_closed ? 0 : RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

static void destroy_run(kafka_ask_t *ask)
{
    kafka_destroy_t *destroy = (kafka_destroy_t *)ask;
    for (size_t i = 0; i < destroy->topics_n; i++)
        rd_kafka_topic_destroy(destroy->topics[i]);
    if (destroy->queue != NULL)
        rd_kafka_queue_destroy(destroy->queue);
    if (destroy->close_queue != NULL)
        destroy_closing(ask->rk, destroy->close_queue);
    else if (ask->rk != NULL)
        rd_kafka_destroy(ask->rk);
    for (kafka_record_t *record = destroy->records, *next; record != NULL; record = next) {
        next = record->next;
        kafka_record_free(record);
    }
    destroy->records = NULL;
}

static void destroy_drop(kafka_ask_t *ask)
{
    kafka_destroy_t *destroy = (kafka_destroy_t *)ask;
    free(destroy->topics);
    free(destroy);
}

static void destroy_done(kafka_ask_t *ask)
{
    kafka_destroy_t *destroy = (kafka_destroy_t *)ask;
    void (*after)(void *arg) = destroy->after;
    void *arg = destroy->arg;
    destroy_drop(ask);
    if (after != NULL)
        after(arg);
}

kafka_destroy_t *kafka_destroy_new(rd_kafka_t *rk, rd_kafka_queue_t *queue)
{
    kafka_destroy_t *destroy = calloc(1, sizeof *destroy);
    if (destroy == NULL)
        return NULL;
    destroy->ask =
        (kafka_ask_t){.run = destroy_run, .done = destroy_done, .drop = destroy_drop, .must_run = true, .rk = rk};
    destroy->queue = queue;
    return destroy;
}
