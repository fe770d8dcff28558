/* The topics of a stream: those that others have, its log, and where its two groups begin.
 *
 * Whoever makes the stream commits the first positions of both groups before anybody else can know of it. So a position that is
 * missing later is one that Kafka forgot (offsets.retention.minutes without a member), or that of a topic that was made anew: to
 * begin again there would write outcomes a second time. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/admin/offsets.h"
#include "client/services/stream.h"

/* How many partitions one of others has that must be there. */
static uint32_t count(fanmap_stream_t *s, const char *name)
{
    return query_ensure(&s->query, &(bus_topic_config_t){.name = name}, false);
}

typedef struct {
    fanmap_stream_t *s;
    const char *name;
    uint32_t bytes_max;
} looking_t;

static void on_survey(void *arg, const bus_topic_state_t *topics, size_t n, const fanmap_error_t *err)
{
    looking_t *looking = arg;
    for (size_t i = 0; i < n; i++)
        if (strcmp(topics[i].name, looking->name) == 0 && topics[i].has_config)
            looking->bytes_max = topics[i].message_bytes_max;
    query_answered(&looking->s->query, err);
}

/* 0: it may not be seen. */
static uint32_t bytes_max(fanmap_stream_t *s, const char *name)
{
    looking_t looking = {.s = s, .name = name};
    if (s->query.result != FANMAP_OK || !name[0])
        return 0;
    s->query.result = bus_survey(s->f->bus, name, on_survey, &looking, s->query.err);
    query_wait(&s->query, "Kafka");
    return looking.bytes_max;
}

static void check_topics(fanmap_stream_t *s)
{
    const spec_t *spec = &s->spec;
    uint32_t to_n = spec->to[0] ? count(s, spec->to) : 0;
    if (spec->errors_to[0])
        (void)count(s, spec->errors_to);
    s->source_n = count(s, spec->from);
    if (s->query.result == FANMAP_OK && spec->to[0] && spec->terms.to_same_partition && to_n < s->source_n)
        s->query.result = err_set(s->query.err, FANMAP_EUSAGE,
                                  "--to-partition same: topic %s has %" PRIu32 " partitions, and %s has %" PRIu32,
                                  spec->to, to_n, spec->from, s->source_n);
    s->out.to_bytes_max = bytes_max(s, spec->to);
    s->out.errors_bytes_max = bytes_max(s, spec->errors_to);
}

/* Its log, a partition for each of the source's. */
static void make_log(fanmap_stream_t *s)
{
    const fanmap_options_t *o = s->f->options;
    const bus_topic_config_t log = {s->log_name, s->source_n, false, -1, options_record_bytes_max(o)};
    s->log_n = query_ensure(&s->query, &log, options_switch(o, OPT_CREATE_TOPICS));
}

/* Where the group has a position already, that stays: `held`, -1 elsewhere. */
static void begin_group(fanmap_stream_t *s, const char *name, bus_topic_t *topic, const bus_position_t *positions,
                        int64_t *held)
{
    const bus_request_t request = {
        .kind = BUS_FIRST_COMMIT, .group = name, .n = s->spec.items_partitions, .positions = positions};
    if (s->query.result == FANMAP_OK)
        (void)query_bus(&s->query, topic, &request, held);
}

/* Where the stream begins in a partition of its source. A stream from the first record on begins at 0: what is gone before it is
 * said in its log. */
static int64_t find_start(fanmap_stream_t *s, bus_topic_t *source, uint32_t partition)
{
    bus_request_t request = {.kind = BUS_FIND_TIME, .partition = (int32_t)partition, .at = s->start_ms};
    if (s->start_ms == STREAM_FROM_FIRST)
        return 0;
    int64_t found = s->start_ms == STREAM_FROM_LAST ? BUS_END : query_bus(&s->query, source, &request, NULL);
    if (s->query.result == FANMAP_OK && found == BUS_BEGIN)
        s->query.result = err_set_retry(s->query.err, FANMAP_EUNREACHABLE,
                                        "Kafka does not say where partition %" PRIu32 " of %s had which time",
                                        partition, s->spec.from);
    return found == BUS_END ? query_end_of(&s->query, source, (int32_t)partition) : found;
}

/* The log has the name of the group that reads the source. Of a lane that begins at S, S - 1 counts as handed out. The source's
 * group comes first, and what it held before, from somebody who begins the stream at the same time or did not come to an end with
 * it, is where the stream begins: so the two agree. */
static void begin_at(fanmap_stream_t *s, bus_topic_t *source, bus_topic_t *log)
{
    uint32_t n = s->spec.items_partitions;
    bus_position_t *of_source = calloc(n + 1, sizeof *of_source), *of_log = calloc(n + 1, sizeof *of_log);
    char(*texts)[GATHER_POSITION_MAX] = calloc(n + 1, sizeof *texts);
    int64_t *held = calloc(n + 1, sizeof *held);
    if (!of_source || !of_log || !texts || !held)
        query_out_of_memory(&s->query);
    for (uint32_t i = 0; s->query.result == FANMAP_OK && i < n; i++)
        of_source[i] = (bus_position_t){(int32_t)i, find_start(s, source, i), ""};
    begin_group(s, s->log_name, source, of_source, held);
    for (uint32_t i = 0; s->query.result == FANMAP_OK && i < n; i++) {
        if (held[i] >= 0)
            of_source[i].offset = held[i];
        gather_lane_t lane = {.order = s->spec.stream, .last = of_source[i].offset - 1, .highest = -1};
        of_log[i] = (bus_position_t){(int32_t)i, gather_lane_position(&lane, texts[i]), texts[i]};
    }
    begin_group(s, s->group_name, log, of_log, held);
    free(held);
    free(of_source);
    free(of_log);
    free(texts);
}

static void begin_groups(fanmap_stream_t *s)
{
    bus_topic_t *source = query_open(&s->query, s->spec.from, NULL, NULL);
    bus_topic_t *log = query_open(&s->query, s->log_name, NULL, NULL);
    if (s->query.result == FANMAP_OK)
        begin_at(s, source, log);
}

void stream_lacks_position(fanmap_error_t *err, const fanmap_stream_t *s, const char *group, uint32_t partition,
                           const char *topic)
{
    err_set(err, FANMAP_ELOST,
            "stream %s: group %s has no position for partition %" PRIu32
            " of %s: Kafka forgot it (offsets.retention.minutes), or the topic was made anew; set it with Kafka's "
            "tools, or cancel the stream and begin one of another name",
            s->spec.job, group, partition, topic);
}

/* Workers take nothing where their group has no position. Whoever may not look goes on: they say it, too. */
static void check_source_group(fanmap_stream_t *s)
{
    query_t *query = &s->query;
    uint32_t n = s->spec.items_partitions;
    int64_t *held = calloc(n + 1, sizeof *held);
    if (!held)
        query_out_of_memory(query);
    bus_topic_t *source = query_open(query, s->spec.from, NULL, NULL);
    if (query->result == FANMAP_OK)
        query_committed(query, source, s->log_name, n, held);
    if (query->result == FANMAP_EREFUSED)
        query_clear_error(query);
    else
        for (uint32_t i = 0; query->result == FANMAP_OK && i < n; i++)
            if (held[i] < 0) {
                stream_lacks_position(query->err, s, s->log_name, i, s->spec.from);
                query->result = FANMAP_ELOST;
            }
    free(held);
}

void stream_topics(fanmap_stream_t *s, bool is_new)
{
    check_topics(s);
    make_log(s);
    if (!is_new) {
        check_source_group(s);
        return;
    }
    s->spec.items_partitions = s->source_n;
    s->spec.to_bytes_max = s->out.to_bytes_max;
    begin_groups(s);
}
