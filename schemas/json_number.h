/* One JSON number to msgpack: whole numbers keep all 64 bits (int64 and uint64), everything with a point or an exponent
 * is a double. Inside schemas only. */
#ifndef SCHEMAS_JSON_NUMBER_H
#define SCHEMAS_JSON_NUMBER_H

#include "base/buf.h"

/* Appends the number that begins at `text` (a digit or a minus) and returns its length there. 0: *ret_why says what is
 * wrong with it, or b->failed is set. */
size_t json_number(buf_t *b, const char *text, size_t len, const char **ret_why);

#endif
