/* What stands for a part of the item in the words of a command, and what becomes of a text that is put there. Pure.
 *
 *   {}           the item
 *   {1} {2} {-1} a part of it, from 1, or from its end; {1?}: or nothing, where there is no such part
 *   {.} {/} {//} {/.}  of the item as a path: without its extension, its last name, its folder, its last name without
 *                extension; {1.} and so on: of a part
 *   {+}          every part, each a word of its own; {+.} and so on: of each
 *   {*}          every part, each in a copy of the word it stands in; {*.} and so on
 *   {#} {%}      the item's number and the place where it runs, both from 1
 *   {NAME}       a bound argument, or what an item that is a map has by that name
 *
 * Where the operator named another text for the item (-I), that is what stands for it, and {} and {NAME} are text. */
#ifndef SLOTS_SHARED_PLACEHOLDER_H
#define SLOTS_SHARED_PLACEHOLDER_H

#include "base/buf.h"

typedef enum { PLACE_ITEM, PLACE_PART, PLACE_ALL, PLACE_EACH, PLACE_NUMBER, PLACE_SLOT, PLACE_NAME } place_kind_t;
typedef enum { PATH_WHOLE, PATH_WITHOUT_EXTENSION, PATH_NAME, PATH_FOLDER, PATH_BARE_NAME } path_part_t;

typedef struct {
    place_kind_t kind;
    path_part_t path;
    int32_t part;     /* PLACE_PART */
    bool is_optional; /* likewise: an item may lack it */
    const char *name; /* PLACE_NAME */
    size_t name_len;
    size_t len; /* how long it is */
} placeholder_t;

/* Returns true if one begins at `at`. `replace`: what -I named, or NULL. */
bool placeholder_read(const char *at, const char *replace, placeholder_t *ret);
/* The same, where `text` is that of a shell: what a dollar stands before is the shell's own. */
bool placeholder_read_in_shell(const char *text, const char *at, const char *replace, placeholder_t *ret);
/* The value of a bound argument, in the msgpack map of all of them. Returns false if there is none of this name. */
bool placeholder_find_bound(const void *bound, size_t bound_len, const char *name, size_t len, const uint8_t **ret,
                            size_t *ret_len);
/* Appends the part of a path. */
void placeholder_put_path(buf_t *b, path_part_t part, const char *path, size_t len);

#endif
