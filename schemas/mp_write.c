/* msgpack-c's packer, writing into a buf_t, always in the shortest form. */
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

void mp_put_uint(buf_t *b, uint64_t value)
{
    msgpack_packer p = packer(b);
    msgpack_pack_uint64(&p, value);
}

void mp_put_int(buf_t *b, int64_t value)
{
    msgpack_packer p = packer(b);
    if (value >= 0)
        msgpack_pack_uint64(&p, (uint64_t)value);
    else
        msgpack_pack_int64(&p, value);
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

void mp_put_str(buf_t *b, const char *text, size_t len)
{
    mp_put_str_head(b, len);
    append(b, text, len);
}

void mp_put_text(buf_t *b, const char *text)
{
    mp_put_str(b, text, strlen(text));
}

void mp_put_bin(buf_t *b, const void *bytes, size_t len)
{
    msgpack_packer p = packer(b);
    if (!fits(b, len))
        return;
    msgpack_pack_bin(&p, len);
    append(b, bytes, len);
}

void mp_put_array(buf_t *b, uint32_t count)
{
    msgpack_packer p = packer(b);
    msgpack_pack_array(&p, count);
}

void mp_put_map(buf_t *b, uint32_t pairs)
{
    msgpack_packer p = packer(b);
    msgpack_pack_map(&p, pairs);
}
