#include "slots/shared/placeholder.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "schemas/mp.h"

enum { PART_DIGITS_MAX = 4 };

static bool read_path(const char *text, size_t len, path_part_t *ret)
{
    static const struct {
        const char *text;
        path_part_t part;
    } all[] = {
        {"", PATH_WHOLE}, {".", PATH_WITHOUT_EXTENSION}, {"/", PATH_NAME}, {"//", PATH_FOLDER}, {"/.", PATH_BARE_NAME}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (text_is(text, len, all[i].text)) {
            *ret = all[i].part;
            return true;
        }
    return false;
}

/* {3} {-1} {2//} {3?} */
static bool read_part(const char *text, size_t len, placeholder_t *ret)
{
    bool is_from_end = *text == '-';
    size_t digits = strspn(text + is_from_end, "0123456789"), n = digits + is_from_end;
    if (digits == 0 || digits > PART_DIGITS_MAX)
        return false;
    ret->kind = PLACE_PART;
    ret->part = (int32_t)strtol(text, NULL, 10);
    ret->is_optional = n < len && text[n] == '?';
    n += ret->is_optional;
    return ret->part != 0 && read_path(text + n, len - n, &ret->path);
}

static bool read_name(const char *text, size_t len, placeholder_t *ret)
{
    bool is_name = isalpha((unsigned char)*text) || *text == '_';
    for (size_t i = 1; i < len && is_name; i++)
        is_name = isalnum((unsigned char)text[i]) || strchr("._-", text[i]);
    ret->kind = PLACE_NAME;
    ret->name = text;
    ret->name_len = len;
    return is_name;
}

bool placeholder_read(const char *at, const char *replace, placeholder_t *ret)
{
    placeholder_t p = {.kind = PLACE_ITEM};
    bool is_other = replace && strcmp(replace, "{}") != 0;
    if (is_other && strncmp(at, replace, strlen(replace)) == 0) {
        p.len = strlen(replace);
        *ret = p;
        return true;
    }
    const char *end = *at == '{' ? strpbrk(at + 1, "{}") : NULL;
    if (!end || *end != '}')
        return false;
    const char *text = at + 1;
    size_t len = (size_t)(end - text);
    p.len = len + 2;
    if (len == 1 && strchr("#%", *text))
        p.kind = *text == '#' ? PLACE_NUMBER : PLACE_SLOT;
    else if (len > 0 && strchr("+*", *text) && read_path(text + 1, len - 1, &p.path))
        p.kind = *text == '+' ? PLACE_ALL : PLACE_EACH;
    else if (len == 0 ? is_other : !read_path(text, len, &p.path) && !read_part(text, len, &p))
        if (len == 0 || !read_name(text, len, &p))
            return false;
    *ret = p;
    return true;
}

bool placeholder_read_in_shell(const char *text, const char *at, const char *replace, placeholder_t *ret)
{
    return (at == text || at[-1] != '$') && placeholder_read(at, replace, ret);
}

bool placeholder_find_bound(const void *bound, size_t bound_len, const char *name, size_t len, const uint8_t **ret,
                            size_t *ret_len)
{
    mp_reader_t r;
    mp_reader_init(&r, bound, bound_len);
    uint32_t n = bound_len > 0 ? mp_read_map(&r) : 0;
    for (uint32_t i = 0; i < n && !r.bad; i++) {
        size_t key_len;
        const char *key = mp_read_str(&r, &key_len);
        *ret = mp_skip(&r, ret_len);
        if (!r.bad && key_len == len && memcmp(key, name, len) == 0)
            return true;
    }
    return false;
}

/* ---- paths, as File::Basename and parallel take them apart ---- */

static size_t without_extension(const char *path, size_t len)
{
    size_t at = len;
    while (at > 0 && path[at - 1] != '.' && path[at - 1] != '/')
        at--;
    return at > 0 && path[at - 1] == '.' ? at - 1 : len;
}

static size_t name_begins(const char *path, size_t len)
{
    while (len > 0 && path[len - 1] != '/')
        len--;
    return len;
}

/* The slashes at the end, but for one that is all there is. */
static size_t without_slashes(const char *path, size_t len)
{
    while (len > 1 && path[len - 1] == '/')
        len--;
    return len;
}

static void put_folder(buf_t *b, const char *path, size_t len)
{
    size_t at = name_begins(path, len), folder = without_slashes(path, at);
    if (at == len && at > 0) /* it ends with a slash: the folder of what stands before that */
        folder = without_slashes(path, name_begins(path, folder));
    if (folder == 0)
        buf_append(b, ".", 1);
    else
        buf_append(b, path, folder);
}

void placeholder_put_path(buf_t *b, path_part_t part, const char *path, size_t len)
{
    size_t name = name_begins(path, len);
    switch (part) {
    case PATH_WHOLE:
        buf_append(b, path, len);
        break;
    case PATH_WITHOUT_EXTENSION:
        buf_append(b, path, without_extension(path, len));
        break;
    case PATH_NAME:
        buf_append(b, path + name, len - name);
        break;
    case PATH_FOLDER:
        put_folder(b, path, len);
        break;
    case PATH_BARE_NAME:
        buf_append(b, path + name, without_extension(path + name, len - name));
        break;
    }
}
