/* A reader of a stream's log that writes nothing back (pure): outcomes one by one, and the place behind the last one.
 *
 * The rules of what counts, and when, are those of the gatherers (gather_lane.h). What is different: a gatherer's place is one at
 * which everything of a record of the log is in its transaction; a reader's may lie between two outcomes of one record. So a
 * record is looked at when all that came of the one before it was taken, what it says to be whole is heeded when all that came of
 * it was taken, and records that were read meanwhile wait.
 *
 * A place is text, one for each lane: LANE:OFFSET, the first offset of the source that was not handed out (where order is kept
 * by partition), or below which everything was (else). A user can write that; the log is then looked through from its beginning.
 * What follows it saves that: @AT, the first record of the log that is needed, and without an order by partition /X/K/H: before the
 * K-th outcome of record X everything was handed out, and H is the highest offset of it. ~N: it began with what was there, when
 * outcomes up to N may have been deleted. */
#ifndef AGGREGATOR_FOLLOWER_H
#define AGGREGATOR_FOLLOWER_H

#include "aggregator/gather_lane.h"
#include "schemas/streamlog.h"

typedef struct follower follower_t;

enum { FOLLOWER_FROM_BEGIN = -1 };

/* The bytes of a record are not needed any more. */
typedef void (*follower_release_fn)(void *arg, void *owner);

typedef struct {
    uint32_t lane;
    stream_outcome_t outcome; /* valid until the next call that takes one */
} followed_t;

/* NULL: no memory. */
follower_t *follower_new(stream_order_t order, uint32_t lanes_n, follower_release_fn release, void *arg);
void follower_free(follower_t *follower);

/* Before a lane's first record: from where the log begins now, everything that it has. Deleted are only records without an outcome
 * above `handed_out` (as the gatherers say; -1: none), which are not missed by who did not ask for them. */
void follower_begin(follower_t *follower, uint32_t lane, int64_t at, int64_t handed_out);
/* The same, from a place: what follows LANE: in it. False: it is none of ours, or of a reader with another order. */
bool follower_load(follower_t *follower, uint32_t lane, const char *text, int64_t handed_out);
/* Where in the log to read on; FOLLOWER_FROM_BEGIN: where it begins. */
int64_t follower_from(const follower_t *follower, uint32_t lane);
/* A record of the log; `value` lives until `owner` is released. False: it is none of ours, and counts for nothing. */
bool follower_record(follower_t *follower, uint32_t lane, int64_t at, const void *value, size_t len, void *owner);
/* All that the log had when this one began was read, up to `at`. What others had handed out by then and did not come is lost. */
void follower_end(follower_t *follower, uint32_t lane, int64_t at);
/* The log begins at `low`, beyond what was asked for. */
void follower_gone(follower_t *follower, uint32_t lane, int64_t low);

bool follower_has_next(const follower_t *follower);
/* By turns of the lanes. False: nothing is there. */
bool follower_next(follower_t *follower, followed_t *ret);
/* Of records that wait to be looked at. */
size_t follower_waiting_bytes(const follower_t *follower);
/* Outcomes that are lost for good, as far as that is seen at the place where the reader stands; one after the other. */
bool follower_loss(follower_t *follower, uint32_t *ret_lane, gather_loss_t *ret);
bool follower_failed(const follower_t *follower); /* out of memory */
/* Appends the place, with commas between the lanes; those that were not loaded are not in it. */
void follower_place(const follower_t *follower, buf_t *b);
/* The text of one lane, as follower_load takes it. False: it was not loaded. */
bool follower_place_of(const follower_t *follower, uint32_t lane, buf_t *b);
/* Of a place, the lane that stands there: *text then begins the next one. `ret_text` of GATHER_POSITION_MAX. False: it is none of
 * ours, or over. */
bool follower_place_read(const char **text, uint32_t *ret_lane, char ret_text[GATHER_POSITION_MAX]);

#endif
