/* A ring of 16 bytes an item, as large as what was in flight at once. An item knows its chain and where it was stored, or
 * which pack it waits for; the prefix moves over what is acknowledged and takes chain and offsets with it. */
#include "producer/window.h"

#include <stdlib.h>

#include "base/invariant.h"

#include "schemas/place.h"

enum { OFFSET_NONE = -1, OFFSET_PACKS = -2, RING_MIN = 64 };

bool window_init(window_t *window, const char *job, uint32_t partitions, uint64_t items_max)
{
    *window = (window_t){.mask = RING_MIN - 1, .job_hash = place_job_hash(job), .partitions = partitions};
    window->items_max = items_max < 1 ? 1 : items_max;
    window->ring = malloc(RING_MIN * sizeof *window->ring);
    window->behind = malloc(partitions * sizeof *window->behind);
    if (!window->ring || !window->behind)
        return false;
    for (uint32_t p = 0; p < partitions; p++)
        window->behind[p] = OFFSET_NONE;
    return true;
}

void window_begin_at(window_t *window, uint64_t prefix, uint64_t chain, const int64_t *offsets)
{
    window->prefix = window->next = prefix;
    window->prefix_chain = window->next_chain = chain;
    window->packs_stored = 1;
    for (uint32_t p = 0; p < window->partitions; p++)
        window->behind[p] = offsets[p];
}

void window_free(window_t *window)
{
    free(window->ring);
    free(window->behind);
    *window = (window_t){0};
}

static window_item_t *at(const window_t *window, uint64_t index)
{
    return &window->ring[index & window->mask];
}

bool window_full(const window_t *window)
{
    return window->next - window->prefix >= window->items_max;
}

static bool grow(window_t *window)
{
    window_t larger = *window;
    larger.mask = 2 * window->mask + 1;
    larger.ring = reallocarray(NULL, larger.mask + 1, sizeof *larger.ring);
    if (!larger.ring)
        return false;
    for (uint64_t i = window->prefix; i < window->next; i++)
        *at(&larger, i) = *at(window, i);
    free(window->ring);
    *window = larger;
    return true;
}

bool window_add(window_t *window, const void *in, size_t in_len)
{
    invariant(!window_full(window));
    if (window->next - window->prefix > window->mask && !grow(window))
        return false;
    window->next_chain = place_chain(window->next_chain, in, in_len);
    *at(window, window->next++) = (window_item_t){.chain = window->next_chain, .offset = OFFSET_NONE};
    return true;
}

int32_t window_partition(const window_t *window, uint64_t index)
{
    return (int32_t)place_item(window->job_hash, window->partitions, index);
}

static bool acknowledged(const window_t *window, const window_item_t *item)
{
    return item->offset >= 0 ||
           (item->offset <= OFFSET_PACKS && (uint64_t)(OFFSET_PACKS - item->offset) < window->packs_stored);
}

static void advance(window_t *window)
{
    while (window->prefix < window->next) {
        const window_item_t *item = at(window, window->prefix);
        if (!acknowledged(window, item))
            return;
        int64_t *behind = &window->behind[window_partition(window, window->prefix)];
        if (item->offset >= *behind)
            *behind = item->offset + 1;
        window->prefix_chain = item->chain;
        window->prefix++;
    }
    invariant(window->prefix_chain == window->next_chain);
}

static bool waits(const window_t *window, uint64_t index)
{
    return index >= window->prefix && index < window->next && at(window, index)->offset == OFFSET_NONE;
}

void window_stored(window_t *window, uint64_t index, int64_t offset)
{
    if (!waits(window, index))
        return;
    at(window, index)->offset = offset;
    if (index == window->prefix)
        advance(window);
}

bool window_refused(window_t *window, uint64_t index, uint64_t pack)
{
    if (!waits(window, index))
        return false;
    at(window, index)->offset = OFFSET_PACKS - (int64_t)pack;
    return true;
}

void window_packs_stored(window_t *window, uint64_t n)
{
    if (n > window->packs_stored)
        window->packs_stored = n;
    advance(window);
}

void window_offsets(const window_t *window, int64_t *ret)
{
    for (uint32_t p = 0; p < window->partitions; p++)
        ret[p] = window->behind[p];
    for (uint64_t i = window->prefix; i < window->next; i++) {
        int64_t offset = at(window, i)->offset;
        int64_t *lowest = &ret[window_partition(window, i)];
        if (offset >= 0 && (*lowest < 0 || offset < *lowest))
            *lowest = offset;
    }
}
