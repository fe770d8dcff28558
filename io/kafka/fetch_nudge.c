/* Before 2.2.0 librdkafka stops fetching a partition once its queue holds queued.min.messages (or the bytes), and looks
 * again only when its broker thread wakes, which can take a second: at full speed that is most of the time. Anything
 * that is sent to the broker wakes the thread. So whenever a
 * partition handed out half of what its queue holds, the helper asks for its watermarks and forgets the answer. */
#include <stdlib.h>

#include "io/kafka/kafka.h"

typedef struct {
    kafka_ask_t ask;
    kafka_bus_t *bus;
    int32_t partition;
    const char *topic; /* lives as long as the bus's handles */
} kick_t;

static void kick_run(kafka_ask_t *ask)
{
    kick_t *kick = (kick_t *)ask;
    int64_t low, high;
    (void)rd_kafka_query_watermark_offsets(ask->rk, kick->topic, kick->partition, &low, &high, KAFKA_KICK_ASK_MS);
}

static void kick_done(kafka_ask_t *ask)
{
    ((kick_t *)ask)->bus->kicks_n--;
    free(ask);
}

static void kick_drop(kafka_ask_t *ask)
{
    free(ask);
}

static uint64_t setting(const rd_kafka_conf_t *conf, const char *key, uint64_t otherwise)
{
    char text[24];
    size_t size = sizeof text;
    return rd_kafka_conf_get(conf, key, text, &size) == RD_KAFKA_CONF_OK ? strtoull(text, NULL, 10) : otherwise;
}

kafka_kick_t kafka_kick_new(rd_kafka_t *rk)
{
    const rd_kafka_conf_t *conf = rd_kafka_conf(rk);
    return (kafka_kick_t){
        .records_max = (size_t)setting(conf, "queued.min.messages", 20000) / 2 + 1,
        .bytes_max = (size_t)setting(conf, "queued.max.messages.kbytes", 8192) * 512,
    };
}

void kafka_kick(kafka_kick_t *kick, const kafka_topic_t *topic, rd_kafka_t *rk, const rd_kafka_message_t *message)
{
    kafka_bus_t *bus = topic->bus;
    kick->records++;
    kick->bytes += message->len;
    if (kick->records < kick->records_max && kick->bytes < kick->bytes_max)
        return;
    if (!bus->needs_kicks || bus->kicks_n >= KAFKA_KICKS_MAX)
        return;
    kick_t *asked = calloc(1, sizeof *asked);
    if (asked == NULL)
        return;
    kick->records = kick->bytes = 0;
    asked->ask = (kafka_ask_t){.run = kick_run, .done = kick_done, .drop = kick_drop, .rk = rk};
    asked->bus = bus;
    asked->partition = message->partition;
    asked->topic = topic->name;
    bus->kicks_n++;
    kafka_ask(bus, &asked->ask);
}
