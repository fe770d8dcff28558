#include "slots/shared/record_env.h"

#include <inttypes.h>
#include <string.h>

static const char header_prefix[] = "FANMAP_HEADER_";

/* Where each begins is kept as its place: the texts may move while they grow. */
typedef struct {
    buf_t *texts;
    size_t at[RECORD_ENV_MAX];
    size_t n;
} writer_t;

static bool fits(const char *value, size_t len)
{
    return value && len <= RECORD_ENV_VALUE_MAX && !memchr(value, '\0', len);
}

static void put_variable(writer_t *w, const char *name, const char *value, size_t len)
{
    if (!fits(value, len))
        return;
    w->at[w->n++] = w->texts->len;
    buf_append_text(w->texts, name);
    buf_append_text(w->texts, "=");
    buf_append(w->texts, value, len);
    buf_append(w->texts, "", 1);
}

static void put_number(writer_t *w, const char *name, int64_t value)
{
    w->at[w->n++] = w->texts->len;
    buf_printf(w->texts, "%s=%" PRId64, name, value);
    buf_append(w->texts, "", 1);
}

static char as_in_a_name(char c)
{
    if (c >= 'a' && c <= 'z')
        return (char)(c - 'a' + 'A');
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '_';
}

/* One of that name before it counts no more. */
static void drop_variable(writer_t *w, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < w->n; i++) {
        const char *text = (const char *)w->texts->data + w->at[i];
        if (strncmp(text, name, len) != 0 || text[len] != '=')
            continue;
        memmove(w->at + i, w->at + i + 1, (w->n - i - 1) * sizeof *w->at);
        w->n--;
        return;
    }
}

static void put_header(writer_t *w, const stream_header_t *header)
{
    char name[sizeof header_prefix + RECORD_ENV_NAME_MAX];
    size_t at = sizeof header_prefix - 1;
    if (header->name_len == 0 || header->name_len > RECORD_ENV_NAME_MAX)
        return;
    memcpy(name, header_prefix, at);
    for (size_t i = 0; i < header->name_len; i++)
        name[at++] = as_in_a_name(header->name[i]);
    name[at] = '\0';
    if (!w->texts->failed)
        drop_variable(w, name);
    put_variable(w, name, header->value, header->value_len);
}

/* The W3C's: a version, the trace, the span, flags, all in hexadecimal digits. */
static bool is_traceparent(const stream_header_t *header)
{
    static const char name[] = "traceparent", digits[] = "0123456789abcdef-";
    const char *value = header->value;
    if (header->name_len != sizeof name - 1 || memcmp(header->name, name, header->name_len) != 0)
        return false;
    size_t len = header->value ? header->value_len : 0, i = 0;
    while (i < len && value[i] != '\0' && strchr(digits, value[i]))
        i++;
    return i == len && len >= 55 && len <= RECORD_ENV_VALUE_MAX;
}

static void put_headers(writer_t *w, record_context_t *context)
{
    stream_header_t header;
    while (record_context_header(context, &header)) {
        put_header(w, &header);
        if (!is_traceparent(&header) || w->texts->failed)
            continue;
        drop_variable(w, "TRACEPARENT");
        put_variable(w, "TRACEPARENT", header.value, header.value_len);
    }
}

bool record_env_make(record_env_t *env, const uint8_t *context, size_t len)
{
    record_context_t c;
    writer_t w = {.texts = &env->texts};
    buf_clear(&env->texts);
    env->n = 0;
    if (!record_context_read(context, len, &c))
        return false;
    put_variable(&w, "FANMAP_TOPIC", c.topic, c.topic_len);
    put_number(&w, "FANMAP_PARTITION", c.partition);
    put_number(&w, "FANMAP_OFFSET", c.offset);
    put_number(&w, "FANMAP_TIMESTAMP", c.timestamp_ms);
    put_variable(&w, "FANMAP_KEY", c.key, c.key_len);
    if (c.schema_id >= 0)
        put_number(&w, "FANMAP_SCHEMA_ID", c.schema_id);
    put_headers(&w, &c);
    if (env->texts.failed)
        return false;
    for (; env->n < w.n; env->n++)
        env->vars[env->n] = (char *)env->texts.data + w.at[env->n];
    env->vars[env->n] = NULL;
    return true;
}
