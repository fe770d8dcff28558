/* The window of a lane of a stream, and the rules about it. */
#include "worker/core/source.h"

#include <stdlib.h>

#include "worker/core/item.h"

void source_assign(source_t *source, int64_t commit)
{
    source->first = source->n = 0;
    source->bytes = 0;
    source->commit = commit;
    source->read = commit - 1;
    source->said = -1;
    source->is_held = false;
}

static bool grow(source_t *source)
{
    uint32_t cap = source->cap > 0 ? source->cap * 2 : 64;
    source_record_t *window = malloc(cap * sizeof *window);
    if (window == NULL)
        return false;
    for (uint32_t i = 0; i < source->n; i++)
        window[i] = source->window[(source->first + i) % source->cap];
    free(source->window);
    source->window = window;
    source->first = 0;
    source->cap = cap;
    return true;
}

bool source_arrive(source_t *source, int64_t offset, uint32_t bytes)
{
    if (source->n == source->cap && !grow(source))
        return false;
    source->window[(source->first + source->n++) % source->cap] = (source_record_t){offset, bytes};
    source->bytes += bytes;
    source->read = offset;
    return true;
}

void source_advance(source_t *source, const tracker_t *tracker)
{
    while (source->n > 0 && source->window[source->first].offset < tracker_prefix(tracker)) {
        source->commit = source->window[source->first].offset + 1;
        source->bytes -= source->window[source->first].bytes;
        source->first = (source->first + 1) % source->cap;
        source->n--;
    }
}

int64_t source_commit(const source_t *source, const tracker_t *tracker)
{
    (void)tracker; /* its prefix may be higher: offsets that are missing count as finished there */
    return source->commit;
}

int64_t source_prev(const source_t *source, int64_t offset)
{
    (void)offset;
    return source->read;
}

bool source_finishes(const worker_item_t *item)
{
    return item_is_ours(item);
}

bool source_is_full(const source_t *source, uint32_t records_max, size_t bytes_max)
{
    return source->n >= records_max || source->bytes >= bytes_max;
}

int64_t source_whole(const source_t *source)
{
    return source->commit - 1;
}

void source_forget(tracker_t *tracker)
{
    bitset_free(&tracker->done);
}
