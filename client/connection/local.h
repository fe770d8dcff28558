/* The embedded mode: a worker in this process. */
#ifndef CLIENT_CONNECTION_LOCAL_H
#define CLIENT_CONNECTION_LOCAL_H

#include "client/connection/job.h"

/* Starts the embedded worker at the first map, with that map's tasks; FANMAP_EUSAGE when it does not serve the job's
 * task, or allows less than the job asks for. */
int local_start(fanmap_job_t *job, fanmap_error_t *err);
void local_stop(fanmap_t *f);
/* Attempts of the job that run in the embedded worker. */
uint64_t local_running(const fanmap_job_t *job);
/* The handle of the job goes: it is to be forgotten. */
void local_ended(const fanmap_job_t *job);
/* Forgets those of them that can be by now. Outside the loop. */
void local_forget(fanmap_t *f);

#endif
