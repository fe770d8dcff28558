/* Logs of jobs that were read once and are gone on with: what the next question about a job costs is what came since.
 *
 * A connection keeps some, those that were asked for last. What was read of a log is forgotten when the job id stands for
 * another job, or Kafka deleted the start. */
#ifndef CLIENT_JOBLOG_KEPT_LOGS_H
#define CLIENT_JOBLOG_KEPT_LOGS_H

#include "base/table.h"
#include "client/joblog/job_counts.h"

typedef struct {
    char id[JOB_ID_MAX + 1];
    uint32_t partition;
    int64_t start, position; /* of the log; so far it was read, not included */
    job_counts_t *counts;
    void *more; /* of whoever else counts; NULL: nobody */
    void (*free_more)(void *more);
    UT_hash_handle hh;
} kept_log_t;

typedef struct kept_logs kept_logs_t;

/* NULL: no memory. */
kept_logs_t *kept_logs_new(size_t max);
void kept_logs_free(kept_logs_t *logs);
/* That of job `id`, whose log begins there; a new one, at its start, where none is kept. Valid until one of another job
 * than of the last `max` is asked for. NULL: no memory. */
kept_log_t *kept_logs_get(kept_logs_t *logs, const char *id, uint32_t partition, int64_t start);
void kept_logs_drop(kept_logs_t *logs, const char *id);
/* The next record of its partition, whosever it is. One that was read before changes nothing. A
 * query_record_fn whose arg is a kept_log_t. */
void kept_log_record(void *log, const bus_record_t *record);
/* Its partition ends at `end`. False: there is less than was read of it, or not the start of a job, which was stored before its spec:
 * the topic was made anew. */
bool kept_log_reaches(const kept_log_t *log, int64_t end);
/* What was read at the place where the job began is not its start: the topic was made anew. */
bool kept_log_is_another(const kept_log_t *log);

#endif
