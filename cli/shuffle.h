/* --shuf: all items are read and held, up to a bound, before the first goes out. */
#ifndef CLI_SHUFFLE_H
#define CLI_SHUFFLE_H

#include "cli/kept.h"

enum { SHUFFLE_MIB_MAX = 256 };

typedef struct {
    bool is_on, is_whole, is_drawn; /* whole: nothing more comes; drawn: the first one is the next */
    kept_t held;
    uint64_t bytes;
} shuffle_t;

typedef enum { SHUFFLE_PUT, SHUFFLE_FULL, SHUFFLE_NO_MEMORY } shuffle_put_t;

void shuffle_free(shuffle_t *shuffle);
/* Copies an item. */
shuffle_put_t shuffle_put(shuffle_t *shuffle, fanmap_format_t format, const fanmap_part_t *parts, size_t n);
/* Once all of them are there: the next one, the same until shuffle_taken; NULL behind the last. */
const kept_item_t *shuffle_next(shuffle_t *shuffle);
void shuffle_taken(shuffle_t *shuffle);

#endif
