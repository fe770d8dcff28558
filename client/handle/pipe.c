/* A map fed by another job: the values of `from` are the items of `to`.
 *
 * The happy path. After each turn of the loop what `from` can hand out is pushed into `to`, as long as `to` takes
 * items. When the list of `from` is whole the input of `to` ends, the pipe is taken apart, and the end of `from` is
 * told as that of any other job. Back-pressure needs nothing of its own: while `to` is not writable, the outcomes of
 * `from` wait as they do for a slow caller.
 *
 * What can fail. An item of `from` that failed is an item of `to` that is not sent: its outcome there is that very
 * error, at its place. If `from` was stopped or failed, the input of `to` breaks off with the reason, after what came
 * before. If `to` ends early (it was closed, stopped, or failed) nobody reads `from` any more: it is cancelled, and
 * whatever feeds it in the same way after it.
 */
#include "client/handle/handle.h"

#include <stdio.h>

#include "client/mapping/map.h"

enum { PIPE_TURN = 1024 };

/* ---- putting together and taking apart ---- */

static void unlink_pipe(fanmap_job_t *from)
{
    map_set_source(from->handout->pipe_to, NULL);
    from->handout->pipe_to = NULL;
    from->f->pipes_n--;
}

static bool feeds(const fanmap_job_t *upstream, const fanmap_job_t *job)
{
    while (upstream && upstream != job)
        upstream = upstream->handout->pipe_to;
    return upstream == job;
}

static int check_pipe(const fanmap_job_t *from, const fanmap_job_t *to, fanmap_error_t *err)
{
    if (from->f != to->f)
        return err_set(err, FANMAP_EUSAGE, "a pipe joins two jobs of one connection");
    int r = map_check_source(to, err);
    if (r != FANMAP_OK)
        return r;
    if (from->handout->pipe_to)
        return err_set(err, FANMAP_EUSAGE, "job %s has a pipe already", from->id);
    if (from->is_detached || from->handout->end_was_told)
        return err_set(err, FANMAP_EUSAGE, "job %s has nothing to hand out", from->id);
    if (feeds(to, from))
        return err_set(err, FANMAP_EUSAGE, "a pipe from job %s to %s would be a ring", from->id, to->id);
    return FANMAP_OK;
}

int fanmap_pipe(fanmap_job_t *from, fanmap_job_t *to, fanmap_error_t *err)
{
    int r = check_pipe(from, to, err);
    if (r != FANMAP_OK)
        return r;
    from->handout->pipe_to = to;
    map_set_source(to, from);
    from->f->pipes_n++;
    client_mark(from->f);
    return FANMAP_OK;
}

/* `from` ended, whole or not. */
static void end_reader_input(fanmap_job_t *from, const char *why)
{
    fanmap_job_t *to = from->handout->pipe_to;
    fanmap_error_t err;
    unlink_pipe(from);
    if (!to->error.code && fanmap_end_input(to, why, &err) < 0)
        job_fail(to, &err);
}

/* Nobody reads `from` any more. */
static void cancel_source(fanmap_job_t *from)
{
    fanmap_error_t err;
    err_set(&err, FANMAP_ESTOPPED, "job %s was cancelled: job %s, which took its values, is over", from->id,
            from->handout->pipe_to->id);
    unlink_pipe(from);
    map_give_up(from, &err);
}

void pipe_closed(fanmap_job_t *job, bool detach)
{
    char why[JOB_ID_MAX + 80];
    if (job->handout->pipe_to) {
        snprintf(why, sizeof why, "job %s, whose values were the items, was closed", job->id);
        end_reader_input(job, why);
    }
    if (map_source(job) && detach)
        unlink_pipe(map_source(job));
    else if (map_source(job))
        cancel_source(map_source(job));
}

void pipe_forget(fanmap_job_t *job)
{
    if (job->handout->pipe_to)
        unlink_pipe(job);
    if (map_source(job))
        unlink_pipe(map_source(job));
}

/* ---- moving ---- */

static bool is_reader_over(const fanmap_job_t *to)
{
    return to->error.code || map_is_stopped(to);
}

bool pipe_due(const fanmap_job_t *from)
{
    if (!from->handout->pipe_to)
        return false;
    if (is_reader_over(from->handout->pipe_to))
        return true;
    if (from->handout->is_held)
        return false;
    return gather_has_next(from) ? map_writable(from->handout->pipe_to) : from->error.code != 0;
}

static void end_pipe(fanmap_job_t *from)
{
    fanmap_error_t why;
    bool is_whole = job_result(from, &why) == FANMAP_END;
    end_reader_input(from, is_whole ? NULL : why.message);
}

/* False: nothing more can be moved now. */
static bool move_outcome(fanmap_job_t *from)
{
    outcome_t outcome;
    fanmap_error_t why;
    int r = job_next(from, &outcome, &why);
    if (r == FANMAP_OK) {
        r = map_put_outcome(from->handout->pipe_to, &outcome, &why);
        if (r < 0)
            job_fail(from->handout->pipe_to, &why);
        return r == FANMAP_OK;
    }
    if (r == FANMAP_END) {
        end_pipe(from);
    } else if (r < 0) { /* an outcome is missing now: there is no going on */
        job_fail(from, &why);
        end_reader_input(from, from->error.message);
    }
    return false;
}

static void run_pipe(fanmap_job_t *from)
{
    if (is_reader_over(from->handout->pipe_to)) {
        cancel_source(from);
        return;
    }
    for (int i = 0; i < PIPE_TURN && pipe_due(from); i++) {
        if (!gather_has_next(from))
            end_reader_input(from, from->error.message);
        else if (!move_outcome(from))
            return;
    }
}

bool pipes_due(const fanmap_t *f)
{
    const fanmap_job_t *job = f->pipes_n ? f->jobs : NULL;
    while (job && !pipe_due(job))
        job = job->next;
    return job != NULL;
}

void pipes_run(fanmap_t *f)
{
    fanmap_job_t *job = f->pipes_n ? f->jobs : NULL;
    for (; job; job = job->next)
        if (pipe_due(job))
            run_pipe(job);
}
