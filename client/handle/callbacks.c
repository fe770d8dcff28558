/* The push style. A caller's function may do anything but close the connection: push, open and close jobs (its own
 * too), even wait for another job. So no pointer to a job is kept across it but a pinned one, and the search for whose
 * turn it is begins again after each job's share.
 */
#include "client/handle/handle.h"
#include "client/mapping/map.h"

enum { SHARE = 64 }; /* callbacks of one job before the others have their turn */

static bool is_due(const fanmap_job_t *job)
{
    if (job->is_abandoned)
        return false;
    if (job->handout->on_writable && map_has_room(job))
        return true;
    return (job->handout->on_outcome || job->handout->on_end) && job_has_news(job);
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
    if (map_became_writable(job)) {
        if (job->handout->on_writable)
            job->handout->on_writable(job->handout->callback_arg, job);
        return;
    }
    int r = job_poll(job, &outcome, &err);
    if (r == FANMAP_OK && job->handout->on_outcome)
        job->handout->on_outcome(job->handout->callback_arg, job, outcome);
    else if (r != FANMAP_OK && r != FANMAP_AGAIN && job->handout->on_end)
        job->handout->on_end(job->handout->callback_arg, job, r, r < 0 ? &err : NULL);
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
