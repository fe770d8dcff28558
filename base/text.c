/* UTF-8 decoded strictly, and each character judged by whether it may reach a terminal as it is. */
#include "base/text.h"

#include <stdio.h>
#include <string.h>

enum { ESCAPE_MAX = 8 };

static bool is_continuation(unsigned char c)
{
    return (c & 0xC0) == 0x80;
}

size_t text_utf8_decode(const char *text, size_t len, uint32_t *ret_scalar)
{
    static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *c = (const unsigned char *)text;
    if (len == 0)
        return 0;
    if (c[0] < 0x80) {
        *ret_scalar = c[0];
        return 1;
    }
    size_t n = c[0] >= 0xF8 ? 0 : c[0] >= 0xF0 ? 4 : c[0] >= 0xE0 ? 3 : c[0] >= 0xC2 ? 2 : 0;
    if (n == 0 || n > len)
        return 0;
    uint32_t scalar = c[0] & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (!is_continuation(c[i]))
            return 0;
        scalar = scalar << 6 | (c[i] & 0x3Fu);
    }
    if (scalar < smallest[n] || scalar > 0x10FFFF || (scalar >= 0xD800 && scalar <= 0xDFFF))
        return 0;
    *ret_scalar = scalar;
    return n;
}

bool text_utf8_valid(const void *bytes, size_t len)
{
    const char *text = bytes;
    for (size_t i = 0, n; i < len; i += n) {
        uint64_t eight = UINT64_MAX;
        uint32_t scalar;
        if (len - i >= sizeof eight)
            memcpy(&eight, text + i, sizeof eight);
        if ((eight & 0x8080808080808080u) == 0)
            n = sizeof eight;
        else if ((n = (unsigned char)text[i] < 0x80 ? 1 : text_utf8_decode(text + i, len - i, &scalar)) == 0)
            return false;
    }
    return true;
}

size_t text_utf8_encode(char to[4], uint32_t c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        to[i] = (char)(0x80 | (c & 0x3F));
    to[0] = (char)((0xF00 >> n & 0xF0) | c);
    return n;
}

int text_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_unsafe(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x061C || c == 0x200E || c == 0x200F ||
           (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

/* Writes how the character at `text` is shown and returns the length of that; *ret_used: bytes of input it stands for.
 */
static size_t escape_one(char ret[ESCAPE_MAX + 1], const char *text, size_t len, size_t *ret_used)
{
    uint32_t c = 0;
    *ret_used = text_utf8_decode(text, len, &c);
    if (*ret_used == 0) {
        *ret_used = 1;
        return (size_t)snprintf(ret, ESCAPE_MAX + 1, "\\x%02x", (unsigned char)*text);
    }
    const char *named = c == '\n' ? "\\n" : c == '\r' ? "\\r" : c == '\t' ? "\\t" : c == '\\' ? "\\\\" : NULL;
    if (named)
        return (size_t)snprintf(ret, ESCAPE_MAX + 1, "%s", named);
    if (is_unsafe(c))
        return (size_t)snprintf(ret, ESCAPE_MAX + 1, c < 0x80 ? "\\x%02x" : "\\u%04x", c);
    memcpy(ret, text, *ret_used);
    return *ret_used;
}

/* Fills at most `max` bytes and returns how many. `mark` remembers the last length that leaves room for the dots. */
static size_t escape_into(char *to, size_t max, const char *text, size_t len)
{
    size_t n = 0, mark = 0;
    for (size_t i = 0, used; i < len; i += used) {
        char shown[ESCAPE_MAX + 1];
        size_t shown_len = escape_one(shown, text + i, len - i, &used);
        if (n + shown_len > max) {
            memcpy(to + mark, "...", 3);
            return mark + 3;
        }
        memcpy(to + n, shown, shown_len);
        n += shown_len;
        if (n + 3 <= max)
            mark = n;
    }
    return n;
}

void text_escape(buf_t *b, const char *text, size_t len, size_t max)
{
    if (max < 3)
        max = 3;
    size_t most = len > max / 4 ? max : len * 4; /* no byte becomes more than four */
    char *to = buf_reserve(b, most);
    if (to)
        b->len += escape_into(to, most, text, len);
}

char *text_escape_to(char *ret, size_t cap, const char *text, size_t len)
{
    size_t n = escape_into(ret, cap - 1, text, len);
    ret[n] = '\0';
    return ret;
}
