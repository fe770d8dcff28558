/* Handles of topics: warming them, and the calls that look up watermarks. */
#include <stdlib.h>
#include <string.h>

#include "io/kafka/blocking_call.h"
#include "io/kafka/bus.h"
#include "io/kafka/events.h"
#include "io/kafka/requests.h"
#include "io/kafka/topics.h"

enum { WARM_EVERY_MS = 200 };

static bool has_leaders(const rd_kafka_metadata_topic_t *topic)
{
    for (int i = 0; i < topic->partition_cnt; i++)
        if (topic->partitions[i].leader < 0)
            return false;
    return topic->partition_cnt > 0;
}

rd_kafka_resp_err_t kafka_look_up(rd_kafka_t *rk, const char *name, uint32_t *ret_partitions)
{
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, name, NULL);
    const rd_kafka_metadata_t *metadata = NULL;
    if (rkt == NULL)
        return rd_kafka_last_error();
    rd_kafka_resp_err_t code = rd_kafka_metadata(rk, 0, rkt, &metadata, KAFKA_CALL_MS);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        code = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR && !has_leaders(&metadata->topics[0]))
            code = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
        else if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            *ret_partitions = (uint32_t)metadata->topics[0].partition_cnt;
        rd_kafka_metadata_destroy(metadata);
    }
    rd_kafka_topic_destroy(rkt);
    return code;
}

/* ---- handles of topics ---- */

typedef struct {
    kafka_call_t call;
    char name[];
} warm_t;

static void warm_run(kafka_call_t *call)
{
    uint32_t partitions;
    (void)kafka_look_up(call->rk, ((warm_t *)call)->name, &partitions);
}

static void warm_free(kafka_call_t *call)
{
    free(call);
}

/* Looks the topic up so that its first record need not wait for that. */
static void topic_warm(kafka_topic_t *topic)
{
    size_t size = strlen(topic->name) + 1;
    warm_t *warm = calloc(1, sizeof *warm + size);
    if (warm == NULL)
        return; /* the first record is late, no more */
    warm->call = (kafka_call_t){.run = warm_run, .done = warm_free, .drop = warm_free, .of_producer = true};
    memcpy(warm->name, topic->name, size);
    kafka_call_submit(topic->bus, &warm->call);
}

void kafka_topic_warm_soon(kafka_topic_t *topic)
{
    int64_t now = loop_now_ms(topic->bus->loop);
    if (now - topic->warmed_ms < WARM_EVERY_MS)
        return;
    topic->warmed_ms = now;
    topic_warm(topic);
}

int kafka_topic_open(bus_t *base, const char *name, bus_delivered_fn delivered, void *arg, bus_topic_t **ret,
                     fanmap_error_t *err)
{
    kafka_bus_t *bus = (kafka_bus_t *)base;
    size_t size = strlen(name) + 1;
    kafka_topic_t *topic = calloc(1, sizeof *topic + size);
    if (topic == NULL)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    *topic = (kafka_topic_t){.base.bus = base, .bus = bus, .next = bus->topics, .delivered = delivered, .arg = arg};
    memcpy(topic->name, name, size);
    if (bus->producer.rk != NULL && (topic->rkt = rd_kafka_topic_new(bus->producer.rk, name, NULL)) == NULL) {
        free(topic);
        return err_set(err, FANMAP_EUSAGE, "topic %s: %s", name, rd_kafka_err2str(rd_kafka_last_error()));
    }
    bus->topics = topic;
    topic_warm(topic);
    *ret = &topic->base;
    return FANMAP_OK;
}

void kafka_forget(bus_t *base, const void *arg)
{
    for (kafka_topic_t *topic = ((kafka_bus_t *)base)->topics; topic != NULL; topic = topic->next)
        if (topic->arg == arg)
            topic->delivered = NULL;
    for (kafka_call_t *call = ((kafka_bus_t *)base)->asked; call != NULL; call = call->asked_next)
        if (call->asker == arg)
            call->asker = NULL;
}

/* ---- watermarks ---- */

static void watermarks_run(kafka_call_t *call)
{
    kafka_watermarks_t *marks = (kafka_watermarks_t *)call;
    rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(call->rk, marks->topic, marks->partition, &marks->low,
                                                                &marks->high, KAFKA_CALL_MS);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        marks->low = marks->high = -1;
    marks->failed_for_good = code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
                             code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC || code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ||
                             kafka_error_class(code) == FANMAP_EREFUSED;
}

void kafka_watermarks_free(kafka_call_t *call)
{
    free(((kafka_watermarks_t *)call)->topic);
    free(call);
}

kafka_watermarks_t *kafka_watermarks_new(const kafka_topic_t *topic, int32_t partition, rd_kafka_t *rk,
                                         void (*done)(kafka_call_t *call))
{
    kafka_watermarks_t *marks = calloc(1, sizeof *marks);
    if (marks == NULL || (marks->topic = strdup(topic->name)) == NULL) {
        free(marks);
        return NULL;
    }
    marks->call = (kafka_call_t){
        .run = watermarks_run, .done = done, .drop = kafka_watermarks_free, .rk = rk, .of_producer = rk == NULL};
    marks->bus = topic->bus;
    marks->partition = partition;
    return marks;
}
