/* The headers by which a record on a topic of errors says where it stood and what went wrong, in the words of several systems:
 *
 *   fanmap    fanmap-job, fanmap-source-topic, -partition, -offset, fanmap-attempts, fanmap-error-kind, -message, -type
 *   spring    kafka_dlt-original-*, kafka_dlt-exception-*; partition, offset and timestamp as big-endian numbers of 4, 8, 8 bytes
 *   connect   __connect.errors.*, numbers as text
 *   streams   __streams.errors.*, numbers as text
 *
 * What came of a job's item has fanmap-index in place of where a record stood. Whose error it is (fanmap-job), and that the record's value was too large to be kept (fanmap-source-left-out), is said in
 * every one of them.
 *
 * Pure. */
#ifndef CLIENT_GATHERING_DEAD_HEADERS_H
#define CLIENT_GATHERING_DEAD_HEADERS_H

#include "io/bus.h"
#include "schemas/joblog.h"
#include "schemas/stream_terms.h"

/* What texts are cut at, at a whole character where they are UTF-8: a message, and what stood on stderr. */
enum { DEAD_MESSAGE_MAX = 1000, DEAD_TRACE_MAX = 2000, DEAD_HEADERS_MAX = 32, DEAD_NUMBERS_MAX = 10 };

/* Where a record stood, and what became of it. */
typedef struct {
    const char *stream, *task, *group; /* stream: or job */
    const char *topic;                 /* NULL: it is of a job */
    uint32_t partition;
    int64_t timestamp_ms;
    const outcome_t *outcome; /* index: the record's offset, or the item's */
    bool is_left_out;         /* the record's own bytes, which were too large */
} dead_case_t;

/* Filled in place; `at` borrows from the case and from `numbers`. */
typedef struct {
    bus_header_t at[DEAD_HEADERS_MAX];
    size_t n;
    char numbers[DEAD_NUMBERS_MAX][24];
    size_t numbers_n;
} dead_headers_t;

/* "fanmap,spring"; false: not a list of these words. */
bool dead_dialects_read(const char *text, uint32_t *ret);
/* The same in words. */
void dead_dialects_write(char *ret, size_t cap, uint32_t dialects);
/* Those of a value have no error; of one, what each of the dialects says of it. */
void dead_headers_make(dead_headers_t *headers, uint32_t dialects, const dead_case_t *what);

typedef struct {
    const char *topic, *stream; /* not NUL-terminated; NULL: not said */
    size_t topic_len, stream_len;
    int64_t partition, offset; /* -1: not said */
    bool is_left_out;          /* the value is not the record's */
    const char *kind, *message;
    size_t kind_len, message_len;
} dead_origin_t;

/* What they say in these dialects; of several headers of a name the last counts. */
void dead_headers_read(uint32_t dialects, const bus_header_t *headers, size_t n, dead_origin_t *ret);
/* It is one of those that dead_headers_make writes in these dialects, or begins with "fanmap-". */
bool dead_header_is_ours(uint32_t dialects, const char *name);

#endif
