/* NS.logs: what attempts of a job wrote, some lines a record, keyed by the job's id. */
#ifndef SCHEMAS_LOGS_H
#define SCHEMAS_LOGS_H

#include "schemas/mp.h"

enum { LOGS_VERSION = 1 };

typedef struct {
    uint64_t index;
    uint32_t attempt;
    const char *text; /* one line without its newline, escaped for a terminal */
    size_t len;
} logs_line_t;

/* A line as it stands in a record: entries are appended one behind the other. */
void logs_put_line(buf_t *entries, const logs_line_t *line);
/* dropped: bytes of this job that found no room since the record before. */
void logs_encode(buf_t *b, uint64_t dropped, uint32_t lines_n, const buf_t *entries);
typedef void (*logs_line_fn)(void *arg, const logs_line_t *line);
/* False: bad, or of a version that is not known; nothing was told. The lines borrow from the value. */
bool logs_decode(const void *value, size_t len, logs_line_fn fn, void *arg, uint64_t *ret_dropped);

#endif
