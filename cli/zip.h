/* The inputs of one map: one, or several that are zipped strictly, or lists whose product is taken, the last of which
 * turns fastest. The items of several are arrays of one part of each; zipped inputs of unequal length end the map with
 * an error after what came before. The first list of a product is read as items are taken; the others are kept. */
#ifndef CLI_ZIP_H
#define CLI_ZIP_H

#include <poll.h>

#include "cli/input.h"

/* The inputs that are zipped with each other, from `from` on, and what is kept of them for another turn. */
typedef struct {
    int from, n;
    fanmap_part_t *kept; /* `n` parts an item */
    size_t kept_n, cap, at;
    bool is_whole; /* all of it is kept */
} axis_t;

typedef struct {
    input_t at[SEQUENCES_MAX];
    int n;
    axis_t axes[SEQUENCES_MAX];
    int axes_n;
    uint64_t taken;
    char source[600]; /* what errors call the input */
} zip_t;

typedef enum { ZIP_ITEM, ZIP_WANTS_READ, ZIP_END, ZIP_FAILED } zip_state_t;

/* EXIT_ALL_WELL, EXIT_USAGE or EXIT_IO after a complaint. zip_close in every case. */
int zip_open(zip_t *zip, const arguments_t *arguments, const char *standard_format);
void zip_close(zip_t *zip);
/* ZIP_ITEM: its parts are in `parts` (room for SEQUENCES_MAX), borrowed until zip_taken or zip_read. ZIP_FAILED: `why`
 * says what is wrong with the inputs. */
zip_state_t zip_peek(zip_t *zip, fanmap_part_t *parts, char *why, size_t cap);
void zip_taken(zip_t *zip);
/* The descriptors that must be read before there can be another item; returns how many of `fds` it filled. */
int zip_poll(zip_t *zip, struct pollfd *fds);
/* Reads what poll found ready. 0, or the errno of what failed, with the name of the input. */
int zip_read(zip_t *zip, const struct pollfd *fds, int n, const char **ret_name);

#endif
