/* Writes JSON objects into a buffer, field by field. Text that is not UTF-8 gets U+FFFD where it breaks. */
#ifndef VIEWS_JSON_H
#define VIEWS_JSON_H

#include "base/buf.h"

typedef struct {
    buf_t *out;
    bool has_fields;
} json_t;

/* A whole object: its bracket, and json_end for the other. */
json_t json_begin(buf_t *out);
void json_end(json_t *json);
void json_text_of(json_t *json, const char *key, const char *text, size_t len);
void json_text(json_t *json, const char *key, const char *text);
void json_count(json_t *json, const char *key, uint64_t count);
void json_int(json_t *json, const char *key, int64_t number);
void json_rate(json_t *json, const char *key, double rate);
/* `text` is JSON already. */
void json_raw(json_t *json, const char *key, const char *text);
void json_bool(json_t *json, const char *key, bool value);
/* An object or a list inside: fields of its own until json_close with the same bracket, '}' or ']'. In a list the keys
 * are NULL. */
void json_open(json_t *json, const char *key, char bracket);
void json_close(json_t *json, char bracket);

#endif
