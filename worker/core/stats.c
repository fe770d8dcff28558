/* What is told of a worker: for people, for presence rows, for tests. Changes nothing. */
#include <string.h>

#include "worker/core/state.h"

enum { RETRIES_LOOKED_AT = 64 };

void worker_stats(const worker_t *w, worker_stats_t *ret)
{
    *ret = w->stats;
    ret->wants_intake = w->intake_on;
    for (const worker_job_t *job = w->active; job != NULL; job = job->active_next) {
        ret->queued += job->queue.n + job->refence.n + job->unnamed.n;
        ret->delayed += job->delayed.n;
        ret->running += job->running;
    }
    for (uint32_t i = 0; i < w->config.slots_n; i++)
        ret->slots_up += w->slots[i].is_up;
    for (uint32_t i = 0; i < w->parts_n; i++)
        ret->partitions += w->parts[i] != NULL && w->parts[i]->is_owned;
}

bool worker_has_partition(const worker_t *w, uint32_t task)
{
    for (uint32_t i = 0; i < w->parts_n; i++)
        if (w->parts[i] != NULL && w->parts[i]->is_owned && w->parts[i]->task == task)
            return true;
    return false;
}

uint64_t worker_running(const worker_t *w, const char *id)
{
    const worker_job_t *job = NULL;
    HASH_FIND_STR(w->jobs, id, job);
    return job != NULL ? job->running : 0;
}

bool worker_attempt(const worker_t *w, uint32_t slot, uint32_t n, worker_attempt_t *ret)
{
    const worker_item_t *item = slot < w->config.slots_n ? w->slots[slot].runs.head : NULL;
    while (item != NULL && item->run_n != n)
        item = item->next;
    if (item != NULL)
        *ret = (worker_attempt_t){item->job->id, item->index, item->attempts + 1};
    return item != NULL;
}

static worker_oldest_t *oldest_of(worker_oldest_t *at, size_t *n, size_t max, const char *job)
{
    for (size_t i = 0; i < *n; i++)
        if (strcmp(at[i].job, job) == 0)
            return &at[i];
    if (*n == max)
        return NULL;
    at[*n] = (worker_oldest_t){.running_ms = -1};
    memcpy(at[*n].job, job, strlen(job) + 1);
    return &at[(*n)++];
}

size_t worker_oldest(const worker_t *w, worker_oldest_t *ret, size_t max)
{
    size_t n = 0;
    for (uint32_t i = 0; i < w->config.slots_n; i++) {
        const worker_slot_t *slot = &w->slots[i];
        if (slot->job == NULL || slot->runs.n == 0)
            continue;
        worker_oldest_t *oldest = oldest_of(ret, &n, max, slot->job->id);
        int64_t running_ms = w->now_ms - slot->head_since_ms;
        if (oldest == NULL || running_ms <= oldest->running_ms)
            continue;
        oldest->index = slot->runs.head->index;
        oldest->attempt = slot->runs.head->attempts + 1;
        oldest->running_ms = running_ms;
    }
    return n;
}

static int64_t next_try_ms(const worker_t *w, const worker_job_t *job)
{
    int64_t at_ms = INT64_MAX;
    unsigned n = 0;
    for (const worker_item_t *item = job->delayed.head; item != NULL && n < RETRIES_LOOKED_AT; item = item->next, n++)
        if (item->delay.key < at_ms)
            at_ms = item->delay.key;
    return n == 0 || at_ms <= w->now_ms ? 0 : at_ms - w->now_ms;
}

size_t worker_waiting(const worker_t *w, worker_waiting_t *ret, size_t max)
{
    size_t n = 0;
    for (const worker_job_t *job = w->active; job != NULL && n < max; job = job->active_next) {
        worker_waiting_t *waiting = &ret[n];
        *waiting = (worker_waiting_t){.queued = job->queue.n + job->refence.n + job->unnamed.n,
                                      .delayed = job->delayed.n,
                                      .running = job->running,
                                      .retry_ms = next_try_ms(w, job),
                                      .is_paused = job->paused};
        memcpy(waiting->job, job->id, sizeof waiting->job);
        n += waiting->queued + waiting->delayed + waiting->running > 0;
    }
    return n;
}
