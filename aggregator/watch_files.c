/* The jobs that wait for their files, or are written: a queue in the order of their ends. When the disk fails all of it waits, for
 * it is one disk. */
#include <string.h>

#include "aggregator/watch_state.h"
#include "base/invariant.h"

static size_t *counter(watch_t *watch, job_state_t state)
{
    return state == JOB_OPEN ? &watch->open_n : state == JOB_FINISHED ? &watch->finished_n : &watch->writing_n;
}

static void set_state(watch_t *watch, job_t *job, job_state_t state)
{
    invariant(*counter(watch, job->state) > 0 && job->state != state);
    --*counter(watch, job->state);
    ++*counter(watch, state);
    job->state = state;
}

void watch_enqueue(watch_t *watch, job_t *job)
{
    set_state(watch, job, JOB_FINISHED);
    invariant(*watch->queue_end == NULL);
    job->queued = NULL;
    job->queued_at = watch->queue_end;
    *watch->queue_end = job;
    watch->queue_end = &job->queued;
}

static void dequeue(watch_t *watch, job_t *job)
{
    *job->queued_at = job->queued;
    *(job->queued ? &job->queued->queued_at : &watch->queue_end) = job->queued_at;
}

void watch_unlink_state(watch_t *watch, job_t *job)
{
    if (job->state == JOB_FINISHED)
        dequeue(watch, job);
    --*counter(watch, job->state);
    watch->failed_n -= job->has_failed;
}

bool watch_next(watch_t *watch, int64_t now_ms, watch_task_t *ret)
{
    job_t *job = watch->queue;
    if (!job || (watch->retry_ms && now_ms < watch->retry_at_ms))
        return false;
    dequeue(watch, job);
    set_state(watch, job, JOB_WRITING);
    job->number = ++watch->last_number;
    *ret = (watch_task_t){.number = job->number,
                          .partition = job->partition->id,
                          .start_offset = job->start_offset,
                          .submitted_ms = job->submitted_ms};
    memcpy(ret->job, job->id, sizeof ret->job);
    return true;
}

int64_t watch_due_ms(const watch_t *watch)
{
    return watch->queue ? watch->retry_at_ms : INT64_MAX;
}

static job_t *find_writing(const watch_t *watch, uint64_t number)
{
    for (const partition_t *partition = watch->partitions; partition; partition = partition->next)
        for (job_t *job = partition->first; job; job = job->next)
            if (job->state == JOB_WRITING && job->number == number)
                return job;
    return NULL;
}

/* Several files may fail at one moment: that is one failure of the disk. */
static void note_failure(watch_t *watch, int64_t now_ms)
{
    if (watch->retry_ms && now_ms < watch->retry_at_ms)
        return;
    watch->retry_ms = watch->retry_ms ? watch->retry_ms * 2 : WATCH_RETRY_MS;
    if (watch->retry_ms > WATCH_RETRY_MAX_MS)
        watch->retry_ms = WATCH_RETRY_MAX_MS;
    watch->retry_at_ms = now_ms + watch->retry_ms;
}

void watch_ended(watch_t *watch, uint64_t number, watch_result_t result, int64_t now_ms)
{
    job_t *job = find_writing(watch, number);
    if (result == WATCH_FAILED)
        note_failure(watch, now_ms);
    else
        watch->retry_ms = watch->retry_at_ms = 0;
    if (job && result != WATCH_FAILED)
        watch_forget(watch, job);
    if (!job || result != WATCH_FAILED)
        return;
    watch->failed_n += !job->has_failed;
    job->has_failed = true;
    watch_enqueue(watch, job);
}

size_t watch_waiting_n(const watch_t *watch)
{
    return watch->finished_n + watch->writing_n;
}

size_t watch_failed_n(const watch_t *watch)
{
    return watch->failed_n;
}

uint64_t watch_dropped_n(const watch_t *watch)
{
    return watch->dropped_n;
}
