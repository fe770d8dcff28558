/* What is told of a worker: for people, for presence rows, for tests. Changes nothing. */
#include <stdlib.h>
#include <string.h>

#include "worker/core/state.h"

enum { RETRIES_LOOKED_AT = 64 };

void worker_stats(const worker_t *w, worker_stats_t *ret)
{
    *ret = w->stats;
    ret->wants_intake = w->intake_on;
    for (const worker_job_t *job = w->active; job != NULL; job = job->active_next) {
        ret->queued += job->queue.n + job->refence.n + job->unnamed.n + job->deferred_n;
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

bool worker_is_stranded(const worker_t *w)
{
    for (uint32_t i = 0; i < w->parts_n; i++)
        if (w->parts[i] != NULL && (w->parts[i]->items != NULL || w->parts[i]->deferred.n > 0))
            return false;
    for (const worker_job_t *job = w->jobs; job != NULL; job = job->hh.next)
        if (job->spec != NULL && !job->is_ended && !job->paused && job->spec->stream == STREAM_NOT &&
            job_task(w, job) < w->config.tasks_n)
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
        *ret = (worker_attempt_t){item->job->id, item->index, item->attempts + 1, item->job->spec,
                                  w->slots[slot].head_since_ms};
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

static void fill_oldest(const worker_t *w, const worker_slot_t *slot, worker_oldest_t *ret)
{
    memcpy(ret->job, slot->job->id, sizeof ret->job);
    ret->index = slot->runs.head->index;
    ret->attempt = slot->runs.head->attempts + 1;
    ret->running_ms = w->now_ms - slot->head_since_ms;
}

static bool is_in(const worker_oldest_t *at, size_t n, const worker_oldest_t *one)
{
    for (size_t i = 0; i < n; i++)
        if (at[i].index == one->index && strcmp(at[i].job, one->job) == 0)
            return true;
    return false;
}

/* Behind the `kept`, which stay: in a free place, or that of the shortest. */
static void add_other(worker_oldest_t *at, size_t kept, size_t *n, size_t max, const worker_oldest_t *one)
{
    size_t shortest = kept;
    if (*n < max) {
        at[(*n)++] = *one;
        return;
    }
    for (size_t i = kept; i < max; i++)
        if (at[i].running_ms < at[shortest].running_ms)
            shortest = i;
    if (shortest < max && at[shortest].running_ms < one->running_ms)
        at[shortest] = *one;
}

static int by_length(const void *a, const void *b)
{
    const worker_oldest_t *x = a, *y = b;
    return x->running_ms == y->running_ms ? 0 : x->running_ms > y->running_ms ? -1 : 1;
}

size_t worker_oldest(const worker_t *w, worker_oldest_t *ret, size_t max)
{
    size_t n = 0;
    worker_oldest_t one;
    for (uint32_t i = 0; i < w->config.slots_n; i++) {
        const worker_slot_t *slot = &w->slots[i];
        if (slot->job == NULL || slot->runs.n == 0)
            continue;
        worker_oldest_t *oldest = oldest_of(ret, &n, max, slot->job->id);
        if (oldest != NULL && w->now_ms - slot->head_since_ms > oldest->running_ms)
            fill_oldest(w, slot, oldest);
    }
    size_t kept = n;
    for (uint32_t i = 0; i < w->config.slots_n; i++) {
        const worker_slot_t *slot = &w->slots[i];
        if (slot->job == NULL || slot->runs.n == 0)
            continue;
        fill_oldest(w, slot, &one);
        if (!is_in(ret, kept, &one))
            add_other(ret, kept, &n, max, &one);
    }
    if (n > 0)
        qsort(ret, n, sizeof *ret, by_length);
    return n;
}

/* ---- the heads of lanes ---- */

static const worker_item_t *head_of(const worker_part_t *part)
{
    const source_t *source = part->source;
    const worker_item_t *item = part->is_owned && source != NULL && source->n > 0 ? part->items : NULL;
    while (item != NULL && item->offset != source->window[source->first].offset)
        item = item->part_next;
    return item;
}

static int64_t running_ms(const worker_t *w, const worker_item_t *item, int64_t now_ms)
{
    for (uint32_t i = 0; i < w->config.slots_n; i++)
        if (item->list == &w->slots[i].runs)
            return now_ms - w->slots[i].head_since_ms;
    return 0;
}

static worker_head_t describe_head(const worker_t *w, const worker_item_t *item, int64_t now_ms)
{
    worker_head_t head = {item->part->partition, item->offset, item->attempts + 1, HEAD_WAITS, now_ms - item->since_ms};
    if (item->state == STATE_RUNNING) {
        head.state = HEAD_RUNS;
        head.ms = running_ms(w, item, now_ms);
    } else if (item->state == STATE_DELAYED) {
        head.state = HEAD_DELAYED;
        head.ms = item->delay.key > now_ms ? item->delay.key - now_ms : 0;
    } else if (item_is_published(item)) {
        head.state = HEAD_IS_STORED;
    }
    return head;
}

size_t worker_heads(const worker_t *w, int64_t now_ms, worker_head_t *ret, size_t max)
{
    size_t n = 0;
    for (uint32_t i = 0; i < w->parts_n && n < max; i++) {
        const worker_item_t *item = w->parts[i] != NULL ? head_of(w->parts[i]) : NULL;
        if (item != NULL && now_ms - item->since_ms >= HEAD_STUCK_MS)
            ret[n++] = describe_head(w, item, now_ms);
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
        *waiting = (worker_waiting_t){.queued = job->queue.n + job->refence.n + job->unnamed.n + job->deferred_n,
                                      .delayed = job->delayed.n,
                                      .running = job->running,
                                      .retry_ms = next_try_ms(w, job),
                                      .is_paused = job->paused};
        memcpy(waiting->job, job->id, sizeof waiting->job);
        n += waiting->queued + waiting->delayed + waiting->running > 0;
    }
    return n;
}
