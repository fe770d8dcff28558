/* Readers of one partition: what the bus's user holds. Their records come by fetchers.
 *
 * What can fail: the position is no longer in the log. librdkafka then says so and stops (auto.offset.reset=error); the
 * helper looks for the low watermark, and `gone` names it.
 */
#include "io/kafka/reader.h"

#include <stdlib.h>

#include "io/kafka/blocking_call.h"
#include "io/kafka/bus.h"
#include "io/kafka/events.h"
#include "io/kafka/topics.h"

static void gone(kafka_reader_t *reader, int64_t low)
{
    reader->over = true;
    if (reader->callbacks.gone != NULL)
        reader->callbacks.gone(reader->arg, low);
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

void kafka_reader_fault(kafka_reader_t *reader, rd_kafka_resp_err_t fault)
{
    if (fault == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || fault == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE) {
        reader_query_begin(reader);
        return;
    }
    kafka_log(reader->bus, FANMAP_LOG_WARNING, "kafka: topic %s, partition %d: %s", reader->topic->name,
              (int)reader->partition, rd_kafka_err2str(fault));
    gone(reader, -1);
}

/* ---- life ---- */

int kafka_read(bus_topic_t *base, int32_t partition, int64_t from, const bus_reader_callbacks_t *callbacks, void *arg,
               bus_reader_t **ret, fanmap_error_t *err)
{
    kafka_topic_t *topic = (kafka_topic_t *)base;
    kafka_bus_t *bus = topic->bus;
    kafka_reader_t *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    *reader = (kafka_reader_t){.base.bus = base->bus,
                               .bus = bus,
                               .topic = topic,
                               .partition = partition,
                               .position = from,
                               .callbacks = *callbacks,
                               .arg = arg};
    int code = kafka_fetcher_join(reader, from, err);
    if (code != FANMAP_OK) {
        free(reader);
        return code;
    }
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
        kafka_fetcher_resume(reader);
}

/* What a fetch says of the end stands in librdkafka before its records can be had. */
int64_t kafka_reader_told_end(const bus_reader_t *base)
{
    const kafka_fetcher_t *fetcher = ((const kafka_reader_t *)base)->fetcher;
    int64_t low, high;
    bool is_known = rd_kafka_get_watermark_offsets(fetcher->client->rk, fetcher->topic->name, fetcher->partition, &low,
                                                   &high) == RD_KAFKA_RESP_ERR_NO_ERROR;
    return is_known && high >= 0 ? high : -1;
}

void kafka_reader_free(kafka_reader_t *reader)
{
    kafka_reader_t **at = &reader->bus->readers;
    while (*at != reader)
        at = &(*at)->next;
    *at = reader->next;
    free(reader);
}

void kafka_reader_close(bus_reader_t *base)
{
    kafka_fetcher_leave((kafka_reader_t *)base);
}

void kafka_readers_close(kafka_bus_t *bus)
{
    while (bus->readers != NULL)
        kafka_fetcher_leave(bus->readers);
    kafka_fetchers_close(bus);
    kafka_clients_close(bus);
}
