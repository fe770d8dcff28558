/* The records of a stream's log, NS.stream.ID: packs of outcomes of one lane, on the lane's partition. The key of each is the
 * stream's id. What they mean: aggregator/gather_lane.h. */
#ifndef SCHEMAS_STREAMLOG_H
#define SCHEMAS_STREAMLOG_H

#include "schemas/joblog.h"
#include "schemas/place.h"
#include "schemas/value.h"

enum { STREAMLOG_VERSION = 1, STREAMLOG_HEADERS_MAX = 64, STREAMLOG_OUTCOME_MIN = 8 /* bytes of one in a pack */ };

/* Everything is borrowed from the record. */
typedef struct {
    int64_t prev;       /* the record before it, as its worker read it; -1: there was none */
    const uint8_t *key; /* what stands for its key where order is kept by key, PLACE_KEY_BYTES; NULL: nothing */
    int64_t timestamp_ms;
    const void *source_key; /* the record's own; NULL: it has none */
    size_t source_key_len;
    mp_reader_t headers; /* its headers, read with streamlog_header */
    uint32_t headers_n;
    bool has_source; /* of an error: the record's value, */
    const void *source;
    size_t source_len; /* NULL: it had none */
    outcome_t outcome; /* index: the record's offset; FANMAP_LOST: there is no such record any more */
} stream_outcome_t;

/* The message of a FANMAP_LOST that is there and was stepped over, by the stream's terms. */
#define STREAMLOG_SKIPPED "skipped"

typedef struct {
    const char *name; /* not NUL-terminated */
    size_t name_len;
    const void *value; /* NULL: it has none */
    size_t value_len;
} stream_header_t;

typedef struct {
    int64_t whole; /* every record of the lane up to it has an outcome in the log before; -1: nothing */
    mp_reader_t entries;
    uint32_t left;
} streamlog_pack_t;

/* `headers`: what streamlog_put_header made, of `headers_n`. */
void streamlog_put(buf_t *body, const stream_outcome_t *outcome, const void *headers, size_t headers_len);
void streamlog_put_header(buf_t *headers, const char *name, const void *value, size_t value_len);
/* The pack around `count` entries of a body. */
void streamlog_encode(buf_t *b, int64_t whole, const void *body, size_t body_len, uint32_t count);

/* Fills *ret, which borrows from `value`. Returns false if it is not a sound pack of a version we
 * know. */
bool streamlog_decode(const void *value, size_t len, streamlog_pack_t *ret);
/* The next outcome. Returns false if there is none, or it is bad (pack->entries.bad). */
bool streamlog_next(streamlog_pack_t *pack, stream_outcome_t *ret);
/* The next of an outcome's headers. */
bool streamlog_header(stream_outcome_t *outcome, stream_header_t *ret);
/* The same of `left` that stand at the reader. */
bool streamlog_next_header(mp_reader_t *headers, uint32_t *left, stream_header_t *ret);

/* ---- output ---- */

/* The value as the output topic has it, into the emptied `b`. FANMAP_EUSAGE: JSON cannot hold it. */
int stream_value(buf_t *b, stream_format_t format, const void *value, size_t value_len, fanmap_error_t *err);
/* What a record needs of a topic's max.message.bytes at most. `headers_len`: their names and values, of all `headers_n`. */
size_t stream_record_bytes(size_t key_len, size_t value_len, size_t headers_len, size_t headers_n);

#endif
