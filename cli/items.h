/* The items of a map: what its inputs have (zip.h), which the options may have taken apart into columns (cells.h), shuffled
 * (shuffle.h) and put together (bundle.h). Each stage looks at the next item of the one before, and takes it. */
#ifndef CLI_ITEMS_H
#define CLI_ITEMS_H

#include "cli/bundle.h"
#include "cli/cells.h"
#include "cli/shuffle.h"
#include "cli/template.h"
#include "cli/zip.h"

typedef struct {
    fanmap_format_t format;
    const fanmap_part_t *parts;
    size_t n;
    bool is_array;            /* also of one part, or none */
    bool is_block;            /* goes on stdin, and nothing is named after it */
    const char *const *names; /* of the parts, which are a map of them; or NULL */
} item_t;

typedef struct {
    zip_t zip;
    cells_t cells;
    part_list_t parts; /* of the item that is looked at */
    char **names;      /* of --header, NULL-terminated */
    size_t names_n;
    bool is_row;       /* a task gets the parts by their names */
    buf_t head, block; /* of --pipe: what stands before each block, and the one that is looked at with it */
    shuffle_t shuffle;
    bundle_t bundle;
    bool has_sequences; /* each item is one part of each input */
    bool is_array, skips_blank;
    bool is_repeated; /* what stands around the place of a bundle stands around each of its parts */
    char **words;     /* of the command, in the library's placeholders */
    uint64_t taken;
} items_t;

/* EXIT_ALL_WELL, EXIT_USAGE or EXIT_IO after a complaint; waits for the line of a header. items_close in every case. */
int items_open(items_t *items, arguments_t *arguments, const char *standard_format);
void items_close(items_t *items);
/* items_header.c: what --header names or repeats. EXIT_ALL_WELL, or another status after a complaint. */
int items_take_header(items_t *items, const char *header);
/* Each part gets a name and each name a part, empty where the row has none. False: no memory. */
bool items_name_parts(items_t *items);
/* Rewrites what the command line says of items (the command, --sh, --tagstring) as the library has it. */
int items_rewrite(items_t *items, arguments_t *arguments);
/* ZIP_ITEM: the next one, borrowed until items_taken or zip_read. ZIP_FAILED: `why` says what is wrong with the inputs. */
zip_state_t items_peek(items_t *items, item_t *ret, char *why, size_t cap);
void items_taken(items_t *items);

#endif
