/* Durations and sizes as people write them: "250ms", "30s", "5m", "2h", "7d"; "64MiB", "8GiB", "1MB", "4096". A whole
 * number, then a unit. A duration without a unit is refused, so that nobody has to guess what 5 means. */
#ifndef BASE_DURATION_H
#define BASE_DURATION_H

#include <stddef.h>
#include <stdint.h>

#include "fanmap/fanmap.h"

enum { DURATION_TEXT_MAX = 24, SIZE_TEXT_MAX = 24 };

/* Milliseconds, at least 0. Failure: FANMAP_EUSAGE; the message quotes the text and says what to write instead (the
 * caller puts the option's name before it with err_wrap). */
int duration_parse(const char *text, int64_t *ret_ms, fanmap_error_t *err);
/* The shortest text that parses to the same: 90000 is "90s". `cap` at least DURATION_TEXT_MAX. Returns `ret`. */
char *duration_format(char *ret, size_t cap, int64_t ms);
/* Bytes: KiB MiB GiB TiB are powers of 1024, kB KB MB GB TB of 1000, B or nothing is bytes. */
int size_parse(const char *text, uint64_t *ret_bytes, fanmap_error_t *err);
/* The shortest exact text, in powers of 1024: 67108864 is "64MiB". `cap` at least SIZE_TEXT_MAX. Returns `ret`. */
char *size_format(char *ret, size_t cap, uint64_t bytes);

#endif
