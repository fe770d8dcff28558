/* A worker of a fleet: its state, and what its files do for each other. worker_service.c has its life, worker_events.c
 * what its shell reports, worker_announce.c what it says of itself at Redis. */
#ifndef CLIENT_SERVICES_WORKER_SERVICE_H
#define CLIENT_SERVICES_WORKER_SERVICE_H

#include "base/log.h"
#include "client/admin/cleaner.h"
#include "client/services/attempt_output.h"
#include "client/services/failures.h"
#include "client/services/halt_watch.h"
#include "client/services/worker_streams.h"
#include "client/tasks/serve.h"
#include "tokens/presence.h"

enum { WORKER_HOST_MAX = 64, WORKER_NAME_BYTES = WORKER_HOST_MAX + 16 };

enum { TASK_FAILS_TO_START = 1, TASK_IS_UNFED = 2 /* for a while the worker has had no partition of its topics */ };

typedef struct {
    unsigned troubles; /* of those above */
    int64_t had_partition_ms;
} worker_task_t;

struct fanmap_worker {
    fanmap_options_t *options;
    fanmap_log_fn log;
    void *log_arg;
    loop_t *loop;
    bus_t *bus;
    tokens_port_t *tokens;
    presence_t *presence;
    halt_watch_t *halts;
    failures_t *failures;
    attempt_output_t output;
    otlp_t *otlp; /* NULL: spans go nowhere */
    slots_catalogue_t catalogue;
    worker_shell_t *shell;
    worker_streams_t *streams;
    unsigned left_n; /* of shell and streams, those that are drained */
    loop_timer_t *connect_timer, *presence_timer;
    cleaner_t *cleaner;   /* from ready on */
    bool has_lost;        /* items were lost before that */
    const char **names;   /* of the catalogue's tasks */
    const char **fed;     /* those of which it can get items */
    worker_task_t *tasks; /* as the catalogue has them */
    int64_t dealt_ms;     /* when the group's partitions were last dealt out; 0: not looked at yet */
    bool waits_for_group; /* they have not been for a while, and that was said */
    char incarnation[21];
    char name[WORKER_NAME_BYTES]; /* HOST:PID */
    int64_t started_ms;           /* unix time */
    bool is_connected, is_ready, is_ended;
    volatile int drain_asked; /* set by a signal handler */
    bool drain_begun, is_leaving, has_left;
    int64_t leave_by_ms;
    fanmap_error_t error;
};

#define worker_log(w, level, ...) log_to((w)->log, (w)->log_arg, (level), __VA_ARGS__)

void worker_name(char ret[WORKER_NAME_BYTES]);
/* worker_events.c */
extern const worker_shell_callbacks_t worker_events;
/* The shell, or the streams, are drained; with an error they cannot go on. */
void worker_on_drained(void *worker, const fanmap_error_t *err);
/* worker_service.c */
void worker_on_log(void *worker, fanmap_log_level_t level, const char *line);
/* Announces it, or looks whether it is gone; by a timer, and once more when it is ready. */
void worker_on_presence(void *worker);
/* Ends the service: at once with an error, else when Redis and Kafka have what is left to say. */
void worker_leave(fanmap_worker_t *w, const fanmap_error_t *err);
/* worker_announce.c */
/* Presence, row and bounds, as they are now. */
void worker_announce(fanmap_worker_t *w);

#endif
