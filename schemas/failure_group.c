#include "schemas/failure_group.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/text.h"

void failure_copy(char *ret, size_t cap, const char *text)
{
    size_t n = 0, len = strlen(text);
    uint32_t scalar;
    if (len < cap)
        n = len;
    while (n < len) {
        size_t step = text_utf8_decode(text + n, len - n, &scalar);
        step = step > 0 ? step : 1;
        if (n + step >= cap)
            break;
        n += step;
    }
    memcpy(ret, text, n);
    ret[n] = '\0';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_word(char c)
{
    return is_hex(c) || (c >= 'g' && c <= 'z') || (c >= 'G' && c <= 'Z') || c == '_' || (c & 0x80);
}

/* The length of what begins at `text` and differs from item to item, with what stands for it; 0: nothing does. */
static size_t detail(const char *text, bool is_start, const char **ret_instead)
{
    size_t n = 0;
    if (text[0] == '"' || text[0] == '\'' || text[0] == '`') {
        const char *end = strchr(text + 1, text[0]);
        *ret_instead = "\"...\"";
        return end && is_start ? (size_t)(end - text) + 1 : 0;
    }
    bool has_digit = false;
    while (is_hex(text[n]))
        has_digit |= is_digit(text[n++]);
    if (is_start && n >= 8 && has_digit && !is_word(text[n])) {
        *ret_instead = "H";
        return n;
    }
    for (n = 0; is_digit(text[n]);)
        n++;
    *ret_instead = "N";
    return n;
}

void failure_normalise(char *ret, size_t cap, const char *message)
{
    char whole[FAILURE_MESSAGE_MAX * 2];
    size_t n = 0;
    bool is_start = true;
    while (*message && *message != '\n' && n + 8 < sizeof whole) {
        const char *instead;
        size_t len = detail(message, is_start, &instead);
        is_start = !is_word(*message);
        if (len > 0) {
            size_t instead_len = strlen(instead); /* at most 5: there is room for 8 */
            memcpy(whole + n, instead, instead_len);
            n += instead_len;
            message += len;
            is_start = false;
        } else {
            whole[n++] = *message++;
        }
    }
    whole[n] = '\0';
    failure_copy(ret, cap, whole);
}

void failure_key(char ret[FAILURE_KEY_MAX], fanmap_kind_t kind, const char *type, const char *message)
{
    char short_type[FAILURE_TYPE_MAX], same[FAILURE_MESSAGE_MAX];
    failure_copy(short_type, sizeof short_type, type);
    failure_normalise(same, sizeof same, message);
    size_t type_len = strlen(short_type), n = 0;
    memset(ret, 0, FAILURE_KEY_MAX); /* there is room for two digits, both texts and what is between them */
    if (kind >= 10)
        ret[n++] = (char)('0' + (int)kind / 10);
    ret[n++] = (char)('0' + (int)kind % 10);
    ret[n++] = '\x1f';
    memcpy(ret + n, short_type, type_len);
    n += type_len;
    ret[n++] = '\x1f';
    memcpy(ret + n, same, strlen(same));
}

const char *failure_message_of(const char *key)
{
    const char *type = strchr(key, '\x1f'), *message = type ? strchr(type + 1, '\x1f') : NULL;
    return message ? message + 1 : "";
}

void failure_group(char ret[FAILURE_GROUP_LEN + 1], const char *key)
{
    snprintf(ret, FAILURE_GROUP_LEN + 1, "%012" PRIx64, (uint64_t)XXH64(key, strlen(key), 0) >> 16);
}

bool failure_group_valid(const char *group)
{
    size_t n = strspn(group, "0123456789abcdef");
    return n == FAILURE_GROUP_LEN && !group[n];
}
