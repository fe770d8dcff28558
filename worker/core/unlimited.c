/* News of N. A limit is vouched for by the table: a worker that heard of it late is told what it may run. No limit is
 * vouched for by nobody: whoever believes it runs what it has and asks nobody. So a 0 that comes for a job with a limit
 * counts only once the jobs topic was read to an end that was asked for after the 0 came. A worker that was cut off
 * from Kafka reads old news first, and a limit that was set since then stands between the old 0 and that end.
 *
 * Until then the job goes on under the limit that it had. That there was a 0 is kept in any case: others may have run
 * without a limit, and the table has to learn what they run. */
#include "worker/core/state.h"

static void take(worker_t *w, worker_job_t *job, uint64_t n, uint64_t version)
{
    if (job->tokens != NULL && n > 0 && job->zero_version > job->concurrency_version)
        tokens_set_limit(job->tokens, 0, job->zero_version, w->now_ms);
    job->concurrency = n;
    job->concurrency_version = version;
    job->zero_query = 0;
    job_policy_changed(w, job);
}

void unlimited_news(worker_t *w, worker_job_t *job, uint64_t n, uint64_t version)
{
    if (version <= job->concurrency_version || version <= job->zero_version)
        return;
    if (n == 0)
        job->zero_version = version;
    if (n > 0 || (job->spec != NULL && job->concurrency == 0))
        take(w, job, n, version);
    else
        job->zero_query = jobs_request_end(w);
    w->has_zeros |= job->zero_query > 0;
}

void unlimited_answered(worker_t *w)
{
    if (!w->has_zeros)
        return;
    w->has_zeros = false;
    for (worker_job_t *job = w->jobs; job != NULL; job = job->hh.next) {
        if (job->zero_query > 0 && job->zero_query <= w->queries_answered)
            take(w, job, 0, job->zero_version);
        w->has_zeros |= job->zero_query > 0;
    }
}
