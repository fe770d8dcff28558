/* Turns of the loop.
 *
 * Outside a turn the descriptor knows nothing of outcomes that are ready and not taken, so it is made readable by a
 * deferred call when the caller polls it. That costs one write a turn at most.
 */
#include "client/connection/client.h"

#include <errno.h>
#include <string.h>

static void on_marked(void *arg)
{
    ((fanmap_t *)arg)->is_marked = false;
}

void client_mark(fanmap_t *f)
{
    if (!f->is_polled || f->is_marked || f->in_turn)
        return;
    const fanmap_job_t *job = f->jobs;
    while (job && !job_has_news(job) && !pipe_due(job))
        job = job->next;
    if (!job && !retries_due(f))
        return;
    f->is_marked = true;
    loop_defer(f->loop, on_marked, f);
}

void jobs_sweep(fanmap_t *f)
{
    if (!f->has_closed || f->in_turn)
        return;
    f->has_closed = false;
    for (fanmap_job_t *job = f->jobs, *next; job; job = next) {
        next = job->next;
        if (!job->is_abandoned)
            continue;
        if (job->pins == 0 && job_is_over(job))
            job_free(job);
        else
            f->has_closed = true;
    }
}

int client_turn(fanmap_t *f, int timeout_ms, fanmap_error_t *err)
{
    fanmap_error_t why;
    if (f->in_turn)
        return err_set(err, FANMAP_EUSAGE, "called from inside the log function");
    f->in_turn = true;
    int ran = loop_run_once(f->loop, pipes_due(f) || retries_due(f) ? 0 : timeout_ms);
    int error = errno;
    f->in_turn = false;
    pipes_run(f);
    retries_run(f);
    jobs_sweep(f);
    if (ran >= 0)
        return FANMAP_OK;
    err_set(&why, error == ENOMEM ? FANMAP_ENOMEM : FANMAP_EIO, "the event loop stopped: %s", strerror(error));
    client_fail(f, &why);
    if (err)
        *err = why;
    return why.code;
}

int fanmap_fd(const fanmap_t *f)
{
    fanmap_t *mine = (fanmap_t *)(uintptr_t)f;
    mine->is_polled = true;
    client_mark(mine);
    return loop_fd(f->loop);
}

void fanmap_wake(fanmap_t *f)
{
    loop_wake(f->loop);
}
