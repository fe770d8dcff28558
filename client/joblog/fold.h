/* The jobs topic, folded: what it says of each job, without the rest of the spec. */
#ifndef CLIENT_JOBLOG_FOLD_H
#define CLIENT_JOBLOG_FOLD_H

#include "base/table.h"
#include "client/joblog/job_view.h"
#include "client/joblog/kept_logs.h"

typedef struct {
    char id[JOB_ID_MAX + 1];
    char task[TASK_NAME_MAX + 1], queue[NAME_MAX_LEN + 1];
    job_view_t view;
    bool is_log_gone, is_stream, has_rate;
    bool is_opaque; /* something of it is of a version that we do not know: hands off */
    uint32_t results_partition;
    int64_t start_offset, submitted_ms;
    kept_log_t *log; /* its log, where the fold's user reads it; not the fold's */
    UT_hash_handle hh;
} fold_entry_t;

/* Zeroed is empty. */
typedef struct {
    fold_entry_t *entries;
    bool is_out_of_memory;
} fold_t;

/* A query_record_fn whose arg is a fold_t. */
void fold_record(void *fold, const bus_record_t *record);
void fold_free(fold_t *fold);

#endif
