/* The list of a job as a function of its log (pure): records go in, in the order of the log; what is decided comes out.
 *
 * The rules (CONTRACT of the list, DESIGN "One log per job"): the earliest outcome of an index counts, by offset, then
 * by place in the pack; so does the first start, input and end. A job is closed by its first `end`; by an `input` that
 * carries an error (after the outcomes of what was published); with fail-fast by its first failed outcome; with `--halt
 * now` by the outcome at which the condition first holds. What lies behind the closing record does not count. A closed
 * list has n entries if `input` lies before the closing, else it runs to the last index that the log shows as published
 * before it: the larger of the highest index with an outcome and the end of the largest progress prefix. Missing
 * indexes are `cancelled` (or `deadline`). A job that was not closed is complete when `input` is there and the outcomes
 * of all that it counts are known; then an `input` with an error closes it, and so does the condition of `--halt soon`
 * if it held at any of its outcomes. That one closes nothing by itself: workers start nothing more, and write
 * `cancelled` for what they hold.
 *
 * n is what `input` says, or reaches to the highest index with an outcome before it, where that is more: readers may
 * have handed that outcome out, and nothing that was handed out is taken back. It takes items of a superseded producer
 * that its successor, which ended earlier (`--halt soon`) or with less input, did not find. Such indexes without an
 * outcome before `input` are not waited for: they are missing in the decided list.
 *
 * What does not count at all: records before the first `start`; an outcome behind `input` at or beyond what it says; an
 * index, a prefix or an n more than JOBLOG_AHEAD_MAX beyond the largest prefix so far (no producer writes that); a
 * value over the spec's limit by more than what topics allow for framing. In a pack, the outcomes before a bad entry
 * count and the rest does not.
 *
 * Used by gather, by map, by the aggregator and by workers' closing rule; the same for every reader, always.
 */
#ifndef AGGREGATOR_LIST_H
#define AGGREGATOR_LIST_H

#include "schemas/jobs.h"
#include "schemas/position.h"

typedef struct list list_t;

typedef enum { LIST_OPEN, LIST_CLOSED, LIST_COMPLETE } list_state_t;

typedef struct {
    /* One outcome that counts, in the order of the log (each index at most once). Borrowed from the record.
     * NULL: of no interest. */
    void (*outcome)(void *arg, const outcome_t *outcome);
    /* The list is decided: it has `n` entries. Those without an outcome are `missing` (CANCELLED or DEADLINE). Once.
     * NULL: of no interest. */
    void (*decided)(void *arg, uint64_t n, list_state_t state, end_reason_t reason, fanmap_kind_t missing);
} list_callbacks_t;

/* Memory: a bit or two an outcome that is known beyond the full prefix (base/bitset.h), which JOBLOG_AHEAD_MAX bounds
 * against foreign indexes. The callbacks are copied and must not free the list. NULL: no memory. */
list_t *list_new(const char *job, const list_callbacks_t *callbacks, void *arg);
void list_free(list_t *list);
/* One record of the partition: key and value as read. Records of other jobs are ignored, and after the decision
 * everything is. False: this job's record, or an outcome in it, is bad or foreign and does not count (count it, log it
 * once); duplicates are no such thing. */
bool list_record(list_t *list, int64_t offset, const void *key, size_t key_len, const void *value, size_t value_len);
list_state_t list_state(const list_t *list);
/* True: an allocation failed and the list is no longer to be trusted; the reader must give up. */
bool list_out_of_memory(const list_t *list);
/* The spec from `start`, its bound arguments included; NULL before it came. Lives as long as the list. */
const spec_t *list_spec(const list_t *list);
/* Where the `start` that counts stands; -1 before it came. */
int64_t list_start_offset(const list_t *list);
/* Its numbers as they are; those of a decision only once there is one. Among others:
 *   known, retried  distinct outcomes that count; attempts beyond the first, summed
 *   total           n, once `input` is there; -1: not known
 *   prefix          the largest progress prefix: so many items are known to be in Kafka
 *   is_halting      the condition of `--halt soon` has held: nothing more of the job is to start
 *   closed_by       the first index whose outcome closed the job, or made it halt; -1: none did */
const position_list_t *list_now(const list_t *list);
uint64_t list_failed(const list_t *list);         /* of the known; without the cancelled ones, wherever they stand */
int64_t list_input_n(const list_t *list);         /* how many items `input` says; -1: it is not there */
const char *list_input_error(const list_t *list); /* NULL: none */
/* Of a list that is decided: what J/end says of it. Before that nothing is known. */
jobs_counts_t list_counts(const list_t *list);
bool list_has(const list_t *list, uint64_t index);
/* The newest announcement of a producer, "" when none. */
const char *list_producer(const list_t *list);
uint64_t list_bad_records(const list_t *list); /* how often list_record returned false */

/* ---- a reader that goes on (list_resume.c) ---- */

/* The list into a position: its numbers with everything before the next record counted, and its input's error. */
void list_numbers(const list_t *list, position_t *ret);
/* Before the first record: the list as `position` says it was. `spec` is that of `start`; what it borrows stays behind.
 * The records to come begin at position->reread_at. Of those before read_to only outcomes that were not handed out are
 * given out once more, then a decision that had been made. False: what it says cannot be, or no memory. */
bool list_resume(list_t *list, const spec_t *spec, const position_t *position);
/* How many outcomes are still to come from before read_to; nothing else is known before that. */
uint64_t list_resume_left(const list_t *list);
int64_t list_resume_end(const list_t *list); /* read_to */
/* The outcomes of all indexes below n are known. */
bool list_has_prefix(const list_t *list, uint64_t n);
/* The log is at read_to and does not have what the position says: it is not the log that it was taken of. */
bool list_is_misfit(const list_t *list);

#endif
