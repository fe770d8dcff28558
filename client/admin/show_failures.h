/* The failures of a job that is shown, in groups (schemas/failure_groups.h). */
#ifndef CLIENT_ADMIN_SHOW_FAILURES_H
#define CLIENT_ADMIN_SHOW_FAILURES_H

#include "client/gathering/outcome.h"
#include "client/joblog/job_counts.h"
#include "schemas/failure_groups.h"

typedef struct {
    failure_groups_t groups;
    outcome_view_t view; /* of the outcome in hand */
    bool has_missing;    /* they were added */
    fanmap_failures_t shown[FAILURE_GROUPS_MAX];
} show_failures_t;

/* NULL: no memory. */
void *show_failures_new(void);
/* job_counts_t.also; values are none. */
void show_failures_add(void *failures, const outcome_t *outcome);
/* Into show->failures, which borrows from `failures`; items without an outcome of a job that has ended are failures too. */
void show_failures_fill(show_failures_t *failures, const job_counts_t *counts, fanmap_show_t *show);
/* kept_log_t.free_more */
void show_failures_free(void *failures);

#endif
