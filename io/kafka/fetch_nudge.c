/* Before 2.2.0 librdkafka stops fetching a partition once its queue holds queued.min.messages (or the bytes), and looks
 * again only when its broker thread wakes, which can take a second: at full speed that is most of the time. Anything
 * that is sent to the broker wakes the thread. So when a partition has handed out half of what its queue holds, the helper asks for
 * its end, which is one request, and forgets the answer; not again within a few milliseconds, as one thread fetches for all
 * partitions of a broker. */
#include <stdlib.h>

#include "io/kafka/blocking_call.h"
#include "io/kafka/bus.h"
#include "io/kafka/fetch_nudge.h"
#include "io/kafka/topics.h"

typedef struct {
    kafka_call_t call;
    kafka_bus_t *bus;
    int32_t partition;
    const char *topic; /* lives as long as the bus's handles */
} nudge_t;

static void nudge_run(kafka_call_t *call)
{
    const nudge_t *nudge = (nudge_t *)call;
    rd_kafka_topic_partition_list_t *end = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(end, nudge->topic, nudge->partition)->offset = RD_KAFKA_OFFSET_END;
    (void)rd_kafka_offsets_for_times(call->rk, end, KAFKA_NUDGE_MS);
    rd_kafka_topic_partition_list_destroy(end);
}

static void nudge_done(kafka_call_t *call)
{
    ((nudge_t *)call)->bus->nudges_n--;
    free(call);
}

static void nudge_drop(kafka_call_t *call)
{
    free(call);
}

static uint64_t setting(const rd_kafka_conf_t *conf, const char *key, uint64_t otherwise)
{
    char text[24];
    size_t size = sizeof text;
    return rd_kafka_conf_get(conf, key, text, &size) == RD_KAFKA_CONF_OK ? strtoull(text, NULL, 10) : otherwise;
}

kafka_nudge_t kafka_nudge_new(rd_kafka_t *rk)
{
    const rd_kafka_conf_t *conf = rd_kafka_conf(rk);
    return (kafka_nudge_t){
        .records_max = (size_t)setting(conf, "queued.min.messages", 20000) / 2 + 1,
        .bytes_max = (size_t)setting(conf, "queued.max.messages.kbytes", 8192) * 512,
    };
}

void kafka_fetch_nudge(kafka_nudge_t *nudge, const kafka_topic_t *topic, rd_kafka_t *rk,
                       const rd_kafka_message_t *message)
{
    kafka_bus_t *bus = topic->bus;
    nudge->records++;
    nudge->bytes += message->len;
    if (nudge->records < nudge->records_max && nudge->bytes < nudge->bytes_max)
        return;
    if (!bus->needs_nudges || bus->nudges_n >= KAFKA_NUDGES_MAX || loop_now_ms(bus->loop) < bus->nudge_next_ms)
        return;
    nudge_t *request = calloc(1, sizeof *request);
    if (request == NULL)
        return;
    nudge->records = nudge->bytes = 0;
    bus->nudge_next_ms = loop_now_ms(bus->loop) + KAFKA_NUDGE_EVERY_MS;
    request->call = (kafka_call_t){.run = nudge_run, .done = nudge_done, .drop = nudge_drop, .rk = rk};
    request->bus = bus;
    request->partition = message->partition;
    request->topic = topic->name;
    bus->nudges_n++;
    kafka_call_submit(bus, &request->call);
}
