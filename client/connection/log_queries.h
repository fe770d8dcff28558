/* Questions to the bus, whose answers may come when the job is gone. */
#ifndef CLIENT_CONNECTION_LOG_QUERIES_H
#define CLIENT_CONNECTION_LOG_QUERIES_H

#include "client/connection/job.h"
#include "io/bus_admin.h"

/* Not called when the job is gone. `answer`: see bus_query_end, bus_query_time, bus_query_members. */
typedef void (*log_query_fn)(fanmap_job_t *job, int32_t tag, int64_t answer);
int log_query_end(fanmap_job_t *job, bus_topic_t *topic, int32_t partition, log_query_fn fn, fanmap_error_t *err);
int log_query_members(fanmap_job_t *job, bus_topic_t *topic, const char *group_id, log_query_fn fn,
                      fanmap_error_t *err);
/* `tag` comes with the answer. */
int log_query_time(fanmap_job_t *job, bus_topic_t *topic, int32_t partition, int64_t time_ms, log_query_fn fn,
                   int32_t tag, fanmap_error_t *err);
void log_queries_free(fanmap_t *f);

#endif
