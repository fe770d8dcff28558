/* A context is [topic, partition, offset, timestamp, key, [name, value...], schema], the last only where there is one. */
#include "schemas/record.h"

#include <inttypes.h>

#include "base/text.h"
#include "schemas/value.h"

enum { CONTEXT_FIELDS = 6 };

void record_context_put(buf_t *b, const record_context_t *c, const void *headers, size_t headers_len)
{
    mp_put_array(b, CONTEXT_FIELDS + (c->schema_id >= 0));
    mp_put_str(b, c->topic, c->topic_len);
    mp_put_int(b, c->partition);
    mp_put_int(b, c->offset);
    mp_put_int(b, c->timestamp_ms);
    if (c->key)
        mp_put_bin(b, c->key, c->key_len);
    else
        mp_put_nil(b);
    mp_put_array(b, 2 * c->headers_n);
    if (headers_len > 0)
        buf_append(b, headers, headers_len);
    if (c->schema_id >= 0)
        mp_put_int(b, c->schema_id);
}

bool record_context_read(const uint8_t *bytes, size_t len, record_context_t *ret)
{
    mp_reader_t r;
    record_context_t c = {0};
    size_t headers_len;
    mp_reader_init(&r, bytes, len);
    uint32_t fields = mp_read_array(&r);
    c.topic = mp_read_str(&r, &c.topic_len);
    c.partition = mp_read_i32(&r);
    c.offset = mp_read_int(&r);
    c.timestamp_ms = mp_read_int(&r);
    if (!mp_read_nil_if(&r))
        c.key = mp_read_bin(&r, &c.key_len);
    c.headers = r;
    uint32_t n = mp_read_array(&c.headers);
    (void)mp_skip(&r, &headers_len);
    c.headers_n = n / 2;
    c.schema_id = fields > CONTEXT_FIELDS ? mp_read_int(&r) : -1;
    if (!mp_end_fields(&r, fields, CONTEXT_FIELDS + (fields > CONTEXT_FIELDS)) || n % 2 != 0 ||
        c.headers_n > STREAMLOG_HEADERS_MAX)
        return false;
    *ret = c;
    return true;
}

bool record_context_header(record_context_t *context, stream_header_t *ret)
{
    return streamlog_next_header(&context->headers, &context->headers_n, ret);
}

static void put_bytes(buf_t *b, const void *bytes, size_t len)
{
    if (!bytes) {
        buf_append_text(b, "null");
    } else if (text_utf8_valid(bytes, len)) {
        json_put_string(b, bytes, len);
    } else {
        buf_append_text(b, "{\"$binary\":\"");
        base64_append(b, bytes, len);
        buf_append_text(b, "\"}");
    }
}

void record_context_to_json(buf_t *b, record_context_t *c)
{
    stream_header_t header;
    const char *before = "[";
    buf_append_text(b, "{\"topic\":");
    json_put_string(b, c->topic, c->topic_len);
    buf_printf(b,
               ",\"partition\":%" PRId32 ",\"offset\":%" PRId64 ",\"timestamp_ms\":%" PRId64 ",\"key\":", c->partition,
               c->offset, c->timestamp_ms);
    put_bytes(b, c->key, c->key_len);
    buf_append_text(b, ",\"headers\":[");
    for (; record_context_header(c, &header); before = ",[") {
        buf_append_text(b, before);
        json_put_string(b, header.name, header.name_len);
        buf_append_text(b, ",");
        put_bytes(b, header.value, header.value_len);
        buf_append_text(b, "]");
    }
    buf_append_text(b, "]");
    if (c->schema_id >= 0)
        buf_printf(b, ",\"schema_id\":%" PRId64, c->schema_id);
    buf_append_text(b, "}");
}
