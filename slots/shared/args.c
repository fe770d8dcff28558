/* The words of a template are copied with the item put in. Values are put in as text and never looked at again, so
 * that no item can name another placeholder or another word. */
#include "slots/shared/args.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "schemas/mp.h"
#include "schemas/value.h"
#include "slots/shared/placeholder.h"

bool args_value_text(buf_t *b, const void *mp, size_t len)
{
    const void *bytes;
    size_t n;
    if (!value_as_bytes(mp, len, &bytes, &n))
        return value_to_json(b, mp, len, NULL) == FANMAP_OK;
    buf_append(b, bytes, n);
    return true;
}

static mp_type_t type_of(const void *mp, size_t len)
{
    mp_reader_t r;
    mp_reader_init(&r, mp, len);
    return mp_peek(&r);
}

bool args_is_binary(const void *mp, size_t len)
{
    return type_of(mp, len) == MP_BIN;
}

/* Its parts are the elements of an array, the values of a map, or itself. Returns how many. */
static uint32_t read_parts(mp_reader_t *r, const args_values_t *v, bool *ret_is_map)
{
    mp_reader_init(r, v->item, v->item_len);
    *ret_is_map = mp_peek(r) == MP_MAP;
    return *ret_is_map ? mp_read_map(r) : mp_peek(r) == MP_ARRAY ? mp_read_array(r) : 1;
}

static const uint8_t *next_part(mp_reader_t *r, bool is_map, size_t *ret_len)
{
    if (is_map)
        (void)mp_skip(r, ret_len);
    return mp_skip(r, ret_len);
}

/* `part` counts from 1, or from the end with -1. */
static bool find_part(const args_values_t *v, int32_t part, const uint8_t **ret, size_t *ret_len)
{
    mp_reader_t r;
    bool is_map;
    int64_t n = read_parts(&r, v, &is_map), at = part > 0 ? part : n + 1 + part;
    if (r.bad || at < 1 || at > n)
        return false;
    for (int64_t i = 0; i < at; i++)
        *ret = next_part(&r, is_map, ret_len);
    return !r.bad;
}

static __attribute__((format(printf, 2, 3))) bool refuse(args_t *a, const char *why, ...)
{
    va_list list;
    va_start(list, why);
    vsnprintf(a->why, sizeof a->why, why, list);
    va_end(list);
    return false;
}

/* What is known of the word that is made. */
typedef struct {
    const args_values_t *values;
    const char *template;
    bool begins_with_item, after_dashes;
    const uint8_t *each; /* the part of the copy that is made for it */
    size_t each_len;
} word_t;

static bool put_value(args_t *a, const word_t *w, const placeholder_t *p, const uint8_t *mp, size_t len)
{
    const void *bytes;
    size_t n, begin = a->text.len;
    if (value_as_bytes(mp, len, &bytes, &n)) {
        placeholder_put_path(&a->text, p->path, bytes, n);
    } else {
        if (!args_value_text(&a->text, mp, len))
            return refuse(a, "the item cannot be written as text in '%.60s'", w->template);
        if (p->path != PATH_WHOLE)
            return refuse(a, "the item is no text, and has no path to put in '%.60s'", w->template);
    }
    if (a->text.len > begin && memchr(a->text.data + begin, '\0', a->text.len - begin))
        return refuse(a, "the item holds a NUL byte, which no argument can ('%.60s')", w->template);
    return true;
}

static bool end_word(args_t *a, const word_t *w)
{
    buf_append(&a->text, "", 1);
    if (a->text.failed)
        return refuse(a, "no memory for the argument '%.60s'", w->template);
    if (w->begins_with_item && a->text.data[a->word_at] == '-' && !w->after_dashes)
        return refuse(a, "the item would begin the argument '%.60s' with '-'; put -- before it in the command",
                      w->template);
    a->word_at = a->text.len;
    a->words_n++;
    return true;
}

/* {+}: each part, with the end of a word between two. */
static bool put_parts(args_t *a, word_t *w, const placeholder_t *p)
{
    const args_values_t *v = w->values;
    mp_reader_t r;
    bool is_map;
    uint32_t n = read_parts(&r, v, &is_map);
    for (uint32_t i = 0; i < n && !r.bad; i++) {
        size_t len;
        const uint8_t *mp = next_part(&r, is_map, &len);
        if (i > 0 && !end_word(a, w))
            return false;
        w->begins_with_item |= i > 0;
        if (!r.bad && !put_value(a, w, p, mp, len))
            return false;
    }
    return !r.bad;
}

static bool put_named(args_t *a, const word_t *w, const placeholder_t *p)
{
    const args_values_t *v = w->values;
    const uint8_t *mp;
    size_t mp_len;
    if (v->container && text_is(p->name, p->name_len, "container")) {
        buf_append_text(&a->text, v->container);
        return true;
    }
    if (placeholder_find_bound(v->bound, v->bound_len, p->name, p->name_len, &mp, &mp_len))
        return put_value(a, w, p, mp, mp_len);
    if (type_of(v->item, v->item_len) == MP_MAP &&
        placeholder_find_bound(v->item, v->item_len, p->name, p->name_len, &mp, &mp_len)) {
        a->takes_item = true;
        return put_value(a, w, p, mp, mp_len);
    }
    if (!v->terms->replace)
        return refuse(a, "nothing fills {%.*s} in '%.60s': bind it, or name with -I what stands for the item",
                      (int)(p->name_len > 40 ? 40 : p->name_len), p->name, w->template);
    buf_append(&a->text, p->name - 1, p->len);
    return true;
}

static bool put_placeholder(args_t *a, word_t *w, const placeholder_t *p)
{
    const args_values_t *v = w->values;
    const uint8_t *mp;
    size_t mp_len;
    a->takes_item |= p->kind <= PLACE_EACH;
    switch (p->kind) {
    case PLACE_ITEM:
        return put_value(a, w, p, v->item, v->item_len);
    case PLACE_PART:
        if (find_part(v, p->part, &mp, &mp_len))
            return put_value(a, w, p, mp, mp_len);
        return p->is_optional || refuse(a, "the item has no part %d for '%.60s'", (int)p->part, w->template);
    case PLACE_ALL:
        return put_parts(a, w, p);
    case PLACE_EACH:
        return put_value(a, w, p, w->each, w->each_len);
    case PLACE_NUMBER:
        buf_printf(&a->text, "%llu", (unsigned long long)v->index + 1);
        return true;
    case PLACE_SLOT:
        buf_printf(&a->text, "%u", v->slot + 1);
        return true;
    case PLACE_NAME:
        break;
    }
    return put_named(a, w, p);
}

static bool expand_one(args_t *a, word_t *w, bool is_literal)
{
    const char *replace = w->values->terms->replace;
    const char stops[] = {'{', replace ? *replace : '\0', '\0'};
    placeholder_t p;
    for (const char *at = w->template; *at;) {
        bool is_one = !is_literal && placeholder_read(at, replace, &p);
        size_t n = is_one ? p.len : is_literal ? strlen(at) : 1 + strcspn(at + 1, stops);
        w->begins_with_item |= is_one && at == w->template;
        if (!is_one)
            buf_append(&a->text, at, n);
        else if (!put_placeholder(a, w, &p))
            return false;
        at += n;
    }
    return end_word(a, w);
}

/* {*} */
static bool is_repeated(const char *template, const char *replace)
{
    placeholder_t p;
    for (const char *at = strchr(template, '{'); at; at = strchr(at + 1, '{'))
        if (at[1] == '*' && placeholder_read(at, replace, &p))
            return true;
    return false;
}

/* A copy of the word for each part. */
static bool expand_each(args_t *a, word_t *w)
{
    const args_values_t *v = w->values;
    mp_reader_t r;
    bool is_map;
    uint32_t n = read_parts(&r, v, &is_map);
    for (uint32_t i = 0; i < n && !r.bad; i++) {
        w->each = next_part(&r, is_map, &w->each_len);
        w->begins_with_item = false;
        if (r.bad || !expand_one(a, w, false))
            return false;
    }
    a->takes_item = true;
    return !r.bad;
}

static bool fit_argv(args_t *a)
{
    if (a->words_n < a->argv_cap)
        return true;
    char **more = realloc(a->argv, (a->words_n + 1) * sizeof *more);
    if (!more)
        return refuse(a, "no memory for the arguments");
    a->argv = more;
    a->argv_cap = a->words_n + 1;
    return true;
}

bool args_expand(args_t *a, const char *const *template, const args_values_t *v)
{
    word_t w = {.values = v, .after_dashes = v->any_dash};
    buf_clear(&a->text);
    a->takes_item = false;
    a->words_n = a->word_at = 0;
    for (uint32_t i = 0; template[i]; i++) {
        w.template = template[i];
        w.begins_with_item = false;
        bool is_literal = v->terms->script_at > 0 && i == v->terms->script_at;
        bool is_copied = !is_literal && is_repeated(template[i], v -> terms -> replace);
        if (is_copied ? !expand_each(a, &w) : !expand_one(a, &w, is_literal))
            return false;
        w.after_dashes |= i >= v->terms->own_from && strcmp(template[i], "--") == 0;
    }
    if (!fit_argv(a))
        return false;
    char *at = (char *)a->text.data;
    for (size_t i = 0; i < a->words_n; i++, at += strlen(at) + 1)
        a->argv[i] = at;
    a->argv[a->words_n] = NULL;
    return true;
}
