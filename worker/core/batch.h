/* Which items go together in one call: see batch.c. */
#ifndef WORKER_CORE_BATCH_H
#define WORKER_CORE_BATCH_H

#include "worker/core/item.h"

struct worker;
struct worker_job;

/* In how large a call an item may be, itself counted. */
uint32_t batch_most(const worker_item_t *item);
/* Whether it joins a call of `n` items of which the strictest allows `most`; then `most` is what all of them allow. */
bool batch_takes(size_t n, uint32_t *most, const worker_item_t *item);
/* Enough items wait, or one has waited long enough. Jobs without calls: always. */
bool batch_is_due(const struct worker *w, const struct worker_job *job);
/* It is in the queue now. */
void batch_queued(const struct worker *w, worker_item_t *item);
/* When batch_turn must be asked: it may be in the past, where other events came first. */
int64_t batch_next_ms(const struct worker_job *job);
/* True, once: the time of what waits has come. */
bool batch_turn(const struct worker *w, struct worker_job *job);
/* A call failed in which `n` items had no outcome yet. */
void batch_split(worker_item_t *item, size_t n);

#endif
