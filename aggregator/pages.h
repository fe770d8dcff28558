/* Index -> where its outcome is: an array of 16-byte places as long as the job, of which a window is in memory and the
 * rest in a spill file (pure but for it). An ordinary job never leaves the window. */
#ifndef AGGREGATOR_PAGES_H
#define AGGREGATOR_PAGES_H

#include "aggregator/spill.h"

/* Zeroed: nothing is there. */
typedef struct {
    uint32_t block, at, len; /* see blocks.h */
    uint32_t mark;           /* not 0; the caller's */
} place_t;

typedef struct pages pages_t;

/* Takes over nothing; `spill` must outlive the pages. At most 4 MiB of memory, taken as it is needed. NULL: no memory.
 */
pages_t *pages_new(spill_t *spill);
void pages_free(pages_t *pages);
/* The place of an index, to read or to fill; valid until the next call. FANMAP_EIO, FANMAP_ENOMEM. */
int pages_at(pages_t *pages, uint64_t index, place_t **ret, fanmap_error_t *err);
/* Everything below `index` was handed out and is forgotten. Rises only. */
void pages_pass(pages_t *pages, uint64_t index);

#endif
