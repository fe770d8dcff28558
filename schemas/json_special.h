/* The special objects of JSON text. {"$binary":B} and {"$value":X} are single-key objects, which is known only at their closing
 * brace, and what X means depends on how many $value stand around it: the outermost unwraps, the next is then meant
 * literally, what that holds is read as usual, and so on in turn. So the parser leaves such an object as it is written and
 * counts the wrappers; json_unwrap, which is called where no wrapper can follow, drops every other wrapper and turns the
 * inner object into a bin unless the last wrapper dropped made it literal. Inside schemas only. */
#ifndef SCHEMAS_JSON_SPECIAL_H
#define SCHEMAS_JSON_SPECIAL_H

#include "base/buf.h"

typedef struct {
    size_t start;      /* where it begins in the output */
    const char *at;    /* and in the text */
    unsigned height;   /* containers inside one another, those of the wrappers not counted */
    unsigned wrappers; /* {"$value": around it that are not unwrapped */
    bool is_binary;    /* inside them is {"$binary":...} */
} json_parsed_t;

/* Gives the value, which is the end of `out`, its meaning and its height. Returns false if memory ran out
 * (out->failed), or there is no sound base64 in its $binary. */
bool json_unwrap(buf_t *out, json_parsed_t *value);

#endif
