/* Text that came from a message, a task or a file, made safe for a log line or a terminal. Nothing in the result can
 * move the cursor, start an escape sequence, end the line or turn the direction of writing.
 *
 *   newline, return, tab                                                 \n \r \t
 *   backslash                                                            \\
 *   other controls (C0, DEL, C1, ESC)                                    \x1b, \u0085
 *   line separators, bidirectional marks and overrides, byte order mark  \u202e
 *   bytes that are not UTF-8                                             \xff
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <string.h>

#include "base/buf.h"

/* That these bytes are this text, and nothing more. */
static inline bool text_is(const void *bytes, size_t len, const char *text)
{
    return len == strlen(text) && (len == 0 || memcmp(bytes, text, len) == 0);
}

/* Appends at most `max` bytes (at least 3); a text that does not fit ends in "..." at a whole character. */
void text_escape(buf_t *b, const char *text, size_t len, size_t max);
/* The same into a fixed buffer (cap at least 4), with a NUL. Returns `ret`, so that it can stand in a printf. */
char *text_escape_to(char *ret, size_t cap, const char *text, size_t len);
/* Decodes the first character: its length 1..4, or 0 when the bytes do not begin with a whole, shortest-form UTF-8
 * character (surrogates and beyond U+10FFFF are refused); then *ret_scalar is untouched. */
size_t text_utf8_decode(const char *text, size_t len, uint32_t *ret_scalar);
bool text_utf8_valid(const void *bytes, size_t len);
/* The other way; returns its length. */
size_t text_utf8_encode(char to[4], uint32_t scalar);
/* Its value; -1: it is none. */
int text_hex_digit(char c);

#endif
