/* The log of a stream, by the group of its gatherers, as events of the core. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/services/stream.h"

/* Where it was is what keeps an outcome from being written twice. Lanes that were added to the source later begin with none. */
static void lacks_position(fanmap_stream_t *s, uint32_t lane)
{
    fanmap_error_t err;
    stream_lacks_position(&err, s, s->group_name, lane, s->log_name);
    stream_fail(s, &err);
    s->must_rejoin = true;
}

static void on_assigned(void *arg, int32_t lane, int64_t offset, bool was_committed, const char *metadata,
                        size_t metadata_len)
{
    fanmap_stream_t *s = arg;
    char text[GATHER_POSITION_MAX];
    if (!stream_has_lanes(s, (uint32_t)lane + 1)) {
        fanmap_error_t err;
        err_set(&err, FANMAP_ENOMEM, "out of memory");
        stream_fail(s, &err);
        return;
    }
    if (!was_committed && (uint32_t)lane < s->spec.items_partitions) {
        lacks_position(s, (uint32_t)lane);
        return;
    }
    if (was_committed)
        s->gathered[lane] = offset; /* by whoever was before */
    (void)snprintf(text, sizeof text, "%.*s", (int)(was_committed ? metadata_len : 0), metadata);
    stream_step(s, &(gatherer_event_t){.type = GATHERER_ASSIGNED,
                                       .lane = (uint32_t)lane,
                                       .at = was_committed ? offset : 0,
                                       .metadata = text,
                                       .generation = s->generation});
    if (!was_committed && offset > 0)
        stream_step(s, &(gatherer_event_t){.type = GATHERER_GONE, .lane = (uint32_t)lane, .at = offset});
}

static void on_rebalanced(void *arg)
{
    fanmap_stream_t *s = arg;
    s->generation++;
    s->is_dealt = true;
}

static void on_revoked(void *arg, const int32_t *lanes, size_t n, bool lost)
{
    fanmap_stream_t *s = arg;
    (void)lanes, (void)n;
    s->is_dealt &= !lost;
    if (s->is_leaving)
        s->group = NULL;
    if (s->gatherer)
        stream_step(s, &(gatherer_event_t){.type = GATHERER_REVOKED});
    loop_wake(s->f->loop);
}

/* Up to `most`. False: not all of them are sound, or there are more. */
static bool read_entries(fanmap_stream_t *s, streamlog_pack_t *log, size_t most, stream_pack_t *pack,
                         gather_outcome_t *ret, size_t *ret_n)
{
    size_t n = 0;
    while (n < most && streamlog_next(log, &pack->entries[n].outcome)) {
        stream_entry_t *entry = &pack->entries[n];
        entry->pack = pack;
        ret[n] = gather_outcome_of(&entry->outcome, entry);
        s->skipped += ret[n++].is_skipped;
    }
    pack->refs += n;
    *ret_n = n;
    return !log->entries.bad && log->left == 0;
}

/* True: the record's bytes are kept. */
static bool read_pack(fanmap_stream_t *s, const bus_record_t *record, streamlog_pack_t *log)
{
    fanmap_error_t err;
    size_t n = 0, most = record->value_len / STREAMLOG_OUTCOME_MIN;
    most = log->left < most ? log->left : most;
    gather_outcome_t *outcomes = malloc((most + 1) * sizeof *outcomes);
    stream_pack_t *pack = malloc(sizeof *pack + most * sizeof *pack->entries);
    if (!outcomes || !pack) {
        free(outcomes);
        free(pack);
        err_set(&err, FANMAP_ENOMEM, "out of memory");
        stream_fail(s, &err);
        return false;
    }
    *pack = (stream_pack_t){.refs = 1, .owner = record->owner, .lane = (uint32_t)record->lane};
    if (!read_entries(s, log, most, pack, outcomes, &n) && !s->said_bad_record) {
        s->said_bad_record = true;
        client_log(s->f, FANMAP_LOG_WARNING, "the record at offset %" PRId64 " of %s, partition %d, is not whole",
                   record->offset, s->log_name, (int)record->partition);
    }
    stream_step(s, &(gatherer_event_t){.type = GATHERER_PACK,
                                       .lane = (uint32_t)record->lane,
                                       .at = record->offset,
                                       .whole = log->whole,
                                       .at_in = outcomes,
                                       .n = n});
    free(outcomes);
    bool is_kept = --pack->refs > 0;
    if (!is_kept)
        free(pack);
    return is_kept;
}

static bool on_record(void *arg, const bus_record_t *record)
{
    fanmap_stream_t *s = arg;
    streamlog_pack_t log = {.whole = -1};
    if ((uint32_t)record->lane >= s->lanes_n)
        return false;
    if (!streamlog_decode(record->value, record->value_len, &log) && !s->said_bad_record) {
        s->said_bad_record = true;
        client_log(s->f, FANMAP_LOG_WARNING, "a record of %s is bad or foreign and does not count", s->log_name);
    }
    return read_pack(s, record, &log);
}

static void on_gap(void *arg, int32_t lane, int64_t from, int64_t to)
{
    fanmap_stream_t *s = arg;
    fanmap_error_t err;
    if (to < from) {
        err_set_retry(&err, FANMAP_ELOST, "topic %s was deleted and made anew", s->log_name);
        stream_fail(s, &err);
        return;
    }
    stream_step(s, &(gatherer_event_t){.type = GATHERER_GONE, .lane = (uint32_t)lane, .at = to});
}

void stream_join(fanmap_stream_t *s)
{
    static const bus_group_callbacks_t callbacks = {.assigned = on_assigned,
                                                    .rebalanced = on_rebalanced,
                                                    .revoked = on_revoked,
                                                    .record = on_record,
                                                    .gap = on_gap};
    fanmap_error_t err;
    s->wants = true;
    if (bus_group_join(&s->log_topic, 1, s->group_name, &callbacks, s, &s->group, &err) != FANMAP_OK)
        stream_fail(s, &err);
    stream_want(s);
}
