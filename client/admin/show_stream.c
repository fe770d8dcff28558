#include "client/admin/show_stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "aggregator/gather_lane.h"
#include "client/admin/offsets.h"
#include "schemas/names.h"

typedef struct {
    query_t *query;
    bus_topic_t *source, *log;
    char name[TOPIC_NAME_MAX], gatherers[TOPIC_NAME_MAX]; /* of the log and of its workers' group */
    const spec_t *spec;
    char *why;
    uint32_t n;
    int64_t *finished, *gathered;
} stream_t;

static void open_topics(stream_t *s, const spec_t *spec)
{
    s->n = query_ensure(s->query, &(bus_topic_config_t){.name = spec->from}, false);
    if (s->query->result == FANMAP_EUSAGE)
        (void)snprintf(s->why, WHY_TEXT_MAX, "its source is gone: %.400s", s->query->err->message);
    s->source = query_open(s->query, spec->from, NULL, NULL);
    s->log = query_open(s->query, s->name, NULL, NULL);
}

typedef struct {
    query_t *query;
    int64_t offset, written_ms; /* -1: there is none */
    bool is_gone;
} head_t;

static bool on_head(void *arg, const bus_record_t *record)
{
    head_t *head = arg;
    head->offset = head->offset < 0 ? record->offset : head->offset;
    head->written_ms = head->written_ms < 0 ? record->timestamp_ms : head->written_ms;
    head->query->is_done = true;
    return false;
}

static void on_no_head(void *arg, int64_t position)
{
    head_t *head = arg;
    (void)position;
    head->query->is_done = true;
}

static void on_head_gone(void *arg, int64_t low)
{
    head_t *head = arg;
    (void)low;
    head->is_gone = head->query->is_done = true;
}

/* The first record that is there, which need not stand at the offset that was committed. Where there is none, what stands there
 * is of transactions that were aborted or are open, or was compacted away: nobody is behind. */
static void look_at_head(stream_t *s, fanmap_lane_info_t *lane, int64_t now_ms)
{
    static const bus_reader_callbacks_t callbacks = {.record = on_head, .at_end = on_no_head, .gone = on_head_gone};
    head_t head = {.query = s->query, .offset = -1, .written_ms = -1};
    bus_reader_t *reader = NULL;
    s->query->result =
        bus_read(s->source, (int32_t)lane->partition, lane->head, &callbacks, &head, &reader, s->query->err);
    query_wait(s->query, "Kafka");
    bus_reader_close(reader);
    if (s->query->result == FANMAP_OK && !head.is_gone)
        lane->head = head.offset;
    if (lane->head < 0)
        lane->lag = 0;
    if (head.written_ms > 0)
        lane->head_age_ms = now_ms > head.written_ms ? now_ms - head.written_ms : 0;
    query_clear_error(s->query);
}

static int64_t beyond(int64_t end, int64_t position)
{
    return position < 0 || end <= position ? 0 : end - position;
}

/* Nobody begins it again by himself: what was finished before would run again. */
static void explain_lost_position(stream_t *s, uint32_t partition)
{
    if (partition < s->spec->items_partitions && !s->why[0])
        (void)snprintf(s->why, WHY_TEXT_MAX,
                       "group %.180s has no position for partition %" PRIu32
                       " of %.180s, and workers take nothing of it: set it with Kafka's tools, or begin another stream",
                       s->name, partition, s->spec->from);
}

static void fill_lane(stream_t *s, fanmap_lane_info_t *lane, int64_t now_ms)
{
    int32_t partition = (int32_t)lane->partition;
    int64_t finished = s->finished[partition];
    if (finished < 0) {
        explain_lost_position(s, lane->partition);
        finished = query_first(s->query, s->source, partition);
    }
    lane->lag = beyond(query_end_of(s->query, s->source, partition), finished);
    lane->head = lane->lag > 0 ? finished : -1;
    lane->head_age_ms = -1;
    lane->ungathered = beyond(query_end_of(s->query, s->log, partition), s->gathered[partition]);
    query_clear_error(s->query);
    if (lane->head >= 0)
        look_at_head(s, lane, now_ms);
}

typedef struct {
    stream_order_t order;
    uint64_t skipped;
} places_t;

/* How many were stepped over stands beside the positions of those who hand out. */
static void on_places(void *arg, const bus_answer_t *answer)
{
    places_t *places = arg;
    places->skipped = 0;
    for (size_t i = 0; answer->metadata && i < answer->n; i++) {
        gather_lane_t lane = {.order = places->order};
        if (answer->metadata[i] && gather_lane_load(&lane, 0, answer->metadata[i]))
            places->skipped += lane.skipped;
    }
}

static void fill_stream(stream_t *s, int64_t now_ms, fanmap_show_t *ret)
{
    query_t *query = s->query;
    const bus_request_t members = {.kind = BUS_COUNT_MEMBERS, .group = s->gatherers};
    fanmap_lane_info_t *lanes = calloc(s->n + 1, sizeof *lanes);
    s->finished = calloc(s->n + 1, sizeof *s->finished);
    s->gathered = calloc(s->n + 1, sizeof *s->gathered);
    ret->lanes = lanes;
    places_t places = {.order = s->spec->stream};
    if (!lanes || !s->finished || !s->gathered)
        return;
    query_committed(query, s->source, s->name, s->n, s->finished);
    if (query->result == FANMAP_OK)
        query_committed_with(query, s->log, s->gatherers, s->n, s->gathered, on_places, &places);
    if (query->result != FANMAP_OK)
        return;
    ret->gatherers_n = (int)query_bus(query, s->log, &members, NULL);
    query_clear_error(query);
    ret->lanes_n = s->n;
    ret->skipped = places.skipped;
    ret->lag = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        lanes[i].partition = i;
        fill_lane(s, &lanes[i], now_ms);
        ret->lag += lanes[i].lag;
    }
}

void show_stream(query_t *query, const spec_t *spec, int64_t now_ms, fanmap_show_t *ret, char ret_why[WHY_TEXT_MAX])
{
    stream_t s = {.query = query, .spec = spec, .why = ret_why};
    ret_why[0] = '\0';
    name_of_id(s.name, query->f->namespace_name, NAME_STREAM, spec->job);
    name_of_id(s.gatherers, query->f->namespace_name, NAME_GATHER, spec->job);
    open_topics(&s, spec);
    if (query->result == FANMAP_OK)
        fill_stream(&s, now_ms, ret);
    free(s.finished);
    free(s.gathered);
    query_clear_error(query);
}
