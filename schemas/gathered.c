/* The offsets of jobs without a file as differences from the prefix; as many as there is room for, and `until` then
 * says how far that goes. */
#include "schemas/gathered.h"

#include "schemas/mp.h"
#include "schemas/value.h"

enum { FIELDS = 3, RAW_MAX = GATHERED_BYTES_MAX / 4 * 3, HEAD_MAX = 1 + 1 + 9 + 3 };

/* The names that fit; until falls to the first that does not. */
static uint32_t put_steps(buf_t *steps, int64_t prefix, const gathered_t *gathered, int64_t *ret_until)
{
    int64_t last = prefix;
    *ret_until = gathered->until;
    for (uint32_t i = 0; i < gathered->open_n; i++) {
        size_t before = steps->len;
        mp_put_int(steps, gathered->open[i] - last);
        if (steps->len > RAW_MAX - HEAD_MAX) {
            steps->len = before;
            *ret_until = gathered->open[i];
            return i;
        }
        last = gathered->open[i];
    }
    return gathered->open_n;
}

void gathered_encode(buf_t *b, int64_t prefix, const gathered_t *gathered)
{
    buf_t raw = {0}, steps = {0};
    int64_t until;
    uint32_t n = put_steps(&steps, prefix, gathered, &until);
    mp_put_array(&raw, FIELDS);
    mp_put_uint(&raw, GATHERED_VERSION);
    mp_put_int(&raw, until - prefix);
    mp_put_array(&raw, n);
    buf_append(&raw, steps.data, steps.len);
    if (raw.failed || steps.failed)
        b->failed = true;
    else
        base64_append(b, raw.data, raw.len);
    buf_free(&raw);
    buf_free(&steps);
}

static bool decode_raw(const buf_t *raw, int64_t prefix, gathered_t *ret)
{
    mp_reader_t r;
    mp_reader_init(&r, raw->data, raw->len);
    uint32_t fields = mp_read_array(&r);
    if (mp_read_uint(&r) != GATHERED_VERSION || fields < FIELDS)
        return false;
    ret->until = mp_read_step(&r, prefix);
    ret->open_n = mp_read_array(&r);
    r.bad = r.bad || ret->open_n > GATHERED_OPEN_MAX;
    int64_t last = prefix;
    for (uint32_t i = 0; i < ret->open_n && !r.bad; i++)
        ret->open[i] = last = mp_read_step(&r, last);
    mp_skip_fields(&r, fields - FIELDS);
    return mp_done(&r);
}

bool gathered_decode(const char *text, size_t len, int64_t prefix, gathered_t *ret)
{
    buf_t raw = {0};
    bool is_sound = prefix >= 0 && len > 0 && len <= GATHERED_BYTES_MAX && base64_decode(&raw, text, len) &&
                    decode_raw(&raw, prefix, ret);
    buf_free(&raw);
    return is_sound;
}
