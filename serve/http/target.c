#include "serve/http/target.h"

#include <string.h>

#include "base/text.h"

bool http_decode(http_text_t text, bool plus, char *ret, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        int c = (unsigned char)text.at[i];
        if (c == '%') {
            int high = i + 2 < text.len ? text_hex_digit(text.at[i + 1]) : -1;
            int low = i + 2 < text.len ? text_hex_digit(text.at[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = high * 16 + low;
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (c == 0 || n + 1 >= cap)
            return false;
        ret[n++] = (char)c;
    }
    ret[n] = '\0';
    return true;
}

static http_text_t cut(http_text_t *rest, char separator)
{
    const char *end = rest->len > 0 ? memchr(rest->at, separator, rest->len) : NULL;
    http_text_t part = {rest->at, end ? (size_t)(end - rest->at) : rest->len};
    size_t taken = end ? part.len + 1 : part.len;
    *rest = (http_text_t){rest->at + taken, rest->len - taken};
    return part;
}

bool http_query_next(http_text_t *query, http_text_t *ret_name, http_text_t *ret_value)
{
    while (query->len > 0) {
        http_text_t pair = cut(query, '&'), name = cut(&pair, '=');
        if (name.len == 0)
            continue;
        *ret_name = name;
        *ret_value = pair;
        return true;
    }
    return false;
}

bool http_query_get(http_text_t query, const char *name, char *ret, size_t cap)
{
    http_text_t key, value;
    while (http_query_next(&query, &key, &value))
        if (http_text_is(key, name))
            return http_decode(value, true, ret, cap);
    return false;
}

bool http_number(const char *text, uint64_t max, uint64_t *ret)
{
    uint64_t number = 0;
    for (const char *at = text; *at; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (*at < '0' || *at > '9' || digit > max || number > (max - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    size_t len = strlen(text);
    bool is_number = len > 0 && len <= NUMBER_DIGITS;
    if (is_number)
        *ret = number;
    return is_number;
}

bool http_query_number(http_text_t query, const char *name, uint64_t max, uint64_t *ret)
{
    char text[24] = "";
    if (http_query_get(query, name, text, sizeof text))
        return http_number(text, max, ret);
    return true;
}
