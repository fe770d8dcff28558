/* Terms and limits in msgpack and for people, and lists of words. A decoder that runs out of memory makes its reader
 * bad, so that what was read is dropped as a whole. */
#include "slots/shared/terms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "schemas/mp_fields.h"

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

static void append_limit(char *ret, size_t cap, const char *name, const char *text)
{
    size_t len = strlen(ret);
    snprintf(ret + len, cap - len, "%s%s %s", len > 0 ? ", " : "", name, text);
}

char *limits_format(char *ret, size_t cap, const limits_t *l)
{
    char text[40];
    *ret = '\0';
    if (l->memory_bytes)
        append_limit(ret, cap, "memory", size_format(text, sizeof text, l->memory_bytes));
    if (l->cpus_milli) {
        snprintf(text, sizeof text, "%.10g", l->cpus_milli / 1000.0);
        append_limit(ret, cap, "cpus", text);
    }
    if (l->cpu_time_ms)
        append_limit(ret, cap, "cpu-time", duration_format(text, sizeof text, l->cpu_time_ms));
    snprintf(text, sizeof text, "%u", l->files_n);
    if (l->files_n)
        append_limit(ret, cap, "files", text);
    snprintf(text, sizeof text, "%u", l->processes_n);
    if (l->processes_n)
        append_limit(ret, cap, "processes", text);
    if (l->file_bytes)
        append_limit(ret, cap, "file-size", size_format(text, sizeof text, l->file_bytes));
    return ret;
}

/* ---- terms ---- */

#define LIMIT32(member) MP_U32(limits_t, member)

MP_TABLE(limits_fields, LIMITS_FIELDS, MP_U64(limits_t, memory_bytes), MP_U64(limits_t, file_bytes),
         LIMIT32(cpus_milli), LIMIT32(cpu_time_ms), LIMIT32(files_n), LIMIT32(processes_n));

static void put_limits(buf_t *b, const void *limits)
{
    mp_put_array(b, LIMITS_FIELDS);
    mp_put_fields(b, limits_fields, LIMITS_FIELDS, limits);
}

static void read_limits(mp_reader_t *r, void *limits)
{
    r->bad = mp_read_array(r) != LIMITS_FIELDS || r->bad;
    mp_read_fields(r, limits_fields, LIMITS_FIELDS, limits);
}

/* A text, or a list of words, that is NULL is empty in a message. */
static void put_text(buf_t *b, const void *member)
{
    const char *text = *(char *const *)member;
    mp_put_text(b, text ? text : "");
}

static void read_text(mp_reader_t *r, void *member)
{
    char *text = text_decode(r), **ret = member;
    *ret = text && *text ? text : NULL;
    if (!*ret)
        free(text);
}

static void put_words(buf_t *b, const void *member)
{
    words_encode(b, *(const char *const *const *)member);
}

static void read_words(mp_reader_t *r, void *member)
{
    char **words = words_decode(r), ***ret = member;
    *ret = words && words[0] ? words : NULL;
    if (!*ret)
        words_free(words);
}

#define TEXT(member)  MP_CUSTOM(terms_t, member, put_text, read_text)
#define WORDS(member) MP_CUSTOM(terms_t, member, put_words, read_words)

MP_TABLE(terms_fields, TERMS_FIELDS, MP_CUSTOM(terms_t, limits, put_limits, read_limits), MP_U32(terms_t, timeout_ms),
         MP_I32(terms_t, nice), TEXT(workdir), WORDS(env), MP_U32(terms_t, own_from), MP_U32(terms_t, output),
         MP_U32(terms_t, copy), MP_FLAG(terms_t, raw_input), MP_U32(terms_t, script_at), TEXT(replace),
         WORDS(kill_argv), WORDS(list_argv));

void terms_encode(buf_t *b, const terms_t *t)
{
    mp_put_array(b, TERMS_FIELDS);
    mp_put_fields(b, terms_fields, TERMS_FIELDS, t);
}

terms_t terms_decode(mp_reader_t *r)
{
    terms_t t = {0};
    r->bad = mp_read_array(r) != TERMS_FIELDS || r->bad;
    mp_read_fields(r, terms_fields, TERMS_FIELDS, &t);
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
