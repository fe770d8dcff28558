/* One entry a job, found by its id. What cannot be decoded still marks its job as opaque. */
#include "client/joblog/fold.h"

#include <stdlib.h>
#include <string.h>

static fold_entry_t *entry_get(fold_t *fold, const char *id)
{
    fold_entry_t *entry = NULL;
    HASH_FIND_STR(fold->entries, id, entry);
    if (entry)
        return entry;
    entry = calloc(1, sizeof *entry);
    if (entry) {
        memcpy(entry->id, id, strlen(id) + 1);
        HASH_ADD_STR(fold->entries, id, entry);
        if (table_added(entry))
            return entry;
    }
    free(entry);
    fold->is_out_of_memory = true;
    return NULL;
}

static void note_record(fold_entry_t *entry, const jobs_record_t *record)
{
    job_view_record(&entry->view, record);
    if (record->field != JOBS_SPEC || record->tombstone)
        return;
    memcpy(entry->task, record->spec.task, sizeof entry->task);
    memcpy(entry->queue, record->spec.queue, sizeof entry->queue);
    entry->results_partition = record->spec.results_partition;
    entry->start_offset = record->spec.start_offset;
    entry->is_stream = record->spec.stream != STREAM_NOT;
    entry->has_rate = record->spec.start_every_us > 0;
    entry->submitted_ms = record->spec.submitted_ms;
}

/* Also of what cannot be read it is known whose it is. */
static void note_opaque(fold_t *fold, const bus_record_t *record)
{
    char id[JOB_ID_MAX + 1];
    const char *slash = record->key_len > 0 ? memchr(record->key, '/', record->key_len) : NULL;
    size_t len = slash ? (size_t)(slash - (const char *)record->key) : 0;
    if (len == 0 || len > JOB_ID_MAX || record->value_len == 0)
        return;
    memcpy(id, record->key, len);
    id[len] = '\0';
    fold_entry_t *entry = job_id_valid(id) ? entry_get(fold, id) : NULL;
    if (entry)
        entry->is_opaque = true;
}

void fold_record(void *arg, const bus_record_t *record)
{
    fold_t *fold = arg;
    jobs_record_t decoded;
    if (!jobs_decode(record->key, record->key_len, record->value, record->value_len, &decoded)) {
        note_opaque(fold, record);
        return;
    }
    fold_entry_t *entry = entry_get(fold, decoded.job);
    if (entry)
        note_record(entry, &decoded);
}

void fold_free(fold_t *fold)
{
    fold_entry_t *entry, *next;
    HASH_ITER(hh, fold->entries, entry, next)
    {
        HASH_DEL(fold->entries, entry);
        free(entry);
    }
}
