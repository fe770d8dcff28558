/* One JSON object a line, for --json. Straight to stdout, whose errors are seen at the end (main.c). */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed is none begun. */
typedef struct {
    bool has_fields;
} json_t;

void json_begin(json_t *json);
void json_end(json_t *json); /* with the newline */
void json_text(json_t *json, const char *key, const char *text);
void json_count(json_t *json, const char *key, uint64_t count);
void json_int(json_t *json, const char *key, int64_t number);
void json_rate(json_t *json, const char *key, double rate);
void json_bool(json_t *json, const char *key, bool value);
/* An object or a list inside: fields of its own until json_close with the same bracket, '}' or ']'. In a list the keys
 * are NULL. */
void json_open(json_t *json, const char *key, char bracket);
void json_close(json_t *json, char bracket);

#endif
