/* A value goes to the output topic; an error to that of errors, as the source record was, or as {"$error": ...} where that is not
 * at hand (of a job) or no topic of errors is asked for. Key, timestamp and headers are the source record's; of a job the key is the
 * index, the time is now, and its traceparent is a header. Ours begin with "fanmap-". */
#include "client/gathering/plain_record.h"

#include <inttypes.h>
#include <string.h>

#include "client/gathering/dead_headers.h"
#include "client/gathering/outcome.h"
#include "schemas/names.h"

typedef struct {
    bus_header_t at[STREAMLOG_HEADERS_MAX + DEAD_HEADERS_MAX];
    size_t n;
    dead_headers_t ours;
} headers_t;

static size_t names_bytes(stream_outcome_t outcome)
{
    stream_header_t header;
    size_t bytes = 1;
    while (streamlog_header(&outcome, &header))
        bytes += header.name_len + 1;
    return bytes;
}

/* Those of a record that was replayed, or came through another stream, are replaced. False: out of memory. */
static bool add_source(headers_t *h, buf_t *names, uint32_t dialects, stream_outcome_t outcome)
{
    stream_header_t header;
    buf_clear(names);
    if (!buf_reserve(names, names_bytes(outcome))) /* nothing moves while they are pointed at */
        return false;
    while (h->n < STREAMLOG_HEADERS_MAX && streamlog_header(&outcome, &header)) {
        const char *name = (const char *)names->data + names->len;
        buf_append(names, header.name, header.name_len);
        buf_append(names, "", 1);
        if (!dead_header_is_ours(dialects, name))
            h->at[h->n++] = (bus_header_t){name, header.value, header.value_len};
    }
    return true;
}

static void add_ours(headers_t *h, uint32_t dialects, const plain_out_t *out, uint32_t lane, const stream_outcome_t *o)
{
    const spec_t *spec = out->spec;
    bool is_of_job = spec->stream == STREAM_NOT;
    dead_headers_make(&h->ours, dialects,
                      &(dead_case_t){.stream = spec->job,
                                     .task = spec->task,
                                     .group = out->group,
                                     .topic = is_of_job ? NULL : spec->from,
                                     .partition = lane,
                                     .timestamp_ms = o->timestamp_ms,
                                     .outcome = &o->outcome,
                                     .is_left_out = !is_of_job && o->outcome.kind != FANMAP_VALUE && !o->has_source});
    memcpy(h->at + h->n, h->ours.at, h->ours.n * sizeof *h->at);
    h->n += h->ours.n;
    if (is_of_job && spec->traceparent[0])
        h->at[h->n++] = (bus_header_t){"traceparent", spec->traceparent, strlen(spec->traceparent)};
}

static void put_error(plain_out_t *out, const outcome_t *o)
{
    buf_clear(&out->value);
    buf_clear(&out->text);
    put_utf8(&out->text, o->message, o->message_len < DEAD_MESSAGE_MAX ? o->message_len : DEAD_MESSAGE_MAX);
    buf_printf(&out->value, "{\"$error\":{\"kind\":\"%s\",\"message\":", fanmap_kind_name(o->kind));
    json_put_string(&out->value, (const char *)out->text.data, out->text.len);
    buf_printf(&out->value, ",\"attempts\":%" PRIu32 "}}", o->attempts);
}

/* A record that the broker refuses would take its whole transaction along. */
static int check_size(const plain_out_t *out, const char *topic, size_t key_len, size_t len, const headers_t *h,
                      fanmap_error_t *err)
{
    size_t headers_len = 0;
    for (size_t i = 0; i < h->n; i++)
        headers_len += strlen(h->at[i].name) + h->at[i].value_len;
    size_t bytes = stream_record_bytes(key_len, len, headers_len, h->n);
    uint32_t max = topic == out->spec->to ? out->to_bytes_max : out->errors_bytes_max;
    if (max == 0 || bytes <= max)
        return FANMAP_OK;
    return err_set(err, FANMAP_EUSAGE, "topic %s takes no record of %zu bytes: its max.message.bytes is %" PRIu32,
                   topic, bytes, max);
}

typedef struct {
    plain_out_t *out;
    bus_writer_t *writer;
    uint32_t lane;
    const stream_outcome_t *outcome;
} putting_t;

static int send_record(const putting_t *p, const char *topic, const void *value, size_t len, fanmap_error_t *err)
{
    headers_t h;
    const stream_outcome_t *o = p->outcome;
    const spec_t *spec = p->out->spec;
    uint32_t dialects = topic == spec->errors_to ? spec->terms.dead_headers : DEAD_FANMAP;
    h.n = 0;
    if (!add_source(&h, &p->out->names, dialects, *o))
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    add_ours(&h, dialects, p->out, p->lane, o);
    int r = check_size(p->out, topic, o->source_key_len, len, &h, err);
    if (r != FANMAP_OK)
        return r;
    int32_t partition = topic == spec->to && spec->terms.to_same_partition ? (int32_t)p->lane : -1;
    p->out->has_put = true;
    return bus_writer_put(p->writer, topic, partition, o->source_key, o->source_key_len, value, len, h.at, h.n,
                          o->timestamp_ms, err);
}

static int send_error(const putting_t *p, fanmap_error_t *err)
{
    const stream_outcome_t *o = p->outcome;
    plain_out_t *out = p->out;
    const spec_t *spec = out->spec;
    out->errors++;
    if (spec->errors_to[0] && spec->stream != STREAM_NOT)
        return send_record(p, spec->errors_to, o->source, o->source_len, err);
    put_error(out, &o->outcome);
    const char *topic = spec->errors_to[0] ? spec->errors_to : spec->to;
    if (out->value.failed || out->text.failed)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    return topic[0] ? send_record(p, topic, out->value.data, out->value.len, err) : FANMAP_OK;
}

int plain_put(plain_out_t *out, bus_writer_t *writer, uint32_t lane, stream_outcome_t *outcome, fanmap_error_t *err)
{
    const spec_t *spec = out->spec;
    const putting_t p = {out, writer, lane, outcome};
    outcome_t *o = &outcome->outcome;
    fanmap_kind_t kind = FANMAP_PROTOCOL;
    if (o->kind != FANMAP_VALUE)
        return send_error(&p, err);
    if (!spec->to[0])
        return FANMAP_OK;
    int r = stream_value(&out->value, spec->out_format, o->value, o->value_len, &out->why);
    if (out->value.failed)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    if (r == FANMAP_OK) {
        /* a value of no bytes is not a tombstone */
        r = send_record(&p, spec->to, out->value.data ? (const void *)out->value.data : "", out->value.len, err);
        if (r != FANMAP_EUSAGE)
            return r;
        out->why = *err;
        kind = FANMAP_TOO_LARGE;
    }
    *o = (outcome_t){.index = o->index,
                     .attempts = o->attempts,
                     .kind = kind,
                     .message = out->why.message,
                     .message_len = strlen(out->why.message)};
    return send_error(&p, err);
}

uint32_t plain_batch_bytes(const plain_out_t *out)
{
    uint32_t a = out->to_bytes_max, b = out->errors_bytes_max;
    return a == 0 || (b > 0 && b < a) ? b : a;
}

int plain_check_topics(const char *name_space, const char *to, const char *errors_to, fanmap_error_t *err)
{
    const char *const topics[] = {to, errors_to};
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++)
        if (topics[i] && name_is_own(topics[i], name_space))
            return err_set(err, FANMAP_EUSAGE, "topic %s is one of fanmap's own: nothing else may be written there",
                           topics[i]);
    return FANMAP_OK;
}

static const char *const format_words[] = {"json", "text", "binary", "msgpack"};

stream_format_t plain_format_of(const char *word)
{
    size_t i = 0;
    while (i < 3 && strcmp(format_words[i], word) != 0)
        i++;
    return (stream_format_t)i;
}

const char *plain_format_word(stream_format_t format)
{
    return format_words[format];
}

void plain_free(plain_out_t *out)
{
    buf_free(&out->value);
    buf_free(&out->text);
    buf_free(&out->names);
}
