#include "base/quote.h"

#include <ctype.h>
#include <string.h>

static bool is_plain(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!text[i] || (!isalnum((unsigned char)text[i]) && !strchr("-_.+/", text[i])))
            return false;
    return len > 0;
}

/* A quote is a word of its own between two others, of which empty ones at the ends are left out. */
void quote_put_word(buf_t *b, const void *bytes, size_t len)
{
    const char *at = bytes, *end = at + len;
    if (is_plain(at, len)) {
        buf_append(b, at, len);
        return;
    }
    for (bool is_first = true; is_first || at < end; is_first = false) {
        const char *quote = at < end ? memchr(at, '\'', (size_t)(end - at)) : NULL;
        size_t n = quote ? (size_t)(quote - at) : (size_t)(end - at);
        bool is_left_out = n == 0 && len > 0 && is_first;
        if (!is_left_out) {
            buf_append(b, "'", 1);
            buf_append(b, at, n);
            buf_append(b, "'", 1);
        }
        if (quote)
            buf_append(b, "\"'\"", 3);
        at += n + (quote != NULL);
    }
}
