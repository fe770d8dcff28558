/* Values between JSON text and msgpack, exactly (CONTRACT of the command line's jsonl):
 * int64 and uint64 keep all bits (jansson has no uint64: numbers are scanned here), doubles round-trip, strings hold
 * every Unicode scalar value and NUL, {"$binary":"<base64>"} is binary, {"$value":X} unwraps to X, and what would be
 * mistaken for one of the three single-key objects ($error, $binary, $value) is wrapped as {"$value":...} on the way
 * out. */
#ifndef SCHEMAS_VALUE_H
#define SCHEMAS_VALUE_H

#include "base/buf.h"
#include "fanmap/fanmap.h"

/* Appends one msgpack object. Failure: FANMAP_EUSAGE with a message that says what and at which byte (no trailing
 * bytes, no lone surrogates, no numbers out of range, no duplicate keys, no NUL in a key, depth at most MP_DEPTH_MAX).
 */
int value_from_json(buf_t *b, const char *text, size_t len, fanmap_error_t *err);
/* The same for an object whose members are values: each may have the depth of one. */
int value_from_json_object(buf_t *b, const char *text, size_t len, fanmap_error_t *err);
/* A string value; the bytes must be UTF-8. (mp_put_bin: any bytes.) */
int value_from_text(buf_t *b, const char *text, size_t len, fanmap_error_t *err);
/* Appends one line of JSON without a newline. Fails for what JSON cannot hold: NaN, infinities, an extension, a key
 * that is no string, a string that is not UTF-8. */
int value_to_json(buf_t *b, const void *mp, size_t len, fanmap_error_t *err);
/* Returns true if the object is a str (UTF-8 is not checked) or a bin, borrowed. */
bool value_as_bytes(const void *mp, size_t len, const void **ret, size_t *ret_len);
/* Appends `text` as a JSON string with its quotes; invalid UTF-8 becomes U+FFFD. */
void json_put_string(buf_t *b, const char *text, size_t len);
void base64_append(buf_t *b, const void *bytes, size_t len);
bool base64_decode(buf_t *b, const char *text, size_t len);

#endif
