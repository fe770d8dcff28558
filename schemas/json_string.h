/* One JSON string to a msgpack str: every escape, every Unicode scalar value, NUL; no lone surrogates, no bare control
 * characters, nothing that is not UTF-8. Inside schemas only. */
#ifndef SCHEMAS_JSON_STRING_H
#define SCHEMAS_JSON_STRING_H

#include "base/buf.h"

typedef struct {
    const char *why; /* static text */
    size_t at;       /* bytes from the opening quote */
} json_flaw_t;

/* Appends the string whose opening quote is at `text` and returns its length there, quotes included; *ret_len is the
 * length of the str, whose bytes are now the last of `b`. 0: *ret_flaw says what is wrong with it; nothing was
 * appended. */
size_t json_string(buf_t *b, const char *text, size_t len, size_t *ret_len, json_flaw_t *ret_flaw);

#endif
