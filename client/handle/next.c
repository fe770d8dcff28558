#include <inttypes.h>
#include <stdio.h>

#include "client/connection/client.h"

static const char *const end_words[] = {
    [END_CANCEL] = "it was cancelled",        [END_DEADLINE] = "its deadline passed",
    [END_COMPLETE] = "it is complete",        [END_FAIL_FAST] = "an item failed (--fail-fast)",
    [END_HALT] = "its --halt condition held", [END_INPUT_ERROR] = "its input broke off",
};

/* Why it was stopped, by which item, and what that cost. */
static int stopped(const fanmap_job_t *job, fanmap_error_t *err)
{
    char by[32] = "", lost[80] = "";
    if (job->list && list_closed_by(job->list) >= 0)
        snprintf(by, sizeof by, ", item %" PRId64, list_closed_by(job->list));
    if (job->delivered == job->list_n)
        snprintf(lost, sizeof lost, "; %" PRIu64 " of its %" PRIu64 " items were cancelled", job->cancelled,
                 job->list_n);
    return err_set(err, FANMAP_ESTOPPED, "job %s was stopped: %s%s%s", job->id, end_words[job->end_reason], by, lost);
}

int job_result(const fanmap_job_t *job, fanmap_error_t *err)
{
    if (job->list_state != LIST_CLOSED)
        return FANMAP_END;
    if (job->end_reason == END_INPUT_ERROR) {
        const char *why = list_input_error(job->list);
        return err_set(err, FANMAP_EIO, "the input of job %s broke off: %s", job->id, why ? why : "no reason given");
    }
    return stopped(job, err);
}

/* A caller that gathers nothing may leave. */
static bool has_left(const fanmap_job_t *job)
{
    if (!job->is_detached || !job->producer)
        return false;
    if (job->is_decided && job->list_state == LIST_CLOSED)
        return true;
    return job->input_ended && (producer_settled(job->producer) || job->is_finished);
}

int job_take(fanmap_job_t *job, const fanmap_outcome_t **ret, fanmap_error_t *err)
{
    outcome_t outcome;
    fanmap_error_t why;
    if (job->is_held)
        return FANMAP_AGAIN;
    int r = gather_next(job, &outcome, &why);
    if (r == FANMAP_OK)
        r = outcome_fill(job, &outcome, &why);
    if (r == FANMAP_OK) {
        *ret = &job->outcome;
        return FANMAP_OK;
    }
    if (r < 0)
        job_fail(job, &why); /* an outcome is missing now: there is no going on */
    if (job->error.code) {
        job->end_was_told = true;
        return err_copy(err, &job->error);
    }
    if (r != FANMAP_END && !has_left(job))
        return FANMAP_AGAIN;
    job->end_was_told = true;
    return job_result(job, err);
}

bool job_became_writable(fanmap_job_t *job)
{
    if (!job->was_full || !map_writable(job))
        return false;
    job->was_full = false;
    return true;
}

bool job_has_news(const fanmap_job_t *job)
{
    if (job->is_abandoned)
        return false;
    if (job->was_full && map_writable(job))
        return true;
    if (job->is_held || job->end_was_told || job->pipe_to)
        return false;
    return job->error.code || gather_has_next(job) || has_left(job);
}

/* ---- waiting ---- */

enum { CALLBACKS_TURN = 256 };

typedef struct {
    int timeout_ms;   /* -1: without end */
    int64_t until_ms; /* once is_begun */
    bool is_begun, is_over;
} wait_t;

static int left_ms(wait_t *wait)
{
    if (wait->timeout_ms <= 0)
        return wait->timeout_ms < 0 ? -1 : 0;
    int64_t now = loop_clock_ms();
    if (!wait->is_begun)
        wait->until_ms = now + wait->timeout_ms;
    wait->is_begun = true;
    return wait->until_ms > now ? (int)(wait->until_ms - now) : 0;
}

/* One turn, with the callbacks that are due before and after it. The last one is that for which no time was left. */
static int wait_turn(fanmap_t *f, wait_t *wait, fanmap_error_t *err)
{
    int left = left_ms(wait);
    wait->is_over = left == 0;
    int r = client_turn(f, callbacks_due(f) ? 0 : left, err);
    if (r == FANMAP_OK)
        (void)run_callbacks(f, CALLBACKS_TURN);
    return r;
}

/* True, once for each fanmap_wake that no call has returned for. */
static bool was_woken(fanmap_t *f)
{
    bool woken = f->was_woken;
    f->was_woken = false;
    return woken;
}

/* What fanmap_next has to say now. The outcomes of a job with callbacks or a pipe go there; here only its end is told.
 */
static int look(fanmap_job_t *job, const fanmap_outcome_t **ret, fanmap_error_t *err)
{
    bool calls = job->on_outcome || job->on_end;
    return (calls && !job->end_was_told) || job->pipe_to ? FANMAP_AGAIN : job_take(job, ret, err);
}

static int next(fanmap_job_t *job, int timeout_ms, const fanmap_outcome_t **ret, fanmap_error_t *err)
{
    wait_t wait = {.timeout_ms = timeout_ms};
    for (;;) {
        if (job->is_abandoned)
            return err_set(err, FANMAP_EUSAGE, "the job was closed while it was waited for");
        int r = look(job, ret, err);
        if (r != FANMAP_AGAIN || wait.is_over || job_became_writable(job) || was_woken(job->f))
            return r;
        r = wait_turn(job->f, &wait, err);
        if (r != FANMAP_OK)
            return r;
    }
}

int fanmap_next(fanmap_job_t *job, int timeout_ms, const fanmap_outcome_t **ret_outcome, fanmap_error_t *err)
{
    fanmap_t *f = job->f;
    job->pins++;
    int r = next(job, timeout_ms, ret_outcome, err);
    job->pins--;
    jobs_sweep(f);
    client_mark(f);
    return r;
}

/* The first job with something to say. *ret_left: there are jobs that have not ended. */
static int look_at_all(fanmap_t *f, fanmap_job_t **ret_job, const fanmap_outcome_t **ret, bool *ret_left,
                       fanmap_error_t *err)
{
    *ret_left = false;
    for (fanmap_job_t *job = f->jobs; job; job = job->next) {
        if (job->is_abandoned || job->end_was_told)
            continue;
        *ret_left = true;
        int r = look(job, ret, err);
        if (r == FANMAP_AGAIN && (job->on_writable || !job_became_writable(job)))
            continue;
        *ret_job = job;
        job_rotate(job);
        return r;
    }
    return FANMAP_AGAIN;
}

static int next_any(fanmap_t *f, int timeout_ms, fanmap_job_t **ret_job, const fanmap_outcome_t **ret,
                    fanmap_error_t *err)
{
    wait_t wait = {.timeout_ms = timeout_ms};
    for (;;) {
        fanmap_job_t *job = NULL;
        bool is_any_left;
        int r = look_at_all(f, &job, ret, &is_any_left, err);
        if (job || !is_any_left) {
            *ret_job = job;
            return job ? r : FANMAP_END;
        }
        if (wait.is_over || was_woken(f))
            return FANMAP_AGAIN;
        r = wait_turn(f, &wait, err);
        if (r != FANMAP_OK)
            return r;
    }
}

int fanmap_next_any(fanmap_t *f, int timeout_ms, fanmap_job_t **ret_job, const fanmap_outcome_t **ret_outcome,
                    fanmap_error_t *err)
{
    int r = next_any(f, timeout_ms, ret_job, ret_outcome, err);
    client_mark(f);
    return r;
}

int fanmap_dispatch(fanmap_t *f, unsigned max_callbacks, fanmap_error_t *err)
{
    int r = client_turn(f, 0, err);
    if (r != FANMAP_OK)
        return r;
    r = run_callbacks(f, max_callbacks);
    f->was_woken = false;
    client_mark(f);
    return f->error.code ? err_copy(err, &f->error) : r;
}
