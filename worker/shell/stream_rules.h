/* What a stream's terms say of one record of its source. Pure. */
#ifndef WORKER_SHELL_STREAM_RULES_H
#define WORKER_SHELL_STREAM_RULES_H

#include "io/bus.h"
#include "schemas/stream_terms.h"

typedef enum {
    STREAM_TAKE,
    STREAM_SKIP,   /* it is stepped over: no task sees it, and it has no output */
    STREAM_REFUSE, /* it has no value, and the stream wants one */
} stream_verdict_t;

/* `now_ms`: the broker's clock, or a time before that; -1: not known, and no record is too old. */
stream_verdict_t stream_judge(const stream_terms_t *terms, const bus_record_t *record, int64_t now_ms);

/* The number of the schema that stands before a value in the way of schema registries (a byte 0, then four bytes, the most
 * significant first), which is taken off; -1: none does, and nothing is. */
int64_t stream_strip_schema(const void **value, size_t *len);

#endif
