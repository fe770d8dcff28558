/* Arrays that grow. */
#ifndef BASE_ARRAY_H
#define BASE_ARRAY_H

#include <stddef.h>
#include <stdlib.h>

/* `at` with twice as many places (`first` of them where it has none) of `size` bytes, and *cap set; it is the caller's to keep.
 * NULL: no memory, and all is as it was. */
static inline void *array_grown(void *at, size_t *cap, size_t first, size_t size)
{
    size_t more = *cap > 0 ? 2 * *cap : first;
    void *grown = reallocarray(at, more, size);
    if (grown != NULL)
        *cap = more;
    return grown;
}

#endif
