/* What is known of a job whose producer is gone, and comparing an input that is read again with it (pure).
 *
 * Filled from the job's log (progress, outcomes) and, once the announcement of the new producer is stored, from the
 * items partitions: there stand the items behind the stored prefix that the old producer had sent. Up to the prefix the
 * input is compared by the hash chain, at every stored progress; behind it item by item.
 */
#ifndef PRODUCER_PRIOR_H
#define PRODUCER_PRIOR_H

#include "base/bitset.h"
#include "schemas/joblog.h"

/* The chain over the first `prefix` inputs. */
typedef struct {
    uint64_t prefix, chain;
} prior_mark_t;

/* An item behind the prefix that has a record. */
typedef struct {
    uint64_t index, hash; /* of its input as sent */
    int64_t offset;
} prior_item_t;

/* Zeroed and given to prior_init. Belongs to the caller of the producer, who fills it; the producer moves `mark_at`
 * and `item_at` on. */
typedef struct {
    char job[JOB_ID_MAX + 1];
    uint64_t job_hash;
    uint32_t partitions;
    int64_t total; /* n of `input`; -1: the old producer did not come so far */
    bool is_closed;
    bool is_halting;        /* by --halt soon: `total` is how far the old producer came, and the input may be longer */
    end_reason_t reason;    /* is_closed */
    uint64_t prefix, chain; /* of the progress with the largest prefix */
    int64_t *offsets;       /* its offsets: where the items behind the prefix begin; -1: from the beginning */
    prior_mark_t late;      /* of the last progress that did not count */
    prior_mark_t *marks;    /* by prefix; every second one is dropped when there are too many */
    size_t marks_n, marks_cap, mark_at;
    prior_item_t *items; /* by index, once prior_sort was called */
    size_t items_n, items_cap, item_at;
    bitset_t known, bad; /* indexes with an outcome; of them those that could not be parsed */
    bool failed;         /* out of memory: give up */
} prior_t;

enum { PRIOR_MARKS_MAX = 65536 };

bool prior_init(prior_t *prior, const char *job, uint32_t partitions);
void prior_free(prior_t *prior);
/* From the log, in its order; only what counts there (aggregator/list.h says so). `announced`: which producer the log had
 * announced last by then. What another says does not count: it does not know where that one's items lie. */
void prior_progress(prior_t *prior, const progress_t *progress, const char *announced);
/* The log was read: n of its `input`, -1: it has none. A producer that had been taken over may have said it; what it read then
 * stands in the progress before it, which says that much although it does not count otherwise. */
void prior_input(prior_t *prior, int64_t n);
void prior_outcome(prior_t *prior, const outcome_t *outcome);
/* A record of an items partition, from offsets[partition] on; what is not an item of this job behind the prefix and
 * within reach, on the partition where it belongs, is ignored. */
void prior_record(prior_t *prior, int32_t partition, int64_t offset, const void *key, size_t key_len, const void *value,
                  size_t value_len);
/* Every partition was read. */
void prior_sort(prior_t *prior);

/* The record of this index, asked for in order; NULL: none was found. */
const prior_item_t *prior_find(prior_t *prior, uint64_t index);
/* Behind the highest index that was found published. */
uint64_t prior_end(const prior_t *prior);
uint64_t prior_hash(const void *in, size_t in_len);
/* The chain over the first n inputs, for each n in order: false when a stored mark says that they were others; then
 * *ret_from is where the input was the same for sure. */
bool prior_compare(prior_t *prior, uint64_t n, uint64_t chain, uint64_t *ret_from);

#endif
