/* Readers of one partition: librdkafka's simple consumer, with a queue for each reader. A handle can read a partition
 * once, so two readers of the same partition are given two handles. A few that nobody reads with stay for the next
 * reader; beyond that they are destroyed by the helper, which is after what it was asked before with them.
 *
 * What can fail: the position is no longer in the log. librdkafka then says so and stops (auto.offset.reset=error); the
 * helper looks for the low watermark, and `gone` names it.
 */
#include <stdlib.h>
#include <string.h>

#include "io/kafka/blocking_call.h"
#include "io/kafka/bus.h"
#include "io/kafka/config.h"
#include "io/kafka/events.h"
#include "io/kafka/fetch_nudge.h"
#include "io/kafka/reader.h"
#include "io/kafka/records.h"
#include "io/kafka/rights.h"
#include "io/kafka/source.h"
#include "io/kafka/topics.h"

enum { IDLE_MAX = 4 };

/* ---- handles ---- */

static bool client_turn(void *arg)
{
    kafka_client_t *client = arg;
    rd_kafka_event_t *event;
    client->in_turn = true;
    while ((event = rd_kafka_queue_poll(client->queue, 0)) != NULL)
        kafka_event(client->bus, event);
    client->in_turn = false;
    return false;
}

static int client_new(kafka_bus_t *bus, kafka_client_t **ret, fanmap_error_t *err)
{
    kafka_client_t *client = calloc(1, sizeof *client);
    if (client == NULL)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    client->bus = bus;
    int code = kafka_source_open(&client->source, bus->loop, client_turn, client, err);
    if (code == FANMAP_OK && (code = kafka_handle_new(bus, KAFKA_READER, NULL, &client->rk, err)) != FANMAP_OK)
        kafka_source_close(&client->source);
    if (code != FANMAP_OK) {
        free(client);
        return code;
    }
    client->queue = rd_kafka_queue_get_main(client->rk);
    kafka_source_feed(&client->source, client->queue);
    client->next = bus->clients;
    bus->clients = client;
    *ret = client;
    return FANMAP_OK;
}

static bool reads(const kafka_bus_t *bus, const kafka_client_t *client, const kafka_topic_t *topic, int32_t partition)
{
    for (const kafka_reader_t *reader = bus->readers; reader != NULL; reader = reader->next)
        if (reader->client == client && reader->partition == partition && strcmp(reader->topic->name, topic->name) == 0)
            return true;
    return false;
}

static int get_client(kafka_bus_t *bus, const kafka_topic_t *topic, int32_t partition, kafka_client_t **ret,
                      fanmap_error_t *err)
{
    for (kafka_client_t *client = bus->clients; client != NULL; client = client->next) {
        if (!reads(bus, client, topic, partition)) {
            *ret = client;
            return FANMAP_OK;
        }
    }
    return client_new(bus, ret, err);
}

static void client_close(kafka_client_t *client)
{
    kafka_client_t **at = &client->bus->clients;
    while (*at != client)
        at = &(*at)->next;
    *at = client->next;
    kafka_source_unfeed(client->queue);
    kafka_source_close(&client->source);
    kafka_destroy_t *destroy = kafka_destroy_new(client->rk, client->queue);
    if (destroy != NULL)
        kafka_call_submit(client->bus, &destroy->call);
    free(client);
}

/* A reader of it has gone. */
static void client_leave(kafka_client_t *client)
{
    size_t idle_n = 0;
    client->readers_n--;
    for (const kafka_client_t *other = client->bus->clients; other != NULL; other = other->next)
        idle_n += other->readers_n == 0;
    if (client->readers_n == 0 && idle_n > IDLE_MAX && !client->in_turn && !client->must_stay)
        client_close(client);
}

/* ---- records ---- */

static bool is_open(const kafka_reader_t *reader)
{
    return !reader->held && !reader->over && !reader->closed;
}

static void gone(kafka_reader_t *reader, int64_t low)
{
    reader->over = true;
    if (reader->callbacks.gone != NULL)
        reader->callbacks.gone(reader->arg, low);
}

void kafka_reader_remade(kafka_reader_t *reader)
{
    kafka_log(reader->bus, FANMAP_LOG_WARNING, "kafka: topic %s, partition %d, was deleted and made anew",
              reader->topic->name, (int)reader->partition);
    gone(reader, -1);
}

static void tell_gone(kafka_call_t *call)
{
    kafka_watermarks_t *marks = (kafka_watermarks_t *)call;
    kafka_reader_t *reader = marks->bus->readers;
    while (reader != NULL && (reader != marks->of || reader->call_number != marks->number))
        reader = reader->next;
    if (reader != NULL && marks->low < 0 && !marks->failed_for_good) {
        kafka_call_submit_later(marks->bus, call);
        return;
    }
    if (reader != NULL && !reader->closed && !reader->over)
        gone(reader, marks->low);
    kafka_watermarks_free(call);
}

static void reader_query_begin(kafka_reader_t *reader)
{
    kafka_watermarks_t *marks = kafka_watermarks_new(reader->topic, reader->partition, NULL, tell_gone);
    if (marks == NULL) {
        gone(reader, -1);
        return;
    }
    marks->of = reader;
    marks->number = reader->call_number = ++reader->bus->call_number;
    kafka_call_submit(reader->bus, &marks->call);
}

static void reader_event(kafka_reader_t *reader, const rd_kafka_message_t *message)
{
    switch (message->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        if (reader->callbacks.at_end != NULL)
            reader->callbacks.at_end(reader->arg, message->offset);
        break;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
        reader_query_begin(reader);
        break;
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        kafka_log(reader->bus, FANMAP_LOG_WARNING, "kafka: topic %s, partition %d: %s", reader->topic->name,
                  (int)reader->partition, rd_kafka_err2str(message->err));
        gone(reader, -1);
        break;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        kafka_refused(reader->bus, message->err, KAFKA_WANTED("Read", reader->topic->name), NULL);
        break;
    default:
        kafka_error(reader->bus, message->err, rd_kafka_message_errstr(message));
    }
}

static void reader_free(kafka_reader_t *reader);

static bool reader_turn(void *arg)
{
    kafka_reader_t *reader = arg;
    kafka_budget_t budget = kafka_budget();
    bool more = true;
    reader->in_turn = true;
    while (is_open(reader) && kafka_budget_spend(&budget)) {
        rd_kafka_message_t *message = rd_kafka_consume_queue(reader->queue, 0);
        if (message == NULL) {
            more = false;
            break;
        }
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            reader->position = message->offset + 1;
            kafka_fetch_nudge(&reader->nudge, reader->topic, reader->client->rk, message);
            if (kafka_hand_out(reader->bus, message, reader->partition, reader->callbacks.record, reader->arg))
                reader->client->must_stay = true;
            continue;
        }
        reader_event(reader, message);
        rd_kafka_message_destroy(message);
    }
    reader->in_turn = false;
    if (reader->closed) {
        reader_free(reader);
        return false;
    }
    return more && is_open(reader);
}

/* ---- life ---- */

static int reader_start(kafka_reader_t *reader, int64_t from, fanmap_error_t *err)
{
    reader->rkt = rd_kafka_topic_new(reader->client->rk, reader->topic->name, NULL);
    reader->queue = rd_kafka_queue_new(reader->client->rk);
    if (reader->rkt == NULL || rd_kafka_consume_start_queue(reader->rkt, reader->partition, from, reader->queue) != 0)
        return err_set(err, FANMAP_EUSAGE, "topic %s, partition %d: %s", reader->topic->name, (int)reader->partition,
                       rd_kafka_err2str(rd_kafka_last_error()));
    reader->nudge = kafka_nudge_new(reader->client->rk);
    kafka_source_feed(&reader->source, reader->queue);
    return FANMAP_OK;
}

static void stop(kafka_reader_t *reader)
{
    if (reader->queue != NULL) {
        kafka_source_unfeed(reader->queue);
        (void)rd_kafka_consume_stop(reader->rkt, reader->partition);
        rd_kafka_queue_destroy(reader->queue);
    }
    if (reader->rkt != NULL)
        rd_kafka_topic_destroy(reader->rkt);
    kafka_source_close(&reader->source);
}

int kafka_read(bus_topic_t *base, int32_t partition, int64_t from, const bus_reader_callbacks_t *callbacks, void *arg,
               bus_reader_t **ret, fanmap_error_t *err)
{
    kafka_topic_t *topic = (kafka_topic_t *)base;
    kafka_bus_t *bus = topic->bus;
    kafka_client_t *client = NULL;
    kafka_reader_t *reader = calloc(1, sizeof *reader);
    int code =
        reader == NULL ? err_set(err, FANMAP_ENOMEM, "out of memory") : get_client(bus, topic, partition, &client, err);
    if (code != FANMAP_OK) {
        free(reader);
        return code;
    }
    *reader = (kafka_reader_t){.base.bus = base->bus,
                               .bus = bus,
                               .client = client,
                               .topic = topic,
                               .partition = partition,
                               .position = from,
                               .callbacks = *callbacks,
                               .arg = arg};
    code = kafka_source_open(&reader->source, bus->loop, reader_turn, reader, err);
    if (code == FANMAP_OK)
        code = reader_start(reader, from, err);
    if (code != FANMAP_OK) {
        stop(reader);
        free(reader);
        return code;
    }
    client->readers_n++;
    reader->next = bus->readers;
    bus->readers = reader;
    *ret = &reader->base;
    return FANMAP_OK;
}

void kafka_reader_hold(bus_reader_t *base, bool hold)
{
    kafka_reader_t *reader = (kafka_reader_t *)base;
    reader->held = hold;
    if (!hold)
        kafka_source_again(&reader->source);
}

static void reader_free(kafka_reader_t *reader)
{
    kafka_reader_t **at = &reader->bus->readers;
    while (*at != reader)
        at = &(*at)->next;
    *at = reader->next;
    stop(reader);
    client_leave(reader->client);
    free(reader);
}

void kafka_reader_close(bus_reader_t *base)
{
    kafka_reader_t *reader = (kafka_reader_t *)base;
    reader->closed = true;
    if (!reader->in_turn)
        reader_free(reader);
}

void kafka_readers_close(kafka_bus_t *bus)
{
    while (bus->readers != NULL)
        reader_free(bus->readers);
    while (bus->clients != NULL)
        client_close(bus->clients);
}
