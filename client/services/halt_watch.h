/* Beside a worker: reads the logs of jobs whose --halt condition counts over the whole fleet, and tells the jobs topic
 * when it holds. A map that is attached does the same; this is for jobs that nobody gathers. Whatever it misses costs
 * work that need not have been done, never a wrong list: that is decided by the log. */
#ifndef CLIENT_SERVICES_HALT_WATCH_H
#define CLIENT_SERVICES_HALT_WATCH_H

#include "io/bus.h"
#include "schemas/spec.h"

typedef struct halt_watch halt_watch_t;

/* Topics of `name_space` on the bus, which outlives it. */
int halt_watch_open(bus_t *bus, const char *name_space, halt_watch_t **ret, fanmap_error_t *err);
/* A worker publishes outcomes of this job; cheap when there is nothing to watch or it is watched already. */
void halt_watch_see(halt_watch_t *watch, const spec_t *spec);
/* Before bus_close. NULL is allowed. */
void halt_watch_close(halt_watch_t *watch);

#endif
