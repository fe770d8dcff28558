/* Mark, then settle. Whatever changes a job (its queue, its policy, its tokens, the slots that run it) marks it, and draws no
 * conclusion. At the end of the step each marked job is settled once: what may not start is taken back, its tokens hear
 * what it wants and say what it may, and it enters or leaves the ring of jobs that get slots.
 */
#include "worker/core/state.h"

/* What may not start is taken back where it waits; demand and verdict of its tokens; its place in the ring. */
static void settle(worker_t *w, worker_job_t *job)
{
    if (job->must_withdraw) {
        slots_withdraw_job(w, job);
        names_withdraw(w, job);
        job->must_withdraw = false;
    }
    limits_turn(w, job);
    dispatch_enlist(w, job);
}

void jobs_settle(worker_t *w)
{
    worker_job_t *job;
    while ((job = w->marked) != NULL) {
        w->marked = job->marked_next;
        job->is_marked = false;
        settle(w, job);
    }
}
