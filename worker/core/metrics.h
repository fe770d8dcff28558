/* What a worker counts of each task as it goes, and what it says of the present when it is asked. */
#ifndef WORKER_CORE_METRICS_H
#define WORKER_CORE_METRICS_H

#include "metrics/histogram.h"
#include "worker/core/core.h"

enum {
    COUNT_KINDS = FANMAP_LOST + 1,
    COUNT_DOWNS = ATTEMPT_GUARDIAN_LOST + 1,
    COUNT_RESULTS = COUNT_KINDS + COUNT_DOWNS
};

typedef enum { DEAD_BAD_KEY, DEAD_BAD_ITEM, DEAD_NO_JOB, DEAD_OTHER_TASK, DEAD_REASONS } worker_dead_t;

typedef struct {
    uint64_t items[COUNT_KINDS]; /* outcomes that Kafka has stored, by fanmap_kind_t */
    uint64_t attempts
        [COUNT_RESULTS]; /* that ended, by kind, or behind COUNT_KINDS by attempt_down_t: at no cost to the item */
    uint64_t dead[DEAD_REASONS];
    histogram_t duration;   /* of the attempt that gave the outcome */
    histogram_t wait;       /* until an item's first attempt */
    histogram_t token_wait; /* of a job with a limit: how long it could start nothing for want of a token */
} worker_counts_t;

typedef struct {
    uint64_t runnable; /* items that nothing but a slot stands in the way of */
    uint64_t running;
    int64_t oldest_ms; /* how long the oldest runnable one has waited */
    uint64_t tokens_held, tokens_limit;
} worker_present_t;

typedef struct {
    uint32_t idle, busy, frozen, down;
} worker_slots_t;

/* Borrowed until the next step. */
const worker_counts_t *worker_counts(const worker_t *worker, uint32_t task);
/* Of all tasks, now; `ret` has one for each. */
void worker_present(const worker_t *worker, int64_t now_ms, worker_present_t *ret);
void worker_slots(const worker_t *worker, worker_slots_t *ret);
/* What Kafka has stored as the lane's position; -1: it is not owned, or nothing. */
int64_t worker_lane_committed(const worker_t *worker, int32_t lane);
/* The lane's first record that is not finished; -1: it is not owned. */
int64_t worker_lane_prefix(const worker_t *worker, int32_t lane, uint32_t *ret_task);

/* ---- within the core ---- */

struct worker_job;
/* When that was, on this worker's clock; now where it is not known. */
int64_t count_since(const worker_t *w, int64_t appended_ms);
/* As an index of `attempts`. */
uint32_t count_down(const worker_event_t *event);
void count_attempt(worker_t *w, worker_item_t *item, uint32_t result, int64_t started_ms);
/* wants: it has something to start. */
void count_token_wait(worker_t *w, struct worker_job *job, bool wants, bool can);

#endif
