/* NS.logs: what attempts of a job wrote, some lines a record, and how those of them ended that failed; keyed by the job's id. */
#ifndef SCHEMAS_LOGS_H
#define SCHEMAS_LOGS_H

#include "fanmap/fanmap.h"
#include "schemas/mp.h"

enum { LOGS_VERSION = 1, LOGS_WORKER_MAX = 300 };

typedef struct {
    uint64_t index;
    uint32_t attempt;
    const char *text; /* one line without its newline, escaped for a terminal */
    size_t len;
} logs_line_t;

/* The end of an attempt that gave no value. */
typedef struct {
    uint64_t index;
    uint32_t attempt;
    fanmap_kind_t kind;
    int64_t ended_ms; /* unix time, by the worker's clock */
    uint64_t run_us;
    const char *type, *message; /* not NUL-terminated; UTF-8 as it was */
    size_t type_len, message_len;
    int32_t exit_status, signo;
    const char *worker; /* HOST:PID, of the record; not NUL-terminated, len 0: it does not say */
    size_t worker_len;
} logs_end_t;

/* What a record is made of. Entries are appended one behind the other. */
typedef struct {
    buf_t lines, ends;
    uint32_t lines_n, ends_n;
} logs_pack_t;

void logs_put_line(logs_pack_t *pack, const logs_line_t *line);
void logs_put_end(logs_pack_t *pack, const logs_end_t *end);
size_t logs_pack_bytes(const logs_pack_t *pack);
void logs_pack_clear(logs_pack_t *pack);
void logs_pack_free(logs_pack_t *pack);
/* dropped: bytes of this job that found no room since the record before; worker: HOST:PID, or "". */
void logs_encode(buf_t *b, uint64_t dropped, const char *worker, const logs_pack_t *pack);

/* Either may be NULL. What they are told borrows from the value. */
typedef struct {
    void (*line)(void *arg, const logs_line_t *line);
    void (*end)(void *arg, const logs_end_t *end);
} logs_callbacks_t;
/* Returns false if the record is bad, or of a version that is not known: then no callback was called. */
bool logs_decode(const void *value, size_t len, const logs_callbacks_t *callbacks, void *arg, uint64_t *ret_dropped);

#endif
