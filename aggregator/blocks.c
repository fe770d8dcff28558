/* The last block is the one that is filled. When it is full and memory holds its share, it goes to the file: what came
 * first, which is mostly what is needed first, stays. A block of the file comes back whole, into a small cache, when
 * something in it is needed; since outcomes come nearly in order, the rest of it is needed soon.
 */
#include "aggregator/blocks.h"

#include <stdlib.h>

#include "base/invariant.h"

enum { BLOCK_BYTES_MIN = 4 * 1024, BLOCK_BYTES = 64 * 1024, DISK_UNIT = 4096, CACHE_N = 64, TABLE_MIN = 16 };
static const size_t cache_bytes_max = (size_t)CACHE_N * BLOCK_BYTES;

typedef struct {
    uint8_t *bytes; /* NULL: only in the file */
    int64_t offset; /* -1: not in the file */
    uint64_t used_at;
    uint32_t size, used, live; /* live: runs that were not released */
} block_t;

struct blocks {
    block_t *table;            /* a ring: block `number` is at number & (cap - 1) */
    uint32_t cap, first, next; /* numbers first..next-1 are in use; the last one is being filled */
    size_t memory_bytes, memory_max;
    uint8_t *spare; /* BLOCK_BYTES, or NULL */
    uint32_t cached[CACHE_N];
    size_t cached_n, cached_bytes;
    uint64_t clock;
    bool has_got;
    uint32_t got; /* this block was got and not released: its bytes stay */
    spill_t *spill;
    int64_t file_end;
    uint64_t file_bytes; /* of blocks that live in the file */
};

blocks_t *blocks_new(size_t memory_bytes, spill_t *spill)
{
    blocks_t *blocks = calloc(1, sizeof *blocks);
    if (!blocks)
        return NULL;
    blocks->memory_max = memory_bytes;
    blocks->spill = spill;
    return blocks;
}

static block_t *at(const blocks_t *blocks, uint32_t number)
{
    return &blocks->table[number & (blocks->cap - 1)];
}

void blocks_free(blocks_t *blocks)
{
    if (!blocks)
        return;
    for (uint32_t i = blocks->first; i != blocks->next; i++)
        free(at(blocks, i)->bytes);
    free(blocks->table);
    free(blocks->spare);
    free(blocks);
}

/* ---- buffers ---- */

static uint8_t *buffer_new(blocks_t *blocks, size_t size)
{
    uint8_t *bytes = size == BLOCK_BYTES ? blocks->spare : NULL;
    if (!bytes)
        return malloc(size);
    blocks->spare = NULL;
    return bytes;
}

static void buffer_drop(blocks_t *blocks, block_t *block)
{
    if (block->size == BLOCK_BYTES && !blocks->spare)
        blocks->spare = block->bytes;
    else
        free(block->bytes);
    block->bytes = NULL;
}

/* ---- the cache of blocks that are in the file ---- */

static void cache_remove(blocks_t *blocks, size_t slot)
{
    block_t *block = at(blocks, blocks->cached[slot]);
    blocks->cached_bytes -= block->size;
    blocks->cached[slot] = blocks->cached[--blocks->cached_n];
    buffer_drop(blocks, block);
}

static void cache_remove_oldest(blocks_t *blocks)
{
    size_t oldest = 0;
    for (size_t i = 1; i < blocks->cached_n; i++)
        if (at(blocks, blocks->cached[i])->used_at < at(blocks, blocks->cached[oldest])->used_at)
            oldest = i;
    cache_remove(blocks, oldest);
}

static void cache_forget(blocks_t *blocks, uint32_t number)
{
    for (size_t i = 0; i < blocks->cached_n; i++) {
        if (blocks->cached[i] == number) {
            cache_remove(blocks, i);
            return;
        }
    }
}

static int cache_load(blocks_t *blocks, uint32_t number, fanmap_error_t *err)
{
    block_t *block = at(blocks, number);
    while (blocks->cached_n > 0 &&
           (blocks->cached_n == CACHE_N || blocks->cached_bytes + block->size > cache_bytes_max))
        cache_remove_oldest(blocks);
    block->bytes = buffer_new(blocks, block->size);
    if (!block->bytes)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    int code = spill_read(blocks->spill, block->offset, block->bytes, block->used, err);
    if (code) {
        buffer_drop(blocks, block);
        return code;
    }
    blocks->cached[blocks->cached_n++] = number;
    blocks->cached_bytes += block->size;
    invariant(blocks->cached_n <= CACHE_N);
    return FANMAP_OK;
}

/* ---- the file ---- */

static int64_t on_disk(const block_t *block)
{
    return ((int64_t)block->used + DISK_UNIT - 1) / DISK_UNIT * DISK_UNIT;
}

static int to_file(blocks_t *blocks, block_t *block, fanmap_error_t *err)
{
    int code = spill_write(blocks->spill, blocks->file_end, block->bytes, block->used, err);
    if (code)
        return code;
    block->offset = blocks->file_end;
    blocks->file_end += on_disk(block);
    blocks->file_bytes += (uint64_t)on_disk(block);
    blocks->memory_bytes -= block->size;
    buffer_drop(blocks, block);
    return FANMAP_OK;
}

static void from_file(blocks_t *blocks, block_t *block)
{
    blocks->file_bytes -= (uint64_t)on_disk(block);
    if (blocks->file_bytes > 0) {
        spill_punch(blocks->spill, block->offset, on_disk(block));
        return;
    }
    spill_reset(blocks->spill);
    blocks->file_end = 0;
}

/* ---- filling ---- */

static bool table_grow(blocks_t *blocks)
{
    if (blocks->next - blocks->first < blocks->cap)
        return true;
    uint32_t cap = blocks->cap ? blocks->cap * 2 : TABLE_MIN;
    block_t *table = cap ? malloc(cap * sizeof *table) : NULL;
    if (!table)
        return false;
    for (uint32_t i = blocks->first; i != blocks->next; i++)
        table[i & (cap - 1)] = *at(blocks, i);
    free(blocks->table);
    blocks->table = table;
    blocks->cap = cap;
    return true;
}

static block_t *last(const blocks_t *blocks)
{
    return blocks->next != blocks->first ? at(blocks, blocks->next - 1) : NULL;
}

static bool is_got(const blocks_t *blocks, uint32_t number)
{
    return blocks->has_got && blocks->got == number;
}

/* The last block is full. Memory may be over its share by the block that is being filled and one that was got. */
static int seal(blocks_t *blocks, fanmap_error_t *err)
{
    block_t *block = last(blocks);
    if (!block || block->live == 0 || block->offset >= 0 || blocks->memory_bytes <= blocks->memory_max ||
        is_got(blocks, blocks->next - 1))
        return FANMAP_OK;
    return to_file(blocks, block, err);
}

/* The first ones are small, as most lists are. */
static uint32_t block_size(const blocks_t *blocks, uint32_t len)
{
    uint32_t before = last(blocks) ? last(blocks)->size : BLOCK_BYTES_MIN / 2;
    uint32_t size = before < BLOCK_BYTES / 2 ? 2 * before : BLOCK_BYTES;
    return len > size ? len : size;
}

static void drop_dead_from_front(blocks_t *blocks);

static int add_block(blocks_t *blocks, uint32_t len, fanmap_error_t *err)
{
    int code = seal(blocks, err);
    if (code)
        return code;
    uint32_t size = block_size(blocks, len);
    if (!table_grow(blocks))
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    uint8_t *bytes = buffer_new(blocks, size);
    if (!bytes)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    *at(blocks, blocks->next++) = (block_t){.bytes = bytes, .offset = -1, .size = size};
    blocks->memory_bytes += size;
    drop_dead_from_front(blocks);
    return FANMAP_OK;
}

int blocks_put(blocks_t *blocks, uint32_t len, place_t *place, uint8_t **ret, fanmap_error_t *err)
{
    block_t *block = last(blocks);
    if (!block || block->offset >= 0 || block->size - block->used < len) {
        int code = add_block(blocks, len, err);
        if (code)
            return code;
        block = last(blocks);
    }
    place->block = blocks->next - 1;
    place->at = block->used;
    place->len = len;
    *ret = block->bytes + block->used;
    block->used += len;
    block->live++;
    invariant(block->used <= block->size && blocks->next - blocks->first <= blocks->cap);
    return FANMAP_OK;
}

/* ---- emptying ---- */

int blocks_get(blocks_t *blocks, const place_t *place, const uint8_t **ret, fanmap_error_t *err)
{
    block_t *block = at(blocks, place->block);
    if (!block->bytes) {
        int code = cache_load(blocks, place->block, err);
        if (code)
            return code;
    }
    block->used_at = ++blocks->clock;
    blocks->has_got = true;
    blocks->got = place->block;
    *ret = block->bytes + place->at;
    return FANMAP_OK;
}

static void drop_bytes(blocks_t *blocks, uint32_t number)
{
    block_t *block = at(blocks, number);
    if (block->offset >= 0) {
        if (block->bytes)
            cache_forget(blocks, number);
        from_file(blocks, block);
    } else if (block->bytes) {
        blocks->memory_bytes -= block->size;
        buffer_drop(blocks, block);
    }
}

static void drop_dead_from_front(blocks_t *blocks)
{
    while (blocks->next - blocks->first > 1 && at(blocks, blocks->first)->live == 0) {
        block_t *block = at(blocks, blocks->first);
        if (block->bytes && block->offset < 0)
            drop_bytes(blocks, blocks->first);
        blocks->first++;
    }
}

void blocks_release(blocks_t *blocks, const place_t *place)
{
    block_t *block = at(blocks, place->block);
    blocks->has_got = false;
    invariant(block->live > 0);
    if (--block->live > 0)
        return;
    if (block == last(blocks) && block->offset < 0 && block->size <= BLOCK_BYTES) {
        block->used = 0; /* in the common case, outcomes in order, it is the only one */
        return;
    }
    drop_bytes(blocks, place->block);
    drop_dead_from_front(blocks);
}

uint64_t blocks_in_file_bytes(const blocks_t *blocks)
{
    return blocks->file_bytes;
}
