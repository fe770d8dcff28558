/* The jobs that this worker knows of, from the jobs topic, and what becomes of items whose job is over, or has a limit
 * where there is no Redis. Such an item is left alone: only its offset is remembered, which holds the prefix back, so
 * that another owner of the lane reads it again.
 */
#include "worker/core/state.h"

#include <stdlib.h>

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

static void forget_spec(worker_job_t *job)
{
    free(job->spec);
    free(job->bound);
    free(job->left);
    job->spec = NULL;
    job->bound = NULL;
    job->left = NULL;
    job->left_n = job->left_cap = 0;
}

static void job_free(worker_t *w, worker_job_t *job)
{
    if (w->recent == job)
        w->recent = NULL;
    job_unmark(w, job);
    HASH_DEL(w->jobs, job);
    tokens_free(job->tokens);
    forget_spec(job);
    lanes_free(&job->queue);
    free(job);
}

void jobs_free(worker_t *w)
{
    worker_job_t *job, *next;
    HASH_ITER(hh, w->jobs, job, next)
    {
        job_free(w, job);
    }
}

bool job_may_start(const worker_job_t *job)
{
    return job->spec != NULL && !job->lacks_tokens && !job->paused && !job->is_closing && !job->is_halting &&
           !job->is_ended;
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
}

static void deactivate(worker_t *w, worker_job_t *job)
{
    if (job->active_prev != NULL)
        job->active_prev->active_next = job->active_next;
    else
        w->active = job->active_next;
    if (job->active_next != NULL)
        job->active_next->active_prev = job->active_prev;
    job->is_active = false;
}

/* ---- items that are left to others ---- */

static void forget_stale(worker_job_t *job)
{
    size_t n = 0;
    for (size_t i = 0; i < job->left_n; i++)
        if (job->left[i].part->is_owned && job->left[i].ownership == job->left[i].part->ownership)
            job->left[n++] = job->left[i];
    job->left_n = n;
}

static bool extend(worker_job_t *job, const worker_part_t *part, int64_t offset)
{
    for (size_t i = job->left_n, looks = 8; i-- > 0 && looks-- > 0;) {
        left_range_t *range = &job->left[i];
        if (range->part == part && range->ownership == part->ownership && range->to == offset) {
            range->to++;
            return true;
        }
    }
    return false;
}

void job_leave(worker_t *w, worker_job_t *job, worker_part_t *part, int64_t offset)
{
    if (!job->was_noted)
        note(w, FANMAP_LOG_WARNING, "job %s waits: it has a limit, and this worker has no Redis", job->id);
    job->was_noted = true;
    if (extend(job, part, offset))
        return;
    if (job->left_n == job->left_cap)
        forget_stale(job);
    if (job->left_n == job->left_cap) {
        size_t cap = job->left_cap ? job->left_cap * 2 : 16;
        left_range_t *left = realloc(job->left, cap * sizeof *left);
        if (left == NULL) {
            w->failed = true;
            return;
        }
        job->left = left;
        job->left_cap = cap;
    }
    job->left[job->left_n++] = (left_range_t){part, part->ownership, offset, offset + 1};
}

static void finish_left(worker_job_t *job)
{
    forget_stale(job);
    for (size_t i = 0; i < job->left_n; i++) {
        left_range_t *range = &job->left[i];
        tracker_finish_range(&range->part->tracker, range->from, range->to);
        range->part->is_dirty = true;
    }
    job->left_n = 0;
}

/* ---- what the jobs topic says ---- */

/* Everything that waits here, to others. */
static void leave_queue(worker_t *w, worker_job_t *job)
{
    while (job->queue.n + job->unnamed.n > 0) {
        worker_item_t *item = job->queue.n > 0 ? lanes_first(&job->queue) : job->unnamed.head;
        if (item_is_ours(item))
            job_leave(w, job, item->part, item->offset);
        else
            item_tell(w, item, false);
        item_discard(w, item);
    }
}

void job_policy_changed(worker_t *w, worker_job_t *job)
{
    if (job->spec == NULL || job->is_ended)
        return;
    job->lacks_tokens = job->concurrency > 0 && !w->config.has_tokens;
    if (job->items_n > 0)
        limits_begin(w, job);
    if (job->lacks_tokens && !job->is_halting)
        leave_queue(w, job);
    if (job->tokens != NULL && job->concurrency_version > 0)
        tokens_set_limit(job->tokens, job->concurrency, job->concurrency_version, w->now_ms);
    if (!job_may_start(job))
        job_stop_starting(w, job);
    job_mark(w, job);
}

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

static void take_spec(worker_t *w, worker_job_t *job, const spec_t *spec)
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
    if (spec->bound_len > 0)
        memcpy(job->bound, spec->bound, spec->bound_len);
    job->spec->bound = job->bound;
    job->is_halting = obeys_halt(job);
    if (job->concurrency_version == 0)
        job->concurrency = spec->concurrency;
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
    if (field == JOBS_SPEC && job->items_n == 0 && !job->is_active)
        job_free(w, job);
}

void jobs_record(worker_t *w, const jobs_record_t *record)
{
    worker_job_t *job = record->tombstone ? job_find(w, record->job) : job_get(w, record->job, strlen(record->job));
    if (job == NULL)
        return;
    if (record->tombstone)
        take_tombstone(w, job, record->field);
    else if (record->field == JOBS_SPEC)
        take_spec(w, job, &record->spec);
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

static bool drop_one(worker_t *w, worker_job_t *job)
{
    item_list_t *lists[] = {&job->closing, &job->delayed, &job->refence, &job->unnamed, &job->claimed};
    if (job->queue.n > 0) {
        item_finish(w, lanes_first(&job->queue));
        return true;
    }
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        if (lists[i]->n == 0)
            continue;
        w->stats.publishing -= lists[i] == &job->closing;
        w->stats.done += lists[i] == &job->closing;
        item_finish(w, lists[i]->head);
        return true;
    }
    return false;
}

static bool has_unstarted(const worker_job_t *job)
{
    return job->queue.n + job->delayed.n + job->refence.n + job->unnamed.n > 0;
}

static bool has_waiting(const worker_job_t *job)
{
    return job->closing.n + job->claimed.n > 0 || has_unstarted(job);
}

static void drop_some(worker_t *w, worker_job_t *job)
{
    for (int i = 0; i < DROP_STEP && drop_one(w, job); i++)
        ;
}

void job_end(worker_t *w, worker_job_t *job)
{
    if (job->is_ended)
        return;
    job->is_ended = true;
    job_stop_starting(w, job);
    finish_left(job);
    drop_some(w, job);
    for (uint32_t i = 0; i < w->config.slots_n; i++)
        if (w->slots[i].job == job)
            slot_review(w, i);
    if (!job->is_active)
        forget_spec(job);
}

/* True: nothing of it is in hand and no token either. */
static bool is_over(const worker_job_t *job)
{
    return job->items_n == 0 && job->running == 0 && job->tokens == NULL;
}

static void retire(worker_t *w, worker_job_t *job)
{
    deactivate(w, job);
    lanes_free(&job->queue);
    if (job->is_ended)
        forget_spec(job);
    else if (job->spec == NULL && job->concurrency_version == 0 && job->paused_version == 0)
        job_free(w, job);
}

void jobs_turn(worker_t *w)
{
    for (worker_job_t *job = w->active, *next; job != NULL; job = next) {
        next = job->active_next;
        closing_check_deadline(w, job);
        if (job->is_ended)
            drop_some(w, job);
        else if (job->is_halting && job->spec != NULL)
            closing_cancel_some(w, job);
        if (job->is_ended && job->items_n == 0 && job->running == 0)
            limits_end(w, job);
        if (job->tokens != NULL)
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
        bool cancels = job->is_halting && job->spec != NULL && w->stats.publishing < w->config.publishing_max;
        if (cancels && has_unstarted(job))
            due = w->now_ms;
        if ((job->is_ended && (has_waiting(job) || job->items_n == 0)) || is_over(job))
            due = w->now_ms;
        if (job->spec != NULL && job->spec->deadline_ms > 0 && job->items_n > 0 && !job->end_written &&
            !job->is_ended) {
            int64_t deadline =
                w->now_ms + (job->spec->deadline_ms > w->wall_ms ? job->spec->deadline_ms - w->wall_ms : 0);
            due = deadline < due ? deadline : due;
        }
        next = due < next ? due : next;
    }
    return next;
}
