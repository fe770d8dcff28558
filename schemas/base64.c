/* Base64 with padding, strictly: no blanks, no bits that do not count. */
#include "schemas/value.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_append(buf_t *b, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    char *to = len > SIZE_MAX / 2 ? NULL : buf_reserve(b, (len + 2) / 3 * 4);
    if (!to) {
        b->failed = true;
        return;
    }
    for (; len > 0; to += 4) {
        size_t n = len < 3 ? len : 3;
        uint32_t word = (uint32_t)at[0] << 16 | (n > 1 ? (uint32_t)at[1] << 8 : 0) | (n > 2 ? (uint32_t)at[2] : 0);
        to[0] = digits[word >> 18];
        to[1] = digits[word >> 12 & 63];
        to[2] = n > 1 ? digits[word >> 6 & 63] : '=';
        to[3] = n > 2 ? digits[word & 63] : '=';
        b->len += 4;
        at += n;
        len -= n;
    }
}

static int digit_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The n digits at `text` (the rest of the four is padding) as 24 bits, or -1. Spare bits must be 0: one text a value.
 */
static int32_t decode_four(const char *text, size_t n)
{
    int32_t word = 0;
    for (size_t i = 0; i < 4; i++) {
        int value = i < n ? digit_value(text[i]) : 0;
        if (value < 0)
            return -1;
        word = word << 6 | value;
    }
    int32_t spare = n == 4 ? 0 : n == 3 ? 0xFF : 0xFFFF;
    return word & spare ? -1 : word;
}

bool base64_decode(buf_t *b, const char *text, size_t len)
{
    size_t start = b->len;
    if (len % 4 != 0)
        return false;
    uint8_t *to = buf_reserve(b, len / 4 * 3);
    for (size_t i = 0; to && i < len; i += 4) {
        size_t n = 4;
        if (i + 4 == len && text[i + 3] == '=')
            n = text[i + 2] == '=' ? 2 : 3;
        int32_t word = decode_four(text + i, n);
        if (word < 0) {
            b->len = start;
            return false;
        }
        for (size_t k = 0; k + 1 < n; k++)
            *to++ = (uint8_t)(word >> (16 - 8 * k));
        b->len += n - 1;
    }
    return to != NULL;
}
