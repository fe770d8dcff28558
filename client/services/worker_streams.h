/* The streams that a worker serves: each is a shell of its own, with slots of its own, in the group of the stream's workers. */
#ifndef CLIENT_SERVICES_WORKER_STREAMS_H
#define CLIENT_SERVICES_WORKER_STREAMS_H

#include "client/connection/connect.h"
#include "client/services/otlp.h"
#include "worker/shell/shell.h"

typedef struct worker_streams worker_streams_t;

/* Everything is borrowed until worker_streams_close. `drained` comes once, after worker_streams_drain. */
worker_streams_t *worker_streams_new(loop_t *loop, bus_t *bus, const fanmap_options_t *options,
                                     const slots_catalogue_t *catalogue, fanmap_log_fn log, void *log_arg,
                                     void (*drained)(void *arg, const fanmap_error_t *none), void *arg);
/* Where spans of their attempts go. Before the first of them begins. */
void worker_streams_trace(worker_streams_t *streams, otlp_t *otlp);
/* A record of the jobs topic. */
void worker_streams_heard(worker_streams_t *streams, const jobs_record_t *record);
/* The jobs topic was read to where it ended at the start: what is known now begins. */
void worker_streams_ready(worker_streams_t *streams);
/* Each that runs now. */
void worker_streams_each(const worker_streams_t *streams,
                         void (*fn)(void *arg, const worker_shell_t *shell, const spec_t *spec), void *arg);
void worker_streams_drain(worker_streams_t *streams);
void worker_streams_close(worker_streams_t *streams);

#endif
