/* Filling fanmap_error_t, the one error type. Context is added on the way up: "reading F.conf: line 3: no such key". */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdarg.h>

#include "fanmap/fanmap.h"

/* Fills *err (which may be NULL) and returns `code`, so that a caller can write `return err_set(err, ...)`. The message
 * is cut at a whole UTF-8 character when it is too long. */
int err_set(fanmap_error_t *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same, for a failure where trying again may help. */
int err_set_retry(fanmap_error_t *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Puts "CONTEXT: " before the message and returns err->code (FANMAP_EIO when err is NULL). */
int err_wrap(fanmap_error_t *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
