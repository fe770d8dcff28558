/* A job that asks for memory, processors or processor time is begun only once Redis has said what workers allow: then
 * one that asks for more than any of them does is refused before anything is sent. */
#ifndef CLIENT_MAPPING_FLEET_LIMITS_H
#define CLIENT_MAPPING_FLEET_LIMITS_H

#include "client/mapping/mapping.h"

/* True: the job may begin. False: `then` is called when it may, or the job has failed. Where Redis does not
 * answer in time, or no worker serves the task yet, it may begin. */
bool fleet_limits_may_begin(fanmap_job_t *job, queue_ready_fn then);
void fleet_limits_stop(fanmap_job_t *job);

#endif
