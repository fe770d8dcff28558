/* The members of one JSON object, one after the other, without looking into their values. Whoever wants a value gives
 * its text to value_from_json, which is strict; the text of a member that nobody wants is only stepped over.
 */
#ifndef SCHEMAS_JSON_MEMBERS_H
#define SCHEMAS_JSON_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    const char *at, *end;
    bool is_first, bad;
} json_members_t;

typedef struct {
    const char *key, *value; /* borrowed; the key without its quotes, escapes as they are written */
    size_t key_len, value_len;
} json_member_t;

void json_members_begin(json_members_t *m, const char *text, size_t len);
/* False: that was the last one, or the text is no JSON object (`bad`). */
bool json_members_next(json_members_t *m, json_member_t *ret);

#endif
