/* The items that were pushed and whose outcome is still to come, for what shows them beside it: tags, the command in
 * --joblog, --results. As many as the library lets be under way (--ahead). */
#ifndef CLI_KEPT_H
#define CLI_KEPT_H

#include "base/buf.h"
#include "fanmap/fanmap.h"

typedef struct {
    uint64_t seq; /* its place in the input, from 1 */
    fanmap_format_t format;
    size_t n;
    uint32_t attempt;      /* whose output the two below are */
    size_t printed_n;      /* bytes that its command printed while it ran, where these come so */
    bool has_files;        /* --results has its files already */
    buf_t said;            /* the end of its stderr, for --results */
    fanmap_part_t parts[]; /* their bytes stand behind them */
} kept_item_t;

/* Zeroed is empty. */
typedef struct {
    kept_item_t **at;     /* index i at (i % cap); NULL: given back */
    uint64_t first, next; /* the indexes that may be there */
    size_t cap;
} kept_t;

/* Copies the item that has the next index. False: no memory. */
bool kept_put(kept_t *kept, uint64_t seq, fanmap_format_t format, const fanmap_part_t *parts, size_t n);
/* NULL: it is not there. Borrowed until kept_drop. */
kept_item_t *kept_find(const kept_t *kept, uint64_t index);
void kept_drop(kept_t *kept, uint64_t index);
void kept_free(kept_t *kept);

#endif
