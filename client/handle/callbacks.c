/* The push style. A caller's function may do anything but close the connection: push, open and close jobs (its own
 * too), even wait for another job. So no pointer to a job is kept across it but a pinned one, and the search for whose
 * turn it is begins again after each job's share.
 */
#include "client/connection/client.h"

enum { SHARE = 64 }; /* callbacks of one job before the others have their turn */

static bool is_due(const fanmap_job_t *job)
{
    if (job->is_abandoned)
        return false;
    if (job->on_writable && job->was_full && map_writable(job))
        return true;
    return (job->on_outcome || job->on_end) && job_has_news(job);
}

static fanmap_job_t *first_due(const fanmap_t *f)
{
    fanmap_job_t *job = f->jobs;
    while (job && !is_due(job))
        job = job->next;
    return job;
}

bool callbacks_due(const fanmap_t *f)
{
    return !f->in_callbacks && first_due(f);
}

static void call_once(fanmap_job_t *job)
{
    const fanmap_outcome_t *outcome;
    fanmap_error_t err;
    if (job_became_writable(job)) {
        if (job->on_writable)
            job->on_writable(job->callback_arg, job);
        return;
    }
    int r = job_take(job, &outcome, &err);
    if (r == FANMAP_OK && job->on_outcome)
        job->on_outcome(job->callback_arg, job, outcome);
    else if (r != FANMAP_OK && r != FANMAP_AGAIN && job->on_end)
        job->on_end(job->callback_arg, job, r, r < 0 ? &err : NULL);
}

int run_callbacks(fanmap_t *f, unsigned max)
{
    if (f->in_callbacks)
        return FANMAP_OK;
    f->in_callbacks = true;
    fanmap_job_t *job;
    while ((job = first_due(f)) && max > 0) {
        job->pins++;
        for (unsigned i = 0; i < SHARE && max > 0 && is_due(job); i++, max--)
            call_once(job);
        job->pins--;
        job_rotate(job);
    }
    f->in_callbacks = false;
    jobs_sweep(f);
    return first_due(f) ? FANMAP_AGAIN : FANMAP_OK;
}
