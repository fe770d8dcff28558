/* Terms and limits in msgpack and for people, and lists of words. A decoder that runs out of memory makes its reader
 * bad, so that what was read is dropped as a whole. */
#include "slots/shared/terms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"

enum { LIMITS_FIELDS = 6, TERMS_FIELDS = 13 };

/* ---- lists of words ---- */

size_t words_count(const char *const *words)
{
    size_t n = 0;
    while (words && words[n])
        n++;
    return n;
}

void words_free(char **words)
{
    for (size_t i = 0; words && words[i]; i++)
        free(words[i]);
    free(words);
}

char **words_copy(const char *const *words)
{
    size_t n = words_count(words);
    char **copy = calloc(n + 1, sizeof *copy);
    for (size_t i = 0; copy && i < n; i++)
        if (!(copy[i] = strdup(words[i]))) {
            words_free(copy);
            return NULL;
        }
    return copy;
}

void words_encode(buf_t *b, const char *const *words)
{
    size_t n = words_count(words);
    mp_put_array(b, (uint32_t)n);
    for (size_t i = 0; i < n; i++)
        mp_put_text(b, words[i]);
}

char *text_decode(mp_reader_t *r)
{
    size_t len;
    const char *text = mp_read_str(r, &len);
    char *copy = text ? strndup(text, len) : NULL;
    r->bad = r->bad || !copy;
    return copy;
}

char **words_decode(mp_reader_t *r)
{
    uint32_t n = mp_read_array(r);
    char **words = r->bad || n > TERMS_WORDS_MAX ? NULL : calloc(n + 1, sizeof *words);
    r->bad = r->bad || !words;
    for (uint32_t i = 0; i < n && !r->bad; i++)
        words[i] = text_decode(r);
    if (r->bad) {
        words_free(words);
        return NULL;
    }
    return words;
}

/* ---- limits ---- */

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

limits_t limits_smaller(const limits_t *a, const limits_t *b)
{
    return (limits_t){.memory_bytes = smaller(a->memory_bytes, b->memory_bytes),
                      .file_bytes = smaller(a->file_bytes, b->file_bytes),
                      .cpus_milli = (uint32_t)smaller(a->cpus_milli, b->cpus_milli),
                      .cpu_time_ms = (uint32_t)smaller(a->cpu_time_ms, b->cpu_time_ms),
                      .files_n = (uint32_t)smaller(a->files_n, b->files_n),
                      .processes_n = (uint32_t)smaller(a->processes_n, b->processes_n)};
}

bool limits_any(const limits_t *l)
{
    return l->memory_bytes || l->file_bytes || l->cpus_milli || l->cpu_time_ms || l->files_n || l->processes_n;
}

static void put(char *ret, size_t cap, const char *name, const char *text)
{
    size_t len = strlen(ret);
    snprintf(ret + len, cap - len, "%s%s %s", len > 0 ? ", " : "", name, text);
}

char *limits_format(char *ret, size_t cap, const limits_t *l)
{
    char text[40];
    *ret = '\0';
    if (l->memory_bytes)
        put(ret, cap, "memory", size_format(text, sizeof text, l->memory_bytes));
    if (l->cpus_milli) {
        snprintf(text, sizeof text, "%.10g", l->cpus_milli / 1000.0);
        put(ret, cap, "cpus", text);
    }
    if (l->cpu_time_ms)
        put(ret, cap, "cpu-time", duration_format(text, sizeof text, l->cpu_time_ms));
    snprintf(text, sizeof text, "%u", l->files_n);
    if (l->files_n)
        put(ret, cap, "files", text);
    snprintf(text, sizeof text, "%u", l->processes_n);
    if (l->processes_n)
        put(ret, cap, "processes", text);
    if (l->file_bytes)
        put(ret, cap, "file-size", size_format(text, sizeof text, l->file_bytes));
    return ret;
}

static void limits_encode(buf_t *b, const limits_t *l)
{
    mp_put_array(b, LIMITS_FIELDS);
    mp_put_uint(b, l->memory_bytes);
    mp_put_uint(b, l->file_bytes);
    mp_put_uint(b, l->cpus_milli);
    mp_put_uint(b, l->cpu_time_ms);
    mp_put_uint(b, l->files_n);
    mp_put_uint(b, l->processes_n);
}

static limits_t limits_decode(mp_reader_t *r)
{
    limits_t l = {0};
    r->bad = mp_read_array(r) != LIMITS_FIELDS || r->bad;
    l.memory_bytes = mp_read_uint(r);
    l.file_bytes = mp_read_uint(r);
    l.cpus_milli = (uint32_t)mp_read_uint(r);
    l.cpu_time_ms = (uint32_t)mp_read_uint(r);
    l.files_n = (uint32_t)mp_read_uint(r);
    l.processes_n = (uint32_t)mp_read_uint(r);
    return l;
}

/* ---- terms ---- */

static const char *const *as_const(char **words)
{
    return (const char *const *)words;
}

void terms_encode(buf_t *b, const terms_t *t)
{
    mp_put_array(b, TERMS_FIELDS);
    limits_encode(b, &t->limits);
    mp_put_uint(b, t->timeout_ms);
    mp_put_int(b, t->nice);
    mp_put_text(b, t->workdir ? t->workdir : "");
    words_encode(b, as_const(t->env));
    mp_put_uint(b, t->own_from);
    mp_put_uint(b, t->output);
    mp_put_uint(b, t->copy);
    mp_put_bool(b, t->raw_input);
    mp_put_uint(b, t->script_at);
    mp_put_text(b, t->replace ? t->replace : "");
    words_encode(b, as_const(t->kill_argv));
    words_encode(b, as_const(t->list_argv));
}

/* An empty list stands for none. */
static char **decode_some(mp_reader_t *r)
{
    char **words = words_decode(r);
    if (words && words[0])
        return words;
    words_free(words);
    return NULL;
}

static char *decode_text_or_none(mp_reader_t *r)
{
    char *text = text_decode(r);
    if (text && *text)
        return text;
    free(text);
    return NULL;
}

terms_t terms_decode(mp_reader_t *r)
{
    terms_t t = {0};
    r->bad = mp_read_array(r) != TERMS_FIELDS || r->bad;
    t.limits = limits_decode(r);
    t.timeout_ms = (uint32_t)mp_read_uint(r);
    t.nice = (int32_t)mp_read_int(r);
    t.workdir = decode_text_or_none(r);
    t.env = decode_some(r);
    t.own_from = (uint32_t)mp_read_uint(r);
    t.output = (stdout_rule_t)mp_read_uint(r);
    t.copy = (copy_rule_t)mp_read_uint(r);
    t.raw_input = mp_read_bool(r);
    t.script_at = (uint32_t)mp_read_uint(r);
    t.replace = decode_text_or_none(r);
    t.kill_argv = decode_some(r);
    t.list_argv = decode_some(r);
    return t;
}

void terms_free(terms_t *t)
{
    free(t->workdir);
    free(t->replace);
    words_free(t->env);
    words_free(t->kill_argv);
    words_free(t->list_argv);
    *t = (terms_t){0};
}
