/* Whose bytes a record's are.
 *
 * A message of librdkafka lies in the buffer of the whole fetch, a mebibyte or so, and keeps that alive. Workers keep
 * items for hours, one here and one there, so small records are copied to a block of their own before they are handed
 * out: that costs less than keeping the message would. A block serves again (base/spares.h), and what nobody wanted for a second
 * goes back to malloc. Large records, and small ones when memory is short, are handed out in place. An owner is the block, or the
 * message with its lowest bit set.
 */
#include <assert.h>
#include <string.h>

#include "base/invariant.h"
#include "io/kafka/bus.h"
#include "io/kafka/producer.h"
#include "io/kafka/records.h"

enum { SPARE_MS = 1000 };

static_assert(_Alignof(kafka_record_t) <= SPARES_ALIGNMENT, "a block holds a record of the producer");

static void *owner_of(rd_kafka_message_t *message)
{
    return (char *)message + 1;
}

void kafka_spares_age(void *arg)
{
    kafka_bus_t *bus = arg;
    spares_age(&bus->spares);
    bus->spares_age = bus->spares.bytes > 0;
    if (bus->spares_age)
        loop_timer_at(bus->aging, loop_now_ms(bus->loop) + SPARE_MS);
}

void kafka_block_put(kafka_bus_t *bus, void *block)
{
    spares_put(&bus->spares, block);
    if (!bus->spares_age && bus->spares.bytes > 0)
        kafka_spares_age(bus);
}

void kafka_release(bus_t *bus, void *owner)
{
    if ((uintptr_t)owner & 1)
        rd_kafka_message_destroy((void *)((char *)owner - 1));
    else if (owner != NULL)
        kafka_block_put((kafka_bus_t *)bus, owner);
}

static void copy_to(uint8_t *copy, bus_record_t *record)
{
    if (record->key != NULL) /* an empty one is not an absent one */
        record->key = memcpy(copy, record->key, record->key_len);
    if (record->value != NULL)
        record->value = memcpy(copy + record->key_len, record->value, record->value_len);
    record->owner = copy;
}

static bool hand_out_in_place(bus_record_t *record, rd_kafka_message_t *message, bus_record_fn fn, void *arg)
{
    record->owner = owner_of(message);
    bool is_kept = fn(arg, record);
    if (!is_kept)
        rd_kafka_message_destroy(message);
    return is_kept;
}

/* The headers lie in the message: they are there for as long as it is. To find that there are none librdkafka makes a buffer
 * and takes it apart, which is as much work as all else that it does for a small record: who does not want them does not ask. */
static size_t show_headers(const rd_kafka_message_t *message, bus_header_t *ret)
{
    rd_kafka_headers_t *headers;
    size_t n = 0;
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    while (n < BUS_HEADERS_MAX && rd_kafka_header_get_all(headers, n, &ret[n].name, &ret[n].value, &ret[n].value_len) ==
                                      RD_KAFKA_RESP_ERR_NO_ERROR)
        n++;
    return n;
}

void kafka_clock_heard(kafka_bus_t *bus, const rd_kafka_message_t *message)
{
    rd_kafka_timestamp_type_t type;
    int64_t off_ms = rd_kafka_message_timestamp(message, &type) - loop_now_ms(bus->loop);
    if (type != RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME || (bus->has_clock && off_ms <= bus->clock_off_ms))
        return;
    bus->has_clock = true;
    bus->clock_off_ms = off_ms;
}

bool kafka_clock(const bus_t *base, int64_t *ret_ms)
{
    const kafka_bus_t *bus = (const kafka_bus_t *)base;
    if (bus->has_clock)
        *ret_ms = loop_now_ms(bus->loop) + bus->clock_off_ms;
    return bus->has_clock;
}

/* headers NULL: they are not wanted. */
static bus_record_t view(kafka_bus_t *bus, const rd_kafka_message_t *message, int32_t lane, bus_header_t *headers)
{
    rd_kafka_timestamp_type_t type;
    int64_t timestamp_ms = rd_kafka_message_timestamp(message, &type);
    kafka_clock_heard(bus, message);
    return (bus_record_t){
        .partition = message->partition,
        .lane = lane,
        .offset = message->offset,
        .timestamp_ms = timestamp_ms,
        .appended_ms = type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME ? timestamp_ms : 0,
        .key = message->key,
        .key_len = message->key_len,
        .value = message->payload,
        .value_len = message->len,
        .headers = headers,
        .headers_n = headers != NULL ? show_headers(message, headers) : 0,
    };
}

void kafka_show(kafka_bus_t *bus, const rd_kafka_message_t *message, int32_t lane, bool shows_headers, bus_record_fn fn,
                void *arg)
{
    bus_header_t headers[BUS_HEADERS_MAX];
    bus_record_t record = view(bus, message, lane, shows_headers ? headers : NULL);
    bool is_kept = fn(arg, &record);
    invariant(!is_kept);
    (void)is_kept;
}

bool kafka_hand_out(kafka_bus_t *bus, rd_kafka_message_t *message, int32_t lane, bool shows_headers, bus_record_fn fn,
                    void *arg)
{
    bus_header_t headers[BUS_HEADERS_MAX];
    bus_record_t record = view(bus, message, lane, shows_headers ? headers : NULL);
    size_t size = record.key_len + record.value_len;
    uint8_t *copy = size > KAFKA_COPY_MAX ? NULL : spares_get(&bus->spares, size);
    if (copy == NULL) {
        return hand_out_in_place(&record, message, fn, arg);
    }
    copy_to(copy, &record);
    if (record.headers_n == 0) {
        rd_kafka_message_destroy(message);
        message = NULL;
    }
    if (!fn(arg, &record))
        kafka_block_put(bus, copy);
    if (message != NULL)
        rd_kafka_message_destroy(message);
    return false;
}
