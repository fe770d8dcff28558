#include <inttypes.h>
#include <string.h>

#include "client/client.h"

static const char *const end_words[] = {
    [END_CANCEL] = "it was cancelled",        [END_DEADLINE] = "its deadline passed",
    [END_COMPLETE] = "it is complete",        [END_FAIL_FAST] = "an item failed (--fail-fast)",
    [END_HALT] = "its --halt condition held", [END_INPUT_ERROR] = "its input broke off",
};

/* How a job whose outcomes were all handed out has ended. */
static int final_result(fanmap_job_t *job, fanmap_error_t *err)
{
    if (job->list_state != LIST_CLOSED)
        return FANMAP_END;
    if (job->end_reason == END_INPUT_ERROR) {
        const char *why = list_input_error(job->list);
        return err_set(err, FANMAP_EIO, "the input of job %s broke off: %s", job->id, why ? why : "no reason given");
    }
    return err_set(err, FANMAP_ESTOPPED, "job %s was stopped after %" PRIu64 " items: %s", job->id, job->list_n,
                   end_words[job->end_reason]);
}

/* One outcome, or FANMAP_AGAIN, or how it ended. */
static int take(fanmap_job_t *job, const fanmap_outcome_t **ret, fanmap_error_t *err)
{
    outcome_t outcome;
    int r = FANMAP_AGAIN;
    if (job->list && !job->is_held)
        r = order_next(job->order, &outcome, err);
    if (r == FANMAP_OK)
        r = outcome_fill(job, &outcome, err);
    if (r == FANMAP_OK) {
        job->delivered++;
        *ret = &job->outcome;
        return FANMAP_OK;
    }
    if (r == FANMAP_END)
        return final_result(job, err);
    if (r == FANMAP_AGAIN && job->error.code)
        return err_set(err, job->error.code, "%s", job->error.message);
    if (r == FANMAP_AGAIN && job->is_detached && job->input_ended && job->producer && producer_settled(job->producer))
        return FANMAP_END;
    gather_relieve(job);
    return r;
}

static bool became_writable(fanmap_job_t *job)
{
    if (!job->was_full || !job->producer || job->stash.first || !producer_writable(job->producer))
        return false;
    job->was_full = false;
    return true;
}

bool job_has_news(const fanmap_job_t *job)
{
    return job->error.code || job->is_decided ||
           (job->list && !job->is_held && list_has(job->list, order_position(job->order)));
}

/* What is left of a wait that began at `began`; -1: without end. */
static int left_ms(int timeout_ms, int64_t began)
{
    if (timeout_ms < 0)
        return -1;
    int64_t left = began + timeout_ms - loop_clock_ms();
    return left > 0 ? (int)left : 0;
}

int fanmap_next(fanmap_job_t *job, int timeout_ms, const fanmap_outcome_t **ret_outcome, fanmap_error_t *err)
{
    int64_t began = 0;
    for (;;) {
        int r = take(job, ret_outcome, err);
        if (r != FANMAP_AGAIN || became_writable(job) || job->f->was_woken) {
            job->f->was_woken = false;
            return r;
        }
        if (began == 0)
            began = loop_clock_ms();
        int wait = left_ms(timeout_ms, began);
        int ran = loop_run_once(job->f->loop, wait);
        if (wait == 0 && ran == 0)
            return FANMAP_AGAIN;
    }
}

static int take_any(fanmap_t *f, fanmap_job_t **ret_job, const fanmap_outcome_t **ret, fanmap_error_t *err)
{
    for (fanmap_job_t *job = f->jobs; job; job = job->next) {
        if (job->is_abandoned || job->end_was_told)
            continue;
        int r = take(job, ret, err);
        if (r == FANMAP_AGAIN && !became_writable(job))
            continue;
        *ret_job = job;
        job->end_was_told = r != FANMAP_OK && r != FANMAP_AGAIN;
        return r;
    }
    return FANMAP_AGAIN;
}

int fanmap_next_any(fanmap_t *f, int timeout_ms, fanmap_job_t **ret_job, const fanmap_outcome_t **ret_outcome,
                    fanmap_error_t *err)
{
    int64_t began = loop_clock_ms();
    for (;;) {
        fanmap_job_t *job = NULL;
        int r = take_any(f, &job, ret_outcome, err);
        if (job || f->was_woken) {
            f->was_woken = false;
            if (job)
                *ret_job = job;
            return r;
        }
        int wait = left_ms(timeout_ms, began);
        if (loop_run_once(f->loop, wait) == 0 && wait == 0)
            return FANMAP_AGAIN;
    }
}

/* ---- callbacks ---- */

static void tell_outcome(fanmap_job_t *job, const fanmap_outcome_t *outcome)
{
    if (job->on_outcome)
        job->on_outcome(job->callback_arg, job, outcome);
}

static void tell_end(fanmap_job_t *job, int result, const fanmap_error_t *err)
{
    job->end_was_told = true;
    if (job->on_end)
        job->on_end(job->callback_arg, job, result, result < 0 ? err : NULL);
}

/* At most one callback. True: there was one. */
static bool call_once(fanmap_job_t *job)
{
    const fanmap_outcome_t *outcome;
    fanmap_error_t err = {0};
    if (became_writable(job) && job->on_writable) {
        job->on_writable(job->callback_arg, job);
        return true;
    }
    if ((!job->on_outcome && !job->on_end) || job->end_was_told)
        return false;
    int r = take(job, &outcome, &err);
    if (r == FANMAP_AGAIN)
        return false;
    if (r == FANMAP_OK)
        tell_outcome(job, outcome);
    else
        tell_end(job, r, &err);
    return true;
}

int run_callbacks(fanmap_t *f, unsigned max)
{
    for (fanmap_job_t *job = f->jobs, *next; job; job = next) {
        bool called = !job->is_abandoned;
        while (called && !job->is_abandoned) {
            if (max == 0)
                return FANMAP_AGAIN;
            job->in_callback = true;
            called = call_once(job);
            job->in_callback = false;
            max -= called;
        }
        next = job->next;
        job_reap(job);
    }
    return FANMAP_OK;
}
