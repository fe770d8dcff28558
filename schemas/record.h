/* What a task is told of the record that its item is: the context of a run of a stream (slotwire.h). */
#ifndef SCHEMAS_RECORD_H
#define SCHEMAS_RECORD_H

#include "schemas/streamlog.h"

/* Everything is borrowed. */
typedef struct {
    const char *topic;
    size_t topic_len;
    int32_t partition;
    int64_t offset, timestamp_ms;
    const void *key; /* NULL: it has none */
    size_t key_len;
    int64_t schema_id;   /* taken off before the value; -1: none was */
    mp_reader_t headers; /* read with record_context_header */
    uint32_t headers_n;  /* at most STREAMLOG_HEADERS_MAX */
} record_context_t;

/* `headers`: what streamlog_put_header made, of context->headers_n. */
void record_context_put(buf_t *b, const record_context_t *context, const void *headers, size_t headers_len);
/* Returns false if the bytes are no context. */
bool record_context_read(const uint8_t *bytes, size_t len, record_context_t *ret);
/* The next of its headers. */
bool record_context_header(record_context_t *context, stream_header_t *ret);
/* As an object; key and values as strings where they are UTF-8, else as binary. */
void record_context_to_json(buf_t *b, record_context_t *context);

#endif
