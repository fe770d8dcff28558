/* Hand-off: unstarted items go from a worker with a backlog to one with nothing to do. See handoff.c. */
#ifndef WORKER_CORE_HANDOFF_H
#define WORKER_CORE_HANDOFF_H

#include "worker/core/part.h"

/* Another worker has free slots: gives it some of what waits here for a task that it serves. */
void handoff_asked(worker_t *w, const worker_event_t *event);
/* The copy of an item was stored. */
void handoff_arrived(worker_t *w);
/* These copies were not stored for good: the items are ours again. */
void handoff_failed(worker_t *w, worker_item_t *const *items, size_t n);
/* At the end of a step: asks others for items while slots are free and nothing waits here. */
void handoff_turn(worker_t *w);
int64_t handoff_next_ms(const worker_t *w);

#endif
