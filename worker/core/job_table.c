/* The jobs that this worker knows of: the table, those that are active, and those that changed in this step (settle.c). */
#include "worker/core/state.h"

#include <stdlib.h>
#include <string.h>

worker_job_t *job_find(worker_t *w, const char *id)
{
    worker_job_t *job = NULL;
    if (w->recent != NULL && strcmp(w->recent->id, id) == 0)
        return w->recent;
    HASH_FIND_STR(w->jobs, id, job);
    return job;
}

worker_job_t *job_get(worker_t *w, const char *id, size_t len)
{
    worker_job_t *job = NULL;
    HASH_FIND(hh, w->jobs, id, (unsigned)len, job);
    if (job != NULL || len > JOB_ID_MAX)
        return job;
    job = calloc(1, sizeof *job);
    if (job == NULL) {
        w->failed = true;
        return NULL;
    }
    memcpy(job->id, id, len);
    job->id_len = len;
    if (!job_id_valid(job->id) || strlen(job->id) != len) {
        free(job);
        return NULL;
    }
    job->key = ++w->job_keys;
    job->lapse_sent = INT64_MAX;
    HASH_ADD_KEYPTR(hh, w->jobs, job->id, len, job);
    if (!table_added(job)) {
        free(job);
        w->failed = true;
        return NULL;
    }
    return job;
}

void job_forget_spec(worker_job_t *job)
{
    free(job->spec);
    free(job->bound);
    free(job->left);
    job->spec = NULL;
    job->bound = NULL;
    job->left = NULL;
    job->left_n = job->left_cap = 0;
}

static void unmark(worker_t *w, const worker_job_t *job)
{
    worker_job_t **at = &w->marked;
    while (*at != NULL && *at != job)
        at = &(*at)->marked_next;
    if (*at == job)
        *at = job->marked_next;
}

void job_forget(worker_t *w, worker_job_t *job)
{
    if (w->recent == job)
        w->recent = NULL;
    unmark(w, job);
    HASH_DEL(w->jobs, job);
    tokens_free(job->tokens);
    job_forget_spec(job);
    lanes_free(&job->queue);
    free(job);
}

uint32_t job_task(const worker_t *w, const worker_job_t *job)
{
    uint32_t task = 0;
    while (task < w->config.tasks_n && strcmp(w->tasks[task], job->spec->task) != 0)
        task++;
    return task;
}

void jobs_free(worker_t *w)
{
    worker_job_t *job, *next;
    HASH_ITER(hh, w->jobs, job, next)
    {
        job_forget(w, job);
    }
}

bool job_may_start(const worker_job_t *job)
{
    return job->spec != NULL && !job->lacks_tokens && !job->paused && !job->is_closing && !job->is_halting &&
           !job->is_ended && job->hold_until_ms == 0;
}

size_t job_outcomes_left(const worker_job_t *job)
{
    const halt_t *halt = &job->spec->halt;
    if (job->spec->fail_fast)
        return job->failed_n == 0;
    if (halt->when == HALT_NEVER || halt->is_percent)
        return SIZE_MAX;
    uint64_t hits = halt->what == HALT_SUCCESS ? 0 : job->failed_n;
    hits += halt->what == HALT_FAIL ? 0 : job->values_n;
    return hits < halt->threshold ? halt->threshold - hits : 0;
}

void job_activate(worker_t *w, worker_job_t *job)
{
    if (job->is_active)
        return;
    job->is_active = true;
    job->active_prev = NULL;
    job->active_next = w->active;
    if (w->active != NULL)
        w->active->active_prev = job;
    w->active = job;
    w->active_n++;
}

void job_deactivate(worker_t *w, worker_job_t *job)
{
    if (job->active_prev != NULL)
        job->active_prev->active_next = job->active_next;
    else
        w->active = job->active_next;
    if (job->active_next != NULL)
        job->active_next->active_prev = job->active_prev;
    job->is_active = false;
    w->active_n--;
}

void job_mark(worker_t *w, worker_job_t *job)
{
    if (job->is_marked)
        return;
    job->is_marked = true;
    job->marked_next = w->marked;
    w->marked = job;
}

void job_stop_starting(worker_t *w, worker_job_t *job)
{
    job->must_withdraw = true;
    job_mark(w, job);
}
