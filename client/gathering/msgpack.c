/* msgpack as the command line writes and reads it: one object behind the other. An error is {"$error": {...}} as in
 * JSON; a map whose single key is $error, $value or $binary is wrapped as {"$value": ...}, so that reading gives the
 * same map. */
#include <string.h>

#include "client/connection/client.h"
#include "fanmap/admin.h"

static bool is_text(const char *key, size_t len, const char *wanted)
{
    return len == strlen(wanted) && memcmp(key, wanted, len) == 0;
}

const char *msgpack_single_key(const void *mp, size_t len, const uint8_t **ret_value, size_t *ret_len)
{
    static const char *const keys[] = {"$error", "$value", "$binary"};
    mp_reader_t r;
    size_t key_len;
    mp_reader_init(&r, mp, len);
    if (mp_peek(&r) != MP_MAP || mp_read_map(&r) != 1 || mp_peek(&r) != MP_STR)
        return NULL;
    const char *key = mp_read_str(&r, &key_len);
    *ret_value = mp_skip(&r, ret_len);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0] && !r.bad; i++)
        if (is_text(key, key_len, keys[i]))
            return keys[i];
    return NULL;
}

/* ---- writing ---- */

static void put_value(buf_t *b, const fanmap_outcome_t *o)
{
    const uint8_t *inner;
    size_t inner_len;
    if (msgpack_single_key(o->value, o->value_len, &inner, &inner_len)) {
        mp_put_map(b, 1);
        mp_put_text(b, "$value");
    }
    buf_append(b, o->value, o->value_len);
}

static void put_number(buf_t *b, const char *name, uint64_t value)
{
    mp_put_text(b, name);
    mp_put_uint(b, value);
}

static void put_text(buf_t *b, const char *name, const char *text, size_t len)
{
    mp_put_text(b, name);
    mp_put_str(b, text, len);
}

static void put_error(buf_t *b, const fanmap_outcome_t *o, bool with_attempts)
{
    bool has_type = o->type[0] != '\0', has_status = o->exit_status > 0, has_signal = o->signo > 0;
    bool has_stderr = o->stderr_len > 0;
    mp_put_map(b, 2u + has_type + with_attempts + has_status + has_signal + has_stderr);
    put_text(b, "kind", fanmap_kind_name(o->kind), strlen(fanmap_kind_name(o->kind)));
    put_text(b, "message", o->message, strlen(o->message));
    if (has_type)
        put_text(b, "type", o->type, strlen(o->type));
    if (with_attempts)
        put_number(b, "attempts", o->attempts);
    if (has_status)
        put_number(b, "exit_status", (uint64_t)o->exit_status);
    if (has_signal)
        put_number(b, "signal", (uint64_t)o->signo);
    if (has_stderr)
        put_text(b, "stderr", o->stderr_tail, o->stderr_len);
}

static void put_record(buf_t *b, const fanmap_outcome_t *o)
{
    mp_put_map(b, 3);
    put_number(b, "index", o->index);
    put_number(b, "attempts", o->attempts);
    mp_put_text(b, o->kind == FANMAP_VALUE ? "value" : "error");
    if (o->kind == FANMAP_VALUE)
        put_value(b, o);
    else
        put_error(b, o, false);
}

int fanmap_outcome_msgpack(fanmap_job_t *job, const fanmap_outcome_t *outcome, bool as_record, const void **ret_bytes,
                           size_t *ret_len, fanmap_error_t *err)
{
    buf_t *b = &job->line;
    if (job->value_format != FANMAP_MSGPACK)
        return err_set(err, FANMAP_EUSAGE, "the job's value-format is not msgpack");
    buf_clear(b);
    if (as_record) {
        put_record(b, outcome);
    } else if (outcome->kind == FANMAP_VALUE) {
        put_value(b, outcome);
    } else {
        mp_put_map(b, 1);
        mp_put_text(b, "$error");
        put_error(b, outcome, true);
    }
    if (b->failed)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    *ret_bytes = b->data;
    *ret_len = b->len;
    return FANMAP_OK;
}

/* ---- finding the end of an object ---- */

enum { SCAN_BROKEN = 0xc1 };

typedef struct {
    unsigned length_bytes; /* of a length behind the first byte */
    unsigned plain;        /* payload bytes beside that length */
    unsigned per_count;    /* what the length counts: 0 bytes, 1 elements, 2 pairs */
} shape_t;

/* Of the first bytes 0xc0 to 0xdf. */
static const shape_t shapes[32] = {
    [0x04] = {1, 0, 0},  [0x05] = {2, 0, 0}, [0x06] = {4, 0, 0},                     /* bin */
    [0x07] = {1, 1, 0},  [0x08] = {2, 1, 0}, [0x09] = {4, 1, 0},                     /* ext */
    [0x0a] = {0, 4, 0},  [0x0b] = {0, 8, 0},                                         /* float */
    [0x0c] = {0, 1, 0},  [0x0d] = {0, 2, 0}, [0x0e] = {0, 4, 0}, [0x0f] = {0, 8, 0}, /* uint */
    [0x10] = {0, 1, 0},  [0x11] = {0, 2, 0}, [0x12] = {0, 4, 0}, [0x13] = {0, 8, 0}, /* int */
    [0x14] = {0, 2, 0},  [0x15] = {0, 3, 0}, [0x16] = {0, 5, 0}, [0x17] = {0, 9, 0}, /* fixext */
    [0x18] = {0, 17, 0}, [0x19] = {1, 0, 0}, [0x1a] = {2, 0, 0}, [0x1b] = {4, 0, 0}, /* str */
    [0x1c] = {2, 0, 1},  [0x1d] = {4, 0, 1}, [0x1e] = {2, 0, 2}, [0x1f] = {4, 0, 2}, /* array, map */
};

/* One head. False: it is not whole yet. */
static bool scan_head(const uint8_t *at, uint64_t left, uint64_t *ret_step, uint64_t *ret_children)
{
    uint8_t first = *at;
    *ret_step = 1;
    *ret_children = 0;
    if (first >= 0x80 && first < 0xa0)
        *ret_children = (first & 0x0f) * (first < 0x90 ? 2u : 1u);
    else if (first >= 0xa0 && first < 0xc0)
        *ret_step += first & 0x1f;
    if (first < 0xc0 || first >= 0xe0)
        return true;
    const shape_t *shape = &shapes[first - 0xc0];
    uint64_t n = 0;
    if (left < 1 + shape->length_bytes)
        return false;
    for (unsigned i = 1; i <= shape->length_bytes; i++)
        n = n << 8 | at[i];
    *ret_step += shape->length_bytes + shape->plain + (shape->per_count == 0 ? n : 0);
    *ret_children = n * shape->per_count;
    return true;
}

int fanmap_msgpack_scan(fanmap_scan_t *scan, const void *bytes, size_t len)
{
    const uint8_t *from = bytes;
    uint64_t step, children;
    if (!scan->is_begun)
        scan->objects = 1;
    scan->is_begun = true;
    while (scan->objects > 0) {
        if (scan->at >= len || !scan_head(from + scan->at, len - scan->at, &step, &children))
            return FANMAP_AGAIN;
        if (from[scan->at] == SCAN_BROKEN || scan->objects > UINT64_MAX / 4)
            return FANMAP_EUSAGE;
        scan->at += step;
        scan->objects += children;
        scan->objects--;
    }
    return scan->at <= len ? FANMAP_OK : FANMAP_AGAIN;
}
