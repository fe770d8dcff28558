/* A job that ends before its items do: its deadline, an outcome that closes it, the condition of --halt soon.
 *
 * `end` goes to the job's log first, and its copy to the jobs topic when that is stored: what decides is the log, and
 * the copy only tells workers to drop the rest. Halting "soon" is no end: what runs finishes without another try, what
 * has not started is published as `cancelled`, and so is what still comes, until the list is complete.
 */
#include "worker/core/state.h"

enum { DROP_STEP = 1024 /* items of an ended or halting job that one step takes out */ };

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

/* The submitter's clock counts only as the span between its two times. That span began when the broker stored the spec:
 * how long ago that was is known by the broker's clock, or else not, and then it begins when the spec came here. */
int64_t job_deadline_ms(const worker_t *w, const worker_job_t *job)
{
    if (job->spec == NULL || job->spec->deadline_ms == 0)
        return INT64_MAX;
    int64_t span_ms = job->spec->deadline_ms - job->spec->submitted_ms;
    int64_t began_ms = job->heard_ms;
    if (job->appended_ms > 0 && w->broker_ms > 0 && w->now_ms - (w->broker_ms - job->appended_ms) < began_ms)
        began_ms = w->now_ms - (w->broker_ms - job->appended_ms);
    return began_ms + (span_ms > 0 ? span_ms : 0);
}

void closing_check_deadline(worker_t *w, worker_job_t *job)
{
    if (job->items_n + job->deferred_n == 0 || job->end_written || job->is_ended || w->now_ms < job_deadline_ms(w, job))
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

static bool drop_one(worker_t *w, worker_job_t *job)
{
    item_list_t *lists[] = {&job->closing, &job->delayed, &job->refence, &job->unnamed, &job->claimed};
    if (job->queue.n > 0) {
        item_finish(w, lanes_first(&job->queue));
        return true;
    }
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        if (lists[i]->n == 0)
            continue;
        w->stats.publishing -= lists[i] == &job->closing;
        w->stats.done += lists[i] == &job->closing;
        item_finish(w, lists[i]->head);
        return true;
    }
    return false;
}

void closing_drop_some(worker_t *w, worker_job_t *job)
{
    for (int i = 0; i < DROP_STEP && drop_one(w, job); i++)
        ;
}

void job_end(worker_t *w, worker_job_t *job)
{
    if (job->is_ended)
        return;
    job->is_ended = true;
    job_stop_starting(w, job);
    job_finish_left(job);
    deferred_finish(w, job);
    closing_drop_some(w, job);
    for (uint32_t i = 0; i < w->config.slots_n; i++)
        if (w->slots[i].job == job)
            slot_review(w, i);
    if (!job->is_active)
        job_forget_spec(job);
}
