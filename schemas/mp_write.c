/* msgpack-c's packer, writing into a buf_t, always in the shortest form. */
#include <endian.h>
#include <string.h>

#include <msgpack/pack.h>

#include "schemas/mp.h"

/* Inlined into the packer's functions, so that a small object costs no call. */
static inline int append(void *data, const char *bytes, size_t len)
{
    buf_t *b = data;
    if (__builtin_expect(b->cap - b->len < len || b->failed, 0)) {
        buf_append(b, bytes, len);
        return 0;
    }
    if (len > 0)
        memcpy(b->data + b->len, bytes, len);
    b->len += len;
    return 0;
}

static inline msgpack_packer packer(buf_t *b)
{
    return (msgpack_packer){.data = b, .callback = append};
}

void mp_put_nil(buf_t *b)
{
    msgpack_packer p = packer(b);
    msgpack_pack_nil(&p);
}

void mp_put_bool(buf_t *b, bool value)
{
    msgpack_packer p = packer(b);
    if (value)
        msgpack_pack_true(&p);
    else
        msgpack_pack_false(&p);
}

static inline uint8_t *put_width(uint8_t *at, uint8_t head, uint64_t value, size_t width)
{
    uint64_t big_endian = htobe64(value);
    *at = head;
    memcpy(at + 1, (const uint8_t *)&big_endian + (sizeof big_endian - width), width);
    return at + 1 + width;
}

uint8_t *mp_long_number(uint8_t *at, uint64_t value)
{
    if (value <= UINT8_MAX)
        return put_width(at, 0xCC, value, 1);
    if (value <= UINT16_MAX)
        return put_width(at, 0xCD, value, 2);
    if (value <= UINT32_MAX)
        return put_width(at, 0xCE, value, 4);
    return put_width(at, 0xCF, value, 8);
}

uint8_t *mp_negative(uint8_t *at, int64_t value)
{
    uint64_t bits = (uint64_t)value;
    if (value >= INT8_MIN) {
        *at = (uint8_t)bits;
        return value >= -32 ? at + 1 : put_width(at, 0xD0, bits, 1);
    }
    if (value >= INT16_MIN)
        return put_width(at, 0xD1, bits, 2);
    if (value >= INT32_MIN)
        return put_width(at, 0xD2, bits, 4);
    return put_width(at, 0xD3, bits, 8);
}

static void grown_to(buf_t *b, const uint8_t *end)
{
    b->len = (size_t)(end - b->data);
}

void mp_put_long_uint(buf_t *b, uint64_t value)
{
    uint8_t *at = buf_reserve(b, MP_NUMBER_MAX);
    if (at != NULL)
        grown_to(b, mp_number(at, value));
}

void mp_put_long_int(buf_t *b, int64_t value)
{
    uint8_t *at = buf_reserve(b, MP_NUMBER_MAX);
    if (at != NULL)
        grown_to(b, mp_integer(at, value));
}

void mp_put_float(buf_t *b, double value)
{
    msgpack_packer p = packer(b);
    msgpack_pack_double(&p, value);
}

/* A str or bin holds at most 2^32 - 1 bytes. */
static bool fits(buf_t *b, size_t len)
{
    if (len > UINT32_MAX)
        b->failed = true;
    return len <= UINT32_MAX;
}

void mp_put_str_head(buf_t *b, size_t len)
{
    msgpack_packer p = packer(b);
    if (fits(b, len))
        msgpack_pack_str(&p, len);
}

void mp_put_long_str(buf_t *b, const char *text, size_t len)
{
    mp_put_str_head(b, len);
    append(b, text, len);
}

void mp_put_text(buf_t *b, const char *text)
{
    mp_put_str(b, text, strlen(text));
}

void mp_put_long_bin(buf_t *b, const void *bytes, size_t len)
{
    msgpack_packer p = packer(b);
    if (!fits(b, len))
        return;
    msgpack_pack_bin(&p, len);
    append(b, bytes, len);
}

void mp_put_long_array(buf_t *b, uint32_t count)
{
    msgpack_packer p = packer(b);
    msgpack_pack_array(&p, count);
}

void mp_put_map(buf_t *b, uint32_t pairs)
{
    msgpack_packer p = packer(b);
    msgpack_pack_map(&p, pairs);
}
