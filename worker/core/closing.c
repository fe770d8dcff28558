/* A job that ends before its items do: its deadline, an outcome that closes it, the condition of --halt soon.
 *
 * `end` goes to the job's log first, and its copy to the jobs topic when that is stored: what decides is the log, and
 * the copy only tells workers to drop the rest. Halting "soon" is no end: what runs finishes without another try, what
 * has not started is published as `cancelled`, and so is what still comes, until the list is complete.
 */
#include "worker/core/state.h"

void closing_write_end(worker_t *w, worker_job_t *job, end_reason_t reason)
{
    if (job->end_written)
        return;
    worker_action_t *action = act(w, WORKER_WRITE_END);
    if (action == NULL)
        return;
    action->end.spec = job->spec;
    action->end.reason = job->end_reason = reason;
    job->end_written = job->is_closing = true;
    job_stop_starting(w, job);
}

void closing_check_deadline(worker_t *w, worker_job_t *job)
{
    if (job->spec == NULL || job->spec->deadline_ms == 0 || job->items_n == 0 || job->end_written || job->is_ended ||
        w->wall_ms < job->spec->deadline_ms)
        return;
    closing_write_end(w, job, END_DEADLINE);
}

static worker_item_t *first_unstarted(worker_job_t *job)
{
    const item_list_t *lists[] = {&job->delayed, &job->refence, &job->unnamed};
    size_t i = 0;
    if (job->queue.n > 0)
        return lanes_first(&job->queue);
    while (i < 2 && lists[i]->n == 0)
        i++;
    return lists[i]->head;
}

void closing_cancel_some(worker_t *w, worker_job_t *job)
{
    static const outcome_t cancelled = {.kind = FANMAP_CANCELLED};
    worker_item_t *item;
    for (int i = 0; i < DROP_STEP && w->stats.publishing < w->config.publishing_max; i++) {
        if ((item = first_unstarted(job)) == NULL)
            return;
        heap_remove(&w->delayed, &item->delay);
        item_unlink(item);
        outcome_publish(w, item, &cancelled);
    }
}
