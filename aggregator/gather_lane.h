/* One lane of a stream as its gatherer sees it: what was handed out, what waits, and what of it is committed.
 *
 * By partition. L is the last offset handed out. What waits is kept with the lowest `prev` of all its copies: a worker that
 * took the lane over may have found that records between are gone. While some offset has prev <= L, everything that waits up to the
 * lowest such one is handed out in order, and L is that offset. Committed are the first record of the log of which something
 * still waits, and L. `whole` above L after a pack means that records of the log were lost: what waits up to it is handed out, the
 * rest of the range is reported.
 *
 * By key, and in no order. W is the highest `whole` seen; an offset is handed out as it comes, unless it is at most W or was seen.
 * By key it also must not be below a higher offset of its key that was seen: a late outcome of a worker that was thought dead
 * would land last. Committed are the first record of the log whose offset is above W, and with it W, X (how far the log was
 * read) and H (the highest offset handed out). Who goes on from there only remembers what lies before X. If part of that is gone
 * from the log, what it would have remembered is unknown: everything up to H counts as seen, and the range is reported. */
#ifndef AGGREGATOR_GATHER_LANE_H
#define AGGREGATOR_GATHER_LANE_H

#include "schemas/streamlog.h"

enum { GATHER_POSITION_MAX = 96 };

typedef struct {
    int64_t offset, prev;
    bool is_gone;    /* there is no such record: nothing is handed out */
    bool is_skipped; /* gone, because a rule of the stream stepped over it */
    bool has_key;
    uint8_t key[PLACE_KEY_BYTES];
    void *payload;
} gather_outcome_t;

/* As a pack of the log has it. */
gather_outcome_t gather_outcome_of(const stream_outcome_t *outcome, void *payload);

/* What waits (by partition), or was seen (else). */
typedef struct {
    gather_outcome_t outcome;
    int64_t at; /* its pack, in the log */
} gather_entry_t;

typedef struct gather_key gather_key_t;
typedef struct {
    int64_t from, to; /* both included */
} gather_loss_t;

typedef struct {
    stream_order_t order;
    bool is_owned, is_loaded; /* loaded: what was committed is known, packs may come */
    bool is_dirty;            /* a commit would say something new */
    int64_t position;         /* of the log: the next record */
    int64_t last;             /* L, W */
    int64_t read_before;      /* X as it was loaded */
    int64_t highest;          /* H */
    uint64_t skipped;         /* of what was handed out or is gone, since the stream began */
    gather_entry_t *entries;  /* ascending by offset; they begin somewhere in `room` */
    size_t n;
    gather_entry_t *room;                 /* what left at its front is free until the rest moves up */
    size_t cap;                           /* places in it */
    gather_key_t *keys;                   /* by key: the highest offset seen of each */
    char committing[GATHER_POSITION_MAX]; /* the text of its last position (the gatherer's) */
    gather_loss_t *losses;
    size_t losses_n, losses_cap;
    bool failed; /* out of memory */
} gather_lane_t;

/* Everything is forgotten but the order. Payloads that wait are given to `release`. */
typedef void (*gather_fn)(void *arg, const gather_outcome_t *outcome);
void gather_lane_forget(gather_lane_t *lane, gather_fn release, void *arg);
void gather_lane_free(gather_lane_t *lane);
/* What was committed; the count of skipped ones stands behind the rest where there are any. False: the text is none of ours. */
bool gather_lane_load(gather_lane_t *lane, int64_t at, const char *text);
/* One pack; hands out what is to be, and releases the rest. The payload of what was handed out is released behind it. */
typedef struct {
    gather_fn hand_out, release;
    void *arg;
} gather_calls_t;
void gather_lane_pack(gather_lane_t *lane, int64_t at, int64_t whole, const gather_outcome_t *outcomes, size_t n,
                      const gather_calls_t *calls);
/* The log begins at `low`, beyond the position. */
void gather_lane_gone(gather_lane_t *lane, int64_t low);
/* These offsets are reported as lost. */
void gather_lane_lose(gather_lane_t *lane, int64_t from, int64_t to);
/* What to commit. */
int64_t gather_lane_position(const gather_lane_t *lane, char *ret_text);

/* The rules of it (gather_rules.c), each a function, so that the simulation can take it out. */
/* By partition: the place behind those that may be handed out now; 0: none. */
size_t gather_ready(const gather_lane_t *lane);
/* Another copy of what waits. */
void gather_copy(gather_entry_t *entry, const gather_outcome_t *copy);
/* True: `whole` shows that outcomes up to it are lost. */
bool gather_is_lost(const gather_lane_t *lane, int64_t whole);
/* True: a higher offset of its key was seen. */
bool gather_is_overtaken(const gather_lane_t *lane, int64_t highest, const gather_outcome_t *outcome);
/* True: it was seen. */
bool gather_was_seen(const gather_lane_t *lane, size_t place, int64_t offset);
/* True: it was handed out before what was committed; it is only to be remembered. */
bool gather_is_remembered(const gather_lane_t *lane, int64_t at);
/* The first record of the log that is needed again. */
int64_t gather_first_needed(const gather_lane_t *lane);
/* Part of what was to be remembered is gone. */
bool gather_forgot(const gather_lane_t *lane);

#endif
