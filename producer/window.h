/* The items from the first unacknowledged one on, 16 bytes each, and what `progress` says about those before (pure).
 *
 * An item is acknowledged by the offset of its record or, when it is never sent, by the pack that holds its outcome.
 * The prefix is everything before the first item that is not. The hash chain is kept for every item of the window, so
 * that it is known exactly at the prefix, in whatever order the acknowledgements come.
 */
#ifndef PRODUCER_WINDOW_H
#define PRODUCER_WINDOW_H

#include "base/buf.h"

typedef struct {
    uint64_t chain; /* over this item and all before it */
    int64_t offset; /* acknowledged there; -1: not yet; -2 - k: when pack k is stored */
} window_item_t;

typedef struct {
    window_item_t *ring;
    uint64_t mask, items_max;
    uint64_t prefix, next; /* the window is [prefix, next) */
    uint64_t prefix_chain, next_chain;
    uint64_t packs_stored;
    uint64_t job_hash;
    uint32_t partitions;
    int64_t *behind; /* per partition, the offset behind the prefix's last record; -1: it has none there */
} window_t;

bool window_init(window_t *window, const char *job, uint32_t partitions, uint64_t items_max);
/* Begins at a prefix instead of 0, with what `progress` says of it. Pack 0 then counts as stored. */
void window_begin_at(window_t *window, uint64_t prefix, uint64_t chain, const int64_t *offsets);
void window_free(window_t *window);
bool window_full(const window_t *window);
/* The next item, whose index is `next`; not when full. False: no memory, and nothing has changed. */
bool window_add(window_t *window, const void *in, size_t in_len);
int32_t window_partition(const window_t *window, uint64_t index);
/* Reports. What is not in the window, or was reported before, is ignored. */
void window_stored(window_t *window, uint64_t index, int64_t offset);
/* False: it needs no pack (reported before). */
bool window_refused(window_t *window, uint64_t index, uint64_t pack);
/* Packs 0..n-1 are stored. */
void window_packs_stored(window_t *window, uint64_t n);
/* Fills partitions offsets: behind the prefix's last record there, or of the first known later record if that is lower;
 * -1: no record is known, which means from the beginning. */
void window_offsets(const window_t *window, int64_t *ret);

#endif
