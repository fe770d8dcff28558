/* What a task's function sees of its attempt: the callbacks behind fanmap_attempt_t, and the item and the value in the
 * shape that the task wants (msgpack, JSON text, plain bytes). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "schemas/value.h"
#include "slots/host/host.h"

enum { NUMBER_MAX = 40 };

static attempt_t *attempt_of(fanmap_attempt_t *api)
{
    return (attempt_t *)(void *)api; /* its first member */
}

static int api_out(fanmap_attempt_t *api, const void *bytes, size_t len)
{
    attempt_t *a = attempt_of(api);
    if (a->too_large || len > a->value_bytes_max || a->out.len > a->value_bytes_max - len) {
        a->too_large = true;
        return -1;
    }
    buf_append(&a->out, bytes, len);
    return a->out.failed ? -1 : 0;
}

static int api_fail(fanmap_attempt_t *api, int is_final, const char *type, const char *message)
{
    attempt_t *a = attempt_of(api);
    a->has_failed = true;
    a->is_final = is_final != 0;
    snprintf(a->type, sizeof a->type, "%s", type ? type : "");
    snprintf(a->message, sizeof a->message, "%s", message ? message : "");
    return -1;
}

/* The item as a number's text, for tasks whose items are bytes. */
static bool number_text(const attempt_t *a, char ret[NUMBER_MAX])
{
    const void *bytes;
    size_t len;
    if (a->shape != FANMAP_TASK_BYTES || !value_as_bytes(a->run->in, a->run->in_len, &bytes, &len) || len == 0 ||
        len >= NUMBER_MAX || memchr(bytes, '\0', len) || strchr(" \t\n\r\v\f", *(const char *)bytes))
        return false;
    memcpy(ret, bytes, len);
    ret[len] = '\0';
    return true;
}

static int api_get_i64(fanmap_attempt_t *api, int64_t *ret)
{
    const attempt_t *a = attempt_of(api);
    char text[NUMBER_MAX], *end;
    mp_reader_t r;
    mp_reader_init(&r, a->run->in, a->run->in_len);
    mp_type_t type = mp_peek(&r);
    int64_t value = type == MP_UINT || type == MP_INT ? mp_read_int(&r) : 0;
    if (type != MP_UINT && type != MP_INT) {
        errno = 0;
        if (!number_text(a, text) || (value = strtoll(text, &end, 10), errno != 0) || *end)
            return -1;
    }
    if (r.bad)
        return -1;
    *ret = value;
    return 0;
}

static int api_get_f64(fanmap_attempt_t *api, double *ret)
{
    const attempt_t *a = attempt_of(api);
    char text[NUMBER_MAX], *end;
    mp_reader_t r;
    mp_reader_init(&r, a->run->in, a->run->in_len);
    double value = 0;
    switch (mp_peek(&r)) {
    case MP_FLOAT:
        value = mp_read_float(&r);
        break;
    case MP_UINT:
        value = (double)mp_read_uint(&r);
        break;
    case MP_INT:
        value = (double)mp_read_int(&r);
        break;
    default:
        if (!number_text(a, text) || (value = strtod(text, &end), *end))
            return -1;
    }
    if (r.bad)
        return -1;
    *ret = value;
    return 0;
}

static int api_get_text(fanmap_attempt_t *api, const char **ret, size_t *ret_len)
{
    const attempt_t *a = attempt_of(api);
    const void *bytes;
    size_t len;
    if (!value_as_bytes(a->run->in, a->run->in_len, &bytes, &len))
        return -1;
    *ret = bytes;
    *ret_len = len;
    return 0;
}

/* Puts one msgpack object in the task's shape. */
static int put_object(attempt_t *a, const buf_t *mp)
{
    if (a->shape == FANMAP_TASK_MSGPACK)
        return api_out(&a->api, mp->data, mp->len);
    buf_clear(a->text);
    if (!attempt_to_shape(a->text, a->shape, mp->data, mp->len))
        return -1;
    return api_out(&a->api, a->text->data, a->text->len);
}

static int api_put_i64(fanmap_attempt_t *api, int64_t value)
{
    uint8_t space[16];
    buf_t mp = {.data = space, .cap = sizeof space};
    mp_put_int(&mp, value);
    return put_object(attempt_of(api), &mp);
}

static int api_put_f64(fanmap_attempt_t *api, double value)
{
    uint8_t space[16];
    buf_t mp = {.data = space, .cap = sizeof space};
    mp_put_float(&mp, value);
    return put_object(attempt_of(api), &mp);
}

static int api_put_text(fanmap_attempt_t *api, const char *text, size_t len)
{
    attempt_t *a = attempt_of(api);
    buf_t mp = {0};
    if (a->shape == FANMAP_TASK_BYTES)
        return api_out(api, text, len);
    if (len > a->value_bytes_max) {
        a->too_large = true;
        return -1;
    }
    if (text_utf8_valid(text, len))
        mp_put_str(&mp, text, len);
    else
        mp_put_bin(&mp, text, len);
    int result = mp.failed ? -1 : put_object(a, &mp);
    buf_free(&mp);
    return result;
}

void attempt_init(attempt_t *a, const volatile int *cancelled)
{
    a->api.cancelled = cancelled;
    a->api.out = api_out;
    a->api.fail = api_fail;
    a->api.get_i64 = api_get_i64;
    a->api.put_i64 = api_put_i64;
    a->api.get_f64 = api_get_f64;
    a->api.put_f64 = api_put_f64;
    a->api.get_text = api_get_text;
    a->api.put_text = api_put_text;
    a->api.get_header = record_header;
}

bool attempt_to_shape(buf_t *b, uint32_t shape, const void *mp, size_t len)
{
    const void *bytes;
    size_t n;
    if (shape == FANMAP_TASK_BYTES && value_as_bytes(mp, len, &bytes, &n))
        buf_append(b, bytes, n);
    else if (value_to_json(b, mp, len, NULL) != FANMAP_OK)
        return false;
    return !b->failed;
}

bool attempt_from_shape(buf_t *b, uint32_t shape, const buf_t *out, char *why, size_t why_cap)
{
    fanmap_error_t err = {0};
    const char *bytes = out->data ? (const char *)out->data : "";
    if (shape == FANMAP_TASK_JSON) {
        if (value_from_json(b, bytes, out->len, &err) == FANMAP_OK)
            return true;
        snprintf(why, why_cap, "the value is not one JSON text: %.200s", err.message);
        return false;
    }
    if (shape == FANMAP_TASK_BYTES) {
        if (text_utf8_valid(bytes, out->len))
            mp_put_str(b, bytes, out->len);
        else
            mp_put_bin(b, bytes, out->len);
        return true;
    }
    if (mp_check(out->data, out->len))
        return true; /* used as it is */
    snprintf(why, why_cap, "the value (%zu bytes) is not one msgpack object", out->len);
    return false;
}
