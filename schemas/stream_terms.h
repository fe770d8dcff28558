/* What a stream was begun with beside its topics, its order and its formats: the last field of `stream` in a spec. */
#ifndef SCHEMAS_STREAM_TERMS_H
#define SCHEMAS_STREAM_TERMS_H

#include "schemas/mp.h"

enum { STREAM_FILTER_MAX = 255 };

/* In whose words a record of errors says what went wrong; bits. */
enum { DEAD_FANMAP = 1, DEAD_SPRING = 2, DEAD_CONNECT = 4, DEAD_STREAMS = 8, DEAD_DIALECTS = 15 };

typedef enum { TOMBSTONES_PASS, TOMBSTONES_SKIP, TOMBSTONES_FAIL } stream_tombstones_t;

typedef struct {
    uint32_t dead_headers;
    bool to_same_partition; /* outputs keep the number of their source's partition */
    bool is_at_least_once;  /* without transactions */
    stream_tombstones_t tombstones;
    bool strips_schema;                 /* the five bytes before a value are no part of the item */
    uint64_t max_age_ms;                /* older records are stepped over; 0: none is */
    char filter[STREAM_FILTER_MAX + 1]; /* NAME=VALUE of a header: records without it are stepped over; "": none is */
} stream_terms_t;

void stream_terms_init(stream_terms_t *terms);
/* They are what stream_terms_init made. */
bool stream_terms_are_default(const stream_terms_t *terms);
void stream_terms_put(buf_t *b, const stream_terms_t *terms);
/* Reads one object; r->bad: it is none. */
void stream_terms_read(mp_reader_t *r, stream_terms_t *ret);

#endif
