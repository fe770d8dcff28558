/* Lanes of streams in the worker: what arrives of them. */
#include <stdlib.h>

#include "schemas/streamlog.h"
#include "worker/core/state.h"

/* ---- ownership ---- */

bool source_begin(worker_t *w, worker_part_t *part, const worker_event_t *e)
{
    if (part->source == NULL)
        part->source = calloc(1, sizeof *part->source);
    worker_job_t *job = part->source != NULL ? job_get(w, e->assigned.stream, strlen(e->assigned.stream)) : NULL;
    if (job == NULL)
        return false;
    part->source->job = job;
    source_forget(&part->tracker);
    source_assign(part->source, e->assigned.was_committed ? e->assigned.offset : e->assigned.start);
    return true;
}

/* ---- records ---- */

static worker_item_t *receive(worker_t *w, worker_part_t *part, int64_t offset, size_t bytes)
{
    source_t *source = part->source;
    int64_t before = source_prev(source, offset);
    worker_item_t *item = item_new(&w->pool);
    if (item == NULL || !source_arrive(source, offset, (uint32_t)bytes)) {
        w->failed = true;
        return NULL;
    }
    item_join(part, item);
    item->job = source->job;
    item->job->items_n++;
    item->offset = offset;
    item->index = (uint64_t)offset;
    item->since_ms = w->now_ms;
    item->before = before;
    return item;
}

static void take_key(worker_t *w, worker_item_t *item, const void *key, size_t key_len)
{
    uint8_t hash[PLACE_KEY_BYTES];
    if (item->job->spec == NULL || item->job->spec->stream != STREAM_BY_KEY || key == NULL)
        return; /* what has no key is in no order */
    place_key(hash, key, key_len);
    item->key = source_key(w, item->part->source, hash);
}

/* In the log it stands as one that is not there: readers step over it, and its offset is committed. */
static void pass_over(worker_t *w, worker_part_t *part, int64_t offset)
{
    static const outcome_t skipped = {
        .kind = FANMAP_LOST, .message = STREAMLOG_SKIPPED, .message_len = sizeof STREAMLOG_SKIPPED - 1};
    worker_item_t *item = receive(w, part, offset, 0);
    if (item != NULL)
        outcome_publish(w, item, &skipped);
    source_hold(w, part);
}

bool source_take(worker_t *w, worker_part_t *part, const worker_event_t *e)
{
    if (part->source->job->is_ended)
        return false;
    if (e->item.is_skipped) {
        pass_over(w, part, e->item.offset);
        return false;
    }
    worker_item_t *item = receive(w, part, e->item.offset, e->item.value_len + e->item.beside_len);
    if (item == NULL)
        return false;
    item->payload = e->item.payload;
    item->record = item->in = e->item.value;
    item->record_len = item->in_len = (uint32_t)e->item.value_len;
    w->stats.payload_bytes += item->record_len;
    item->job->payload_bytes += item->record_len;
    if (part->tracker.counts_n > 0) {
        commit_count_t counts = tracker_counts(&part->tracker, item->offset);
        item->attempts = counts.attempts;
        item->charges = counts.charges;
    }
    item->bad = e->item.bad;
    item->since_ms = count_since(w, e->appended_ms);
    take_key(w, item, e->item.key, e->item.key_len);
    item_file(w, item);
    source_hold(w, part);
    return true;
}

void source_gap(worker_t *w, worker_part_t *part, int64_t from, int64_t to)
{
    static const outcome_t gone = {.kind = FANMAP_LOST};
    tracker_finish_range(&part->tracker, from, to - 1);
    if (part->source->job->is_ended || tracker_arrive(&part->tracker, to - 1) != TRACKER_NEW)
        return;
    worker_item_t *item = receive(w, part, to - 1, 0);
    if (item != NULL)
        outcome_publish(w, item, &gone);
}

void source_turn(worker_t *w)
{
    worker_item_t *item;
    while ((item = w->keys_due.head) != NULL) {
        item_unlink(item);
        item_file(w, item);
    }
}
