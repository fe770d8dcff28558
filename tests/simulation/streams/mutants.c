/* Each rule taken out: the linker leads its function through here (--wrap). */
#include "world.h"

#include "worker/core/source.h"
#include "worker/core/state.h"

rule_t rule_off;

int64_t __real_source_commit(const source_t *source, const tracker_t *tracker);
int64_t __wrap_source_commit(const source_t *source, const tracker_t *tracker);
int64_t __wrap_source_commit(const source_t *source, const tracker_t *tracker)
{
    return rule_off == RULE_COMMIT ? tracker_prefix(tracker) : __real_source_commit(source, tracker);
}

int64_t __real_source_prev(const source_t *source, int64_t offset);
int64_t __wrap_source_prev(const source_t *source, int64_t offset);
int64_t __wrap_source_prev(const source_t *source, int64_t offset)
{
    return rule_off == RULE_PREV ? offset - 1 : __real_source_prev(source, offset);
}

bool __real_source_finishes(const worker_item_t *item);
bool __wrap_source_finishes(const worker_item_t *item);
bool __wrap_source_finishes(const worker_item_t *item)
{
    return rule_off == RULE_FINISHES || __real_source_finishes(item);
}

bool __real_source_is_full(const source_t *source, uint32_t records_max, size_t bytes_max);
bool __wrap_source_is_full(const source_t *source, uint32_t records_max, size_t bytes_max);
bool __wrap_source_is_full(const source_t *source, uint32_t records_max, size_t bytes_max)
{
    return rule_off != RULE_WINDOW && __real_source_is_full(source, records_max, bytes_max);
}

int64_t __real_source_whole(const source_t *source);
int64_t __wrap_source_whole(const source_t *source);
int64_t __wrap_source_whole(const source_t *source)
{
    return rule_off == RULE_WHOLE ? -1 : __real_source_whole(source);
}

void __real_source_gap(worker_t *w, worker_part_t *part, int64_t from, int64_t to);
void __wrap_source_gap(worker_t *w, worker_part_t *part, int64_t from, int64_t to);
void __wrap_source_gap(worker_t *w, worker_part_t *part, int64_t from, int64_t to)
{
    if (rule_off == RULE_GAP)
        tracker_finish_range(&part->tracker, from, to);
    else
        __real_source_gap(w, part, from, to);
}

/* What does not fit is put off and read again, as it is of jobs. */
bool __real_source_take(worker_t *w, worker_part_t *part, const worker_event_t *event);
bool __wrap_source_take(worker_t *w, worker_part_t *part, const worker_event_t *event);
bool __wrap_source_take(worker_t *w, worker_part_t *part, const worker_event_t *event)
{
    if (rule_off == RULE_KEEPS && event->type == WORKER_ITEM && !event->item.is_skipped &&
        deferred_add(w, part, part->source->job, event->item.offset))
        return false;
    return __real_source_take(w, part, event);
}

void __real_source_forget(tracker_t *tracker);
void __wrap_source_forget(tracker_t *tracker);
void __wrap_source_forget(tracker_t *tracker)
{
    if (rule_off != RULE_FORGET)
        __real_source_forget(tracker);
}

bool __real_source_waits_for_key(worker_item_t *item);
bool __wrap_source_waits_for_key(worker_item_t *item);
bool __wrap_source_waits_for_key(worker_item_t *item)
{
    return rule_off != RULE_KEYS && __real_source_waits_for_key(item);
}

/* After a transaction that was not stored everything stays as it is. */
void __real_gather_lane_forget(gather_lane_t *lane, gather_fn release, void *arg);
void __wrap_gather_lane_forget(gather_lane_t *lane, gather_fn release, void *arg);
void __wrap_gather_lane_forget(gather_lane_t *lane, gather_fn release, void *arg)
{
    if (rule_off != RULE_RELOAD)
        __real_gather_lane_forget(lane, release, arg);
}

bool __real_gather_lane_load(gather_lane_t *lane, int64_t at, const char *text);
bool __wrap_gather_lane_load(gather_lane_t *lane, int64_t at, const char *text);
bool __wrap_gather_lane_load(gather_lane_t *lane, int64_t at, const char *text)
{
    if (rule_off == RULE_RELOAD && lane->is_loaded)
        return true;
    return __real_gather_lane_load(lane, at, text);
}

void __real_gather_copy(gather_entry_t *entry, const gather_outcome_t *copy);
void __wrap_gather_copy(gather_entry_t *entry, const gather_outcome_t *copy);
void __wrap_gather_copy(gather_entry_t *entry, const gather_outcome_t *copy)
{
    if (rule_off != RULE_LOWEST)
        __real_gather_copy(entry, copy);
}

size_t __real_gather_ready(const gather_lane_t *lane);
size_t __wrap_gather_ready(const gather_lane_t *lane);
size_t __wrap_gather_ready(const gather_lane_t *lane)
{
    return rule_off == RULE_READY ? lane->n : __real_gather_ready(lane);
}

bool __real_gather_is_lost(const gather_lane_t *lane, int64_t whole);
bool __wrap_gather_is_lost(const gather_lane_t *lane, int64_t whole);
bool __wrap_gather_is_lost(const gather_lane_t *lane, int64_t whole)
{
    return rule_off != RULE_LOST && __real_gather_is_lost(lane, whole);
}

bool __real_gather_was_seen(const gather_lane_t *lane, size_t place, int64_t offset);
bool __wrap_gather_was_seen(const gather_lane_t *lane, size_t place, int64_t offset);
bool __wrap_gather_was_seen(const gather_lane_t *lane, size_t place, int64_t offset)
{
    return rule_off != RULE_SEEN && __real_gather_was_seen(lane, place, offset);
}

bool __real_gather_is_overtaken(const gather_lane_t *lane, int64_t highest, const gather_outcome_t *outcome);
bool __wrap_gather_is_overtaken(const gather_lane_t *lane, int64_t highest, const gather_outcome_t *outcome);
bool __wrap_gather_is_overtaken(const gather_lane_t *lane, int64_t highest, const gather_outcome_t *outcome)
{
    return rule_off != RULE_OVERTAKEN && __real_gather_is_overtaken(lane, highest, outcome);
}

bool __real_gather_is_remembered(const gather_lane_t *lane, int64_t at);
bool __wrap_gather_is_remembered(const gather_lane_t *lane, int64_t at);
bool __wrap_gather_is_remembered(const gather_lane_t *lane, int64_t at)
{
    return rule_off != RULE_REMEMBERED && __real_gather_is_remembered(lane, at);
}

int64_t __real_gather_first_needed(const gather_lane_t *lane);
int64_t __wrap_gather_first_needed(const gather_lane_t *lane);
int64_t __wrap_gather_first_needed(const gather_lane_t *lane)
{
    return rule_off == RULE_NEEDED ? lane->position : __real_gather_first_needed(lane);
}

bool __real_gather_forgot(const gather_lane_t *lane);
bool __wrap_gather_forgot(const gather_lane_t *lane);
bool __wrap_gather_forgot(const gather_lane_t *lane)
{
    return rule_off != RULE_FORGOT && __real_gather_forgot(lane);
}

/* What was in a call that failed whole may be in one as large again. */
static const worker_item_t *split_last;
static uint64_t splits_n;
void __real_batch_split(worker_item_t *item, size_t n);
void __wrap_batch_split(worker_item_t *item, size_t n);
void __wrap_batch_split(worker_item_t *item, size_t n)
{
    split_last = ++splits_n % 2 == 0 ? item : NULL;
    if (rule_off != RULE_SPLIT)
        __real_batch_split(item, n);
}

bool __real_batch_takes(size_t n, uint32_t *most, const worker_item_t *item);
bool __wrap_batch_takes(size_t n, uint32_t *most, const worker_item_t *item);
bool __wrap_batch_takes(size_t n, uint32_t *most, const worker_item_t *item)
{
    return rule_off == RULE_JOINS ? n < item->job->spec->batch_n : __real_batch_takes(n, most, item);
}

/* Of what was split every second item is dropped. */
void __real_item_requeue(worker_t *w, worker_item_t *item);
void __wrap_item_requeue(worker_t *w, worker_item_t *item);
void __wrap_item_requeue(worker_t *w, worker_item_t *item)
{
    bool is_dropped = rule_off == RULE_HALF && split_last == item;
    split_last = NULL;
    if (is_dropped)
        item_discard(w, item);
    else
        __real_item_requeue(w, item);
}

/* A call waits until it is full. */
bool __real_batch_is_due(const worker_t *w, const worker_job_t *job);
bool __wrap_batch_is_due(const worker_t *w, const worker_job_t *job);
bool __wrap_batch_is_due(const worker_t *w, const worker_job_t *job)
{
    bool is_full = job->spec == NULL || job->queue.n >= job->spec->batch_n;
    return rule_off == RULE_WITHIN ? is_full : __real_batch_is_due(w, job);
}
