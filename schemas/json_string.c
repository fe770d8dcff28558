/* A string is scanned to its end, eight plain bytes at a time where it can be, and then copied with its escapes
 * resolved. The first flaw is kept with its place. */
#include "schemas/json_string.h"

#include <string.h>

#include "base/text.h"
#include "schemas/mp.h"

typedef struct {
    const char *at, *end;
    const char *why, *flaw; /* of the first flaw: what and where */
} scan_t;

static bool set_flaw(scan_t *p, const char *at, const char *why)
{
    p->flaw = at;
    p->why = why;
    return false;
}

/* Whether all of eight bytes are ASCII that stands for itself: no control, quote or backslash. */
static bool is_plain_8(const char *at)
{
    const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
    uint64_t x;
    memcpy(&x, at, sizeof x);
    uint64_t quote = x ^ ones * '"', slash = x ^ ones * '\\';
    return ((x | (x - ones * 0x20) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash)) & high) == 0;
}

/* The four hex digits behind "\u" at `at`, or -1. */
static int32_t hex_unit(const char *at, const char *end)
{
    int32_t unit = 0;
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
        return -1;
    for (int i = 2; i < 6; i++) {
        int digit = text_hex_digit(at[i]);
        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

/* The scalar value of "\uXXXX" or of a pair of them, and its length in the text; 0: neither. */
static size_t decode_unicode(const char *at, const char *end, uint32_t *ret)
{
    int32_t first = hex_unit(at, end);
    if (first < 0 || (first >= 0xDC00 && first <= 0xDFFF))
        return 0;
    *ret = (uint32_t)first;
    if (first < 0xD800 || first > 0xDBFF)
        return 6;
    int32_t second = hex_unit(at + 6, end);
    if (second < 0xDC00 || second > 0xDFFF)
        return 0;
    *ret = 0x10000 + ((uint32_t)(first - 0xD800) << 10) + (uint32_t)(second - 0xDC00);
    return 12;
}

/* One escape at `at`: its length in the text (0: none) and the bytes that it stands for. */
static size_t decode_escape(const char *at, const char *end, char to[4], size_t *ret_len)
{
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    uint32_t scalar;
    if (end - at < 2)
        return 0;
    const char *letter = at[1] ? strchr(letters, at[1]) : NULL;
    if (letter) {
        to[0] = meant[letter - letters];
        *ret_len = 1;
        return 2;
    }
    size_t used = decode_unicode(at, end, &scalar);
    if (used > 0)
        *ret_len = text_utf8_encode(to, scalar);
    return used;
}

static bool escape_flaw(scan_t *p)
{
    int32_t unit = hex_unit(p->at, p->end);
    return set_flaw(p, p->at, unit >= 0xD800 && unit <= 0xDFFF ? "a lone surrogate" : "a bad escape");
}

/* One character that is_plain_8 did not step over; adds the bytes that it becomes to *len. False when it is not
 * allowed. */
static bool scan_character(scan_t *p, size_t *len, bool *has_escapes)
{
    char to[4];
    uint32_t scalar;
    size_t n = 0, used;
    if (*p->at == '\\') {
        *has_escapes = true;
        used = decode_escape(p->at, p->end, to, &n);
        if (used == 0)
            return escape_flaw(p);
    } else {
        n = used = text_utf8_decode(p->at, (size_t)(p->end - p->at), &scalar);
        if (used == 0)
            return set_flaw(p, p->at, "not UTF-8");
        if (scalar < 0x20)
            return set_flaw(p, p->at, "a control character in a string");
    }
    p->at += used;
    *len += n;
    return true;
}

/* From behind the opening quote to the closing one. */
static bool scan_string(scan_t *p, size_t *ret_len, bool *ret_has_escapes)
{
    const char *open = p->at - 1;
    size_t len = 0;
    *ret_has_escapes = false;
    for (;;) {
        while (p->end - p->at >= 8 && is_plain_8(p->at)) {
            p->at += 8;
            len += 8;
        }
        if (p->at == p->end)
            return set_flaw(p, open, "a string without an end that begins");
        if (*p->at == '"')
            break;
        if (!scan_character(p, &len, ret_has_escapes))
            return false;
    }
    *ret_len = len;
    return true;
}

static void copy_unescaped(buf_t *b, const char *at, const char *end, size_t len)
{
    char *to = buf_reserve(b, len);
    if (!to)
        return;
    while (at < end) {
        size_t n;
        if (*at != '\\') {
            *to++ = *at++;
        } else {
            char bytes[4];
            at += decode_escape(at, end, bytes, &n);
            memcpy(to, bytes, n);
            to += n;
        }
    }
    b->len += len;
}

size_t json_string(buf_t *b, const char *text, size_t len, size_t *ret_len, json_flaw_t *ret_flaw)
{
    scan_t p = {.at = text + 1, .end = text + len};
    size_t string_len;
    bool has_escapes;
    if (!scan_string(&p, &string_len, &has_escapes)) {
        *ret_flaw = (json_flaw_t){.why = p.why, .at = (size_t)(p.flaw - text)};
        return 0;
    }
    if (has_escapes) {
        mp_put_str_head(b, string_len);
        copy_unescaped(b, text + 1, p.at, string_len);
    } else {
        mp_put_str(b, text + 1, string_len);
    }
    *ret_len = string_len;
    return (size_t)(p.at - text) + 1;
}
