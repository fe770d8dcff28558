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

void watch_forget(watch_t *watch, job_t *job)
{
    partition_t *partition = job->partition;
    watch_unlink_state(watch, job);
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
            watch_forget(watch, partition->first);
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
        watch_forget(watch, job);
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
    watch_enqueue(watch, job);
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
        watch_forget(watch, job);
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
