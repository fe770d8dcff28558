/* The list of a job as a function of its log (pure): records go in, in the order of the log; what is decided comes out.
 *
 * The rules (CONTRACT of the list, DESIGN "One log per job"): the earliest outcome of an index counts, by offset, then by place
 * in the pack; so does the first start, input and end. A job is closed by its first `end`; by an `input` that carries an error
 * (after the outcomes of what was published); with fail-fast by its first failed outcome; with `--halt now` by the outcome at
 * which the condition first holds. What lies behind the closing record does not count. A closed list has n entries if `input`
 * lies before the closing, else it runs to the last index that the log shows as published before it: the larger of the highest
 * index with an outcome and the end of the newest progress prefix. Missing indexes are `cancelled` (or `deadline`). A job that
 * was not closed is complete when `input` names n and n outcomes are known.
 *
 * Used by gather, by map, by the aggregator and by workers' closing rule; the same for every reader, always.
 */
#ifndef AGGREGATOR_LIST_H
#define AGGREGATOR_LIST_H

#include "schemas/joblog.h"

typedef struct list list_t;

typedef enum { LIST_OPEN, LIST_CLOSED, LIST_COMPLETE } list_state_t;

typedef struct {
    /* One outcome that counts, in the order of the log (each index at most once). Borrowed from the record. */
    void (*outcome)(void *arg, const outcome_t *outcome);
    /* The list is decided: it has `n` entries. Those without an outcome are `missing` (CANCELLED or DEADLINE). Once. */
    void (*decided)(void *arg, uint64_t n, list_state_t state, end_reason_t reason, fanmap_kind_t missing);
} list_callbacks_t;

/* Memory: one bit an outcome that is known beyond the full prefix, bounded by `index_max` (an outcome beyond it does not count:
 * foreign). NULL: no memory. */
list_t *list_new(const char *job, const list_callbacks_t *callbacks, void *arg);
void list_free(list_t *list);
/* One record of the partition: key and value as read. Records of other jobs and ones that do not decode are ignored; returns
 * false for the latter (count it, log it once). After the decision everything is ignored. */
bool list_record(list_t *list, int64_t offset, const void *key, size_t key_len, const void *value, size_t value_len);
list_state_t list_state(const list_t *list);
/* The spec from `start`; NULL before it came. */
const spec_t *list_spec(const list_t *list);
uint64_t list_known(const list_t *list);   /* distinct outcomes */
uint64_t list_failed(const list_t *list);
uint64_t list_retried(const list_t *list); /* attempts beyond the first, summed */
int64_t list_total(const list_t *list);    /* n of `input`; -1: not known */
const char *list_input_error(const list_t *list); /* NULL: none */
bool list_has(const list_t *list, uint64_t index);
/* The newest announcement of a producer, "" when none. */
const char *list_producer(const list_t *list);
uint64_t list_progress_prefix(const list_t *list);
uint64_t list_bad_records(const list_t *list);

#endif
