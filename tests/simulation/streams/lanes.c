/* The source, the log and the output of each lane, and what must hold of them. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- the source ---- */

void source_write(world_t *x, uint32_t l)
{
    stream_lane_t *lane = &x->lanes[l];
    if (lane->records_n == x->records_n)
        return;
    if (chance(x, x->gaps_permille))
        lane->end += 1 + (int64_t)roll(x, 3); /* a transaction that was aborted, or its marker */
    record_t record = {.offset = lane->end++, .key = chance(x, 100) ? -1 : (int)roll(x, KEYS), .is_there = true};
    record.is_skipped = x->gaps_permille > 0 && record.offset % SKIPPED_EVERY == SKIPPED_EVERY - 1;
    lane->records[lane->records_n++] = record;
}

record_t *source_at(stream_lane_t *lane, int64_t offset)
{
    for (size_t i = 0; i < lane->records_n; i++)
        if (lane->records[i].is_there && lane->records[i].offset >= offset)
            return &lane->records[i];
    return NULL;
}

record_t *record_at(stream_lane_t *lane, int64_t offset)
{
    for (size_t i = 0; i < lane->records_n; i++)
        if (lane->records[i].offset == offset)
            return &lane->records[i];
    return NULL;
}

void source_compact(world_t *x, uint32_t l)
{
    stream_lane_t *lane = &x->lanes[l];
    if (lane->records_n < 2)
        return;
    record_t *record = &lane->records[roll(x, lane->records_n - 1)];
    say(x, "lane %u: %lld is compacted away", l, (long long)record->offset);
    record->is_there = false;
}

void source_delete(world_t *x, uint32_t l)
{
    stream_lane_t *lane = &x->lanes[l];
    if (lane->end <= lane->low)
        return;
    lane->low += 1 + (int64_t)roll(x, (uint64_t)(lane->end - lane->low));
    say(x, "lane %u: the source begins at %lld", l, (long long)lane->low);
    for (size_t i = 0; i < lane->records_n; i++)
        lane->records[i].is_there &= lane->records[i].offset >= lane->low;
}

/* ---- the log ---- */

pack_t *pack_new(world_t *x)
{
    if (x->packs_n == x->packs_cap) {
        x->packs_cap = x->packs_cap > 0 ? x->packs_cap * 2 : 256;
        x->packs = realloc(x->packs, x->packs_cap * sizeof(pack_t *));
        if (x->packs == NULL)
            abort();
    }
    pack_t *pack = calloc(1, sizeof *pack);
    if (pack == NULL)
        abort();
    pack->whole = -1;
    return x->packs[x->packs_n++] = pack;
}

void log_append(world_t *x, uint32_t l, pack_t *pack)
{
    stream_lane_t *lane = &x->lanes[l];
    if (lane->log_end == LOG_MAX) {
        fault(x, "the log of lane %u grows without end", l);
        return;
    }
    for (size_t i = 0; i < pack->n; i++) {
        record_t *record = record_at(lane, pack->outcomes[i].offset);
        if (record != NULL && (!pack->outcomes[i].is_gone || record->is_skipped))
            record->is_logged = true;
        say(x, "lane %u: log %lld: %lld, prev %lld%s", l, (long long)lane->log_end, (long long)pack->outcomes[i].offset,
            (long long)pack->outcomes[i].prev, pack->outcomes[i].is_gone ? ", gone" : "");
    }
    say(x, "lane %u: log %lld: whole up to %lld", l, (long long)lane->log_end, (long long)pack->whole);
    lane->log[lane->log_end++] = pack;
}

/* Below what was gathered always; beyond only where an operator does it. */
void log_delete(world_t *x, uint32_t l)
{
    stream_lane_t *lane = &x->lanes[l];
    int64_t low = lane->gathered;
    if (x->loses_log && chance(x, 500))
        low += (int64_t)roll(x, (uint64_t)(lane->log_end - lane->gathered) + 1);
    if (low <= lane->log_low)
        return;
    say(x, "lane %u: the log begins at %lld, gathered is %lld", l, (long long)low, (long long)lane->gathered);
    for (int64_t at = lane->gathered > lane->log_low ? lane->gathered : lane->log_low; at < low; at++)
        for (size_t i = 0; i < lane->log[at]->n; i++) {
            record_t *record = record_at(lane, lane->log[at]->outcomes[i].offset);
            if (record != NULL)
                record->was_lost = true;
        }
    lane->log_low = low;
}

/* ---- the output ---- */

void output_append(world_t *x, uint32_t l, int64_t offset)
{
    stream_lane_t *lane = &x->lanes[l];
    record_t *record = record_at(lane, offset);
    say(x, "lane %u: output %lld", l, (long long)offset);
    if (record == NULL) {
        fault(x, "lane %u: %lld is handed out, which never was", l, (long long)offset);
        return;
    }
    if (record->is_skipped)
        fault(x, "lane %u: %lld is handed out, which was to be stepped over", l, (long long)offset);
    if (record->output_n++ > 0 && !x->is_plain)
        fault(x, "lane %u: %lld is visible twice", l, (long long)offset);
    if (x->is_plain)
        return;
    if (x->order == STREAM_BY_PARTITION && offset <= lane->last_output)
        fault(x, "lane %u: %lld comes behind %lld", l, (long long)offset, (long long)lane->last_output);
    if (x->order == STREAM_BY_KEY && record->key >= 0 && offset <= lane->last_of_key[record->key])
        fault(x, "lane %u: %lld comes behind %lld of its key", l, (long long)offset,
              (long long)lane->last_of_key[record->key]);
    lane->last_output = offset;
    if (record->key >= 0)
        lane->last_of_key[record->key] = offset;
}

static bool was_reported(const stream_lane_t *lane, int64_t offset)
{
    for (size_t i = 0; i < lane->losses_n; i++)
        if (offset >= lane->losses[i].from && offset <= lane->losses[i].to)
            return true;
    return false;
}

/* In an order of keys, or none, a loss beyond what was read is known by the log's own offsets, not by the records'. */
static bool may_be_missing(const world_t *x, const stream_lane_t *lane, const record_t *record)
{
    if (was_reported(lane, record->offset))
        return true;
    return x->order != STREAM_BY_PARTITION && record->was_lost;
}

void check_end(world_t *x)
{
    for (uint32_t l = 0; l < x->lanes_n; l++) {
        stream_lane_t *lane = &x->lanes[l];
        const record_t *last = source_at(lane, lane->records_n > 0 ? lane->records[lane->records_n - 1].offset : 0);
        if (last != NULL && lane->committed != last->offset + 1)
            fault(x, "lane %u is committed up to %lld of %lld", l, (long long)lane->committed,
                  (long long)last->offset + 1);
        for (size_t i = 0; i < lane->records_n; i++) {
            const record_t *record = &lane->records[i];
            if (record->is_there && !record->is_skipped && record->output_n == 0 && !may_be_missing(x, lane, record))
                fault(x, "lane %u: %lld is missing", l, (long long)record->offset);
        }
        if (lane->gathered < lane->log_end)
            fault(x, "lane %u: something waits for ever from %lld of the log on, which ends at %lld", l,
                  (long long)lane->gathered, (long long)lane->log_end);
    }
}
