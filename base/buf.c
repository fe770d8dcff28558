/* Growth by doubling; after a failed allocation nothing is appended any more, so that a chain of appends is either
 * whole or marked. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CAP_MIN = 64 };

static bool grow(buf_t *b, size_t more)
{
    if (more > SIZE_MAX / 2 - b->len)
        return false;
    size_t cap = b->cap < CAP_MIN ? CAP_MIN : b->cap;
    while (cap < b->len + more)
        cap *= 2;
    uint8_t *data = realloc(b->data, cap);
    if (!data)
        return false;
    b->data = data;
    b->cap = cap;
    return true;
}

void *buf_reserve(buf_t *b, size_t more)
{
    if (b->failed)
        return NULL;
    if (b->cap - b->len < more || !b->data) {
        if (!grow(b, more)) {
            b->failed = true;
            return NULL;
        }
    }
    return b->data + b->len;
}

void buf_append(buf_t *b, const void *bytes, size_t len)
{
    bool has_room = b->cap - b->len >= len && !b->failed; /* mostly, and then it costs no call */
    if (len == 0 || (!has_room && !buf_reserve(b, len)))
        return;
    memcpy(b->data + b->len, bytes, len);
    b->len += len;
}

void buf_append_text(buf_t *b, const char *text)
{
    buf_append(b, text, strlen(text));
}

void buf_printf(buf_t *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *to = len < 0 ? NULL : buf_reserve(b, (size_t)len + 1);
    if (to) {
        vsnprintf(to, (size_t)len + 1, format, again);
        b->len += (size_t)len;
    } else {
        b->failed = true;
    }
    va_end(again);
}

void buf_consume(buf_t *b, size_t len)
{
    if (len >= b->len) {
        b->len = 0;
        return;
    }
    if (len == 0)
        return;
    memmove(b->data, b->data + len, b->len - len);
    b->len -= len;
}

void buf_clear(buf_t *b)
{
    b->len = 0;
    b->failed = false;
}

void buf_free(buf_t *b)
{
    free(b->data);
    *b = (buf_t){0};
}
