/* The sockets of --metrics, on the service's own thread: whoever asks waits for the loop, and the items never for who asks. */
#ifndef CLI_PROBES_H
#define CLI_PROBES_H

#include "cli/cli.h"
#include "cli/probe.h"

typedef struct probes probes_t;

/* *ret NULL: there is no --metrics. An exit status; it has complained. */
int probes_open(arguments_t *arguments, probes_t **ret);
/* Before the first of the calls below. Copied; `probes` may be NULL. */
void probes_of(probes_t *probes, const probe_service_t *service);
/* Waits up to `timeout_ms` until the service's descriptor is readable, and answers who asks meanwhile. Returns how long the
 * service's own run may still wait: without probes `timeout_ms`, else 0. */
int probes_wait(probes_t *probes, int service_fd, int timeout_ms);
/* For loops that wait by themselves: readable when probes_turn has something to do. */
int probes_fd(const probes_t *probes);
void probes_turn(void *probes);
/* NULL is allowed. */
void probes_close(probes_t *probes);

#endif
