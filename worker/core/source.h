/* A lane of a stream: a partition of an existing topic, whose records are the items.
 *
 * Others write that topic, so it differs from a topic of items in what it may hold: offsets are missing where it was compacted,
 * where a transaction was aborted, and at its front; and nothing of ours can stand in it, no note and no copy. What is said
 * of a record, its outcome, stands in the stream's own log, which readers put in order by two words of the worker:
 * `prev`, the record before it as it was read here, and `whole`, up to where every record has an outcome in the log.
 *
 * An ownership is one taking of the lane by a worker. Nothing of an earlier one counts in a later one: not its outcomes, which
 * have another `prev` (records between may be gone since), and not what it had finished. At most a window of records runs again.
 * So there are no claims on a lane of a stream: what runs when it goes is killed.
 *
 * The rules, each a function, so that the simulation can take it out:
 * - what is committed is the last finished record of the finished prefix, and one: not the first unfinished one. What lies
 *   between is missing, and the next owner's first `prev` must be a record that has an outcome (source_commit);
 * - `prev` of the first record of an ownership is the record before what was committed (source_prev);
 * - only an outcome that this ownership wrote finishes a record (source_finishes);
 * - a window beyond the finished prefix is in hand at most, so that readers can hold it (source_is_full);
 * - every pack says how far the log is whole, and an empty one where there is nothing to write (source_whole);
 * - what was deleted before it was read is said in the log, so that readers step over it (source_gap);
 * - what has arrived stays in hand with its bytes, which the window bounds: none of it is put off to be read again, as it is of
 *   jobs, for compaction or retention might take it meanwhile, and then nobody would hand out what comes behind it
 *   (source_take);
 * - what was finished beyond the prefix is forgotten with the ownership (source_forget);
 * - by key: one item of a key at a time, retries included, until its outcome is on its way (source_waits_for_key). */
#ifndef WORKER_CORE_SOURCE_H
#define WORKER_CORE_SOURCE_H

#include "worker/core/job.h"
#include "worker/core/tracker.h"

typedef struct source_key source_key_t;

typedef struct {
    int64_t offset;
    uint32_t bytes;
} source_record_t;

typedef struct {
    worker_job_t *job;
    source_record_t *window; /* a ring of what has arrived and is not passed by the finished prefix */
    uint32_t first, n, cap;
    size_t bytes;
    int64_t commit; /* behind the last record of the finished prefix */
    int64_t read;   /* the last record that arrived */
    int64_t said;   /* the highest `whole` that is in the log, or on its way */
    bool is_held;   /* the window is full: nothing more is taken */
    source_key_t *keys;
} source_t;

/* A new ownership, which begins at `commit`. */
void source_assign(source_t *source, int64_t commit);
/* A record arrived. False: no memory. */
bool source_arrive(source_t *source, int64_t offset, uint32_t bytes);
/* The finished prefix moved. */
void source_advance(source_t *source, const tracker_t *tracker);

/* The rules. */
int64_t source_commit(const source_t *source, const tracker_t *tracker);
int64_t source_prev(const source_t *source, int64_t offset);
bool source_finishes(const worker_item_t *item);
bool source_is_full(const source_t *source, uint32_t records_max, size_t bytes_max);
int64_t source_whole(const source_t *source);
void source_forget(tracker_t *tracker);

/* source_lane.c: what arrives. */
/* A lane that is a stream's is assigned; false: no memory. */
bool source_begin(worker_t *w, worker_part_t *part, const worker_event_t *event);
/* A new record. True: its payload is kept. */
bool source_take(worker_t *w, worker_part_t *part, const worker_event_t *event);
void source_gap(worker_t *w, worker_part_t *part, int64_t from, int64_t to);
/* Files those whose key has become free. */
void source_turn(worker_t *w);

/* source_log.c */
/* Whether more of the lane is wanted has changed, perhaps. */
void source_hold(worker_t *w, worker_part_t *part);
/* What is known of the item goes into the log beside its outcome. */
void source_tell(worker_item_t *item, worker_source_t *ret);
/* Something of it is finished, or some of its window is. */
void source_finished(worker_t *w, worker_part_t *part);
/* Nothing of the lane is on its way: an empty pack says what packs did not. */
void source_pass(worker_t *w, worker_part_t *part);
/* It could not be said yet: the spec has not been read, or an outcome of an earlier ownership is on its way, whose end
 * says nothing. */
bool source_owes(const source_t *source);

/* source_keys.c */
void source_free(source_t *source);
/* NULL: no memory. */
source_key_t *source_key(worker_t *w, source_t *source, const uint8_t *hash);
void source_key_hash(const source_key_t *key, uint8_t *ret);
/* True: another item has its key's turn, and this one waits. */
bool source_waits_for_key(worker_item_t *item);
/* The item's turn is over: the next one of its key has it. */
void source_leave_key(worker_t *w, worker_item_t *item);

#endif
