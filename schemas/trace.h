/* The place of an attempt in somebody's trace: traceparent as W3C Trace Context writes it,
 * 00-TRACE(32 hex)-SPAN(16 hex)-FLAGS(2 hex). Pure. */
#ifndef SCHEMAS_TRACE_H
#define SCHEMAS_TRACE_H

#include <stdbool.h>
#include <stdint.h>

enum { TRACE_MAX = 55, TRACE_ID_AT = 3, TRACE_SPAN_AT = 36, TRACE_FLAGS_AT = 53 };

/* Version 00, lower case, neither id all zeroes. */
bool trace_valid(const char *text);
/* Of one that is valid. */
bool trace_is_sampled(const char *text);
/* The id of an attempt's own span, never 0. Whoever knows the worker's salt, the item and the number of the run in its slot
 * comes to the same one. */
uint64_t trace_span(uint64_t salt, uint64_t index, uint32_t attempt, uint32_t n);
/* The same trace and flags, with this span in the place of the caller's. `parent` is valid. */
void trace_child(char ret[TRACE_MAX + 1], const char *parent, uint64_t span);

#endif
