/* Topics that were deleted and made anew under whoever reads them. librdkafka of before 2.1 does not know topics by their
 * ids, goes on at the old offset, and may wait there for ever. So every two seconds one request asks where the partitions
 * end that are read here, of the group and of readers: a partition that ends before our position is another one than it
 * was. Twice in a row, because a new leader may lag for a moment. A topic that stays away is another case of this for
 * readers (groups: absent.c), a few looks later, because a broker that just started may not know all topics yet.
 *
 * What can fail: the partition has grown beyond our position within those seconds. Of partitions of the group we know when
 * a record was appended that was read (kafka_group_witness): one whose very first record came after that, at an offset up
 * to there, is another one as well. Readers have no such witness, and do not notice.
 */
#include <stdlib.h>
#include <string.h>

#include "io/kafka/blocking_call.h"
#include "io/kafka/bus.h"
#include "io/kafka/events.h"
#include "io/kafka/fetcher.h"
#include "io/kafka/group.h"
#include "io/kafka/reader.h"
#include "io/kafka/remade.h"
#include "io/kafka/topics.h"

enum { LOOK_EVERY_MS = 2000, SEEN_MIN = 2, GONE_MIN = 4 };

typedef struct {
    kafka_call_t call;
    kafka_bus_t *bus;
    rd_kafka_topic_partition_list_t *places; /* offsets: our positions; later: the ends */
    int64_t *positions;
    rd_kafka_topic_partition_list_t *begins, *laters; /* of those with a witness: where the log begins, and the first
                                                         record after the witness' time */
} look_t;

static bool find_offsets(const kafka_call_t *call, rd_kafka_topic_partition_list_t *places)
{
    return places->cnt == 0 ||
           rd_kafka_offsets_for_times(call->rk, places, KAFKA_CALL_MS) == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void forget(rd_kafka_topic_partition_list_t *places)
{
    for (int i = 0; i < places->cnt; i++)
        places->elems[i].err = RD_KAFKA_RESP_ERR__FAIL;
}

/* Of one that could not be asked: whether its topic is there. One look-up does for all partitions of a topic. */
static void look_up_absent(const kafka_call_t *call, rd_kafka_topic_partition_list_t *places)
{
    const rd_kafka_topic_partition_t *before = NULL;
    uint32_t partitions;
    for (int i = 0; i < places->cnt; i++) {
        rd_kafka_topic_partition_t *place = &places->elems[i];
        if (place->err == RD_KAFKA_RESP_ERR_NO_ERROR)
            continue;
        if (before != NULL && strcmp(before->topic, place->topic) == 0)
            place->err = before->err;
        else if (kafka_look_up(call->rk, place->topic, &partitions) == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
            place->err = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        else
            place->err = RD_KAFKA_RESP_ERR__FAIL;
        before = place;
    }
}

static void look_run(kafka_call_t *call)
{
    look_t *look = (look_t *)call;
    for (int i = 0; i < look->places->cnt; i++) {
        look->positions[i] = look->places->elems[i].offset;
        look->places->elems[i].offset = RD_KAFKA_OFFSET_END;
    }
    if (!find_offsets(call, look->places))
        forget(look->places);
    look_up_absent(call, look->places);
    if (!find_offsets(call, look->laters) || !find_offsets(call, look->begins))
        forget(look->laters);
}

static void look_free(kafka_call_t *call)
{
    look_t *look = (look_t *)call;
    rd_kafka_topic_partition_list_destroy(look->places);
    rd_kafka_topic_partition_list_destroy(look->begins);
    rd_kafka_topic_partition_list_destroy(look->laters);
    free(look->positions);
    free(look);
}

/* -1: it is not known. */
static int find(const look_t *look, const char *topic, int32_t partition)
{
    for (int i = 0; i < look->places->cnt; i++) {
        const rd_kafka_topic_partition_t *place = &look->places->elems[i];
        if (place->partition == partition && strcmp(place->topic, topic) == 0)
            return place->err == RD_KAFKA_RESP_ERR_NO_ERROR && place->offset >= 0 ? i : -1;
    }
    return -1;
}

/* The end lies before the position that was ours when it was asked for. */
static bool is_short(const look_t *look, const char *topic, int32_t partition, int64_t position)
{
    int i = find(look, topic, partition);
    return i >= 0 && look->places->elems[i].offset < look->positions[i] && look->places->elems[i].offset < position;
}

static int64_t found(rd_kafka_topic_partition_list_t *places, const char *topic, int32_t partition)
{
    const rd_kafka_topic_partition_t *place = rd_kafka_topic_partition_list_find(places, topic, partition);
    return place != NULL && place->err == RD_KAFKA_RESP_ERR_NO_ERROR ? place->offset : -1;
}

static bool is_gone(const look_t *look, const char *topic, int32_t partition)
{
    const rd_kafka_topic_partition_t *place = rd_kafka_topic_partition_list_find(look->places, topic, partition);
    return place != NULL && place->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
}

/* All that is there was appended after what was read there. */
static bool is_younger(const look_t *look, const kafka_partition_t *partition)
{
    int64_t later = found(look->laters, partition->topic->name, partition->partition);
    return later >= 0 && later <= partition->witness &&
           later == found(look->begins, partition->topic->name, partition->partition);
}

static void judge_fetcher(const look_t *look, kafka_fetcher_t *fetcher)
{
    const char *topic = fetcher->topic->name;
    bool is_read = fetcher->fault == 0;
    bool ends_early = is_read && is_short(look, topic, fetcher->partition, fetcher->position);
    fetcher->gone_n = is_read && is_gone(look, topic, fetcher->partition) ? fetcher->gone_n + 1 : 0;
    fetcher->short_n = ends_early ? fetcher->short_n + 1 : 0;
    if (fetcher->short_n < SEEN_MIN && fetcher->gone_n < GONE_MIN)
        return;
    kafka_log(look->bus, FANMAP_LOG_WARNING, "kafka: topic %s, partition %d, was deleted%s", topic,
              (int)fetcher->partition, ends_early ? " and made anew" : "");
    if (!ends_early) /* there is none: who joined this fetcher has no other one to try */
        for (kafka_reader_t *reader = fetcher->readers; reader != NULL; reader = reader->peer)
            reader->is_guest = false;
    kafka_fetcher_fail(fetcher, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
}

static void judge_fetchers(const look_t *look)
{
    for (kafka_fetcher_t *fetcher = look->bus->fetchers; fetcher != NULL; fetcher = fetcher->next)
        judge_fetcher(look, fetcher);
}

static bool is_ahead(const kafka_reader_t *reader)
{
    return !reader->closed && !reader->over && reader->position > reader->fetcher->position;
}

/* Who waits on a shared fetcher for a position that its partition does not reach finds out by one of its own. */
static void judge_readers(const look_t *look)
{
    for (kafka_reader_t *reader = look->bus->readers, *next; reader != NULL; reader = next) {
        next = reader->next;
        kafka_fetcher_t *fetcher = reader->fetcher;
        int i = is_ahead(reader) ? find(look, reader->topic->name, reader->partition) : -1;
        bool ends_early = i >= 0 && look->places->elems[i].offset < reader->position;
        reader->short_n = ends_early ? reader->short_n + 1 : 0;
        if (reader->short_n < SEEN_MIN || !fetcher->is_shared || !reader->is_guest)
            continue;
        kafka_fetcher_split(reader);
        (void)kafka_fetcher_sweep(fetcher);
        return; /* others may be gone by now */
    }
}

static void judge_groups(const look_t *look)
{
    for (kafka_group_t *group = look->bus->groups; group != NULL; group = group->next)
        for (size_t i = 0; i < group->owned_n && !group->leaving && !group->is_holding; i++) {
            kafka_partition_t *partition = &group->owned[i];
            bool is_another = is_short(look, partition->topic->name, partition->partition, partition->position) ||
                              is_younger(look, partition);
            partition->short_n = is_another ? partition->short_n + 1 : 0;
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
    judge_readers(look);
    judge_groups(look);
    look_free(call);
}

static void add(look_t *look, const char *topic, int32_t partition, int64_t position)
{
    rd_kafka_topic_partition_t *place = rd_kafka_topic_partition_list_find(look->places, topic, partition);
    if (place == NULL)
        rd_kafka_topic_partition_list_add(look->places, topic, partition)->offset = position;
    else if (position > 0 && (place->offset == 0 || place->offset > position)) /* who read the least, but something */
        place->offset = position;
}

static void add_witness(look_t *look, const kafka_partition_t *partition)
{
    const char *topic = partition->topic->name;
    if (partition->witness_ms == 0)
        return;
    rd_kafka_topic_partition_list_add(look->laters, topic, partition->partition)->offset = partition->witness_ms + 1;
    rd_kafka_topic_partition_list_add(look->begins, topic, partition->partition)->offset = RD_KAFKA_OFFSET_BEGINNING;
}

static void look_at_all(look_t *look)
{
    for (const kafka_fetcher_t *fetcher = look->bus->fetchers; fetcher != NULL; fetcher = fetcher->next)
        if (fetcher->fault == 0) /* also where nothing was read yet: its topic may be gone */
            add(look, fetcher->topic->name, fetcher->partition, fetcher->position > 0 ? fetcher->position : 0);
    for (const kafka_reader_t *reader = look->bus->readers; reader != NULL; reader = reader->next)
        if (is_ahead(reader))
            add(look, reader->topic->name, reader->partition, reader->position);
    for (const kafka_group_t *group = look->bus->groups; group != NULL; group = group->next)
        for (size_t i = 0; i < group->owned_n; i++) {
            if (group->owned[i].position > 0)
                add(look, group->owned[i].topic->name, group->owned[i].partition, group->owned[i].position);
            add_witness(look, &group->owned[i]);
        }
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
                     .places = rd_kafka_topic_partition_list_new(8),
                     .begins = rd_kafka_topic_partition_list_new(8),
                     .laters = rd_kafka_topic_partition_list_new(8)};
    look_at_all(look);
    look->positions = calloc((size_t)look->places->cnt + 1, sizeof *look->positions);
    if (look->places->cnt == 0 || look->positions == NULL) {
        look_free(&look->call);
        return;
    }
    bus->remade_looks = true;
    kafka_call_submit(bus, &look->call);
}

void kafka_group_witness(bus_group_t *base, int32_t lane, int64_t offset, int64_t ms)
{
    kafka_partition_t *partition = kafka_group_find((kafka_group_t *)base, lane);
    if (partition == NULL)
        return;
    partition->witness = offset;
    partition->witness_ms = ms;
}
