#include "serve/summary_text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

void summary_copy(char *ret, size_t cap, const char *text)
{
    size_t n = 0, len = strlen(text);
    uint32_t scalar;
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

void summary_normalise(char *ret, size_t cap, const char *message)
{
    char whole[SUMMARY_MESSAGE_MAX * 2];
    size_t n = 0;
    bool is_start = true;
    while (*message && *message != '\n' && n + 8 < sizeof whole) {
        const char *instead;
        size_t len = detail(message, is_start, &instead);
        is_start = !is_word(*message);
        if (len > 0) {
            n += (size_t)snprintf(whole + n, sizeof whole - n, "%s", instead);
            message += len;
            is_start = false;
        } else {
            whole[n++] = *message++;
        }
    }
    whole[n] = '\0';
    summary_copy(ret, cap, whole);
}

void summary_key(char *ret, size_t cap, const fanmap_outcome_t *outcome)
{
    char type[48], message[SUMMARY_MESSAGE_MAX];
    summary_copy(type, sizeof type, outcome->type);
    summary_normalise(message, sizeof message, outcome->message);
    memset(ret, 0, cap);
    snprintf(ret, cap, "%d\x1f%s\x1f%s", (int)outcome->kind, type, message);
}

const char *summary_message_of(const char *key)
{
    const char *type = strchr(key, '\x1f'), *message = type ? strchr(type + 1, '\x1f') : NULL;
    return message ? message + 1 : "";
}
