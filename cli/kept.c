#include "cli/kept.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 256 };

static bool grow_ring(kept_t *kept)
{
    size_t cap = kept->cap ? 2 * kept->cap : FIRST_CAP;
    kept_item_t **at = calloc(cap, sizeof *at);
    if (!at)
        return false;
    for (uint64_t i = kept->first; kept->cap > 0 && i < kept->next; i++)
        at[i % cap] = kept->at[i % kept->cap];
    free(kept->at);
    kept->at = at;
    kept->cap = cap;
    return true;
}

bool kept_put(kept_t *kept, uint64_t seq, fanmap_format_t format, const fanmap_part_t *parts, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += parts[i].len;
    if (kept->next - kept->first == kept->cap && !grow_ring(kept))
        return false;
    kept_item_t *item = malloc(sizeof *item + n * sizeof *parts + bytes);
    if (!item)
        return false;
    *item = (kept_item_t){.seq = seq, .format = format, .n = n};
    char *to = (char *)(item->parts + n);
    for (size_t i = 0; i < n; i++) {
        item->parts[i] = (fanmap_part_t){to, parts[i].len};
        if (parts[i].len > 0)
            memcpy(to, parts[i].bytes, parts[i].len);
        to += parts[i].len;
    }
    kept->at[kept->next++ % kept->cap] = item;
    return true;
}

static void item_free(kept_item_t *item)
{
    if (item)
        buf_free(&item->said);
    free(item);
}

kept_item_t *kept_find(const kept_t *kept, uint64_t index)
{
    return index >= kept->first && index < kept->next ? kept->at[index % kept->cap] : NULL;
}

void kept_drop(kept_t *kept, uint64_t index)
{
    if (index < kept->first || index >= kept->next)
        return;
    item_free(kept->at[index % kept->cap]);
    kept->at[index % kept->cap] = NULL;
    while (kept->first < kept->next && !kept->at[kept->first % kept->cap])
        kept->first++;
}

void kept_free(kept_t *kept)
{
    for (uint64_t i = kept->first; i < kept->next; i++)
        item_free(kept->at[i % kept->cap]);
    free(kept->at);
    *kept = (kept_t){0};
}
