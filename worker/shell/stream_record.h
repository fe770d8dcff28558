/* What a shell keeps of a record of its stream while it runs: one block, so that few lines of memory are touched when it is
 * run and when its outcome is published. */
#ifndef WORKER_SHELL_STREAM_RECORD_H
#define WORKER_SHELL_STREAM_RECORD_H

#include "worker/shell/state.h"

/* Everything points into the block. */
typedef struct {
    const uint8_t *value; /* as it came; NULL: it has none */
    int64_t timestamp_ms;
    int64_t schema_id; /* -1: none was taken off */
    uint32_t key_len, value_len, in_len, headers_len;
    int32_t partition;
    uint16_t headers_n;
    bool has_key;
    uint8_t bytes[]; /* the key, the headers, the task's input, and the value where it is no part of the input */
} stream_record_t;

static inline const void *stream_record_key(const stream_record_t *record)
{
    return record->has_key ? record->bytes : NULL;
}

static inline const uint8_t *stream_record_headers(const stream_record_t *record)
{
    return record->bytes + record->key_len;
}

static inline const uint8_t *stream_record_in(const stream_record_t *record)
{
    return record->bytes + record->key_len + record->headers_len;
}

/* Copies what is needed of a record into a block of shell->stream_spares (spares_put when it is done with), with the task's input
 * as the stream's format has it. `ret_bad`: why it is no input, or NULL. NULL: out of memory. */
stream_record_t *stream_record_new(worker_shell_t *shell, const bus_record_t *record, const char **ret_bad);

#endif
