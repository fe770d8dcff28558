/* What waits in a job's queue, the lowest index first, so that the list grows from its front however Kafka interleaves
 * the partitions.
 *
 * Within a partition items come in the order of their indexes, so the queue is one list for each partition (a lane),
 * and the next item is the lowest of the lanes' heads: a merge, one step at a time. Adding is O(1) but for what comes
 * back out of turn. Looking for the first is O(lanes) when the turn goes to another lane, else O(1): in a long job
 * neighbours share a partition (schemas/place.c).
 */
#ifndef WORKER_CORE_LANES_H
#define WORKER_CORE_LANES_H

#include "worker/core/item.h"

typedef struct {
    const struct worker_part *part;
    item_list_t items; /* ascending by index */
} lane_t;

/* Zeroed: empty. */
typedef struct {
    lane_t **lanes;
    uint32_t lanes_n, last; /* last: the lane that was added to last */
    lane_t *current;        /* the lane with the first item, as long as that is not above ... */
    uint64_t bound;         /* ... what no item of another lane is below */
    size_t n;               /* items in all lanes */
    size_t lanes_cap;
} lanes_t;

/* item->part says which lane. False: no memory, and nothing was done. item_unlink takes it out. */
bool lanes_add(lanes_t *queue, worker_item_t *item);
/* The item with the lowest index; NULL: empty. */
worker_item_t *lanes_first(lanes_t *queue);
/* The lanes go; it must be empty. */
void lanes_free(lanes_t *queue);

#endif
