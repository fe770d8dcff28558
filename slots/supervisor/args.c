/* The words of a template are copied with the item put in. Values are put in as text and never looked at again, so
 * that no item can name another placeholder or another word. */
#include "slots/supervisor/args.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schemas/mp.h"
#include "schemas/value.h"

bool args_value_text(buf_t *b, const void *mp, size_t len)
{
    const void *bytes;
    size_t n;
    if (!value_as_bytes(mp, len, &bytes, &n))
        return value_to_json(b, mp, len, NULL) == FANMAP_OK;
    buf_append(b, bytes, n);
    return true;
}

bool args_is_binary(const void *mp, size_t len)
{
    mp_reader_t r;
    mp_reader_init(&r, mp, len);
    return mp_peek(&r) == MP_BIN;
}

static bool find_part(const args_values_t *v, unsigned long part, const uint8_t **ret, size_t *ret_len)
{
    mp_reader_t r;
    mp_reader_init(&r, v->item, v->item_len);
    uint32_t n = mp_read_array(&r);
    if (r.bad || part < 1 || part > n)
        return false;
    for (unsigned long i = 0; i < part; i++)
        *ret = mp_skip(&r, ret_len);
    return !r.bad;
}

static bool find_bound(const args_values_t *v, const char *name, size_t len, const uint8_t **ret, size_t *ret_len)
{
    mp_reader_t r;
    mp_reader_init(&r, v->bound, v->bound_len);
    uint32_t n = v->bound_len > 0 ? mp_read_map(&r) : 0;
    for (uint32_t i = 0; i < n && !r.bad; i++) {
        size_t key_len;
        const char *key = mp_read_str(&r, &key_len);
        *ret = mp_skip(&r, ret_len);
        if (!r.bad && key_len == len && memcmp(key, name, len) == 0)
            return true;
    }
    return false;
}

/* What stands for {NAME}: appended to the text. False: it is left as it is. */
static bool put_named(args_t *a, const args_values_t *v, const char *name, size_t len, bool *ret_ok)
{
    const uint8_t *mp;
    size_t mp_len;
    if (len == 1 && *name == '#') {
        buf_printf(&a->text, "%llu", (unsigned long long)v->index + 1);
        return true;
    }
    if (v->container && len == strlen("container") && memcmp(name, "container", len) == 0) {
        buf_append_text(&a->text, v->container);
        return true;
    }
    if (len == 0) {
        mp = v->item;
        mp_len = v->item_len;
        a->takes_item = true;
    } else if (isdigit((unsigned char)*name)) {
        if (strspn(name, "0123456789") != len || !find_part(v, strtoul(name, NULL, 10), &mp, &mp_len))
            return false;
        a->takes_item = true;
    } else if (!find_bound(v, name, len, &mp, &mp_len)) {
        return false;
    }
    *ret_ok = args_value_text(&a->text, mp, mp_len);
    return true;
}

static bool expand_one(args_t *a, const char *arg, const args_values_t *v)
{
    bool ok = true;
    while (*arg && ok) {
        const char *end = *arg == '{' ? strpbrk(arg + 1, "{}") : NULL;
        if (end && *end == '}' && put_named(a, v, arg + 1, (size_t)(end - arg - 1), &ok)) {
            arg = end + 1;
        } else {
            size_t n = 1 + strcspn(arg + 1, "{");
            buf_append(&a->text, arg, n);
            arg += n;
        }
    }
    buf_append(&a->text, "", 1);
    return ok;
}

static __attribute__((format(printf, 2, 3))) bool refuse(args_t *a, const char *why, ...)
{
    va_list list;
    va_start(list, why);
    vsnprintf(a->why, sizeof a->why, why, list);
    va_end(list);
    return false;
}

static bool check_one(args_t *a, size_t start, const char *template, bool after_dashes)
{
    if (a->text.failed)
        return refuse(a, "no memory for the argument '%.60s'", template);
    const char *made = (const char *)a->text.data + start;
    if (strlen(made) + 1 != a->text.len - start)
        return refuse(a, "the item holds a NUL byte, which no argument can ('%.60s')", template);
    if (*made == '-' && *template != '-' && !after_dashes)
        return refuse(a, "the item would begin the argument '%.60s' with '-'; put -- before it in the command",
                      template);
    return true;
}

static bool fit_argv(args_t *a, size_t n)
{
    if (n < a->argv_cap)
        return true;
    char **more = realloc(a->argv, (n + 1) * sizeof *more);
    if (!more)
        return refuse(a, "no memory for the arguments");
    a->argv = more;
    a->argv_cap = n + 1;
    return true;
}

bool args_expand(args_t *a, char *const *template, const args_values_t *v)
{
    size_t n = 0;
    bool after_dashes = false;
    buf_clear(&a->text);
    a->takes_item = false;
    while (template[n])
        n++;
    if (!fit_argv(a, n))
        return false;
    for (size_t i = 0; i < n; i++) {
        size_t start = a->text.len;
        if (!expand_one(a, template[i], v))
            return refuse(a, "the item cannot be written as text in '%.60s'", template[i]);
        if (!check_one(a, start, template[i], after_dashes))
            return false;
        after_dashes = after_dashes || (i >= v->own_from && strcmp(template[i], "--") == 0);
    }
    char *at = (char *)a->text.data;
    for (size_t i = 0; i < n; i++, at += strlen(at) + 1)
        a->argv[i] = at;
    a->argv[n] = NULL;
    return true;
}
