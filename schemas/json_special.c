#include "schemas/json_special.h"

#include <string.h>

#include "schemas/mp.h"
#include "schemas/value.h"

enum { WRAPPER_BYTES = 8 /* 0x81 0xa6 "$value" */ };

/* Turns the {"$binary":"..."} that is the end of the output from `leaf` on into a bin. */
static bool make_binary(buf_t *out, size_t leaf)
{
    mp_reader_t r;
    size_t len;
    buf_t bytes = {0};
    mp_reader_init(&r, out->data + leaf, out->len - leaf);
    mp_read_map(&r);
    mp_read_str(&r, &len);
    const char *text = mp_read_str(&r, &len);
    bool is_sound = !r.bad && base64_decode(&bytes, text, len);
    out->failed = out->failed || bytes.failed;
    if (is_sound) {
        out->len = leaf;
        mp_put_bin(out, bytes.data, bytes.len);
    }
    buf_free(&bytes);
    return is_sound;
}

bool json_unwrap(buf_t *out, json_parsed_t *v)
{
    size_t kept = v->wrappers / 2, dropped = v->wrappers - kept;
    size_t leaf = v->start + kept * WRAPPER_BYTES;
    if (out->failed)
        return false;
    if (dropped > 0) {
        size_t from = leaf + dropped * WRAPPER_BYTES;
        memmove(out->data + leaf, out->data + from, out->len - from);
        out->len -= dropped * WRAPPER_BYTES;
    }
    if (v->is_binary && v->wrappers % 2 == 0) {
        if (!make_binary(out, leaf))
            return false;
        v->height = 0;
    }
    v->height += (unsigned)kept;
    v->wrappers = 0;
    v->is_binary = false;
    return true;
}
