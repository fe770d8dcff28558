#include "schemas/mp_fields.h"

static void put_field(buf_t *b, const mp_field_t *f, const char *from)
{
    const void *at = from + f->at;
    const size_t *len = (const void *)(from + f->size);
    switch (f->type) {
    case MP_FIELD_U32:
        mp_put_uint(b, *(const uint32_t *)at);
        break;
    case MP_FIELD_U64:
        mp_put_uint(b, *(const uint64_t *)at);
        break;
    case MP_FIELD_I32:
        mp_put_int(b, *(const int32_t *)at);
        break;
    case MP_FIELD_I64:
        mp_put_int(b, *(const int64_t *)at);
        break;
    case MP_FIELD_BOOL:
        mp_put_bool(b, *(const bool *)at);
        break;
    case MP_FIELD_TEXT:
        mp_put_text(b, at);
        break;
    case MP_FIELD_STR:
        mp_put_str(b, *(const char *const *)at, *len);
        break;
    case MP_FIELD_BIN:
        mp_put_bin(b, *(const char *const *)at, *len);
        break;
    case MP_FIELD_MAP:
        if (*len > 0)
            buf_append(b, *(const uint8_t *const *)at, *len);
        else
            mp_put_nil(b);
        break;
    case MP_FIELD_CUSTOM:
        f->put(b, at);
        break;
    }
}

static void read_field(mp_reader_t *r, const mp_field_t *f, char *to)
{
    void *at = to + f->at;
    size_t *len = (void *)(to + f->size);
    switch (f->type) {
    case MP_FIELD_U32:
        *(uint32_t *)at = mp_read_u32(r);
        break;
    case MP_FIELD_U64:
        *(uint64_t *)at = mp_read_uint(r);
        break;
    case MP_FIELD_I32:
        *(int32_t *)at = mp_read_i32(r);
        break;
    case MP_FIELD_I64:
        *(int64_t *)at = mp_read_int(r);
        break;
    case MP_FIELD_BOOL:
        *(bool *)at = mp_read_bool(r);
        break;
    case MP_FIELD_TEXT:
        mp_read_text(r, at, f->size);
        break;
    case MP_FIELD_STR:
        *(const char **)at = mp_read_str(r, len);
        break;
    case MP_FIELD_BIN:
        *(const char **)at = mp_read_bin(r, len);
        break;
    case MP_FIELD_MAP:
        if (mp_read_nil_if(r))
            break;
        r->bad = r->bad || mp_peek(r) != MP_MAP;
        *(const uint8_t **)at = mp_skip(r, len);
        break;
    case MP_FIELD_CUSTOM:
        f->read(r, at);
        break;
    }
}

void mp_put_fields(buf_t *b, const mp_field_t *fields, size_t n, const void *from)
{
    for (size_t i = 0; i < n; i++)
        put_field(b, &fields[i], from);
}

void mp_read_fields(mp_reader_t *r, const mp_field_t *fields, size_t n, void *to)
{
    for (size_t i = 0; i < n; i++)
        read_field(r, &fields[i], to);
}
