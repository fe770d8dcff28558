/* Blocks of memory in few sizes: one that is given back serves a later one of about its size, so that what comes and goes without
 * end takes no memory anew. One thread, but for spares_drop. */
#ifndef BASE_SPARES_H
#define BASE_SPARES_H

#include <stddef.h>
#include <stdint.h>

enum {
    SPARES_STEP = 64,      /* blocks that are used again have a multiple of this, ... */
    SPARES_SIZES = 16,     /* ... and are of so many sizes; */
    SPARES_KEPT = 4 << 20, /* as many bytes are kept of them in all */
    SPARES_ALIGNMENT = 8
};

typedef struct spare spare_t;
/* Zeroed: empty. */
typedef struct {
    spare_t *lists[SPARES_SIZES];
    size_t bytes, bytes_min; /* min: the least since spares_age */
} spares_t;

/* At least so many bytes; NULL: out of memory. */
void *spares_get(spares_t *spares, size_t size);
void spares_put(spares_t *spares, void *block);
/* The same from any thread: it does not serve again. */
void spares_drop(void *block);
/* Gives back to malloc what nobody wanted since the last time. */
void spares_age(spares_t *spares);
/* What is spare; blocks that are not may live on. */
void spares_free(spares_t *spares);

#endif
