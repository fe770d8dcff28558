/* What stands in names of folders and in rows. */
#include <string.h>

#include "base/text.h"
#include "cli/results.h"

enum { NAME_BYTES_MAX = 255, NAMES_MAX = 256 };

/* A name that is no way to another folder, and no longer than one may be. */
static void put_name(buf_t *b, const char *bytes, size_t len)
{
    static const char special[] = "\\\t/", shown[] = "\\t_";
    size_t begin = b->len;
    if (len > 0 && len <= 2 && memcmp(bytes, "..", len) == 0)
        buf_append(b, "\\", 1);
    for (size_t i = 0; i < len && !b->failed; i++) {
        const char *found = bytes[i] ? strchr(special, bytes[i]) : NULL;
        if (found || !bytes[i])
            buf_append(b, "\\", 1);
        buf_append(b, !bytes[i] ? "0" : found ? &shown[found - special] : &bytes[i], 1);
    }
    if (!b->failed && b->len - begin > NAME_BYTES_MAX)
        b->len = begin + NAME_BYTES_MAX;
}

/* Of the names that are left the first. */
static size_t next_by_name(char *const *names, size_t n, const bool *is_put)
{
    size_t first = n;
    for (size_t i = 0; i < n; i++)
        if (!is_put[i] && (first == n || strcmp(names[i], names[first]) < 0))
            first = i;
    return first;
}

void results_put_folder(buf_t *b, const char *dir, const fanmap_part_t *parts, size_t n, char *const *names,
                        bool is_bundle)
{
    bool is_put[NAMES_MAX] = {false};
    size_t names_n = 0;
    while (names && names[names_n])
        names_n++;
    bool is_named = names_n == n && n <= NAMES_MAX;
    buf_append_text(b, dir);
    for (size_t i = 0; i < n; i++) {
        size_t at = is_named ? next_by_name(names, n, is_put) : i;
        buf_append(b, "/", 1);
        if (is_named)
            put_name(b, names[at], strlen(names[at]));
        else
            buf_printf(b, "%zu", is_bundle ? 1 : i + 1);
        buf_append(b, "/", 1);
        put_name(b, parts[at].bytes, parts[at].len);
        if (is_named)
            is_put[at] = true;
    }
    buf_append(b, "/", 1);
}

static bool is_plain(const char *text, size_t len, char separator)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] > '~' || text[i] == '"' || text[i] == separator)
            return false;
    return true;
}

void results_put_csv(buf_t *b, char separator, const void *bytes, size_t len)
{
    const char *at = bytes, *end = at + len;
    if (is_plain(at, len, separator)) {
        buf_append(b, at, len);
        return;
    }
    buf_append(b, "\"", 1);
    for (const char *quote; at < end && (quote = memchr(at, '"', (size_t)(end - at))); at = quote + 1) {
        buf_append(b, at, (size_t)(quote - at) + 1);
        buf_append(b, "\"", 1);
    }
    buf_append(b, at, (size_t)(end - at));
    buf_append(b, "\"", 1);
}

void results_put_json(buf_t *b, const void *bytes, size_t len)
{
    const char *at = bytes, *end = at + len;
    buf_append(b, "\"", 1);
    while (at < end) {
        uint32_t scalar;
        size_t n = text_utf8_decode(at, (size_t)(end - at), &scalar);
        if (n == 0)
            buf_append_text(b, "\\ufffd");
        else if (*at == '"' || *at == '\\')
            buf_printf(b, "\\%c", *at);
        else if (n == 1 && (*at < ' ' || *at == 0x7f))
            buf_printf(b, "\\u%04x", (unsigned)*at);
        else
            buf_append(b, at, n);
        at += n ? n : 1;
    }
    buf_append(b, "\"", 1);
}
