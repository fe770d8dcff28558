/* A store of byte runs that are put in any order of need and taken out once: appended to blocks of up to 64 KiB, which stay
 * in memory up to a bound; the ones filled after that go to a spill file as wholes. A block is given up when everything
 * in it was released. */
#ifndef AGGREGATOR_BLOCKS_H
#define AGGREGATOR_BLOCKS_H

#include "aggregator/pages.h"

typedef struct blocks blocks_t;

/* `spill` must outlive the blocks and is used by nobody else. NULL: no memory. */
blocks_t *blocks_new(size_t memory_bytes, spill_t *spill);
void blocks_free(blocks_t *blocks);
/* Room for `len` bytes, which the caller fills before the next call; sets block, at and len of *place. FANMAP_EIO,
 * FANMAP_ENOMEM: nothing has changed. */
int blocks_put(blocks_t *blocks, uint32_t len, place_t *place, uint8_t **ret, fanmap_error_t *err);
/* The bytes; they stay where they are until blocks_release of the same place, whatever is put, when nothing else is
 * got. */
int blocks_get(blocks_t *blocks, const place_t *place, const uint8_t **ret, fanmap_error_t *err);
void blocks_release(blocks_t *blocks, const place_t *place);
uint64_t blocks_in_file_bytes(const blocks_t *blocks);

#endif
