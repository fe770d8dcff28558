/* Words of a command in the names that its user gave: {size} for a column of a header, {} for an item of several parts.
 * They are written in those that the library has: {2}, {+}, and {3?} for a column that an item may lack. Pure. */
#ifndef CLI_TEMPLATE_H
#define CLI_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

typedef struct {
    char *const *names; /* {names[i]} is {i+1} */
    size_t names_n;
    const char *replace; /* what -I named, or NULL */
    bool is_array;       /* {} is each of its parts */
    bool is_uneven;      /* an item may lack a part that is named */
    bool is_repeated;    /* with what stands around it */
} template_rules_t;

/* What a text was found to name. */
typedef struct {
    size_t all_n;     /* how often all parts stand there, */
    size_t all_bytes; /* and in how many bytes of the text rewritten */
    bool has_place;
} template_facts_t;

/* Appends `text` rewritten, without a NUL. is_shell: what a dollar stands before is the shell's. */
void template_rewrite(const template_rules_t *rules, const char *text, bool is_shell, buf_t *ret,
                      template_facts_t *facts);

#endif
