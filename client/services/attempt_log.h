/* What attempts write, as the supervisors of the slots send it: a line `JOB/INDEX/ATTEMPT: text`, escaped. Each goes to
 * the worker's log, as it is or as a JSON object, and to whoever else wants it. Costs nothing while tasks are silent. A log
 * whose reader is stuck holds nothing up: what finds no room is dropped and counted. */
#ifndef CLIENT_SERVICES_ATTEMPT_LOG_H
#define CLIENT_SERVICES_ATTEMPT_LOG_H

#include "io/loop/loop.h"

typedef struct attempt_log attempt_log_t;

/* One line of an attempt, without its newline; borrowed until it returns. */
typedef struct {
    const char *job;
    uint64_t index;
    uint32_t attempt;
    const char *text;
    size_t len;
} attempt_line_t;
typedef void (*attempt_line_fn)(void *arg, const attempt_line_t *line);

/* out_fd: the worker's log; -1: none. `fn` may be NULL. */
int attempt_log_open(loop_t *loop, int out_fd, bool is_json, attempt_line_fn fn, void *arg, attempt_log_t **ret,
                     fanmap_error_t *err);
/* Where the slots write. */
int attempt_log_fd(const attempt_log_t *log);
/* Hands on what is still there, once nobody writes any more. NULL is allowed. */
void attempt_log_close(attempt_log_t *log);

#endif
