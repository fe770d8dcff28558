/* What the jobs topic says of one job. */
#ifndef CLIENT_JOBLOG_LOOKUP_H
#define CLIENT_JOBLOG_LOOKUP_H

#include "client/connection/queue.h"
#include "schemas/jobs.h"

typedef struct lookup lookup_t;

typedef struct {
    bool is_found;
    spec_t spec; /* with start_offset; bound stays behind */
    uint64_t concurrency_version, paused_version, concurrency;
    bool paused, has_end;
    end_reason_t end_reason;
} lookup_result_t;
typedef void (*lookup_fn)(void *arg, const lookup_result_t *result);

/* Reads the jobs topic to its present end and tells what it says of `job_id`. One answer; lookup_free before it: none.
 */
int lookup_begin(queue_t *queue, const char *job_id, lookup_fn fn, void *arg, lookup_t **ret, fanmap_error_t *err);
void lookup_free(lookup_t *lookup);

#endif
