/* What the loop asks the helper for, and the ask that destroys a handle. */
#include <stdlib.h>

#include "io/kafka.h"

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

static void destroy_run(kafka_ask_t *ask)
{
    kafka_destroy_t *destroy = (kafka_destroy_t *)ask;
    for (size_t i = 0; i < destroy->topics_n; i++)
        rd_kafka_topic_destroy(destroy->topics[i]);
    if (destroy->queue != NULL)
        rd_kafka_queue_destroy(destroy->queue);
    if (ask->rk != NULL)
        rd_kafka_destroy(ask->rk);
    for (kafka_record_t *record = destroy->records, *next; record != NULL; record = next) {
        next = record->next;
        free(record);
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
