#include "cli/bundle.h"

void bundle_free(bundle_t *bundle)
{
    kept_free(&bundle->held);
    part_list_free(&bundle->parts);
    *bundle = (bundle_t){.is_on = false};
}

static size_t held_n(const bundle_t *bundle)
{
    return (size_t)(bundle->held.next - bundle->held.first);
}

static size_t parts_bytes(const bundle_t *bundle, const fanmap_part_t *parts, size_t n)
{
    size_t bytes = n * bundle->around;
    for (size_t i = 0; i < n; i++)
        bytes += parts[i].len * bundle->copies;
    return bytes;
}

bool bundle_has_room(bundle_t *bundle, const fanmap_part_t *parts, size_t n)
{
    bool is_full = bundle->items_max > 0 && bundle->items == bundle->items_max;
    size_t bytes = bundle->own_bytes + bundle->bytes + parts_bytes(bundle, parts, n),
           pointers = (bundle->words + n * bundle->copies) * sizeof(char *);
    bool fits = bytes <= bundle->bytes_max && (bundle->exec_max == 0 || bytes + pointers <= bundle->exec_max);
    if (bundle->items == 0 || (!is_full && fits))
        return true;
    bundle->ready = bundle->items;
    return false;
}

bool bundle_put(bundle_t *bundle, fanmap_format_t format, const fanmap_part_t *parts, size_t n)
{
    if (!kept_put(&bundle->held, 0, format, parts, n))
        return false;
    bundle->items++;
    bundle->bytes += parts_bytes(bundle, parts, n);
    bundle->words += n * bundle->copies;
    if (bundle->items == bundle->items_max && bundle->ways == 0)
        bundle->ready = bundle->items;
    return true;
}

void bundle_end(bundle_t *bundle)
{
    size_t n = held_n(bundle), ways = bundle->ways ? bundle->ways : 1;
    if (bundle->share == 0)
        bundle->share = (n + ways - 1) / ways;
    bundle->ready = bundle->share < n ? bundle->share : n;
}

bool bundle_is_ready(bundle_t *bundle, bool *ret_failed)
{
    *ret_failed = false;
    if (bundle->ready == 0 || bundle->parts.n > 0)
        return bundle->ready > 0;
    for (size_t i = 0; i < bundle->ready; i++) {
        const kept_item_t *item = kept_find(&bundle->held, bundle->held.first + i);
        for (size_t k = 0; k < item->n; k++)
            if (!part_list_add(&bundle->parts, item->parts[k])) {
                *ret_failed = true;
                return false;
            }
    }
    return true;
}

void bundle_taken(bundle_t *bundle)
{
    for (; bundle->ready > 0; bundle->ready--)
        kept_drop(&bundle->held, bundle->held.first);
    bundle->parts.n = 0;
    bundle->items = bundle->bytes = bundle->words = 0;
    if (bundle->share > 0)
        bundle_end(bundle);
}
