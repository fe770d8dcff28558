/* The JSON side of served.h. Used by served.c only. */
#ifndef SCHEMAS_SERVED_JSON_H
#define SCHEMAS_SERVED_JSON_H

#include "base/buf.h"

/* Replaces `fields` by the message of one line as a msgpack array in the order of slotwire.h, and `object` by the line
 * as it is. Returns false if it cannot, and `why` says so. */
bool served_line_to_fields(buf_t *fields, buf_t *object, const char *line, size_t len, char *why, size_t why_cap);

#endif
