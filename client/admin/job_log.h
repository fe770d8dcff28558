/* The log of a job, counted, with its failures in groups. A connection keeps those that were asked about last (joblog/kept_logs.h),
 * so that the next question reads only what came since. */
#ifndef CLIENT_ADMIN_JOB_LOG_H
#define CLIENT_ADMIN_JOB_LOG_H

#include "client/admin/query.h"
#include "client/admin/show_failures.h"
#include "client/joblog/kept_logs.h"

typedef struct {
    kept_log_t *log; /* until another job is asked about; NULL: query->result says why */
    show_failures_t *failures;
    int64_t end;    /* of the partition, when it was asked for */
    bool is_gone;   /* Kafka deleted its beginning, or the topic is another one */
    bool is_stream; /* which has no such log: nothing is read */
    bool is_cut;    /* read_ms was over first: it was read up to log->position */
} job_log_t;

/* Reads it to its present end, but no longer than about `read_ms` (0: nothing; negative: to its end). `seen`: what the jobs topic says
 * of it, which it knows. */
job_log_t job_log_read(query_t *query, queue_t *queue, const char *id, const lookup_result_t *seen, int read_ms);
/* What came since. */
void job_log_read_on(query_t *query, queue_t *queue, job_log_t *job_log);

#endif
