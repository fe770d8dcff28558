/* Arrays that grow. `at` is a pointer to the first element, as a variable or member of the caller's: it is set anew when the array moves. */
#ifndef BASE_ARRAY_H
#define BASE_ARRAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* True: behind `n` elements there is room for one more. An array without room (its size_t `cap`) gets twice as many places, `first` of them
 * where it had none. False: no memory, and all is as it was. */
#define array_has_room(at, n, cap, first) ((n) < (cap) || array_double(&(at), &(cap), first, sizeof *(at)))
/* Gives an array of `from` elements `to` of them; new ones are zeroed. False: no memory, and all is as it was. */
#define array_extend(at, from, to) array_extend_by(&(at), from, to, sizeof *(at))

static inline bool array_resize(void *at, size_t n, size_t size)
{
    void *grown;
    memcpy(&grown, at, sizeof grown);
    grown = reallocarray(grown, n, size);
    if (grown != NULL)
        memcpy(at, &grown, sizeof grown);
    return grown != NULL;
}

static inline bool array_double(void *at, size_t *cap, size_t first, size_t size)
{
    size_t more = *cap > 0 ? 2 * *cap : first;
    if (!array_resize(at, more, size))
        return false;
    *cap = more;
    return true;
}

static inline bool array_extend_by(void *at, size_t from, size_t to, size_t size)
{
    char *grown;
    if (!array_resize(at, to, size))
        return false;
    memcpy(&grown, at, sizeof grown);
    memset(grown + from * size, 0, (to - from) * size);
    return true;
}

#endif
