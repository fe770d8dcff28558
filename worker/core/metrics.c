/* Counting costs an item a few additions; what needs a look at every job is reckoned when it is asked for. */
#include "worker/core/metrics.h"

#include <string.h>

#include "base/clock.h"
#include "worker/core/state.h"

int64_t count_since(const worker_t *w, int64_t appended_ms)
{
    bool is_known = appended_ms > 0 && w->broker_ms > appended_ms;
    return is_known ? w->now_ms - (w->broker_ms - appended_ms) : w->now_ms;
}

uint32_t count_down(const worker_event_t *e)
{
    bool is_charged = e->down.why == ATTEMPT_DIED || e->down.why == ATTEMPT_TIMEOUT;
    bool is_said = e->down.outcome.kind > FANMAP_VALUE && (uint32_t)e->down.outcome.kind < COUNT_KINDS;
    return is_charged && is_said ? (uint32_t)e->down.outcome.kind : COUNT_KINDS + (uint32_t)e->down.why;
}

void count_attempt(worker_t *w, worker_item_t *item, uint32_t result, int64_t started_ms)
{
    worker_counts_t *counts = &w->counts[item->part->task];
    counts->attempts[result]++;
    if (item->attempts > 0)
        return;
    uint64_t wait_ms = started_ms > item->since_ms ? (uint64_t)(started_ms - item->since_ms) : 0;
    if (!item->has_wait && item->hops == 0 && wait_ms <= UINT32_MAX) { /* of a copy nobody knows here */
        item->has_wait = true;
        item->wait_ms = (uint32_t)wait_ms;
    }
    if (result < COUNT_KINDS)
        histogram_add(&counts->wait, wait_ms * 1000);
}

void count_token_wait(worker_t *w, worker_job_t *job, bool wants, bool can)
{
    if (wants && !can && job->lacks_token_ms == 0)
        job->lacks_token_ms = w->now_ms;
    if (can && job->lacks_token_ms > 0)
        histogram_add(&w->counts[job_task(w, job)].token_wait, (uint64_t)(w->now_ms - job->lacks_token_ms) * 1000);
    if (can || !wants)
        job->lacks_token_ms = 0;
}

const worker_counts_t *worker_counts(const worker_t *w, uint32_t task)
{
    return &w->counts[task];
}

/* As many as its limit lets start beside what runs, here or elsewhere: tokens held and unused, and those that nobody
 * holds. Who has others is told as soon as somebody else wants what is free. */
static uint64_t runnable(const worker_t *w, const worker_job_t *job, int64_t now_ms)
{
    if (w->is_draining || !job_may_start(job) || (limits_need_tokens(w, job) && job->tokens == NULL) ||
        !limits_paced(w, job))
        return 0;
    if (job->tokens == NULL || job->concurrency == 0)
        return job->queue.n;
    uint64_t allow = tokens_allow(job->tokens, now_ms);
    uint64_t room = allow > job->running ? allow - job->running : 0;
    room += tokens_free_n(job->tokens);
    return job->queue.n < room ? job->queue.n : room;
}

/* Of the items that are next in their lanes. */
static int64_t oldest_ms(const worker_job_t *job, int64_t now_ms)
{
    int64_t since_ms = now_ms;
    for (uint32_t i = 0; i < job->queue.lanes_n; i++) {
        const worker_item_t *item = job->queue.lanes[i]->items.head;
        if (item != NULL)
            since_ms = earlier(since_ms, item->since_ms);
    }
    return now_ms - since_ms;
}

void worker_present(const worker_t *w, int64_t now_ms, worker_present_t *ret)
{
    memset(ret, 0, w->config.tasks_n * sizeof *ret);
    for (const worker_job_t *job = w->active; job != NULL; job = job->active_next) {
        uint32_t task = job->spec != NULL ? job_task(w, job) : (uint32_t)w->config.tasks_n;
        if (task == w->config.tasks_n)
            continue;
        uint64_t n = runnable(w, job, now_ms);
        int64_t waited_ms = n > 0 ? oldest_ms(job, now_ms) : 0;
        ret[task].runnable += n;
        ret[task].running += job->running;
        ret[task].tokens_held += job->tokens != NULL ? tokens_held(job->tokens) : 0;
        ret[task].tokens_limit += job->tokens != NULL ? job->concurrency : 0;
        if (waited_ms > ret[task].oldest_ms)
            ret[task].oldest_ms = waited_ms;
    }
}

void worker_slots(const worker_t *w, worker_slots_t *ret)
{
    *ret = (worker_slots_t){0};
    for (uint32_t i = 0; i < w->config.slots_n; i++) {
        const worker_slot_t *slot = &w->slots[i];
        if (!slot->is_up)
            ret->down++;
        else if (slot->is_frozen)
            ret->frozen++;
        else if (slot->runs.n > 0)
            ret->busy++;
        else
            ret->idle++;
    }
}

int64_t worker_lane_committed(const worker_t *w, int32_t lane)
{
    const worker_part_t *part = lane >= 0 && (uint32_t)lane < w->parts_n ? w->parts[lane] : NULL;
    return part == NULL || !part->is_owned ? -1 : part->committed;
}

int64_t worker_lane_prefix(const worker_t *w, int32_t lane, uint32_t *ret_task)
{
    const worker_part_t *part = lane >= 0 && (uint32_t)lane < w->parts_n ? w->parts[lane] : NULL;
    if (part == NULL || !part->is_owned)
        return -1;
    *ret_task = part->task;
    return part_prefix(part);
}
