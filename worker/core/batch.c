/* Calls: a task that takes several items at once gets up to K of one job together in a slot, and gives one outcome for each.
 *
 * Happy path: items wait in the queue until there are K of them, or the first of them has waited long enough, or at once
 * where the job has no time for that; then they go to an idle slot as one call. A call is an attempt of each of its
 * items. It runs alone in its slot, and counts once for the limit of its job: N bounds calls.
 *
 * What can fail. An item has an error of its own: that is its outcome, as ever. The call fails whole, or its slot dies or
 * outlasts its time while more than one item has no outcome: nobody knows which of them is to blame. None is charged and
 * none has used an attempt; each goes back, and may from now on only be in calls of half the size. So the guilty one is alone
 * after as many calls as the size can be halved, and then it has failed by itself. What a worker died with, or a guardian, is
 * charged for it as ever (poison.c), and whatever was charged is called alone. */
#include "worker/core/batch.h"

#include "worker/core/state.h"

uint32_t batch_most(const worker_item_t *item)
{
    uint32_t most = item->job->spec->batch_n > 1 ? item->job->spec->batch_n : 1;
    if (item->charges > 0)
        return 1;
    return item->batch_max > 0 && item->batch_max < most ? item->batch_max : most;
}

bool batch_takes(size_t n, uint32_t *most, const worker_item_t *item)
{
    uint32_t mine = batch_most(item), least = mine < *most ? mine : *most;
    if (n >= least)
        return false;
    *most = least;
    return true;
}

bool batch_is_due(const worker_t *w, const worker_job_t *job)
{
    const spec_t *spec = job->spec;
    return spec == NULL || spec->batch_n <= 1 || spec->batch_within_ms == 0 || job->queue.n >= spec->batch_n ||
           w->now_ms >= job->batch_due_ms;
}

/* What was split has waited already. */
void batch_queued(const worker_t *w, worker_item_t *item)
{
    worker_job_t *job = item->job;
    if (job->spec == NULL || job->spec->batch_within_ms == 0)
        return;
    if (item->batch_max > 0)
        job->batch_due_ms = w->now_ms;
    else if (job->queue.n <= 1)
        job->batch_due_ms = w->now_ms + job->spec->batch_within_ms;
}

int64_t batch_next_ms(const worker_job_t *job)
{
    bool waits = job->queue.n > 0 && !job->in_turn && job->batch_due_ms > 0;
    return waits ? job->batch_due_ms : INT64_MAX;
}

bool batch_turn(const worker_t *w, worker_job_t *job)
{
    if (job->batch_due_ms == 0 || w->now_ms < job->batch_due_ms || job->queue.n == 0)
        return false;
    job->batch_due_ms = 0;
    return true;
}

void batch_split(worker_item_t *item, size_t n)
{
    item->batch_max = (uint16_t)((n + 1) / 2);
}
