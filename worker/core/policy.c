/* What follows when what is known of a job changed: its limit, a pause, a halt, its spec. */
#include "worker/core/state.h"

/* Everything that waits here, to others. */
static void leave_queue(worker_t *w, worker_job_t *job)
{
    while (job->queue.n + job->unnamed.n > 0) {
        worker_item_t *item = job->queue.n > 0 ? lanes_first(&job->queue) : job->unnamed.head;
        if (item_is_ours(item))
            job_leave(w, job, item->part, item->offset);
        else
            claim_report(w, item, false);
        item_discard(w, item);
    }
}

void job_policy_changed(worker_t *w, worker_job_t *job)
{
    if (job->spec == NULL || job->is_ended)
        return;
    job->lacks_tokens = limits_need_tokens(w, job) && !w->config.has_tokens;
    if (job->items_n > 0)
        limits_begin(w, job);
    if (job->lacks_tokens && !job->is_halting)
        leave_queue(w, job);
    if (job->tokens != NULL && job->concurrency_version > 0)
        tokens_set_limit(job->tokens, job->concurrency, job->concurrency_version, w->now_ms);
    if (!job_may_start(job))
        job_stop_starting(w, job);
    job_mark(w, job);
}
