/* Topics that were deleted and made anew under whoever reads them. librdkafka of before 2.1 does not know topics by their
 * ids, goes on at the old offset, and may wait there for ever. So every two seconds one request asks where the partitions
 * end that are read here, of the group and of readers: a partition that ends before our position is another one than it
 * was. Twice in a row, because a new leader may lag for a moment.
 *
 * What can fail: a partition that has grown beyond our position within those seconds is not told from the old one.
 */
#include <stdlib.h>
#include <string.h>

#include "io/kafka/blocking_call.h"
#include "io/kafka/bus.h"
#include "io/kafka/events.h"
#include "io/kafka/fetcher.h"
#include "io/kafka/group.h"
#include "io/kafka/remade.h"
#include "io/kafka/topics.h"

enum { LOOK_EVERY_MS = 2000, SEEN_MIN = 2 };

typedef struct {
    kafka_call_t call;
    kafka_bus_t *bus;
    rd_kafka_topic_partition_list_t *places; /* offsets: our positions; later: the ends */
    int64_t *positions;
} look_t;

static void look_run(kafka_call_t *call)
{
    look_t *look = (look_t *)call;
    for (int i = 0; i < look->places->cnt; i++) {
        look->positions[i] = look->places->elems[i].offset;
        look->places->elems[i].offset = RD_KAFKA_OFFSET_END;
    }
    if (rd_kafka_offsets_for_times(call->rk, look->places, KAFKA_CALL_MS) == RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    for (int i = 0; i < look->places->cnt; i++)
        look->places->elems[i].err = RD_KAFKA_RESP_ERR__FAIL;
}

static void look_free(kafka_call_t *call)
{
    look_t *look = (look_t *)call;
    rd_kafka_topic_partition_list_destroy(look->places);
    free(look->positions);
    free(look);
}

/* The end lies before the position that was ours when it was asked for. */
static bool is_remade(const look_t *look, const char *topic, int32_t partition)
{
    for (int i = 0; i < look->places->cnt; i++) {
        const rd_kafka_topic_partition_t *place = &look->places->elems[i];
        if (place->partition == partition && strcmp(place->topic, topic) == 0)
            return place->err == RD_KAFKA_RESP_ERR_NO_ERROR && place->offset >= 0 && place->offset < look->positions[i];
    }
    return false;
}

static void judge_fetchers(const look_t *look)
{
    for (kafka_fetcher_t *fetcher = look->bus->fetchers; fetcher != NULL; fetcher = fetcher->next) {
        bool is_short = fetcher->fault == 0 && is_remade(look, fetcher->topic->name, fetcher->partition);
        fetcher->short_n = is_short ? fetcher->short_n + 1 : 0;
        if (fetcher->short_n < SEEN_MIN)
            continue;
        kafka_log(look->bus, FANMAP_LOG_WARNING, "kafka: topic %s, partition %d, was deleted and made anew",
                  fetcher->topic->name, (int)fetcher->partition);
        kafka_fetcher_fail(fetcher, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    }
}

static void judge_groups(const look_t *look)
{
    for (kafka_group_t *group = look->bus->groups; group != NULL; group = group->next)
        for (size_t i = 0; i < group->owned_n && !group->leaving && !group->is_holding; i++) {
            kafka_partition_t *partition = &group->owned[i];
            bool is_short = is_remade(look, partition->topic->name, partition->partition);
            partition->short_n = is_short ? partition->short_n + 1 : 0;
            if (partition->short_n == SEEN_MIN) {
                kafka_group_remade(group, partition);
                return; /* it may be another group by now */
            }
        }
}

static void look_done(kafka_call_t *call)
{
    look_t *look = (look_t *)call;
    look->bus->remade_looks = false;
    judge_fetchers(look);
    judge_groups(look);
    look_free(call);
}

static void add(look_t *look, const char *topic, int32_t partition, int64_t position)
{
    rd_kafka_topic_partition_t *place;
    if (position <= 0)
        return;
    place = rd_kafka_topic_partition_list_find(look->places, topic, partition);
    if (place == NULL)
        rd_kafka_topic_partition_list_add(look->places, topic, partition)->offset = position;
    else if (place->offset > position) /* of several fetchers the one that is least far */
        place->offset = position;
}

static void look_at_all(look_t *look)
{
    for (const kafka_fetcher_t *fetcher = look->bus->fetchers; fetcher != NULL; fetcher = fetcher->next)
        add(look, fetcher->topic->name, fetcher->partition, fetcher->fault != 0 ? -1 : fetcher->position);
    for (const kafka_group_t *group = look->bus->groups; group != NULL; group = group->next)
        for (size_t i = 0; i < group->owned_n; i++)
            add(look, group->owned[i].topic->name, group->owned[i].partition, group->owned[i].position);
}

void kafka_remade_look(void *arg)
{
    kafka_bus_t *bus = arg;
    loop_timer_at(bus->remade, loop_now_ms(bus->loop) + LOOK_EVERY_MS);
    look_t *look = bus->remade_looks ? NULL : calloc(1, sizeof *look);
    if (look == NULL)
        return;
    *look = (look_t){.call = {.run = look_run, .done = look_done, .drop = look_free, .of_producer = true},
                     .bus = bus,
                     .places = rd_kafka_topic_partition_list_new(8)};
    look_at_all(look);
    look->positions = calloc((size_t)look->places->cnt + 1, sizeof *look->positions);
    if (look->places->cnt == 0 || look->positions == NULL) {
        look_free(&look->call);
        return;
    }
    bus->remade_looks = true;
    kafka_call_submit(bus, &look->call);
}
