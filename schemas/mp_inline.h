/* The short cases of mp.h, in place, and the calls for all others. */
#ifndef SCHEMAS_MP_INLINE_H
#define SCHEMAS_MP_INLINE_H

#include <string.h>

#include "schemas/mp.h"

uint64_t mp_read_long_uint(mp_reader_t *r);
int64_t mp_read_long_int(mp_reader_t *r);
uint32_t mp_read_long_array(mp_reader_t *r);
bool mp_read_other_bool(mp_reader_t *r);
const uint8_t *mp_skip_long(mp_reader_t *r, size_t *ret_len);
bool mp_end_more_fields(mp_reader_t *r, uint32_t fields, uint32_t known);
void mp_put_long_uint(buf_t *b, uint64_t value);
void mp_put_long_array(buf_t *b, uint32_t count);
void mp_put_long_int(buf_t *b, int64_t value);
void mp_put_long_str(buf_t *b, const char *text, size_t len);
void mp_put_long_bin(buf_t *b, const void *bytes, size_t len);
uint8_t *mp_long_number(uint8_t *at, uint64_t value);
uint8_t *mp_negative(uint8_t *at, int64_t value);

static inline uint64_t mp_read_uint(mp_reader_t *r)
{
    return r->at < r->end && *r->at < 0x80 ? *r->at++ : mp_read_long_uint(r);
}

static inline int64_t mp_read_int(mp_reader_t *r)
{
    return r->at < r->end && (*r->at < 0x80 || *r->at >= 0xE0) ? (int8_t)*r->at++ : mp_read_long_int(r);
}

static inline uint32_t mp_read_array(mp_reader_t *r)
{
    size_t left = (size_t)(r->end - r->at);
    if (left > 0 && (*r->at & 0xF0) == 0x90 && (*r->at & 15u) < left)
        return *r->at++ & 15u;
    return mp_read_long_array(r);
}

static inline bool mp_read_nil_if(mp_reader_t *r)
{
    bool is_nil = r->at < r->end && *r->at == 0xC0;
    r->at += is_nil;
    return is_nil;
}

static inline bool mp_read_bool(mp_reader_t *r)
{
    return r->at < r->end && (*r->at & 0xFE) == 0xC2 ? *r->at++ & 1 : mp_read_other_bool(r);
}

/* Small numbers, nil and the booleans. */
static inline bool mp_is_one_byte(uint8_t c)
{
    return c < 0x80 || c >= 0xE0 || c == 0xC0 || c == 0xC2 || c == 0xC3;
}

static inline const uint8_t *mp_skip(mp_reader_t *r, size_t *ret_len)
{
    if (r->at == r->end || !mp_is_one_byte(*r->at))
        return mp_skip_long(r, ret_len);
    *ret_len = 1;
    return r->at++;
}

static inline bool mp_done(const mp_reader_t *r)
{
    return !r->bad && r->at == r->end;
}

static inline bool mp_end_fields(mp_reader_t *r, uint32_t fields, uint32_t known)
{
    return fields == known ? mp_done(r) : mp_end_more_fields(r, fields, known);
}

static inline void mp_put_uint(buf_t *b, uint64_t value)
{
    if (value < 0x80 && b->len < b->cap && !b->failed)
        b->data[b->len++] = (uint8_t)value;
    else
        mp_put_long_uint(b, value);
}

static inline void mp_put_array(buf_t *b, uint32_t count)
{
    if (count < 16 && b->len < b->cap && !b->failed)
        b->data[b->len++] = (uint8_t)(0x90 | count);
    else
        mp_put_long_array(b, count);
}

static inline uint8_t *mp_number(uint8_t *at, uint64_t value)
{
    if (value >= 0x80)
        return mp_long_number(at, value);
    *at = (uint8_t)value;
    return at + 1;
}

static inline uint8_t *mp_integer(uint8_t *at, int64_t value)
{
    if (value >= 0)
        return mp_number(at, (uint64_t)value);
    return mp_negative(at, value);
}

static inline bool mp_has_room(const buf_t *b, size_t more)
{
    return b->cap - b->len >= more && !b->failed;
}

static inline void mp_put_int(buf_t *b, int64_t value)
{
    if (mp_has_room(b, MP_NUMBER_MAX))
        b->len = (size_t)(mp_integer(b->data + b->len, value) - b->data);
    else
        mp_put_long_int(b, value);
}

static inline void mp_put_str(buf_t *b, const char *text, size_t len)
{
    if (len == 0 || len >= 32 || !mp_has_room(b, 1 + len)) {
        mp_put_long_str(b, text, len);
        return;
    }
    b->data[b->len] = (uint8_t)(0xA0 | len);
    memcpy(b->data + b->len + 1, text, len);
    b->len += 1 + len;
}

static inline void mp_put_bin(buf_t *b, const void *bytes, size_t len)
{
    if (len == 0 || len > UINT8_MAX || !mp_has_room(b, 2 + len)) {
        mp_put_long_bin(b, bytes, len);
        return;
    }
    b->data[b->len] = 0xC4;
    b->data[b->len + 1] = (uint8_t)len;
    memcpy(b->data + b->len + 2, bytes, len);
    b->len += 2 + len;
}

#endif
