/* A reader with one character of sight, by recursive descent; the first error ends it. */
#include "client/tasks/task_file.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/buf.h"
#include "base/text.h"

/* Where the reader stands. */
typedef struct {
    const char *at, *end;
    unsigned line;
    fanmap_error_t *err;
    int code;
} reader_t;

static bool bad_line(reader_t *r, const char *what)
{
    if (r->code == FANMAP_OK)
        r->code = err_set(r->err, FANMAP_EUSAGE, "line %u: %s", r->line, what);
    return false;
}

static bool no_memory(reader_t *r)
{
    if (r->code == FANMAP_OK)
        r->code = err_set(r->err, FANMAP_ENOMEM, "line %u: no memory", r->line);
    return false;
}

static int peek(const reader_t *r)
{
    return r->at < r->end ? (unsigned char)*r->at : -1;
}

/* Blanks and a comment; with `lines` also the ends of lines. */
static void skip(reader_t *r, bool lines)
{
    for (; r->at < r->end; r->at++) {
        if (*r->at == '#')
            while (r->at + 1 < r->end && r->at[1] != '\n')
                r->at++;
        else if (*r->at == '\n' && lines)
            r->line++;
        else if (*r->at != ' ' && *r->at != '\t' && *r->at != '\r')
            return;
    }
}

static bool is_word_char(int c)
{
    return c > 0 && c < 0x80 && (isalnum(c) || strchr("_.+-", c));
}

/* ---- values ---- */

static bool take_unicode(reader_t *r, buf_t *b)
{
    uint32_t scalar = 0;
    char bytes[4];
    for (int i = 0; i < 4; i++, r->at++) {
        int digit = r->at < r->end ? text_hex_digit(*r->at) : -1;
        if (digit < 0)
            return bad_line(r, "\\u wants four hexadecimal digits");
        scalar = scalar * 16 + (uint32_t)digit;
    }
    if (scalar == 0 || (scalar >= 0xD800 && scalar < 0xE000))
        return bad_line(r, "\\u names no character that can stand here");
    buf_append(b, bytes, text_utf8_encode(bytes, scalar));
    return true;
}

static bool take_escape(reader_t *r, buf_t *b)
{
    static const char names[] = "\"\\ntre", stand_for[] = "\"\\\n\t\r\x1b";
    int c = peek(r);
    r->at++;
    if (c == 'u')
        return take_unicode(r, b);
    const char *found = c > 0 ? strchr(names, c) : NULL;
    if (!found)
        return bad_line(r, "an unknown escape: \\\" \\\\ \\n \\t \\r \\e \\u0041 are known ('...' takes all as it is)");
    buf_append(b, &stand_for[found - names], 1);
    return true;
}

static bool take_string(reader_t *r, buf_t *b)
{
    char quote = *r->at++;
    for (int c; (c = peek(r)) != quote;) {
        if (c < 0 || c == '\n')
            return bad_line(r, "the string does not end on its line");
        r->at++;
        if (c == 0)
            return bad_line(r, "a NUL byte");
        if (quote == '"' && c == '\\') {
            if (!take_escape(r, b))
                return false;
        } else {
            buf_append(b, r->at - 1, 1);
        }
    }
    r->at++;
    return true;
}

static bool take_scalar(reader_t *r, buf_t *b)
{
    int c = peek(r);
    if (c == '"' || c == '\'')
        return take_string(r, b);
    if (!is_word_char(c))
        return bad_line(r, "want a value: \"text\", 'text', a word or number, or a list of them in [ ]");
    while (is_word_char(peek(r)))
        buf_append(b, r->at++, 1);
    return true;
}

static bool add_value(reader_t *r, task_entry_t *e, size_t n)
{
    buf_t b = {0};
    if (!array_extend(e->values, n, n + 2))
        return no_memory(r);
    bool ok = take_scalar(r, &b);
    buf_append(&b, "", 1);
    if (!ok || b.failed) {
        bool failed = b.failed;
        buf_free(&b);
        return failed ? no_memory(r) : false;
    }
    e->values[n] = (char *)b.data;
    return true;
}

static bool take_list(reader_t *r, task_entry_t *e)
{
    e->is_list = true;
    e->values = calloc(1, sizeof *e->values);
    if (!e->values)
        return no_memory(r);
    r->at++;
    for (size_t n = 0;; n++) {
        skip(r, true);
        if (peek(r) == ']')
            break;
        if (!add_value(r, e, n))
            return false;
        skip(r, true);
        if (peek(r) != ',' && peek(r) != ']')
            return bad_line(r, "want , or ] in a list");
        if (peek(r) == ',')
            r->at++;
    }
    r->at++;
    return true;
}

/* ---- lines ---- */

static bool end_line(reader_t *r)
{
    skip(r, false);
    if (peek(r) >= 0 && peek(r) != '\n')
        return bad_line(
            r, "one value stands on a line; several words are one \"text\" or a list: [\"tr\", \"a-z\", \"A-Z\"]");
    return true;
}

static size_t take_word(reader_t *r, const char **ret)
{
    *ret = r->at;
    while (is_word_char(peek(r)))
        r->at++;
    return (size_t)(r->at - *ret);
}

static bool take_section(reader_t *r, task_file_t *f)
{
    const char *name;
    r->at++;
    skip(r, false);
    size_t len = take_word(r, &name);
    skip(r, false);
    if (len == 0 || peek(r) != ']')
        return bad_line(r, "a section is [NAME], of letters, digits, '.', '_' and '-'");
    if (len > TASK_FILE_NAME_MAX)
        return bad_line(r, "the name of a task is at most 63 characters long");
    r->at++;
    if (!array_extend(f->sections, f->sections_n, f->sections_n + 1))
        return no_memory(r);
    task_section_t *s = &f->sections[f->sections_n++];
    s->line = r->line;
    memcpy(s->name, name, len);
    for (size_t i = 0; i + 1 < f->sections_n; i++)
        if (strcmp(f->sections[i].name, s->name) == 0)
            return bad_line(r, "a task of this name stands above");
    return true;
}

static bool take_entry(reader_t *r, task_file_t *f)
{
    const char *key;
    size_t len = take_word(r, &key);
    skip(r, false);
    if (len == 0 || peek(r) != '=')
        return bad_line(r, "want [TASK], KEY = VALUE or a comment");
    if (f->sections_n == 0)
        return bad_line(r, "want a [TASK] before the first key");
    r->at++;
    skip(r, false);
    task_section_t *s = &f->sections[f->sections_n - 1];
    if (!array_extend(s->entries, s->entries_n, s->entries_n + 1))
        return no_memory(r);
    task_entry_t *e = &s->entries[s->entries_n++];
    e->line = r->line;
    e->key = strndup(key, len);
    if (!e->key)
        return no_memory(r);
    for (size_t i = 0; i + 1 < s->entries_n; i++)
        if (strcmp(s->entries[i].key, e->key) == 0)
            return bad_line(r, "this key stands above already");
    return peek(r) == '[' ? take_list(r, e) : add_value(r, e, 0);
}

int task_file_parse(task_file_t *ret, const char *text, size_t len, fanmap_error_t *err)
{
    reader_t r = {.at = text, .end = text + len, .line = 1, .err = err, .code = FANMAP_OK};
    task_file_t f = {0};
    bool ok = len <= TASK_FILE_BYTES_MAX || bad_line(&r, "a file of more than 1 MiB");
    while (ok) {
        skip(&r, true);
        if (peek(&r) < 0)
            break;
        ok = (peek(&r) == '[' ? take_section(&r, &f) : take_entry(&r, &f)) && end_line(&r);
    }
    if (r.code != FANMAP_OK) {
        task_file_free(&f);
        *ret = f;
        return r.code;
    }
    *ret = f;
    return FANMAP_OK;
}

void task_file_free(task_file_t *f)
{
    for (size_t i = 0; i < f->sections_n; i++) {
        task_section_t *s = &f->sections[i];
        for (size_t k = 0; k < s->entries_n; k++) {
            for (size_t v = 0; s->entries[k].values && s->entries[k].values[v]; v++)
                free(s->entries[k].values[v]);
            free(s->entries[k].values);
            free(s->entries[k].key);
        }
        free(s->entries);
    }
    free(f->sections);
    *f = (task_file_t){0};
}

const task_entry_t *task_file_find(const task_section_t *section, const char *key)
{
    for (size_t i = 0; i < section->entries_n; i++)
        if (strcmp(section->entries[i].key, key) == 0)
            return &section->entries[i];
    return NULL;
}
