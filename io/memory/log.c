/* The log of one partition: a ring of records by offset, and its compaction. */
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "io/memory/log.h"

enum { COMPACT_AT_MIN = 1024, RECORD_OVERHEAD = 16, RING_KEPT = 4096 };

memory_record_t *memory_record_new(const void *key, size_t key_len, const void *value, size_t value_len)
{
    if (key == NULL)
        key_len = 0;
    if (value == NULL)
        value_len = 0;
    if (key_len > SIZE_MAX / 4 || value_len > SIZE_MAX / 4)
        return NULL;
    memory_record_t *record = malloc(sizeof *record + key_len + value_len);
    if (record == NULL)
        return NULL;
    *record = (memory_record_t){
        .refs = 1, .has_key = key != NULL, .has_value = value != NULL, .key_len = key_len, .value_len = value_len};
    if (key_len > 0)
        memcpy(record->bytes, key, key_len);
    if (value_len > 0)
        memcpy(record->bytes + key_len, value, value_len);
    return record;
}

bool memory_record_add_headers(memory_record_t *record, const bus_header_t *headers, size_t n)
{
    size_t size = n * sizeof *headers;
    for (size_t i = 0; i < n; i++)
        size += strlen(headers[i].name) + 1 + headers[i].value_len;
    if (n == 0)
        return true;
    record->headers = malloc(size);
    if (record->headers == NULL)
        return false;
    record->headers_n = n;
    char *at = (char *)(record->headers + n);
    for (size_t i = 0; i < n; i++) {
        bus_header_t *mine = &record->headers[i];
        size_t name_len = strlen(headers[i].name) + 1;
        *mine = (bus_header_t){memcpy(at, headers[i].name, name_len), NULL, headers[i].value_len};
        at += name_len;
        if (headers[i].value != NULL) {
            mine->value = at;
            memcpy(at, headers[i].value, headers[i].value_len);
        }
        at += mine->value_len;
    }
    return true;
}

void memory_record_unref(memory_record_t *record)
{
    if (record == NULL || --record->refs > 0)
        return;
    free(record->headers);
    free(record);
}

size_t memory_record_bytes(const memory_record_t *record)
{
    return sizeof *record + RECORD_OVERHEAD + record->key_len + record->value_len;
}

static memory_record_t **entry(const memory_log_t *log, int64_t offset)
{
    return &log->ring[(size_t)offset & (log->cap - 1)];
}

static bool grow(memory_log_t *log)
{
    size_t cap = log->cap == 0 ? 64 : log->cap * 2;
    memory_record_t **ring = calloc(cap, sizeof(memory_record_t *));
    if (ring == NULL)
        return false;
    for (int64_t offset = log->low; offset < memory_log_end(log); offset++)
        ring[(size_t)offset & (cap - 1)] = *entry(log, offset);
    free(log->ring);
    log->ring = ring;
    log->cap = cap;
    return true;
}

int64_t memory_log_append(memory_log_t *log, memory_record_t *record)
{
    if (log->n == log->cap && !grow(log))
        return -1;
    int64_t offset = memory_log_end(log);
    log->n++;
    *entry(log, offset) = record;
    log->bytes += memory_record_bytes(record);
    return offset;
}

memory_record_t *memory_log_at(const memory_log_t *log, int64_t offset)
{
    if (offset < log->low || offset >= memory_log_end(log))
        return NULL;
    return *entry(log, offset);
}

static void forget(memory_log_t *log, int64_t offset)
{
    memory_record_t **at = entry(log, offset);
    if (*at == NULL)
        return;
    log->bytes -= memory_record_bytes(*at);
    memory_record_unref(*at);
    *at = NULL;
}

/* A reader that was slow once leaves a long ring behind. */
static void shrink(memory_log_t *log)
{
    if (log->n > 0 || log->cap <= RING_KEPT)
        return;
    free(log->ring);
    log->ring = NULL;
    log->cap = 0;
}

void memory_log_drop_to(memory_log_t *log, int64_t offset)
{
    while (log->n > 0 && log->low < offset) {
        forget(log, log->low);
        log->low++;
        log->n--;
    }
    shrink(log);
}

/* ---- compaction ---- */

typedef struct {
    UT_hash_handle hh;
} newest_t;

/* Walks from the end: the first record of a key that is met is the newest. Returns false if memory runs out. */
static bool remove_if_older(memory_log_t *log, int64_t offset, newest_t **table, newest_t *spare, size_t *used)
{
    memory_record_t *record = memory_log_at(log, offset);
    if (record == NULL || !record->has_key)
        return true;
    newest_t *found;
    HASH_FIND(hh, *table, record->bytes, record->key_len, found);
    if (found != NULL) {
        forget(log, offset);
        return true;
    }
    newest_t *added = &spare[(*used)++];
    HASH_ADD_KEYPTR(hh, *table, record->bytes, record->key_len, added);
    return table_added(added);
}

static void remove_tombstones(memory_log_t *log, int64_t before)
{
    for (int64_t offset = log->low; offset < before; offset++) {
        memory_record_t *record = memory_log_at(log, offset);
        if (record != NULL && !record->has_value)
            forget(log, offset);
    }
    while (log->n > 0 && log->low < before && *entry(log, log->low) == NULL)
        memory_log_drop_to(log, log->low + 1);
}

void memory_log_compact(memory_log_t *log, int64_t before)
{
    if (before > memory_log_end(log))
        before = memory_log_end(log);
    newest_t *spare = log->n > 0 ? calloc(log->n, sizeof *spare) : NULL;
    newest_t *table = NULL;
    size_t used = 0;
    bool ok = spare != NULL;
    for (int64_t offset = memory_log_end(log) - 1; ok && offset >= log->low; offset--)
        ok = remove_if_older(log, offset, &table, spare, &used);
    HASH_CLEAR(hh, table);
    free(spare);
    if (ok)
        remove_tombstones(log, before);
    log->compact_at = log->n * 2 < COMPACT_AT_MIN ? COMPACT_AT_MIN : log->n * 2;
}

void memory_log_free(memory_log_t *log)
{
    memory_log_drop_to(log, memory_log_end(log));
    free(log->ring);
    *log = (memory_log_t){0};
}
