/* msgpack as the command line writes and reads it: one object behind the other. An error is {"$error": {...}} as in
 * JSON; a map whose single key is $error, $value or $binary is wrapped as {"$value": ...}, so that reading gives the
 * same map. */
#include <string.h>

#include "client/handle/handle.h"
#include "fanmap/admin.h"

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

static void put_signed(buf_t *b, const char *name, int64_t value)
{
    mp_put_text(b, name);
    mp_put_int(b, value);
}

static void put_text(buf_t *b, const char *name, const char *text, size_t len)
{
    mp_put_text(b, name);
    mp_put_str(b, text, len);
}

void outcome_put_error(buf_t *b, const fanmap_outcome_t *o, bool with_attempts)
{
    bool has_type = o->type[0] != '\0', has_status = o->exit_status != 0, has_signal = o->signo != 0;
    bool has_stderr = o->stderr_len > 0, has_stdout = o->stdout_len > 0;
    mp_put_map(b, 2u + has_type + with_attempts + has_status + has_signal + has_stderr + has_stdout);
    put_text(b, "kind", fanmap_kind_name(o->kind), strlen(fanmap_kind_name(o->kind)));
    put_text(b, "message", o->message, strlen(o->message));
    if (has_type)
        put_text(b, "type", o->type, strlen(o->type));
    if (with_attempts)
        put_number(b, "attempts", o->attempts);
    if (has_status)
        put_signed(b, "exit_status", o->exit_status);
    if (has_signal)
        put_signed(b, "signal", o->signo);
    if (has_stderr)
        put_text(b, "stderr", o->stderr_tail, o->stderr_len);
    if (has_stdout)
        put_text(b, "stdout", o->stdout_tail, o->stdout_len);
}

static void put_record(buf_t *b, const fanmap_outcome_t *o)
{
    bool is_of_stream = o->partition >= 0;
    mp_put_map(b, 3U + is_of_stream + (o->key != NULL));
    if (is_of_stream)
        put_number(b, "partition", (uint64_t)o->partition);
    put_number(b, is_of_stream ? "offset" : "index", o->index);
    if (o->key) {
        mp_put_text(b, "key");
        mp_put_bin(b, o->key, o->key_len);
    }
    put_number(b, "attempts", o->attempts);
    mp_put_text(b, o->kind == FANMAP_VALUE ? "value" : "error");
    if (o->kind == FANMAP_VALUE)
        put_value(b, o);
    else
        outcome_put_error(b, o, false);
}

int fanmap_outcome_msgpack(fanmap_job_t *job, const fanmap_outcome_t *outcome, bool as_record, const void **ret_bytes,
                           size_t *ret_len, fanmap_error_t *err)
{
    buf_t *b = &job->handout->line;
    if (job->handout->view.format != FANMAP_MSGPACK)
        return err_set(err, FANMAP_EUSAGE, "the job's value-format is not msgpack");
    buf_clear(b);
    if (as_record) {
        put_record(b, outcome);
    } else if (outcome->kind == FANMAP_VALUE) {
        put_value(b, outcome);
    } else {
        mp_put_map(b, 1);
        mp_put_text(b, "$error");
        outcome_put_error(b, outcome, true);
    }
    if (b->failed)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    *ret_bytes = b->data;
    *ret_len = b->len;
    return FANMAP_OK;
}

int fanmap_msgpack_scan(fanmap_scan_t *scan, const void *bytes, size_t len)
{
    if (!scan->is_begun)
        scan->objects = 1;
    scan->is_begun = true;
    switch (mp_scan(bytes, len, &scan->at, &scan->objects)) {
    case MP_SCAN_WHOLE:
        return FANMAP_OK;
    case MP_SCAN_MORE:
        return FANMAP_AGAIN;
    case MP_SCAN_BROKEN:
        break;
    }
    return FANMAP_EUSAGE;
}
