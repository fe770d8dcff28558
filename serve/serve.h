/* fanmap serve: maps, jobs and outcomes over HTTP, for any language. It decides nothing: it is a user of the library,
 * in a process of its own, with one loop (libevent). Two threads ask what blocks (queries.h). */
#ifndef SERVE_SERVE_H
#define SERVE_SERVE_H

#include "fanmap/admin.h"

typedef struct serve serve_t;

/* Listens and begins to connect. Options: "socket" or "listen", "token-file", "allow-host", and those of a connection;
 * `options` is kept until the close. FANMAP_EUSAGE: it may not listen there so; FANMAP_EIO: it cannot. */
int serve_open(fanmap_options_t *options, fanmap_log_fn log, void *log_arg, serve_t **ret_serve, fanmap_error_t *err);
/* Calls `fn` from inside serve_run while `fd` is readable; until the close. */
int serve_watch(serve_t *serve, int fd, void (*fn)(void *arg), void *arg, fanmap_error_t *err);
/* Calls `fn` from inside serve_run, at once and then whenever the milliseconds are over that it returns; -1: never again. */
void serve_every(serve_t *serve, int (*fn)(void *arg), void *arg);
/* As fanmap_metrics and fanmap_health, of the server. */
int serve_metrics(const serve_t *serve, fanmap_text_fn fn, void *arg, fanmap_error_t *err);
void serve_health(const serve_t *serve, fanmap_health_t *ret);
/* Serves until serve_stop. FANMAP_END, or a negative code: it cannot go on. */
int serve_run(serve_t *serve, fanmap_error_t *err);
/* Async-signal-safe. */
void serve_stop(serve_t *serve);
/* Cuts off what is under way: maps on a connection are cancelled, as if their client had gone. NULL is allowed. */
void serve_close(serve_t *serve);

#endif
