/* What the records of the jobs topic come to, of one job: the one place that knows which of them counts. */
#ifndef CLIENT_JOBLOG_JOB_VIEW_H
#define CLIENT_JOBLOG_JOB_VIEW_H

#include "schemas/jobs.h"

/* Zeroed before the first record. */
typedef struct {
    bool is_known;        /* there is a spec */
    uint64_t spec_limit;  /* the concurrency of the spec */
    uint64_t concurrency; /* what counts now */
    uint64_t concurrency_version, paused_version;
    bool paused, has_end;
    end_reason_t end_reason;
    jobs_counts_t counts; /* of its list, if whoever said the end had them */
} job_view_t;

/* The next record, in the order of the topic. A tombstone forgets its field; of several versions the highest counts, of
 * equal ones the first, and version 0 is the spec's. */
void job_view_record(job_view_t *view, const jobs_record_t *record);

#endif
