/* One partition in memory: records by offset, from the low watermark to the end. No callbacks and no clock.
 *
 * Records are shared: the log holds one reference, and whoever keeps the bytes of a record holds another. */
#ifndef IO_MEMORY_LOG_H
#define IO_MEMORY_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/bus.h"

typedef struct memory_record memory_record_t;
struct memory_record {
    uint32_t refs;
    int32_t partition;
    bool has_key, has_value; /* a record without a value is a tombstone */
    size_t key_len, value_len;
    int64_t timestamp_ms;
    uint64_t cookie;
    void *topic;           /* the handle that it was produced through */
    memory_record_t *next; /* in the outbox */
    bus_header_t *headers; /* and what they point to, in one block; or NULL */
    size_t headers_n;
    uint8_t bytes[]; /* key, then value */
};

typedef struct {
    memory_record_t **ring; /* NULL entries: removed by compaction */
    size_t cap, n;          /* cap: a power of two, or 0 */
    int64_t low;            /* offset of the first entry */
    size_t bytes;           /* what the records take */
    size_t compact_at;      /* entries at which memory_log_compact is worth its time */
} memory_log_t;

/* A copy with one reference, or NULL: no memory. A NULL key or value is absent. */
memory_record_t *memory_record_new(const void *key, size_t key_len, const void *value, size_t value_len);
/* Returns false if memory runs out. */
bool memory_record_add_headers(memory_record_t *record, const bus_header_t *headers, size_t n);
void memory_record_unref(memory_record_t *record);
/* What the record takes in memory, about. */
size_t memory_record_bytes(const memory_record_t *record);

/* Takes the reference over and returns the offset, or -1: no memory, the reference stays the caller's. */
int64_t memory_log_append(memory_log_t *log, memory_record_t *record);
/* NULL: outside of the log, or compacted away. */
memory_record_t *memory_log_at(const memory_log_t *log, int64_t offset);
static inline int64_t memory_log_end(const memory_log_t *log)
{
    return log->low + (int64_t)log->n;
}
/* Drops everything below `offset`. */
void memory_log_drop_to(memory_log_t *log, int64_t offset);
/* Removes every record that has a later one of its key, and the tombstones below `before`. Sets compact_at anew. */
void memory_log_compact(memory_log_t *log, int64_t before);
void memory_log_free(memory_log_t *log);

#endif
