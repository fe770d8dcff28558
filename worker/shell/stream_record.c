/* Most inputs end with the value as it came (all but JSON), which then does not lie in the block twice. */
#include "worker/shell/stream_record.h"

#include <string.h>

#include "base/prefetch.h"
#include "schemas/streamlog.h"
#include "schemas/value.h"
#include "worker/shell/stream_rules.h"

enum { INPUT_KEPT_MAX = 1 << 20 };
_Static_assert(sizeof(stream_record_t) <= PREFETCH_LINE, "what every record needs lies in one line");
_Static_assert(_Alignof(stream_record_t) <= SPARES_ALIGNMENT, "a block holds a record");

/* NULL, or why it is no input. */
static const char *put_input(buf_t *in, stream_format_t format, const void *value, size_t len)
{
    fanmap_error_t err;
    if (!value) {
        mp_put_nil(in);
        return NULL;
    }
    switch (format) {
    case STREAM_JSON:
        return value_from_json(in, value, len, &err) == FANMAP_OK ? NULL : "its value is not JSON";
    case STREAM_TEXT:
        return value_from_text(in, value, len, &err) == FANMAP_OK ? NULL : "its value is not UTF-8";
    case STREAM_MSGPACK:
        buf_append(in, value, len);
        return mp_check(value, len) ? NULL : "its value is not one msgpack object";
    case STREAM_BINARY:
        break;
    }
    mp_put_bin(in, value, len);
    return NULL;
}

static bool ends_with(const buf_t *in, const void *value, size_t len)
{
    return len == 0 || (in->len >= len && memcmp(in->data + in->len - len, value, len) == 0);
}

static uint8_t *copy(uint8_t *to, const void *from, size_t len)
{
    if (len > 0)
        memcpy(to, from, len);
    return to + len;
}

static stream_record_t *assemble(worker_shell_t *shell, const bus_record_t *from, const buf_t *headers)
{
    const buf_t *in = &shell->stream_in;
    bool is_in_input = from->value && ends_with(in, from->value, from->value_len);
    size_t apart_len = is_in_input || !from->value ? 0 : from->value_len;
    stream_record_t *record =
        spares_get(&shell->stream_spares, sizeof *record + from->key_len + headers->len + in->len + apart_len);
    if (!record)
        return NULL;
    record->has_key = from->key != NULL;
    record->key_len = (uint32_t)from->key_len;
    record->value_len = (uint32_t)from->value_len;
    record->in_len = (uint32_t)in->len;
    record->headers_len = (uint32_t)headers->len;
    record->timestamp_ms = from->timestamp_ms;
    record->partition = from->partition;
    uint8_t *end = copy(record->bytes, from->key, from->key_len);
    end = copy(end, headers->data, headers->len);
    end = copy(end, in->data, in->len);
    record->value = !from->value ? NULL : is_in_input ? end - from->value_len : end;
    (void)copy(end, from->value, apart_len);
    return record;
}

stream_record_t *stream_record_new(worker_shell_t *shell, const bus_record_t *from, const char **ret_bad)
{
    buf_t *in = &shell->stream_in, *headers = &shell->stream_headers;
    const void *value = from->value;
    size_t len = from->value_len;
    uint16_t headers_n = 0;
    buf_clear(in);
    buf_clear(headers);
    for (; headers_n < from->headers_n && headers_n < STREAMLOG_HEADERS_MAX; headers_n++)
        streamlog_put_header(headers, from->headers[headers_n].name, from->headers[headers_n].value,
                             from->headers[headers_n].value_len);
    int64_t schema_id = shell->stream->terms.strips_schema ? stream_strip_schema(&value, &len) : -1;
    const char *bad = put_input(in, shell->stream->in_format, value, len);
    stream_record_t *record = in->failed || headers->failed ? NULL : assemble(shell, from, headers);
    if (in->cap > INPUT_KEPT_MAX)
        buf_free(in);
    if (!record)
        return NULL;
    record->headers_n = headers_n;
    record->schema_id = schema_id;
    *ret_bad = bad;
    return record;
}
