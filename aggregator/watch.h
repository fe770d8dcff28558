/* Which jobs of the results partitions that one aggregator owns are open, finished and written (pure): assignments,
 * records and the ends of attempts to write go in; which file to write next and what to commit come out.
 *
 *   start seen ─► OPEN ─► its list is decided: FINISHED ─► watch_next: WRITING ─► written ─► forgotten
 *                                                  ▲                      │
 *                                                  └── failed, later again┘
 *
 * A partition's committed offset is where its oldest job without a file begins, and the commit's metadata
 * (schemas/gathered.h) tells which later ones have theirs. So whoever owns the partition next, after a SIGKILL too,
 * reads the logs of unfinished jobs from their start and writes nothing twice that was committed; for what was written
 * after the last commit, `is_whole` looks at the file.
 *
 * A job's list is only watched here, not kept: once it is decided the log is read again, by the same code as any
 * gather's, while the file is written. Memory: one list (a bit or two an outcome) for each open job, at most
 * WATCH_JOBS_MAX jobs.
 */
#ifndef AGGREGATOR_WATCH_H
#define AGGREGATOR_WATCH_H

#include "schemas/spec.h"

enum { WATCH_JOBS_MAX = 100000, WATCH_RETRY_MS = 1000, WATCH_RETRY_MAX_MS = 15000 };

typedef struct watch watch_t;

/* Has this job, submitted then, its whole file? Asked when its `start` is read. */
typedef bool (*watch_whole_fn)(void *arg, const char *job, int64_t submitted_ms);

/* A file to be written. */
typedef struct {
    uint64_t number; /* names the attempt in watch_ended */
    char job[JOB_ID_MAX + 1];
    int32_t partition;
    int64_t start_offset;
    int64_t submitted_ms;
} watch_task_t;

typedef enum {
    WATCH_WRITTEN, /* or found whole */
    WATCH_FAILED,  /* the disk: again later */
    WATCH_GIVEN_UP /* the log is no longer whole: there will be no file */
} watch_result_t;

typedef struct {
    int32_t partition;
    int64_t offset;
    const char *metadata; /* borrowed until the next call */
    size_t metadata_len;
} watch_commit_t;

/* NULL: no memory. */
watch_t *watch_new(watch_whole_fn is_whole, void *arg);
void watch_free(watch_t *watch);

/* The partition is ours from `offset` on; what the last owner committed there. False: no memory. */
bool watch_assigned(watch_t *watch, int32_t partition, int64_t offset, const char *metadata, size_t metadata_len);
/* It is not any more; its jobs are forgotten, and watch_ended for one of them is ignored. */
void watch_revoked(watch_t *watch, int32_t partition);
/* False: the record is bad or foreign and does not count (say so once). */
bool watch_record(watch_t *watch, int32_t partition, int64_t offset, const void *key, size_t key_len, const void *value,
                  size_t value_len);
/* An owner before us has read this record too, and committed that. */
bool watch_was_read_before(const watch_t *watch, int32_t partition, int64_t offset);
/* Records up to `to` are gone. Returns how many jobs without a file began there: they will have none. */
size_t watch_gap(watch_t *watch, int32_t partition, int64_t to);
/* True: an allocation failed; the aggregator must give up. */
bool watch_out_of_memory(const watch_t *watch);
/* False: as many jobs as there is room for wait for the disk; read no more. */
bool watch_has_room(const watch_t *watch);

/* The finished job whose file is to be written next, in the order in which they finished. False: none now. */
bool watch_next(watch_t *watch, int64_t now_ms, watch_task_t *ret);
/* When watch_next may say something that it would not say now without a record; INT64_MAX: never. */
int64_t watch_due_ms(const watch_t *watch);
/* How the writing of a task ended. */
void watch_ended(watch_t *watch, uint64_t number, watch_result_t result, int64_t now_ms);

/* A partition whose commit has changed since it was last taken. False: none. */
bool watch_next_commit(watch_t *watch, watch_commit_t *ret);
/* That commit was not stored: it is to be taken again. */
void watch_commit_failed(watch_t *watch, int32_t partition);

size_t watch_waiting_n(const watch_t *watch);   /* finished and not written */
size_t watch_failed_n(const watch_t *watch);    /* of them, those that the disk has refused */
uint64_t watch_dropped_n(const watch_t *watch); /* open jobs that are no longer watched: there were too many */

#endif
