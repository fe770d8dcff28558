/* What of one items partition is finished: the offset tracker (pure).
 *
 * An offset is finished once its outcome is stored in Kafka, or once it needs none (its job has ended, it is no item
 * and lies on the dead-letter topic, retention took it). The contiguous prefix is what may be committed; what is
 * finished beyond it travels in the commit's metadata. Being finished is a fact of the log and stays true whoever owns
 * the partition, so the set is kept through rebalances: an item that was finished here is not run again when the
 * partition comes back.
 */
#ifndef WORKER_CORE_TRACKER_H
#define WORKER_CORE_TRACKER_H

#include "base/bitset.h"
#include "schemas/commit.h"

/* How far beyond the prefix a partition may go; an unfinished item holds intake there. */
enum { TRACKER_WINDOW_MAX = 1 << 26 };

/* Zeroed is empty: nothing known. */
typedef struct {
    bitset_t done;
    int64_t position;       /* the next offset that has not arrived in this ownership */
    commit_count_t *counts; /* of the commit found, ascending: attempts that unarrived items have used */
    size_t counts_n;
    bool is_known; /* there was an ownership before */
} tracker_t;

void tracker_free(tracker_t *t);
/* Everything: the offsets are those of another log from now on. */
void tracker_forget(tracker_t *t);
/* A new ownership, from `offset` on, with the metadata of the commit found ("" when there was none). Without a commit
 * everything known is forgotten: the group, or the topic, began anew. False: the metadata could not be read (the commit
 * counts as not clean; nothing is lost but knowledge). */
bool tracker_assign(tracker_t *t, int64_t offset, bool was_committed, const char *metadata, size_t metadata_len);
typedef enum { TRACKER_NEW, TRACKER_FINISHED, TRACKER_REPEATED } tracker_arrival_t;
/* A record arrived. Offsets that were skipped before it hold no records and count as finished. */
tracker_arrival_t tracker_arrive(tracker_t *t, int64_t offset);
/* Attempts and charges that earlier owners counted for it; zeroes mostly. */
commit_count_t tracker_counts(const tracker_t *t, int64_t offset);
/* From now on that is what they are. False: out of memory. */
bool tracker_count(tracker_t *t, const commit_count_t *count);
/* Appends those of offsets that have not arrived. */
void tracker_unarrived_counts(const tracker_t *t, buf_t *ret);
void tracker_finish(tracker_t *t, int64_t offset);
void tracker_finish_range(tracker_t *t, int64_t from, int64_t to);
bool tracker_is_finished(const tracker_t *t, int64_t offset);
/* The first unfinished offset: what to commit. */
int64_t tracker_prefix(const tracker_t *t);
/* True: the window is full, take nothing more until the prefix moves. */
bool tracker_is_full(const tracker_t *t);
/* Appends the metadata of a commit at tracker_prefix. `meta` holds what is not the tracker's: clean, mark, members,
 * names, counts; the finished set is filled in here. */
void tracker_encode(const tracker_t *t, const commit_meta_t *meta, buf_t *b);

#endif
