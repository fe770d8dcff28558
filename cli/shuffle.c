#include "cli/shuffle.h"

#include <stdlib.h>

void shuffle_free(shuffle_t *shuffle)
{
    kept_free(&shuffle->held);
    *shuffle = (shuffle_t){.is_on = false};
}

shuffle_put_t shuffle_put(shuffle_t *shuffle, fanmap_format_t format, const fanmap_part_t *parts, size_t n)
{
    uint64_t bytes = sizeof(kept_item_t) + n * sizeof *parts;
    for (size_t i = 0; i < n; i++)
        bytes += parts[i].len;
    if (shuffle->bytes + bytes > (uint64_t)SHUFFLE_MIB_MAX << 20 || shuffle->held.next == UINT32_MAX)
        return SHUFFLE_FULL;
    if (!kept_put(&shuffle->held, 0, format, parts, n))
        return SHUFFLE_NO_MEMORY;
    shuffle->bytes += bytes;
    return SHUFFLE_PUT;
}

const kept_item_t *shuffle_next(shuffle_t *shuffle)
{
    kept_t *held = &shuffle->held;
    uint64_t left = held->next - held->first;
    if (left > 0 && !shuffle->is_drawn) {
        kept_item_t **first = &held->at[held->first % held->cap],
                    **drawn = &held->at[(held->first + arc4random_uniform((uint32_t)left)) % held->cap], *item = *first;
        *first = *drawn;
        *drawn = item;
        shuffle->is_drawn = true;
    }
    return kept_find(held, held->first);
}

void shuffle_taken(shuffle_t *shuffle)
{
    kept_drop(&shuffle->held, shuffle->held.first);
    shuffle->is_drawn = false;
}
