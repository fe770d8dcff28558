/* What the jobs topic says of a job, and what is due for the jobs that are active. */
#include "worker/core/state.h"

#include <stdlib.h>

#include "base/clock.h"

/* ---- what the jobs topic says ---- */

static bool obeys_halt(const worker_job_t *job)
{
    return job->halt_heard && job->spec != NULL && job->spec->halt.when == HALT_SOON;
}

static void take_halt(worker_t *w, worker_job_t *job)
{
    if (job->is_halting || !obeys_halt(job))
        return;
    job->is_halting = true;
    job_policy_changed(w, job);
}

static void take_spec(worker_t *w, worker_job_t *job, const spec_t *spec, int64_t appended_ms)
{
    if (job->spec != NULL || job->is_ended)
        return; /* the first counts */
    job->spec = malloc(sizeof *job->spec);
    job->bound = malloc(spec->bound_len + 1);
    if (job->spec == NULL || job->bound == NULL) {
        w->failed = true;
        return;
    }
    *job->spec = *spec;
    job->task = job_task(w, job);
    job->appended_ms = appended_ms;
    job->heard_ms = w->now_ms;
    if (spec->bound_len > 0)
        memcpy(job->bound, spec->bound, spec->bound_len);
    job->spec->bound = job->bound;
    job->is_halting = obeys_halt(job);
    if (job->concurrency_version == 0)
        job->concurrency = spec->concurrency;
    limits_take_rate(w, job);
    job_policy_changed(w, job);
    item_list_t waited = {0}; /* for this */
    worker_item_t *item;
    while ((item = lanes_first(&job->queue)) != NULL) {
        item_unlink(item);
        item_list_append(&waited, item);
    }
    while ((item = waited.head) != NULL) {
        item_unlink(item);
        item_file(w, item);
    }
}

static void take_tombstone(worker_t *w, worker_job_t *job, jobs_field_t field)
{
    if (field != JOBS_SPEC)
        return;
    job->is_forgotten = true;
    if (job->items_n == 0 && !job->is_active)
        job_forget(w, job);
}

void jobs_record(worker_t *w, const jobs_record_t *record, int64_t appended_ms)
{
    worker_job_t *job = record->tombstone ? job_find(w, record->job) : job_get(w, record->job, strlen(record->job));
    if (job == NULL)
        return;
    if (record->tombstone)
        take_tombstone(w, job, record->field);
    else if (record->field == JOBS_SPEC)
        take_spec(w, job, &record->spec, appended_ms);
    else if (record->field == JOBS_END)
        job_end(w, job);
    else if (record->field == JOBS_CONCURRENCY)
        unlimited_news(w, job, record->value, record->version);
    else if (record->field == JOBS_HALT) {
        job->halt_heard = true;
        take_halt(w, job);
    } else if (record->field == JOBS_PAUSED && record->version > job->paused_version) {
        job->paused = record->value != 0;
        job->paused_version = record->version;
        job_policy_changed(w, job);
    }
}

/* ---- the end of a job ---- */

static bool has_unstarted(const worker_job_t *job)
{
    return job->queue.n + job->delayed.n + job->refence.n + job->unnamed.n > 0;
}

static bool has_waiting(const worker_job_t *job)
{
    return job->closing.n + job->claimed.n > 0 || has_unstarted(job);
}

/* True: nothing of it is in hand and no token either. */
static bool is_over(const worker_job_t *job)
{
    return job->items_n + job->deferred_n == 0 && job->running == 0 && job->tokens == NULL;
}

static void retire(worker_t *w, worker_job_t *job)
{
    invariant(!has_waiting(job) && job->names_n == 0);
    job_deactivate(w, job);
    lanes_free(&job->queue);
    if (job->is_ended && job->is_forgotten)
        job_forget(w, job);
    else if (job->is_ended)
        job_forget_spec(job);
    else if (job->spec == NULL && job->concurrency_version == 0 && job->paused_version == 0)
        job_forget(w, job);
}

void jobs_turn(worker_t *w)
{
    for (worker_job_t *job = w->active, *next; job != NULL; job = next) {
        next = job->active_next;
        closing_check_deadline(w, job);
        if (job->hold_until_ms > 0 && w->now_ms >= job->hold_until_ms) {
            job->hold_until_ms = 0;
            job_mark(w, job);
        }
        if (job->is_ended)
            closing_drop_some(w, job);
        else if (job->is_halting && job->spec != NULL)
            closing_cancel_some(w, job);
        if (job->is_ended && job->items_n == 0 && job->running == 0)
            limits_end(w, job);
        if (batch_turn(w, job) || job->tokens != NULL || limits_has_rate(job))
            job_mark(w, job);
        if (is_over(job))
            retire(w, job);
    }
}

int64_t jobs_next_ms(const worker_t *w)
{
    int64_t next = INT64_MAX;
    for (const worker_job_t *job = w->active; job != NULL; job = job->active_next) {
        int64_t due = job->tokens != NULL ? tokens_next_ms(job->tokens, w->now_ms) : INT64_MAX;
        if (job->queue.n > 0 && w->idle_n > 0)
            due = earlier(due, pace_next_ms(&job->pace, w->now_ms));
        if (job->hold_until_ms > 0 && job->hold_until_ms < due)
            due = job->hold_until_ms;
        int64_t batch_due = batch_next_ms(job);
        due = batch_due < due ? batch_due : due;
        bool cancels = job->is_halting && job->spec != NULL && w->stats.publishing < w->config.publishing_max;
        if (cancels && has_unstarted(job))
            due = w->now_ms;
        if ((job->is_ended && (has_waiting(job) || job->items_n == 0)) || is_over(job))
            due = w->now_ms;
        if (job->items_n + job->deferred_n > 0 && !job->end_written && !job->is_ended) {
            int64_t deadline = job_deadline_ms(w, job);
            due = deadline < due ? deadline : due;
        }
        next = due < next ? due : next;
    }
    return next;
}
