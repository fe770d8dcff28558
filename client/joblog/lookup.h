/* What the jobs topic says of one job. */
#ifndef CLIENT_JOBLOG_LOOKUP_H
#define CLIENT_JOBLOG_LOOKUP_H

#include "client/connection/queue.h"
#include "client/joblog/job_view.h"

typedef struct lookup lookup_t;

enum { LOOKUP_CHANGES_MAX = 64 };

/* A record that changed what counts: JOBS_SPEC (it was submitted), JOBS_CONCURRENCY, JOBS_PAUSED or JOBS_END. */
typedef struct {
    int64_t at_ms; /* by Kafka's timestamp */
    jobs_field_t field;
    uint64_t value; /* of a limit or a pause */
    end_reason_t reason;
} lookup_change_t;

typedef struct {
    job_view_t view;
    spec_t spec;      /* where view.is_known, with start_offset; bound stays behind */
    size_t changes_n; /* the newest, oldest first, as far as compaction left them */
    lookup_change_t changes[LOOKUP_CHANGES_MAX];
} lookup_result_t;
typedef void (*lookup_fn)(void *arg, const lookup_result_t *result);

/* Reads the jobs topic to its present end and tells what it says of `job_id`. One answer; lookup_free before it: none.
 */
int lookup_begin(queue_t *queue, const char *job_id, lookup_fn fn, void *arg, lookup_t **ret, fanmap_error_t *err);
void lookup_free(lookup_t *lookup);
/* FANMAP_ELOST: the spec names a partition that the results topic does not have, so the job has no log to read. The
 * queue's topics are known to exist. */
int lookup_check_log(const queue_t *queue, const spec_t *spec, fanmap_error_t *err);
/* The same where its list is wanted: a stream has none. */
int lookup_check_list(const queue_t *queue, const spec_t *spec, fanmap_error_t *err);

#endif
