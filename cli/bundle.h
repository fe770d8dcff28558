/* Several items in one: an array of their parts, as many as -n says, as fit into a command line, or both. Items wait here
 * until it is known how many go together. Pure. */
#ifndef CLI_BUNDLE_H
#define CLI_BUNDLE_H

#include "cli/kept.h"
#include "cli/part_list.h"

typedef struct {
    bool is_on;
    size_t items_max; /* 0: as many as fit */
    size_t bytes_max; /* of the command line, or of the item */
    size_t own_bytes; /* that it has by itself, */
    size_t copies;    /* how often each part stands in it, */
    size_t around;    /* and the bytes that come with a part */
    size_t exec_max;  /* of its bytes and its pointers together; 0: no command is started here */
    size_t ways;      /* into how many equal bundles what is left at the end is divided; 0: not */
    kept_t held;
    size_t items, bytes, words; /* of the next bundle so far */
    size_t ready;               /* how many of those held are the next bundle; 0: that is not known yet */
    size_t share;               /* of each bundle at the end; 0: it is not the end */
    part_list_t parts;          /* of the bundle that is ready */
} bundle_t;

void bundle_free(bundle_t *bundle);
/* It is full without this item, and ready. */
bool bundle_has_room(bundle_t *bundle, const fanmap_part_t *parts, size_t n);
/* Copies an item, for which there is room. False: no memory. */
bool bundle_put(bundle_t *bundle, fanmap_format_t format, const fanmap_part_t *parts, size_t n);
/* There are no more items. */
void bundle_end(bundle_t *bundle);
/* True: a bundle is ready; its parts are in bundle->parts, borrowed until bundle_taken. False with nothing ready, or, with
 * ret_failed, without memory. */
bool bundle_is_ready(bundle_t *bundle, bool *ret_failed);
void bundle_taken(bundle_t *bundle);

#endif
