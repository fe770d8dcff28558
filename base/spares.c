#include "base/spares.h"

#include <stdlib.h>

#include "base/prefetch.h"

struct spare {
    union {
        spare_t *next; /* while it is spare */
        size_t cap;    /* while it is not */
    };
    uint8_t bytes[];
};
_Static_assert(offsetof(spare_t, bytes) % SPARES_ALIGNMENT == 0, "what malloc aligns stays so");

/* The size that blocks for so many bytes have; SPARES_SIZES: none that is kept. */
static size_t size_class(size_t size)
{
    size_t class = size == 0 ? 0 : (size - 1) / SPARES_STEP;
    return class < SPARES_SIZES ? class : SPARES_SIZES;
}

static size_t class_bytes(size_t class)
{
    return (class + 1) * SPARES_STEP;
}

static spare_t *of_bytes(void *bytes)
{
    return (spare_t *)((char *)bytes - offsetof(spare_t, bytes));
}

static spare_t *take_spare(spares_t *spares, size_t class)
{
    spare_t *block = spares->lists[class];
    spares->lists[class] = block->next;
    spares->bytes -= class_bytes(class);
    return block;
}

void *spares_get(spares_t *spares, size_t size)
{
    size_t class = size_class(size), cap = class < SPARES_SIZES ? class_bytes(class) : size;
    spare_t *block = NULL;
    if (class < SPARES_SIZES && spares->lists[class] != NULL) {
        block = take_spare(spares, class);
        prefetch(block->next, cap);
        if (spares->bytes < spares->bytes_min)
            spares->bytes_min = spares->bytes;
    } else if ((block = malloc(sizeof *block + cap)) == NULL) {
        return NULL;
    }
    block->cap = cap;
    return block->bytes;
}

void spares_put(spares_t *spares, void *bytes)
{
    spare_t *block = of_bytes(bytes);
    size_t cap = block->cap, class = size_class(cap);
    if (class == SPARES_SIZES || spares->bytes + cap > SPARES_KEPT) {
        free(block);
        return;
    }
    block->next = spares->lists[class];
    spares->lists[class] = block;
    spares->bytes += cap;
}

void spares_drop(void *bytes)
{
    free(of_bytes(bytes));
}

void spares_age(spares_t *spares)
{
    size_t unused = spares->bytes_min;
    for (size_t class = 0; class < SPARES_SIZES; class ++)
        for (; spares->lists[class] != NULL && unused >= class_bytes(class); unused -= class_bytes(class))
            free(take_spare(spares, class));
    spares->bytes_min = spares->bytes;
}

void spares_free(spares_t *spares)
{
    for (size_t class = 0; class < SPARES_SIZES; class ++)
        while (spares->lists[class] != NULL)
            free(take_spare(spares, class));
}
