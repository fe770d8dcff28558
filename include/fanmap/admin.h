/* fanmap for operators: the option table, workers as a service, control of running jobs.
 *
 * The command line uses this header and fanmap.h and nothing else. Threads, ownership and failure are as in fanmap.h.
 */
#ifndef FANMAP_ADMIN_H
#define FANMAP_ADMIN_H

#include "fanmap/fanmap.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the option table: one table behind fanmap_options_set, the command line's parser and --help ---- */

/* Where an option means something; the bits of `scope`. */
enum {
    FANMAP_SCOPE_CONNECT = 1, /* all that connect */
    FANMAP_SCOPE_MAP = 2,     /* map and submit */
    FANMAP_SCOPE_GATHER = 4,
    FANMAP_SCOPE_WORKER = 8,  /* worker, and map --local */
    FANMAP_SCOPE_INPUT = 16,  /* reading items on the command line */
    FANMAP_SCOPE_OUTPUT = 32, /* writing outcomes on the command line */
    FANMAP_SCOPE_CLI = 64     /* every subcommand */
};

typedef struct {
    const char *name;     /* long name without dashes; the key of fanmap_options_set */
    char letter;          /* short flag, or 0 */
    const char *alias;    /* a second long name, or NULL */
    const char *metavar;  /* NULL: a switch, whose value is "true" or "false" */
    const char *standard; /* the default as text, or NULL */
    unsigned scope;
    bool repeats;     /* every value counts, in order */
    const char *help; /* one line */
} fanmap_option_info_t;

/* The whole table, for ever valid. */
FANMAP_API const fanmap_option_info_t *fanmap_option_table(size_t *ret_n);
/* What was set (also by file, environment or default), or NULL. `nth` counts the values of one that repeats. Borrowed
 * until the options change. */
FANMAP_API const char *fanmap_options_get(const fanmap_options_t *options, const char *key, size_t nth);

/* A count, a size in bytes, or a duration in ms; 0 when unset or of another type. */
FANMAP_API uint64_t fanmap_options_number(const fanmap_options_t *options, const char *key);

/* ---- a worker in this process ---- */

typedef struct fanmap_worker fanmap_worker_t;

/* Loads the table of every task library in a helper process, connects, starts its slots. Options: "brokers", "redis",
 * "namespace", "queue", "tasks" (repeats), "exec" (NAME=CMD ARG..., repeats), "slots", "budget", "drain", "lease" and
 * more. */
FANMAP_API int fanmap_worker_open(const fanmap_options_t *options, fanmap_log_fn log, void *log_arg,
                                  fanmap_worker_t **ret_worker, fanmap_error_t *err) FANMAP_MUST_CHECK;
/* As fanmap_fd: poll it, never read it. */
FANMAP_API int fanmap_worker_fd(const fanmap_worker_t *worker);
/* Works for up to `timeout_ms` (-1: until woken by an error or the end of a drain). FANMAP_OK: call again. FANMAP_END:
 * drained. A negative code: the worker cannot go on (refused, or not reachable within the connect timeout). */
FANMAP_API int fanmap_worker_run(fanmap_worker_t *worker, int timeout_ms, fanmap_error_t *err) FANMAP_MUST_CHECK;
/* Takes nothing new, finishes or hands back what runs within the drain time; fanmap_worker_run then says FANMAP_END.
 * Async-signal-safe. */
FANMAP_API void fanmap_worker_drain(fanmap_worker_t *worker);
FANMAP_API void fanmap_worker_close(fanmap_worker_t *worker);

/* ---- a running job ---- */

/* verb: "cancel", "pause", "resume" or "concurrency" (arg: the new limit, 0 for none). Waits up to `timeout_ms` until
 * Kafka has stored it. FANMAP_OK: stored; FANMAP_AGAIN: not yet; ENOJOB: no such job; ESTOPPED: it has ended already.
 */
FANMAP_API int fanmap_control(fanmap_t *f, const char *job_id, const char *verb, const char *arg, int timeout_ms,
                              fanmap_error_t *err) FANMAP_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
