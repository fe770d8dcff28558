#include "cli/csv.h"

#include <stdbool.h>

/* The state behind `c`. */
static csv_state_t next_state(csv_state_t state, char c, char separator)
{
    if (state == CSV_QUOTED)
        return c == '"' ? CSV_CLOSED : CSV_QUOTED;
    if (c == separator)
        return CSV_BEGIN;
    if (c == '"' && state != CSV_PLAIN)
        return CSV_QUOTED; /* the first one, or the second of two */
    return CSV_PLAIN;
}

const char *csv_end(const char *bytes, size_t len, char separator, csv_state_t *state)
{
    for (const char *at = bytes; at < bytes + len; at++) {
        if (*at == '\n' && *state != CSV_QUOTED) {
            *state = CSV_BEGIN;
            return at;
        }
        *state = next_state(*state, *at, separator);
    }
    return NULL;
}

const char *csv_cell(const char *at, const char *end, char separator, char *ret, size_t *ret_len)
{
    csv_state_t state = CSV_BEGIN;
    *ret_len = 0;
    for (; at < end; at++) {
        csv_state_t before = state;
        state = next_state(state, *at, separator);
        if (state == CSV_BEGIN)
            return at + 1;
        bool opens = before == CSV_BEGIN && state == CSV_QUOTED;
        if (!opens && state != CSV_CLOSED)
            ret[(*ret_len)++] = *at;
    }
    return NULL;
}
