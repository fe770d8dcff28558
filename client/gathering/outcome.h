/* Outcomes as the caller sees them, and what maps need of that form. */
#ifndef CLIENT_GATHERING_OUTCOME_H
#define CLIENT_GATHERING_OUTCOME_H

#include "base/buf.h"
#include "schemas/joblog.h"

typedef struct {
    fanmap_format_t format; /* of the value */
    fanmap_outcome_t outcome;
    buf_t value, text;
} outcome_view_t;

/* Makes view->outcome from what the log has: NUL-terminated texts, the value in the format. Borrows from `outcome`. */
int outcome_view_fill(outcome_view_t *view, const outcome_t *outcome, fanmap_error_t *err);
void outcome_view_free(outcome_view_t *view);

/* Appends text for people and for the log: what is not UTF-8, and NUL, becomes U+FFFD. */
void put_utf8(buf_t *b, const char *text, size_t len);
/* "$error", "$value" or "$binary" if that is the single key of the map, with its value; else NULL. */
const char *msgpack_single_key(const void *mp, size_t len, const uint8_t **ret_value, size_t *ret_len);

#endif
