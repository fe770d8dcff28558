/* A pack is [version, whole, [entry...]], an entry [prev, key, timestamp, source key, [name, value...], source, outcome]. */
#include "schemas/streamlog.h"

enum { PACK_FIELDS = 3, ENTRY_FIELDS = 7 };

static void put_bytes(buf_t *b, const void *bytes, size_t len)
{
    if (bytes == NULL)
        mp_put_nil(b);
    else
        mp_put_bin(b, bytes, len);
}

void streamlog_put_header(buf_t *headers, const char *name, const void *value, size_t value_len)
{
    mp_put_text(headers, name);
    put_bytes(headers, value, value_len);
}

/* No source at all is false, a source without a value nil. */
static void put_source(buf_t *b, const stream_outcome_t *o)
{
    if (o->has_source)
        put_bytes(b, o->source, o->source_len);
    else
        mp_put_bool(b, false);
}

void streamlog_put(buf_t *body, const stream_outcome_t *o, const void *headers, size_t headers_len)
{
    mp_put_array(body, ENTRY_FIELDS);
    mp_put_int(body, o->prev);
    put_bytes(body, o->key, PLACE_KEY_BYTES);
    mp_put_int(body, o->timestamp_ms);
    put_bytes(body, o->source_key, o->source_key_len);
    mp_put_array(body, 2 * o->headers_n);
    if (headers_len > 0)
        buf_append(body, headers, headers_len);
    put_source(body, o);
    joblog_put_outcome(body, &o->outcome);
}

void streamlog_encode(buf_t *b, int64_t whole, const void *body, size_t body_len, uint32_t count)
{
    mp_put_array(b, PACK_FIELDS);
    mp_put_uint(b, STREAMLOG_VERSION);
    mp_put_int(b, whole);
    mp_put_array(b, count);
    if (body_len > 0)
        buf_append(b, body, body_len);
}

static const void *read_bytes(mp_reader_t *r, size_t *ret_len)
{
    *ret_len = 0;
    return mp_read_nil_if(r) ? NULL : mp_read_bin(r, ret_len);
}

bool streamlog_decode(const void *value, size_t len, streamlog_pack_t *ret)
{
    mp_reader_t r;
    mp_reader_init(&r, value, len);
    uint32_t fields = mp_read_array(&r);
    if (mp_read_uint(&r) != STREAMLOG_VERSION || fields < PACK_FIELDS)
        return false;
    int64_t whole = mp_read_int(&r);
    uint32_t left = mp_read_array(&r);
    if (r.bad || whole < -1)
        return false;
    *ret = (streamlog_pack_t){.whole = whole, .entries = r, .left = left};
    return true;
}

static void read_key(mp_reader_t *r, stream_outcome_t *o)
{
    size_t len;
    o->key = read_bytes(r, &len);
    r->bad |= o->key != NULL && len != PLACE_KEY_BYTES;
}

static void read_headers(mp_reader_t *r, stream_outcome_t *o)
{
    uint32_t n = mp_read_array(r);
    o->headers = *r;
    o->headers_n = n / 2;
    r->bad |= n % 2 != 0 || n / 2 > STREAMLOG_HEADERS_MAX;
    mp_skip_fields(r, n);
}

static void read_source(mp_reader_t *r, stream_outcome_t *o)
{
    o->has_source = r->at == r->end || (*r->at & 0xFE) != 0xC2; /* no boolean */
    if (o->has_source)
        o->source = read_bytes(r, &o->source_len);
    else
        (void)mp_read_bool(r);
}

bool streamlog_next(streamlog_pack_t *pack, stream_outcome_t *ret)
{
    mp_reader_t *r = &pack->entries;
    stream_outcome_t o = {0};
    if (pack->left == 0 || r->bad)
        return false;
    pack->left--;
    uint32_t fields = mp_read_array(r);
    o.prev = mp_read_int(r);
    read_key(r, &o);
    o.timestamp_ms = mp_read_int(r);
    o.source_key = read_bytes(r, &o.source_key_len);
    read_headers(r, &o);
    read_source(r, &o);
    bool has_outcome = joblog_take_entry(r, &o.outcome);
    r->bad |= !has_outcome || fields < ENTRY_FIELDS || o.prev < -1 || o.outcome.index > INT64_MAX;
    if (r->bad)
        return false;
    mp_skip_fields(r, fields - ENTRY_FIELDS);
    *ret = o;
    return !r->bad;
}

bool streamlog_header(stream_outcome_t *outcome, stream_header_t *ret)
{
    return streamlog_next_header(&outcome->headers, &outcome->headers_n, ret);
}

bool streamlog_next_header(mp_reader_t *r, uint32_t *left, stream_header_t *ret)
{
    if (*left == 0 || r->bad)
        return false;
    --*left;
    ret->name = mp_read_str(r, &ret->name_len);
    ret->value = read_bytes(r, &ret->value_len);
    return !r->bad;
}

/* ---- output ---- */

int stream_value(buf_t *b, stream_format_t format, const void *value, size_t value_len, fanmap_error_t *err)
{
    const void *bytes;
    size_t len;
    bool is_plain = format == STREAM_TEXT || format == STREAM_BINARY;
    buf_clear(b);
    if (format == STREAM_MSGPACK)
        buf_append(b, value, value_len);
    else if (is_plain && value_as_bytes(value, value_len, &bytes, &len))
        buf_append(b, bytes, len);
    else
        return value_to_json(b, value, value_len, err);
    return FANMAP_OK;
}

size_t stream_record_bytes(size_t key_len, size_t value_len, size_t headers_len, size_t headers_n)
{
    enum {
        BATCH_BYTES = 61,
        RECORD_BYTES = 40,
        HEADER_BYTES = 10
    }; /* around a batch, a record in it, a header in that */
    return BATCH_BYTES + RECORD_BYTES + key_len + value_len + headers_len + HEADER_BYTES * headers_n;
}
