/* An outcome as one line of JSON: its value, or {"$error": ...}, or with --records everything of it. */
#include <inttypes.h>

#include "base/text.h"
#include "client/handle/handle.h"
#include "schemas/value.h"

/* {"kind":...,"message":...} with what else applies, as in msgpack. */
static void put_error(buf_t *b, const fanmap_outcome_t *o, bool with_attempts)
{
    buf_t error = {0};
    outcome_put_error(&error, o, with_attempts);
    b->failed |= error.failed || value_to_json(b, error.data, error.len, NULL) != FANMAP_OK;
    buf_free(&error);
}

/* As a value of these bytes would stand in JSON. */
static void put_key(buf_t *b, const void *key, size_t len)
{
    buf_append_text(b, ",\"key\":");
    if (text_utf8_valid(key, len)) {
        json_put_string(b, key, len);
        return;
    }
    buf_append_text(b, "{\"$binary\":\"");
    base64_append(b, key, len);
    buf_append_text(b, "\"}");
}

static void put_record(buf_t *b, const fanmap_outcome_t *o)
{
    if (o->partition >= 0)
        buf_printf(b, "{\"partition\":%" PRId32 ",\"offset\":%" PRIu64, o->partition, o->index);
    else
        buf_printf(b, "{\"index\":%" PRIu64, o->index);
    if (o->key)
        put_key(b, o->key, o->key_len);
    buf_printf(b, ",\"attempts\":%" PRIu32, o->attempts);
    if (o->kind == FANMAP_VALUE) {
        buf_append_text(b, ",\"value\":");
        buf_append(b, o->value, o->value_len);
    } else {
        buf_append_text(b, ",\"error\":");
        put_error(b, o, false);
    }
    buf_append(b, "}", 1);
}

void outcome_put_json(buf_t *b, const fanmap_outcome_t *o, bool as_record)
{
    if (as_record) {
        put_record(b, o);
    } else if (o->kind == FANMAP_VALUE) {
        buf_append(b, o->value, o->value_len);
    } else {
        buf_append_text(b, "{\"$error\":");
        put_error(b, o, true);
        buf_append(b, "}", 1);
    }
}

int fanmap_outcome_json(fanmap_job_t *job, const fanmap_outcome_t *outcome, bool as_record, const char **ret_line,
                        size_t *ret_len, fanmap_error_t *err)
{
    buf_t *b = &job->handout->line;
    if (job->handout->view.format != FANMAP_JSON)
        return err_set(err, FANMAP_EUSAGE, "the job's value-format is not json");
    if (!as_record && outcome->kind == FANMAP_VALUE) {
        *ret_line = outcome->value;
        *ret_len = outcome->value_len;
        return FANMAP_OK;
    }
    buf_clear(b);
    outcome_put_json(b, outcome, as_record);
    if (b->failed)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    *ret_line = (const char *)b->data;
    *ret_len = b->len;
    return FANMAP_OK;
}
