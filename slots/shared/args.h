/* A command's arguments with the item put in (slots/shared/placeholder.h): a string or a binary as its bytes, anything
 * else as JSON; an item that is no array is its only part. {container}, in a container's task, is the name of this
 * attempt's container. What was put in is not looked at again. Pure.
 */
#ifndef SLOTS_SHARED_ARGS_H
#define SLOTS_SHARED_ARGS_H

#include "slots/shared/terms.h"

typedef struct {
    buf_t text;  /* the arguments, each with its NUL */
    char **argv; /* NULL-terminated, into `text` */
    size_t argv_cap, words_n;
    size_t word_at;  /* where in `text` the last word begins */
    bool takes_item; /* the item, or a part of it, stands in an argument: stdin is empty then */
    char why[160];
} args_t;

typedef struct {
    const void *item, *bound; /* msgpack; bound may be empty */
    size_t item_len, bound_len;
    uint64_t index;
    const char *container; /* NULL: no container */
    uint32_t slot;         /* from 0 */
    const terms_t *terms;
    bool any_dash; /* nothing is run: an item may begin an argument with a dash */
} args_values_t;

/* Returns true if a->argv is the command line, good until the next call. Returns false if something is wrong, as a->why
 * says, with the item. */
bool args_expand(args_t *a, const char *const *template, const args_values_t *values);
/* Appends the text that stands for a value; false: it has none (it cannot be JSON). */
bool args_value_text(buf_t *b, const void *mp, size_t len);
/* It is no text: bytes that are to stay as they are. */
bool args_is_binary(const void *mp, size_t len);

#endif
