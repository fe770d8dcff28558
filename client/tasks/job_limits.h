/* What jobs ask for (--memory, --cpus, --cpu-time) against what workers allow. */
#ifndef CLIENT_TASKS_JOB_LIMITS_H
#define CLIENT_TASKS_JOB_LIMITS_H

#include "client/options/options.h"
#include "slots/catalogue/catalogue.h"

/* The same options at a worker: limits of the tasks that name none. */
void job_limits_default(const fanmap_options_t *options, slots_catalogue_t *catalogue);
limits_t job_limits_of(const spec_t *spec);
/* A job that asks for more than `allowed` is refused, naming the option and the bound. `whose` allows it: "this task".
 */
int job_limits_check(const spec_t *spec, const limits_t *allowed, const char *whose, fanmap_error_t *err);

#endif
