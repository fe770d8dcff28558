/* Whether the log that is read is the job's, and whole. What can fail: Kafka deleted its beginning, or the topic; it was made anew and
 * holds something else at these offsets; a position is not of this log. */
#include <inttypes.h>

#include "client/connection/client.h"
#include "client/gathering/gather_state.h"

enum { UNBEGUN_MS = 5000 };

void gather_check_list(fanmap_job_t *job, int64_t read_to)
{
    fanmap_error_t err;
    const gathering_t *g = job->gathering;
    if (job->error.code)
        return;
    if (list_out_of_memory(g->list))
        err_set(&err, FANMAP_ENOMEM, "out of memory for the list of job %s", job->id);
    else if (list_is_misfit(g->list) || (read_to >= list_resume_end(g->list) && list_resume_left(g->list) > 0))
        err_set(&err, FANMAP_ELOST,
                "the log of job %s has not what the position says: it is not the log it was taken of", job->id);
    else
        return;
    job_fail(job, &err);
}

void gather_check_start(fanmap_job_t *job)
{
    fanmap_error_t err;
    const list_t *list = job->gathering->list;
    if (job->error.code || !list || list_start_offset(list) >= 0)
        return;
    err_set(
        &err, FANMAP_ELOST,
        "the log of job %s is no longer whole: it does not hold its beginning (its topic was deleted, and made anew)",
        job->id);
    job_fail(job, &err);
}

static void on_unbegun(void *arg)
{
    fanmap_job_t *job = arg;
    gather_check_start(job);
    if (job->gathering->changed)
        job->gathering->changed(job);
}

void gather_check_start_later(fanmap_job_t *job)
{
    gathering_t *g = job->gathering;
    fanmap_error_t err;
    if (g->unbegun || list_start_offset(g->list) >= 0)
        return;
    if (loop_timer_new(job->f->loop, on_unbegun, job, &g->unbegun, &err) == FANMAP_OK)
        loop_timer_at(g->unbegun, loop_now_ms(job->f->loop) + UNBEGUN_MS);
}

void gather_log_gone(void *arg, int64_t low)
{
    fanmap_job_t *job = arg;
    fanmap_error_t err;
    if (low < 0)
        err_set(&err, FANMAP_ELOST, "the log of job %s is no longer whole: its topic was deleted, or made anew",
                job->id);
    else
        err_set(&err, FANMAP_ELOST,
                "the log of job %s is no longer whole: Kafka deleted what lies before offset %" PRId64
                " of its results partition (retention)",
                job->id, low);
    job_fail(job, &err);
}
