/* Items as they arrive: matched with what is here already, filed with their jobs, counted against the budget. */
#include "schemas/item.h"
#include "worker/core/state.h"

enum { AMPLE_US = 50000, DEFER_AFTER_MS = 250 };

static worker_item_t *receive(worker_t *w, worker_part_t *part, worker_job_t *job, const worker_event_t *e)
{
    invariant(part->is_owned && !part->is_revoking);
    worker_item_t *item = item_new(&w->pool);
    if (item == NULL) {
        w->failed = true;
        return NULL;
    }
    item_join(part, item);
    item->job = job;
    item->offset = e->item.offset;
    item->since_ms = count_since(w, e->appended_ms);
    item->payload = e->item.payload;
    item->record = e->item.value;
    item->record_len = (uint32_t)e->item.value_len;
    w->stats.payload_bytes += item->record_len;
    if (job != NULL) {
        job->payload_bytes += item->record_len;
        job->items_n++;
    }
    return item;
}

/* The job of a record; most have the one of the record before. */
static worker_job_t *job_of(worker_t *w, const char *key, size_t key_len)
{
    worker_job_t *job = w->recent;
    if (key_len == 0 || key_len > JOB_ID_MAX)
        return NULL;
    if (job == NULL || job->id_len != key_len || memcmp(job->id, key, key_len) != 0)
        job = job_get(w, key, key_len);
    return w->recent = job;
}

static void file(worker_t *w, worker_part_t *part, worker_job_t *job, const item_t *decoded, const worker_event_t *e)
{
    worker_item_t *item = receive(w, part, job, e);
    if (item == NULL)
        return;
    item->index = decoded->index;
    item->in = decoded->in;
    item->in_len = (uint32_t)decoded->in_len;
    if (part->tracker.counts_n > 0) {
        commit_count_t counts = tracker_counts(&part->tracker, item->offset);
        item->attempts = counts.attempts;
        item->charges = counts.charges;
    }
    item->hops = (uint8_t)(decoded->hops < UINT8_MAX ? decoded->hops : UINT8_MAX);
    if (decoded->attempts > item->attempts)
        item->attempts = decoded->attempts; /* a hint: filing.c bounds it */
    item_file(w, item);
}

/* A new record, or (is_again) one that was put off. True: its payload is kept (or given back already). */
static bool take(worker_t *w, worker_part_t *part, const worker_event_t *e, bool is_again)
{
    item_t decoded;
    if (part->source != NULL)
        return source_take(w, part, e);
    bool is_sound = e->item.value_len <= UINT32_MAX && item_decode(e->item.value, e->item.value_len, &decoded);
    if (is_sound && decoded.type != ITEM_RECORD) {
        tracker_finish(&part->tracker, e->item.offset);
        claims_note(w, part, &decoded);
        return false;
    }
    worker_job_t *job = job_of(w, e->item.key, e->item.key_len);
    if (job == NULL || !is_sound) {
        worker_item_t *item = receive(w, part, NULL, e);
        if (item != NULL)
            item_bury(w, item, e->item.key, e->item.key_len, job == NULL ? DEAD_BAD_KEY : DEAD_BAD_ITEM,
                      job == NULL ? "its key is not a job id" : "it is not an item");
        return true;
    }
    if (job->is_ended) {
        tracker_finish(&part->tracker, e->item.offset);
        return false;
    }
    bool is_anothers = part->claims_n > 0 && claim_find(part, e->item.offset) != NULL;
    if (job->spec != NULL && job->lacks_tokens && !job->is_halting && !is_anothers) {
        job_leave(w, job, part, e->item.offset);
        return false;
    }
    if (!is_again && !is_anothers && deferred_add(w, part, job, e->item.offset))
        return false;
    file(w, part, job, &decoded, e);
    return true;
}

void intake_item(worker_t *w, const worker_event_t *e)
{
    worker_part_t *part = part_get(w, e->item.lane);
    bool is_kept = false, is_taken = part != NULL && part->is_owned && !part->is_revoking;
    if (is_taken && !log_arrived(w, part, e->item.offset, e->appended_ms)) {
        log_remade(w, part->number);
        is_taken = false;
    }
    if (is_taken) {
        part->is_dirty = true;
        part->must_commit |= e->item.offset + 1 >= part->horizon; /* its start waits for a commit */
        if (tracker_arrive(&part->tracker, e->item.offset) == TRACKER_NEW &&
            part_adopt(w, part, e->item.offset) == NULL)
            is_kept = take(w, part, e, false);
        w->failed |= part->tracker.done.failed;
        w->is_window_full |= tracker_is_full(&part->tracker);
    }
    if (!is_kept)
        item_release_payload(w, e->item.payload);
}

void intake_fetched(worker_t *w, const worker_event_t *e)
{
    worker_part_t *part = part_get(w, e->item.lane);
    bool is_kept = false;
    if (part != NULL && part->is_owned && !part->is_revoking && deferred_take(w, part, e->item.offset)) {
        part->is_dirty = true;
        part->must_commit |= e->item.offset >= part->horizon;
        is_kept = take(w, part, e, true);
    }
    if (!is_kept)
        item_release_payload(w, e->item.payload);
}

void intake_fetch_over(worker_t *w, int32_t lane, int64_t low)
{
    worker_part_t *part = part_get(w, lane);
    if (part != NULL && part->is_owned)
        deferred_over(w, part, low);
}

void intake_gap(worker_t *w, int32_t lane, int64_t from, int64_t to)
{
    worker_part_t *part = part_get(w, lane);
    if (part == NULL || !part->is_owned || to <= from)
        return;
    w->stats.lost += (uint64_t)(to - from);
    part->is_dirty = true;
    if (part->source != NULL) {
        note_part(w, FANMAP_LOG_WARNING, part, "offsets %lld to %lld were deleted before they were read",
                  (long long)from, (long long)to - 1);
        source_gap(w, part, from, to);
        return;
    }
    tracker_finish_range(&part->tracker, from, to);
    note_part(w, FANMAP_LOG_WARNING, part,
              "Kafka no longer has offsets %lld to %lld; what had not run is listed as lost", (long long)from,
              (long long)to - 1);
}

static bool has_full_window(const worker_t *w)
{
    for (uint32_t i = 0; i < w->parts_n; i++)
        if (w->parts[i] != NULL && w->parts[i]->is_owned && tracker_is_full(&w->parts[i]->tracker))
            return true;
    return false;
}

/* One job's short items are all that there is to start, and they last for a while: what is read ahead of them would only fall
 * out of the processor's cache before its turn. Items of another job may lie behind them, so the while is short. */
static bool has_ample(const worker_t *w, size_t shift)
{
    const worker_job_t *job = w->turn;
    if (w->config.ample_n == 0 || w->turn_n != 1 || job->run_us == 0 || job->queue.n < (w->config.ample_n >> shift))
        return false;
    return job->queue.n * job->run_us / w->config.slots_n < AMPLE_US;
}

/* A pause that lasts is over, and what comes of a job that has its share is put off, until less than half is in hand. */
static void judge_pause(worker_t *w, bool is_full, bool is_half)
{
    if (!is_full)
        w->paused_ms = 0;
    else if (w->paused_ms == 0)
        w->paused_ms = w->now_ms;
    if (!w->config.can_fetch || !is_half)
        w->is_deferring = false;
    else
        w->is_deferring |= is_full && w->now_ms - w->paused_ms >= DEFER_AFTER_MS;
}

/* Off at the bound, on again at half of it, so that Kafka is asked for many at a time; while records are put off at the higher
 * bound, and half way down to the lower one. */
void intake_turn(worker_t *w)
{
    size_t shift = w->intake_on ? 0 : 1;
    if (w->is_window_full)
        w->is_window_full = has_full_window(w);
    bool is_half = budget_holds(w, 3);
    judge_pause(w, is_half && (!w->intake_on || budget_holds(w, 6)), is_half);
    bool is_full = budget_holds(w, w->is_deferring ? 8 - shift : (size_t)6 >> shift);
    bool on = !w->is_draining && !w->is_window_full && !is_full && !has_ample(w, shift);
    if (on == w->intake_on)
        return;
    w->intake_on = on;
    worker_action_t *action = act(w, WORKER_INTAKE);
    if (action != NULL)
        action->intake.on = on;
}

int64_t intake_next_ms(const worker_t *w)
{
    return w->config.can_fetch && w->paused_ms > 0 && !w->is_deferring ? w->paused_ms + DEFER_AFTER_MS : INT64_MAX;
}
