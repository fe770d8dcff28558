/* Asks for memory that is needed soon, so that the processor need not wait for it.
 *
 * Thousands of items lie between their arrival and their end, more than a core's own cache holds. Who goes through them
 * one by one knows the next one early: it is asked for while the present one is worked on. A pointer that leads nowhere
 * (NULL too) does no harm. */
#ifndef BASE_PREFETCH_H
#define BASE_PREFETCH_H

#include <stddef.h>

enum {
    PREFETCH_LINE = 64,
    PREFETCH_AHEAD = 8 /* so many entries of an array of pointers: about what memory takes for one */
};

static inline void prefetch(const void *at, size_t size)
{
    for (size_t i = 0; i < size; i += PREFETCH_LINE)
        __builtin_prefetch((const char *)at + i, 1);
    __asm__ volatile(""); /* else gcc finds that it has no effect, and leaves out calls of it */
}

#endif
