/* The pull style: what a job has to say now, and waiting until it or one of several says something. A job says each
 * outcome once, that a push which was refused would now be taken once, and how it ended. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "client/handle/handle.h"
#include "client/mapping/map.h"

static const char *const end_words[] = {
    [END_CANCEL] = "it was cancelled",        [END_DEADLINE] = "its deadline passed",
    [END_COMPLETE] = "it is complete",        [END_FAIL_FAST] = "an item failed (--fail-fast)",
    [END_HALT] = "its --halt condition held", [END_INPUT_ERROR] = "its input broke off",
};

/* Which deadline it was. */
static void say_deadline(fanmap_job_t *job, outcome_t *outcome)
{
    char text[DURATION_TEXT_MAX];
    const list_t *list = gather_list(job);
    const spec_t *spec = list ? list_spec(list) : NULL;
    char *message = job->handout->deadline_text;
    if (outcome->kind != FANMAP_DEADLINE || outcome->message_len > 0 || !spec || !spec->deadline_ms)
        return;
    snprintf(message, sizeof job->handout->deadline_text, "the job's deadline of %s has passed",
             duration_format(text, sizeof text, spec->deadline_ms - spec->submitted_ms));
    outcome->message = message;
    outcome->message_len = strlen(message);
}

int job_next(fanmap_job_t *job, outcome_t *ret, fanmap_error_t *err)
{
    struct handout *out = job->handout;
    int r = gather_next(job, ret, err);
    if (r == FANMAP_OK) {
        out->delivered++;
        say_deadline(job, ret);
        out->cancelled += ret->kind == FANMAP_CANCELLED || ret->kind == FANMAP_DEADLINE;
    }
    if (r == FANMAP_OK)
        r = gather_put_output(job, ret, err);
    return r == FANMAP_END && !gather_output_is_stored(job) ? FANMAP_AGAIN : r;
}

/* Why it was stopped, by which item, and what that cost. */
static int set_stopped(const fanmap_job_t *job, fanmap_error_t *err)
{
    const struct handout *out = job->handout;
    const decision_t *decision = gather_decision(job);
    const list_t *list = gather_list(job);
    char by[32] = "", lost[80] = "";
    if (list && list_now(list)->closed_by >= 0)
        snprintf(by, sizeof by, ", item %" PRId64, list_now(list)->closed_by);
    if (out->delivered == decision->n)
        snprintf(lost, sizeof lost, "; %" PRIu64 " of its %" PRIu64 " items were cancelled", out->cancelled,
                 decision->n);
    return err_set(err, FANMAP_ESTOPPED, "job %s was stopped: %s%s%s", job->id, end_words[decision->reason], by, lost);
}

int job_result(const fanmap_job_t *job, fanmap_error_t *err)
{
    if (!gather_is_closed(job))
        return FANMAP_END;
    if (gather_decision(job)->reason == END_INPUT_ERROR) {
        const char *why = list_input_error(gather_list(job));
        return err_set(err, FANMAP_EIO, "the input of job %s broke off: %s", job->id, why ? why : "no reason given");
    }
    return set_stopped(job, err);
}

static void fill_record(const fanmap_job_t *job, fanmap_outcome_t *o)
{
    const followed_t *from = gather_followed(job);
    if (!from)
        return;
    o->partition = (int32_t)from->lane;
    o->timestamp_ms = from->outcome.timestamp_ms;
    o->key = from->outcome.source_key;
    o->key_len = from->outcome.source_key_len;
}

int job_poll(fanmap_job_t *job, const fanmap_outcome_t **ret, fanmap_error_t *err)
{
    outcome_t outcome;
    fanmap_error_t why;
    if (job->handout->is_held)
        return FANMAP_AGAIN;
    int r = job_next(job, &outcome, &why);
    if (r == FANMAP_OK)
        r = outcome_view_fill(&job->handout->view, &outcome, &why);
    if (r == FANMAP_OK) {
        fill_record(job, &job->handout->view.outcome);
        *ret = &job->handout->view.outcome;
        return FANMAP_OK;
    }
    if (r < 0)
        job_fail(job, &why); /* an outcome is missing now: there is no going on */
    if (job->error.code) {
        job->handout->end_was_told = true;
        return err_copy(err, &job->error);
    }
    if (r != FANMAP_END && !map_may_leave(job))
        return FANMAP_AGAIN;
    job->handout->end_was_told = true;
    return job_result(job, err);
}

bool job_has_news(const fanmap_job_t *job)
{
    if (job->is_abandoned)
        return false;
    if (map_has_room(job))
        return true;
    if (job->handout->is_held || job->handout->end_was_told || job->handout->pipe_to)
        return false;
    return job->error.code || gather_has_next(job) || map_may_leave(job);
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
static int poll_job(fanmap_job_t *job, const fanmap_outcome_t **ret, fanmap_error_t *err)
{
    bool calls = job->handout->on_outcome || job->handout->on_end;
    return (calls && !job->handout->end_was_told) || job->handout->pipe_to ? FANMAP_AGAIN : job_poll(job, ret, err);
}

static int next(fanmap_job_t *job, int timeout_ms, const fanmap_outcome_t **ret, fanmap_error_t *err)
{
    wait_t wait = {.timeout_ms = timeout_ms};
    for (;;) {
        if (job->is_abandoned)
            return err_set(err, FANMAP_EUSAGE, "the job was closed while it was waited for");
        int r = poll_job(job, ret, err);
        if (r != FANMAP_AGAIN || wait.is_over || map_became_writable(job) || was_woken(job->f))
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

/* As fanmap_store_position. */
static int store(fanmap_job_t *job, int timeout_ms, fanmap_error_t *err)
{
    wait_t wait = {.timeout_ms = timeout_ms};
    uint64_t wanted = job->handout->delivered;
    for (;;) {
        int r = FANMAP_OK;
        if (job->is_abandoned)
            return err_set(err, FANMAP_EUSAGE, "the job was closed while it was waited for");
        if (job->error.code)
            return err_copy(err, &job->error);
        if (wanted == 0 || gather_stored_mark(job) >= wanted)
            return FANMAP_OK;
        if (!gather_is_storing(job))
            r = gather_store_place(job, job->handout->delivered, err);
        if (r != FANMAP_OK)
            return r;
        if (wait.is_over || was_woken(job->f))
            return FANMAP_AGAIN;
        r = wait_turn(job->f, &wait, err);
        if (r != FANMAP_OK)
            return r;
    }
}

int fanmap_store_position(fanmap_job_t *job, int timeout_ms, fanmap_error_t *err)
{
    fanmap_t *f = job->f;
    if (job->mapping || (!options_text(job->options, OPT_AS) && !options_text(job->options, OPT_SHARE)))
        return err_set(err, FANMAP_EUSAGE, "only a gather with \"as\" or \"share\" keeps its place in Kafka");
    job->pins++;
    int r = store(job, timeout_ms, err);
    job->pins--;
    jobs_sweep(f);
    client_mark(f);
    return r;
}

/* The first job with something to say. *ret_left: there are jobs that have not ended. */
static int poll_jobs(fanmap_t *f, fanmap_job_t **ret_job, const fanmap_outcome_t **ret, bool *ret_left,
                     fanmap_error_t *err)
{
    *ret_left = false;
    for (fanmap_job_t *job = f->jobs; job; job = job->next) {
        if (job->is_abandoned || job->handout->end_was_told)
            continue;
        *ret_left = true;
        int r = poll_job(job, ret, err);
        if (r == FANMAP_AGAIN && (job->handout->on_writable || !map_became_writable(job)))
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
        int r = poll_jobs(f, &job, ret, &is_any_left, err);
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
