/* A watch from inside, for watch.c (jobs, records), watch_files.c and watch_commit.c. */
#ifndef AGGREGATOR_WATCH_STATE_H
#define AGGREGATOR_WATCH_STATE_H

#include "aggregator/list.h"
#include "aggregator/watch.h"
#include "base/table.h"
#include "schemas/gathered.h"

typedef struct partition partition_t;
typedef enum { JOB_OPEN, JOB_FINISHED, JOB_WRITING } job_state_t;

typedef struct job {
    struct job *prev, *next; /* in the partition, by start */
    struct job *queued;      /* the next one that waits for its file */
    struct job **queued_at;  /* JOB_FINISHED: what points to this one */
    partition_t *partition;
    job_state_t state;
    bool has_failed; /* the disk, when it was last written */
    uint64_t number; /* of the attempt to write it */
    int64_t start_offset, submitted_ms;
    list_t *list; /* JOB_OPEN */
    char id[JOB_ID_MAX + 1];
    UT_hash_handle hh;
} job_t;

struct partition {
    partition_t *next;
    int32_t id;
    int64_t position; /* of the next record */
    bool is_changed;  /* since the last commit */
    job_t *first, *last, *table;
    gathered_t before; /* what the last owner committed: holds for starts below before.until */
};

struct watch {
    watch_whole_fn is_whole;
    void *arg;
    partition_t *partitions;
    job_t *queue, **queue_end;
    size_t open_n, finished_n, writing_n, failed_n;
    uint64_t dropped_n, last_number;
    int64_t retry_at_ms, retry_ms; /* 0: the disk is well */
    bool out_of_memory;
    gathered_t now; /* scratch */
    buf_t metadata;
};

/* watch.c */
void watch_forget(watch_t *watch, job_t *job);
/* watch_files.c */
/* The job has ended, or its file could not be written: it waits for it. */
void watch_enqueue(watch_t *watch, job_t *job);
/* It is about to be forgotten. */
void watch_unlink_state(watch_t *watch, job_t *job);

static inline partition_t *watch_partition(const watch_t *watch, int32_t id)
{
    partition_t *partition = watch->partitions;
    while (partition && partition->id != id)
        partition = partition->next;
    return partition;
}

#endif
