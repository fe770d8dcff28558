/* Questions to the bus, whose answers may come when the job is gone. */
#ifndef CLIENT_CONNECTION_LOG_QUERIES_H
#define CLIENT_CONNECTION_LOG_QUERIES_H

#include "client/connection/job.h"
#include "io/bus_admin.h"

/* Not called when the job is gone. `tag` as it was given. */
typedef void (*log_query_fn)(fanmap_job_t *job, int32_t tag, const bus_answer_t *answer);
int log_query(fanmap_job_t *job, bus_topic_t *topic, const bus_request_t *request, log_query_fn fn, int32_t tag,
              fanmap_error_t *err);
/* What `group` has committed of a topic's `n` partitions. A failure that may pass is met by asking again, a few times. */
int log_query_committed(fanmap_job_t *job, bus_topic_t *topic, const char *group, uint32_t n, log_query_fn fn,
                        fanmap_error_t *err);
void log_queries_free(fanmap_t *f);

#endif
