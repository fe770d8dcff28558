/* Records come in the order of the log. A `start` opens a job, its list counts until it is decided, and then the job
 * queues for its file. The jobs of a partition stand in a list in the order of their starts: the first is where the
 * commit is.
 *
 * What can go wrong: the disk fails, and everything waits (one clock for all, since it is one disk) while the log is
 * read on; the partition moves to another instance, and its jobs are forgotten here wherever they are; retention takes
 * records that nobody has read, and the jobs that began there are lost.
 */
#include <stdlib.h>

#include "aggregator/watch_state.h"
#include "base/invariant.h"
#include "base/search.h"
#include "base/text.h"

watch_t *watch_new(watch_whole_fn is_whole, void *arg)
{
    watch_t *watch = calloc(1, sizeof *watch);
    if (!watch)
        return NULL;
    watch->is_whole = is_whole;
    watch->arg = arg;
    watch->queue_end = &watch->queue;
    return watch;
}

/* ---- jobs ---- */

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

static void enqueue(watch_t *watch, job_t *job)
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

static void forget(watch_t *watch, job_t *job)
{
    partition_t *partition = job->partition;
    if (job->state == JOB_FINISHED)
        dequeue(watch, job);
    --*counter(watch, job->state);
    watch->failed_n -= job->has_failed;
    *(job->prev ? &job->prev->next : &partition->first) = job->next;
    *(job->next ? &job->next->prev : &partition->last) = job->prev;
    HASH_DEL(partition->table, job);
    list_free(job->list);
    free(job);
    partition->is_changed = true;
}

static job_t *job_open(watch_t *watch, partition_t *partition, const spec_t *spec, int64_t offset)
{
    static const list_callbacks_t callbacks = {NULL, NULL}; /* its own questions suffice */
    job_t *job = calloc(1, sizeof *job);
    if (job)
        job->list = list_new(spec->job, &callbacks, NULL);
    if (job && job->list) {
        memcpy(job->id, spec->job, sizeof job->id);
        HASH_ADD_STR(partition->table, id, job);
    }
    if (!job || !job->list || !table_added(job)) {
        if (job)
            list_free(job->list);
        free(job);
        watch->out_of_memory = true;
        return NULL;
    }
    job->partition = partition;
    job->start_offset = offset;
    job->submitted_ms = spec->submitted_ms;
    job->prev = partition->last;
    *(partition->last ? &partition->last->next : &partition->first) = job;
    partition->last = job;
    watch->open_n++;
    return job;
}

/* ---- partitions ---- */

bool watch_assigned(watch_t *watch, int32_t id, int64_t offset, const char *metadata, size_t metadata_len)
{
    watch_revoked(watch, id);
    partition_t *partition = calloc(1, sizeof *partition);
    if (!partition)
        return false;
    partition->id = id;
    partition->position = offset;
    if (!gathered_decode(metadata, metadata_len, offset, &partition->before))
        partition->before.until = partition->before.open_n = 0;
    partition->next = watch->partitions;
    watch->partitions = partition;
    return true;
}

void watch_revoked(watch_t *watch, int32_t id)
{
    for (partition_t **at = &watch->partitions; *at; at = &(*at)->next) {
        partition_t *partition = *at;
        if (partition->id != id)
            continue;
        while (partition->first)
            forget(watch, partition->first);
        *at = partition->next;
        free(partition);
        return;
    }
}

void watch_free(watch_t *watch)
{
    if (!watch)
        return;
    while (watch->partitions)
        watch_revoked(watch, watch->partitions->id);
    buf_free(&watch->metadata);
    free(watch);
}

/* ---- records ---- */

static bool was_open(const gathered_t *before, int64_t offset)
{
    size_t i = search_below(before->open, before->open_n, sizeof *before->open, offset);
    return i < before->open_n && before->open[i] == offset;
}

static bool has_file(const watch_t *watch, const partition_t *partition, const spec_t *spec, int64_t offset)
{
    if (offset < partition->before.until && !was_open(&partition->before, offset))
        return true;
    return watch->is_whole(watch->arg, spec->job, spec->submitted_ms);
}

/* Too many open jobs: the oldest one of this partition makes room. */
static void make_room(watch_t *watch, partition_t *partition)
{
    if (watch->open_n + watch->finished_n + watch->writing_n < WATCH_JOBS_MAX)
        return;
    for (job_t *job = partition->first; job; job = job->next) {
        if (job->state != JOB_OPEN)
            continue;
        forget(watch, job);
        watch->dropped_n++;
        return;
    }
}

/* A record of a job that is not watched: only its start matters. */
static job_t *begin_job(watch_t *watch, partition_t *partition, int64_t offset, const void *key, size_t key_len,
                        const joblog_record_t *record)
{
    const spec_t *spec = &record->start;
    if (record->type != JOBLOG_START || !text_is(key, key_len, spec->job) ||
        spec->results_partition != (uint32_t)partition->id)
        return NULL;
    partition->is_changed = true;
    if (has_file(watch, partition, spec, offset))
        return NULL;
    make_room(watch, partition);
    return job_open(watch, partition, spec, offset);
}

static bool count_record(watch_t *watch, job_t *job, int64_t offset, const void *key, size_t key_len, const void *value,
                         size_t value_len)
{
    if (job->state != JOB_OPEN)
        return true;
    bool good = list_record(job->list, offset, key, key_len, value, value_len);
    watch->out_of_memory |= list_out_of_memory(job->list);
    if (list_state(job->list) == LIST_OPEN)
        return good;
    list_free(job->list);
    job->list = NULL;
    enqueue(watch, job);
    return good;
}

bool watch_record(watch_t *watch, int32_t id, int64_t offset, const void *key, size_t key_len, const void *value,
                  size_t value_len)
{
    partition_t *partition = watch_partition(watch, id);
    joblog_record_t record;
    job_t *job = NULL;
    if (!partition || offset < partition->position)
        return true;
    partition->position = offset + 1;
    partition->is_changed = true;
    if (key_len <= JOB_ID_MAX)
        HASH_FIND(hh, partition->table, key, key_len, job);
    if (!job) {
        if (!joblog_decode(value, value_len, &record))
            return false;
        job = begin_job(watch, partition, offset, key, key_len, &record);
    }
    return !job || count_record(watch, job, offset, key, key_len, value, value_len);
}

bool watch_was_read_before(const watch_t *watch, int32_t id, int64_t offset)
{
    const partition_t *partition = watch_partition(watch, id);
    return partition && offset < partition->before.until;
}

size_t watch_gap(watch_t *watch, int32_t id, int64_t to)
{
    partition_t *partition = watch_partition(watch, id);
    size_t lost = 0;
    if (!partition || to <= partition->position)
        return 0;
    for (job_t *job = partition->first, *next; job && job->start_offset < to; job = next, lost++) {
        next = job->next;
        forget(watch, job);
    }
    const gathered_t *before = &partition->before;
    for (uint32_t i = 0; i < before->open_n && before->open[i] < to; i++)
        lost += before->open[i] >= partition->position;
    partition->position = to;
    partition->is_changed = true;
    return lost;
}

bool watch_out_of_memory(const watch_t *watch)
{
    return watch->out_of_memory;
}

bool watch_has_room(const watch_t *watch)
{
    return watch->finished_n == 0 || watch->open_n + watch->finished_n + watch->writing_n < WATCH_JOBS_MAX;
}

/* ---- files ---- */

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
        forget(watch, job);
    if (!job || result != WATCH_FAILED)
        return;
    watch->failed_n += !job->has_failed;
    job->has_failed = true;
    enqueue(watch, job);
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
