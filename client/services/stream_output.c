/* One outcome as one record: a value to the output topic; an error to that of errors, as the source record was, or, without one,
 * into the output as {"$error": ...}. Key, timestamp and headers are the source record's; ours begin with "fanmap-". */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/gathering/outcome.h"
#include "client/services/stream.h"
#include "schemas/value.h"

enum { OURS_MAX = 9, HEADERS_MAX = STREAMLOG_HEADERS_MAX + OURS_MAX, NAME_BYTES = 256, MESSAGE_BYTES = 1000 };

typedef struct {
    bus_header_t at[HEADERS_MAX];
    size_t n;
    char names[STREAMLOG_HEADERS_MAX][NAME_BYTES];
    char partition[16], offset[24], attempts[16], message[MESSAGE_BYTES + 1];
} headers_t;

static void add(headers_t *h, const char *name, const void *value, size_t len)
{
    h->at[h->n++] = (bus_header_t){name, value, len};
}

static void add_text(headers_t *h, const char *name, const char *text)
{
    add(h, name, text, strlen(text));
}

/* Those of a record that was replayed, or came through another stream, are replaced. */
static void add_source(headers_t *h, stream_outcome_t outcome)
{
    stream_header_t header;
    size_t n = 0;
    while (n < STREAMLOG_HEADERS_MAX && streamlog_header(&outcome, &header)) {
        if (header.name_len >= NAME_BYTES || (header.name_len > 7 && memcmp(header.name, "fanmap-", 7) == 0))
            continue;
        memcpy(h->names[n], header.name, header.name_len);
        h->names[n][header.name_len] = '\0';
        add(h, h->names[n++], header.value, header.value_len);
    }
}

static void add_ours(headers_t *h, const fanmap_stream_t *s, const stream_entry_t *entry)
{
    const outcome_t *o = &entry->outcome.outcome;
    (void)snprintf(h->partition, sizeof h->partition, "%" PRIu32, entry->lane);
    (void)snprintf(h->offset, sizeof h->offset, "%" PRIu64, o->index);
    (void)snprintf(h->attempts, sizeof h->attempts, "%" PRIu32, o->attempts);
    add_text(h, "fanmap-job", s->spec.job);
    add_text(h, "fanmap-source-topic", s->spec.from);
    add_text(h, "fanmap-source-partition", h->partition);
    add_text(h, "fanmap-source-offset", h->offset);
    add_text(h, "fanmap-attempts", h->attempts);
    if (o->kind == FANMAP_VALUE)
        return;
    size_t len = o->message_len < MESSAGE_BYTES ? o->message_len : MESSAGE_BYTES;
    if (len > 0)
        memcpy(h->message, o->message, len);
    h->message[len] = '\0';
    add_text(h, "fanmap-error-kind", fanmap_kind_name(o->kind));
    add(h, "fanmap-error-message", h->message, len);
    if (o->type_len > 0)
        add(h, "fanmap-error-type", o->type, o->type_len);
}

static int to_json(fanmap_stream_t *s, const outcome_t *o, fanmap_error_t *err)
{
    return value_to_json(&s->value, o->value, o->value_len, err);
}

/* The value as bytes; what JSON cannot hold goes as msgpack would print it nowhere: it is an error of the outcome. */
static int put_value(fanmap_stream_t *s, const outcome_t *o, fanmap_error_t *err)
{
    const void *bytes;
    size_t len;
    bool is_plain = s->spec.out_format == STREAM_TEXT || s->spec.out_format == STREAM_BINARY;
    buf_clear(&s->value);
    if (s->spec.out_format == STREAM_MSGPACK)
        buf_append(&s->value, o->value, o->value_len);
    else if (is_plain && value_as_bytes(o->value, o->value_len, &bytes, &len))
        buf_append(&s->value, bytes, len);
    else
        return to_json(s, o, err);
    return FANMAP_OK;
}

static void put_error(fanmap_stream_t *s, const outcome_t *o)
{
    buf_clear(&s->value);
    buf_clear(&s->text);
    put_utf8(&s->text, o->message, o->message_len);
    buf_printf(&s->value, "{\"$error\":{\"kind\":\"%s\",\"message\":", fanmap_kind_name(o->kind));
    json_put_string(&s->value, (const char *)s->text.data, s->text.len);
    buf_printf(&s->value, ",\"attempts\":%" PRIu32 "}}", o->attempts);
}

static int send(fanmap_stream_t *s, const stream_entry_t *entry, const char *topic, const void *value, size_t len,
                fanmap_error_t *err)
{
    headers_t h = {.n = 0};
    const stream_outcome_t *o = &entry->outcome;
    add_source(&h, *o);
    add_ours(&h, s, entry);
    s->has_put = true;
    return bus_writer_put(s->writer, topic, -1, o->source_key, o->source_key_len, value, len, h.at, h.n,
                          o->timestamp_ms, err);
}

static int send_error(fanmap_stream_t *s, const stream_entry_t *entry, fanmap_error_t *err)
{
    const stream_outcome_t *o = &entry->outcome;
    s->errors++;
    if (s->spec.errors_to[0])
        return send(s, entry, s->spec.errors_to, o->source, o->source_len, err);
    put_error(s, &o->outcome);
    return s->spec.to[0] ? send(s, entry, s->spec.to, s->value.data, s->value.len, err) : FANMAP_OK;
}

int stream_put(fanmap_stream_t *s, stream_entry_t *entry, fanmap_error_t *err)
{
    outcome_t *o = &entry->outcome.outcome;
    fanmap_error_t why;
    s->handed_out++;
    if (o->kind != FANMAP_VALUE)
        return send_error(s, entry, err);
    if (!s->spec.to[0])
        return FANMAP_OK;
    fanmap_kind_t kind = FANMAP_PROTOCOL;
    if (put_value(s, o, &why) == FANMAP_OK && !s->value.failed) {
        /* a value of no bytes is not a tombstone */
        int r = send(s, entry, s->spec.to, s->value.data ? (const void *)s->value.data : "", s->value.len, err);
        if (r != FANMAP_EUSAGE)
            return r;
        why = *err;
        kind = FANMAP_TOO_LARGE;
    }
    *o = (outcome_t){.index = o->index,
                     .attempts = o->attempts,
                     .kind = kind,
                     .message = why.message,
                     .message_len = strlen(why.message)};
    return send_error(s, entry, err);
}
