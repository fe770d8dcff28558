/* The cursor. Every object has a head, which is taken apart in one place (parse); all reading, skipping and scanning
 * steps over heads. A str, bin or ext that claims more bytes than there are, or an array or map that claims more
 * objects than bytes, is bad before anybody believes it. Depth is bounded, and no function calls itself. */
#include <endian.h>
#include <string.h>

#include "schemas/mp.h"

enum { NEVER_USED = 0xC1 }; /* the one byte that begins nothing */

/* The first bytes of an object, taken apart. */
typedef struct {
    mp_type_t type;
    uint64_t number;   /* MP_BOOL, MP_UINT; MP_INT and MP_FLOAT: the bits */
    uint64_t children; /* objects inside: elements, or keys and values */
    size_t body;       /* bytes of a str, bin or ext after the head */
    bool is_float32;
} head_t;

static size_t left(const mp_reader_t *r)
{
    return (size_t)(r->end - r->at);
}

static void reader_fail(mp_reader_t *r)
{
    r->bad = true;
    r->at = r->end;
}

void mp_reader_init(mp_reader_t *r, const void *bytes, size_t len)
{
    static const uint8_t none[1];
    r->at = len > 0 ? bytes : none;
    r->end = r->at + len;
    r->bad = false;
}

static uint64_t big_endian(const uint8_t *at, unsigned width)
{
    uint64_t value = 0;
    memcpy((uint8_t *)&value + (sizeof value - width), at, width);
    return be64toh(value);
}

/* Takes the big-endian number of `width` bytes behind the first byte, and steps over both. */
static bool read_width(mp_reader_t *r, unsigned width, uint64_t *ret)
{
    if (left(r) < 1u + width) {
        reader_fail(r);
        return false;
    }
    *ret = big_endian(r->at + 1, width);
    r->at += 1 + width;
    return true;
}

static bool as_unsigned(mp_reader_t *r, head_t *h, unsigned width)
{
    h->type = MP_UINT;
    return read_width(r, width, &h->number);
}

static bool as_signed(mp_reader_t *r, head_t *h, unsigned width)
{
    if (!read_width(r, width, &h->number))
        return false;
    uint64_t sign = (uint64_t)1 << (width * 8 - 1);
    h->type = h->number & sign ? MP_INT : MP_UINT;
    h->number = (h->number ^ sign) - sign;
    return true;
}

static bool as_float(mp_reader_t *r, head_t *h, unsigned width)
{
    h->type = MP_FLOAT;
    h->is_float32 = width == 4;
    return read_width(r, width, &h->number);
}

/* `extra`: the type byte of an ext, which counts as body. */
static bool as_bytes(mp_reader_t *r, head_t *h, mp_type_t type, unsigned width, size_t extra)
{
    uint64_t len;
    if (!read_width(r, width, &len))
        return false;
    h->type = type;
    h->body = (size_t)len + extra;
    return true;
}

static bool as_container(mp_reader_t *r, head_t *h, mp_type_t type, unsigned width)
{
    h->type = type;
    if (!read_width(r, width, &h->children))
        return false;
    h->children *= type == MP_MAP ? 2 : 1;
    return true;
}

static bool as_short(mp_reader_t *r, head_t *h, mp_type_t type, uint64_t number, uint64_t children, size_t body)
{
    *h = (head_t){.type = type, .number = number, .children = children, .body = body};
    r->at++;
    return true;
}

static bool parse_long(mp_reader_t *r, head_t *h)
{
    uint8_t c = *r->at;
    switch (c) {
    case 0xC4:
    case 0xC5:
    case 0xC6:
        return as_bytes(r, h, MP_BIN, 1u << (c - 0xC4), 0);
    case 0xC7:
    case 0xC8:
    case 0xC9:
        return as_bytes(r, h, MP_EXT, 1u << (c - 0xC7), 1);
    case 0xCA:
    case 0xCB:
        return as_float(r, h, c == 0xCA ? 4 : 8);
    case 0xCC:
    case 0xCD:
    case 0xCE:
    case 0xCF:
        return as_unsigned(r, h, 1u << (c - 0xCC));
    case 0xD0:
    case 0xD1:
    case 0xD2:
    case 0xD3:
        return as_signed(r, h, 1u << (c - 0xD0));
    case 0xD9:
    case 0xDA:
    case 0xDB:
        return as_bytes(r, h, MP_STR, 1u << (c - 0xD9), 0);
    case 0xDC:
    case 0xDD:
        return as_container(r, h, MP_ARRAY, c == 0xDC ? 2 : 4);
    case 0xDE:
    case 0xDF:
        return as_container(r, h, MP_MAP, c == 0xDE ? 2 : 4);
    default: /* 0xD4..0xD8: fixext */
        return as_short(r, h, MP_EXT, 0, 0, ((size_t)1 << (c - 0xD4)) + 1);
    }
}

static bool parse(mp_reader_t *r, head_t *h)
{
    uint8_t c = *r->at;
    if (c < 0x80)
        return as_short(r, h, MP_UINT, c, 0, 0);
    if (c < 0x90)
        return as_short(r, h, MP_MAP, 0, 2 * (c & 15u), 0);
    if (c < 0xA0)
        return as_short(r, h, MP_ARRAY, 0, c & 15u, 0);
    if (c < 0xC0)
        return as_short(r, h, MP_STR, 0, 0, c & 31u);
    if (c >= 0xE0)
        return as_short(r, h, MP_INT, (uint64_t)(int64_t)(int8_t)c, 0, 0);
    if (c == 0xC0)
        return as_short(r, h, MP_NIL, 0, 0, 0);
    if (c == 0xC2 || c == 0xC3)
        return as_short(r, h, MP_BOOL, c & 1u, 0, 0);
    *h = (head_t){0};
    return c != NEVER_USED && parse_long(r, h);
}

mp_scan_t mp_scan(const uint8_t *bytes, size_t len, uint64_t *at, uint64_t *objects)
{
    while (*objects > 0) {
        head_t h;
        if (*at >= len)
            return MP_SCAN_MORE;
        const uint8_t *start = bytes + *at;
        mp_reader_t r = {.at = start, .end = bytes + len};
        if (*start == NEVER_USED || *objects > UINT64_MAX / 4)
            return MP_SCAN_BROKEN;
        if (!parse(&r, &h))
            return MP_SCAN_MORE;
        *at += (uint64_t)(r.at - start) + h.body;
        *objects += h.children;
        *objects -= 1;
    }
    return *at <= len ? MP_SCAN_WHOLE : MP_SCAN_MORE;
}

/* Steps over a head; false and bad when there is none, or what it announces is more than the bytes that are left. */
static bool next(mp_reader_t *r, head_t *h)
{
    if (left(r) == 0 || !parse(r, h) || h->body > left(r) || h->children > left(r)) {
        reader_fail(r);
        return false;
    }
    return true;
}

static bool next_of(mp_reader_t *r, head_t *h, mp_type_t type)
{
    if (!next(r, h))
        return false;
    if (h->type != type)
        reader_fail(r);
    return h->type == type;
}

mp_type_t mp_peek(const mp_reader_t *r)
{
    mp_reader_t ahead = *r;
    head_t h;
    if (left(r) == 0 || !parse(&ahead, &h))
        return MP_NONE;
    return h.type;
}

uint64_t mp_read_long_uint(mp_reader_t *r)
{
    uint64_t number;
    if (r->at < r->end && (*r->at & 0xFC) == 0xCC)
        return read_width(r, 1u << (*r->at & 3), &number) ? number : 0;
    head_t h;
    return next_of(r, &h, MP_UINT) ? h.number : 0;
}

int64_t mp_read_long_int(mp_reader_t *r)
{
    if (r->at < r->end && (*r->at & 0xFC) == 0xCC) {
        uint64_t number = mp_read_long_uint(r);
        if (number > INT64_MAX)
            reader_fail(r);
        return r->bad ? 0 : (int64_t)number;
    }
    head_t h;
    if (!next(r, &h))
        return 0;
    if (h.type == MP_INT || (h.type == MP_UINT && h.number <= INT64_MAX))
        return (int64_t)h.number;
    reader_fail(r);
    return 0;
}

uint32_t mp_read_u32(mp_reader_t *r)
{
    uint64_t value = mp_read_uint(r);
    r->bad = r->bad || value > UINT32_MAX;
    return (uint32_t)value;
}

int32_t mp_read_i32(mp_reader_t *r)
{
    int64_t value = mp_read_int(r);
    r->bad = r->bad || value < INT32_MIN || value > INT32_MAX;
    return (int32_t)value;
}

int64_t mp_read_step(mp_reader_t *r, int64_t from)
{
    int64_t step = mp_read_int(r);
    r->bad = r->bad || step < 0 || step > INT64_MAX - from;
    return r->bad ? from : from + step;
}

double mp_read_float(mp_reader_t *r)
{
    head_t h;
    if (!next_of(r, &h, MP_FLOAT))
        return 0;
    if (h.is_float32) {
        uint32_t bits = (uint32_t)h.number;
        float value;
        memcpy(&value, &bits, sizeof value);
        return (double)value;
    }
    double value;
    memcpy(&value, &h.number, sizeof value);
    return value;
}

bool mp_read_other_bool(mp_reader_t *r)
{
    head_t h;
    return next_of(r, &h, MP_BOOL) && h.number;
}

void mp_read_nil(mp_reader_t *r)
{
    head_t h;
    next_of(r, &h, MP_NIL);
}

static const uint8_t *read_bytes(mp_reader_t *r, mp_type_t type, size_t *ret_len)
{
    head_t h;
    bool is_there = next_of(r, &h, type);
    const uint8_t *bytes = r->at;
    *ret_len = is_there ? h.body : 0;
    r->at += *ret_len;
    return bytes;
}

const char *mp_read_str(mp_reader_t *r, size_t *ret_len)
{
    return (const char *)read_bytes(r, MP_STR, ret_len);
}

const void *mp_read_bin(mp_reader_t *r, size_t *ret_len)
{
    const uint8_t *bytes = r->at + 2;
    if (left(r) < 2 || *r->at != 0xC4 || r->at[1] > left(r) - 2)
        return read_bytes(r, MP_BIN, ret_len);
    *ret_len = r->at[1];
    r->at = bytes + *ret_len;
    return bytes;
}

uint32_t mp_read_long_array(mp_reader_t *r)
{
    head_t h;
    return next_of(r, &h, MP_ARRAY) ? (uint32_t)h.children : 0;
}

uint32_t mp_read_map(mp_reader_t *r)
{
    head_t h;
    return next_of(r, &h, MP_MAP) ? (uint32_t)(h.children / 2) : 0;
}

/* The length of a short string or binary, by its first two bytes; 0: it is none, or more than is there. */
static size_t short_bytes(const mp_reader_t *r)
{
    if (left(r) < 2)
        return 0;
    uint8_t c = *r->at;
    size_t len = (c & 0xE0) == 0xA0 ? 1 + (c & 31u) : c == 0xD9 || c == 0xC4 ? 2 + (size_t)r->at[1] : 0;
    return len <= left(r) ? len : 0;
}

const uint8_t *mp_skip_long(mp_reader_t *r, size_t *ret_len)
{
    const uint8_t *start = r->at;
    size_t len = short_bytes(r);
    if (len > 0) {
        r->at += len;
        *ret_len = len;
        return start;
    }
    uint64_t open[MP_DEPTH_MAX]; /* objects still to come at each level that is open */
    unsigned depth = 0;
    head_t h;
    do {
        if (!next(r, &h))
            return NULL;
        r->at += h.body;
        if (depth > 0)
            open[depth - 1]--;
        if (h.type == MP_ARRAY || h.type == MP_MAP) {
            if (depth == MP_DEPTH_MAX) {
                reader_fail(r);
                return NULL;
            }
            open[depth++] = h.children;
        }
        while (depth > 0 && open[depth - 1] == 0)
            depth--;
    } while (depth > 0);
    *ret_len = (size_t)(r->at - start);
    return start;
}

void mp_skip_fields(mp_reader_t *r, uint32_t count)
{
    size_t len;
    while (count > 0 && mp_skip(r, &len))
        count--;
}

bool mp_end_more_fields(mp_reader_t *r, uint32_t fields, uint32_t known)
{
    if (r->bad || fields < known)
        return false;
    mp_skip_fields(r, fields - known);
    return mp_done(r);
}

void mp_read_text(mp_reader_t *r, char *ret, size_t cap)
{
    size_t len;
    const char *text = mp_read_str(r, &len);
    if (r->bad || len >= cap || memchr(text, '\0', len)) {
        reader_fail(r);
        return;
    }
    memcpy(ret, text, len);
    ret[len] = '\0';
}

bool mp_check(const void *bytes, size_t len)
{
    mp_reader_t r;
    size_t used;
    mp_reader_init(&r, bytes, len);
    return mp_skip(&r, &used) && mp_done(&r);
}
