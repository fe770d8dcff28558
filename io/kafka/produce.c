/* Records out, as far as librdkafka.
 *
 * bus_produce copies a record to the end of the outbox and of its lane (lanes.h). At the end of the turn (earlier when many may
 * go) lanes with little under way, and which have not just handed over many, hand over what they have, in runs of one call each, which costs two thirds of what single
 * calls cost. librdkafka sends the values from our records, so a record stays where it is until its report; see producer.c.
 */
#include <stdlib.h>
#include <string.h>

#include "base/prefetch.h"
#include "io/kafka/bus.h"
#include "io/kafka/lanes.h"
#include "io/kafka/producer.h"
#include "io/kafka/records.h"
#include "io/kafka/source.h"
#include "io/kafka/topics.h"

static void send_deferred(void *arg);

size_t kafka_record_bytes(const kafka_record_t *record)
{
    return sizeof *record + record->key_len + record->value_len;
}

static kafka_record_t *record_new(kafka_topic_t *topic, int32_t partition, const void *key, size_t key_len,
                                  const void *value, size_t value_len)
{
    if (key == NULL)
        key_len = 0;
    if (value == NULL)
        value_len = 0;
    if (key_len > KAFKA_OUTBOX_BYTES_MAX || value_len > SIZE_MAX / 4)
        return NULL;
    kafka_record_t *record = spares_get(&topic->bus->spares, sizeof *record + key_len + value_len);
    if (record == NULL)
        return NULL;
    *record = (kafka_record_t){.topic = topic,
                               .partition = partition,
                               .has_key = key != NULL,
                               .has_value = value != NULL,
                               .key_len = (uint32_t)key_len,
                               .value_len = value_len};
    if (key_len > 0)
        memcpy(record->bytes, key, key_len);
    if (value_len > 0)
        memcpy(record->bytes + key_len, value, value_len);
    return record;
}

void kafka_record_give_back(kafka_record_t *record)
{
    if (record->headers != NULL)
        rd_kafka_headers_destroy(record->headers);
    kafka_block_put(record->topic->bus, record);
}

void kafka_record_free(kafka_record_t *record)
{
    if (record->headers != NULL)
        rd_kafka_headers_destroy(record->headers);
    spares_drop(record);
}

static bool add_headers(kafka_record_t *record, const bus_header_t *headers, size_t n)
{
    if (n == 0)
        return true;
    record->headers = rd_kafka_headers_new(n);
    for (size_t i = 0; record->headers != NULL && i < n; i++)
        if (rd_kafka_header_add(record->headers, headers[i].name, -1, headers[i].value,
                                (ssize_t)headers[i].value_len) != RD_KAFKA_RESP_ERR_NO_ERROR)
            return false;
    return record->headers != NULL;
}

/* To the end of the outbox and of its lane, not sent yet. */
static void outbox_append(kafka_producer_t *producer, kafka_record_t *record)
{
    record->prev = producer->last;
    record->next = NULL;
    if (producer->last != NULL)
        producer->last->next = record;
    else
        producer->first = record;
    producer->last = record;
    producer->n++;
    producer->bytes += kafka_record_bytes(record);
    kafka_lane_append(producer, record->lane, record);
}

static void defer_send(kafka_bus_t *bus)
{
    if (bus->producer.send_deferred)
        return;
    bus->producer.send_deferred = true;
    loop_defer(bus->loop, send_deferred, bus);
}

int kafka_produce(bus_topic_t *base, int32_t partition, const void *key, size_t key_len, const void *value,
                  size_t value_len, const bus_header_t *headers, size_t headers_n, uint64_t cookie, fanmap_error_t *err)
{
    kafka_topic_t *topic = (kafka_topic_t *)base;
    kafka_producer_t *producer = &topic->bus->producer;
    if (partition < 0)
        return err_set(err, FANMAP_EUSAGE, "topic %s has no partition %d", topic->name, (int)partition);
    if (producer->n >= KAFKA_OUTBOX_N_MAX || producer->bytes >= KAFKA_OUTBOX_BYTES_MAX)
        return FANMAP_AGAIN;
    kafka_lane_t *lane = kafka_lane_get(topic, partition);
    kafka_record_t *record = lane == NULL ? NULL : record_new(topic, partition, key, key_len, value, value_len);
    if (record == NULL)
        return err_set(err, FANMAP_ENOMEM, "out of memory for a record of %zu bytes", value_len);
    if (!add_headers(record, headers, headers_n)) {
        kafka_record_give_back(record);
        return err_set(err, FANMAP_ENOMEM, "out of memory for a record's headers");
    }
    record->cookie = cookie;
    record->lane = lane;
    outbox_append(producer, record);
    defer_send(topic->bus);
    if (producer->ready_n >= KAFKA_UNSENT_MAX && !producer->queue_full)
        kafka_send(topic->bus);
    return FANMAP_OK;
}

size_t kafka_outbox_n(const bus_t *bus)
{
    return ((const kafka_bus_t *)bus)->producer.n;
}

void kafka_flush_soon(bus_t *bus)
{
    kafka_send((kafka_bus_t *)bus);
}

/* ---- sending ---- */

static kafka_record_t *fill_run(kafka_record_t *record, rd_kafka_message_t *messages, size_t *ret_n)
{
    size_t n = 0;
    while (record != NULL && n < KAFKA_RUN_MAX && record->headers == NULL) {
        messages[n++] = (rd_kafka_message_t){
            .partition = record->partition,
            .key = record->has_key ? record->bytes : NULL,
            .key_len = record->key_len,
            .payload = record->has_value ? record->bytes + record->key_len : NULL,
            .len = record->value_len,
            ._private = record,
        };
        record = record->lane_next;
        prefetch(record, sizeof *record);
    }
    *ret_n = n;
    return record;
}

/* What librdkafka did not take: it fails for good, or the queue is full and it stays unsent. Returns the first that
 * stays. */
static kafka_record_t *judge_run(kafka_producer_t *producer, const rd_kafka_message_t *messages, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        kafka_record_t *record = messages[i]._private;
        switch (messages[i].err) {
        case RD_KAFKA_RESP_ERR_NO_ERROR:
            break;
        case RD_KAFKA_RESP_ERR__QUEUE_FULL:
            return record;
        case RD_KAFKA_RESP_ERR__FATAL:
        case RD_KAFKA_RESP_ERR__STATE:
            producer->must_recover = true;
            return record;
        default:
            record->failed = messages[i].err;
            producer->failed_n++;
        }
    }
    return NULL;
}

/* One record with its headers; librdkafka takes a copy of them over. False: it stays unsent. */
static bool send_with_headers(kafka_producer_t *producer, kafka_record_t *record)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_copy(record->headers);
    void *value = record->has_value ? record->bytes + record->key_len : NULL;
    void *key = record->has_key ? record->bytes : NULL;
    rd_kafka_message_t message = {._private = record};
    message.err =
        rd_kafka_producev(producer->rk, RD_KAFKA_V_RKT(record->topic->rkt), RD_KAFKA_V_PARTITION(record->partition),
                          RD_KAFKA_V_KEY(key, record->key_len), RD_KAFKA_V_VALUE(value, record->value_len),
                          RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(record), RD_KAFKA_V_END);
    if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR)
        rd_kafka_headers_destroy(headers);
    return judge_run(producer, &message, 1) == NULL;
}

static size_t count(const kafka_record_t *from, const kafka_record_t *to)
{
    size_t n = 0;
    for (; from != to; from = from->lane_next)
        n++;
    return n;
}

/* One run of a lane. False: librdkafka takes no more for now. */
static bool send_run(kafka_producer_t *producer, kafka_lane_t *lane)
{
    rd_kafka_message_t messages[KAFKA_RUN_MAX];
    kafka_record_t *begin = lane->first;
    size_t n = 1;
    if (lane->topic->rkt == NULL)
        lane->topic->rkt = rd_kafka_topic_new(producer->rk, lane->topic->name, NULL);
    if (lane->topic->rkt == NULL) {
        kafka_lane_sent(producer, lane, begin, 0);
        return false;
    }
    if (begin->headers != NULL) {
        bool is_sent = send_with_headers(producer, begin);
        kafka_lane_sent(producer, lane, is_sent ? begin->lane_next : begin, is_sent ? n : 0);
        return is_sent;
    }
    kafka_record_t *rest = fill_run(begin, messages, &n);
    bool all = (size_t)rd_kafka_produce_batch(lane->topic->rkt, lane->partition, 0, messages, (int)n) == n;
    kafka_record_t *stays = all ? NULL : judge_run(producer, messages, n);
    if (stays != NULL) {
        rest = stays;
        n = count(begin, stays);
    }
    kafka_lane_sent(producer, lane, rest, n);
    return stays == NULL;
}

/* All that waits in the lane goes together: what is left behind would wait for its reports. */
static bool send_lane(kafka_producer_t *producer, kafka_lane_t *lane, int64_t now_ms)
{
    kafka_lane_gather(producer, lane, now_ms);
    while (lane->first != NULL && !producer->must_recover)
        if (!send_run(producer, lane))
            return false;
    return true;
}

void kafka_send(kafka_bus_t *bus)
{
    kafka_producer_t *producer = &bus->producer;
    kafka_lane_t *lane;
    int64_t now_ms = loop_now_ms(bus->loop);
    kafka_lanes_gathered(producer, now_ms);
    producer->queue_full = false;
    while (producer->rk != NULL && !producer->must_recover && !producer->queue_full &&
           (lane = kafka_lane_next(producer)) != NULL)
        producer->queue_full = !send_lane(producer, lane, now_ms);
    if (producer->gathering != NULL)
        loop_timer_at(producer->gathered, producer->gathering->due_ms);
    if (producer->failed_n > 0 || producer->must_recover)
        kafka_source_again(&producer->source); /* not from inside bus_produce */
    if (producer->queue_full && !producer->must_recover)
        loop_timer_at(producer->retry, loop_now_ms(bus->loop) + KAFKA_RETRY_MS / 10);
}

static void send_deferred(void *arg)
{
    kafka_bus_t *bus = arg;
    bus->producer.send_deferred = false;
    kafka_send(bus);
}

void kafka_send_gathered(void *bus)
{
    kafka_send(bus);
}

void kafka_send_cancel(kafka_bus_t *bus)
{
    loop_defer_cancel(bus->loop, send_deferred, bus);
}
