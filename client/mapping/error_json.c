/* {"$error":{"kind":...,"message":...}} as an item: what fanmap_outcome_json printed for an item of another map that
 * failed. */
#include <string.h>

#include "base/text.h"
#include "client/gathering/outcome.h"
#include "client/mapping/mapping.h"
#include "schemas/value.h"

static const char NOT_AN_ERROR[] =
    "$error without a kind of error and a message (write {\"$value\":...} around an object of that key)";

static bool is_key(const char *key, size_t len, const char *wanted)
{
    return key && text_is(key, len, wanted);
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
        at++;
    return at;
}

/* The text is sound JSON, and its value is a map of the one key $error. Is that key the text's own first one, and not
 * that of an object inside of a {"$value":...}? */
static bool is_outermost(const char *text, size_t len)
{
    const char *end = text + len, *at = skip_blanks(text, end);
    const char *key = skip_blanks(at + 1, end), *close = key + 1;
    while (close < end && *close != '"')
        close += *close == '\\' ? 2 : 1;
    buf_t decoded = {0};
    fanmap_error_t err;
    const void *bytes;
    size_t n;
    bool is = close < end && value_from_json(&decoded, key, (size_t)(close - key) + 1, &err) == FANMAP_OK &&
              value_as_bytes(decoded.data, decoded.len, &bytes, &n) && is_key(bytes, n, "$error");
    buf_free(&decoded);
    return is;
}

static fanmap_kind_t kind_of(const char *name, size_t len)
{
    for (int kind = FANMAP_EXCEPTION; kind <= FANMAP_LOST; kind++)
        if (is_key(name, len, fanmap_kind_name((fanmap_kind_t)kind)))
            return (fanmap_kind_t)kind;
    return FANMAP_VALUE;
}

static int32_t read_small(mp_reader_t *r)
{
    int64_t value = mp_read_int(r);
    if (value < 0 || value > INT32_MAX)
        r->bad = true;
    return r->bad ? 0 : (int32_t)value;
}

static void read_field(mp_reader_t *r, const char *key, size_t key_len, outcome_t *ret)
{
    size_t len;
    if (is_key(key, key_len, "kind")) {
        const char *name = mp_read_str(r, &len);
        ret->kind = r->bad ? FANMAP_VALUE : kind_of(name, len);
    } else if (is_key(key, key_len, "message")) {
        ret->message = mp_read_str(r, &ret->message_len);
    } else if (is_key(key, key_len, "type")) {
        ret->type = mp_read_str(r, &ret->type_len);
    } else if (is_key(key, key_len, "stderr")) {
        ret->stderr_tail = mp_read_str(r, &ret->stderr_len);
    } else if (is_key(key, key_len, "stdout")) {
        ret->stdout_tail = mp_read_str(r, &ret->stdout_len);
    } else if (is_key(key, key_len, "attempts")) {
        ret->attempts = (uint32_t)read_small(r);
    } else if (is_key(key, key_len, "exit_status")) {
        ret->exit_status = read_small(r);
    } else if (is_key(key, key_len, "signal")) {
        ret->signo = read_small(r);
    } else {
        (void)mp_skip(r, &len);
    }
}

static bool read_error(mp_reader_t *r, outcome_t *ret)
{
    outcome_t outcome = {.type = "", .stderr_tail = ""};
    uint32_t pairs = mp_read_map(r);
    for (uint32_t i = 0; i < pairs && !r->bad; i++) {
        size_t len;
        const char *key = mp_read_str(r, &len);
        if (!r->bad)
            read_field(r, key, len, &outcome);
    }
    if (r->bad || outcome.kind == FANMAP_VALUE || !outcome.message)
        return false;
    *ret = outcome;
    return true;
}

bool error_from_msgpack(const void *mp, size_t mp_len, outcome_t *ret, const char **ret_why)
{
    const uint8_t *error;
    size_t len;
    mp_reader_t r;
    const char *key = msgpack_single_key(mp, mp_len, &error, &len);
    if (!key || strcmp(key, "$error") != 0)
        return false;
    mp_reader_init(&r, error, len);
    if (!read_error(&r, ret))
        *ret_why = NOT_AN_ERROR;
    return true;
}

bool error_from_json(const char *text, size_t len, const buf_t *mp, outcome_t *ret, const char **ret_why)
{
    mp_reader_t r;
    size_t key_len;
    mp_reader_init(&r, mp->data, mp->len);
    if (mp_peek(&r) != MP_MAP || mp_read_map(&r) != 1)
        return false;
    const char *key = mp_read_str(&r, &key_len);
    if (r.bad || !is_key(key, key_len, "$error") || !is_outermost(text, len))
        return false;
    if (!read_error(&r, ret))
        *ret_why = NOT_AN_ERROR;
    return true;
}
