/* Arrays in order, of elements that begin with the int64_t they are ordered by. */
#ifndef BASE_SEARCH_H
#define BASE_SEARCH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* How many of the `n` elements of `size` bytes have a smaller number: where one with this number is, or would be. */
static inline size_t search_below(const void *at, size_t n, size_t size, int64_t number)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int64_t found;
        memcpy(&found, (const char *)at + middle * size, sizeof found);
        if (found < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

#endif
