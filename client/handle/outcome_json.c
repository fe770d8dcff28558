/* An outcome as one line of JSON: its value, or {"$error": ...}, or with --records everything of it. */
#include <inttypes.h>
#include <string.h>

#include "client/handle/handle.h"
#include "schemas/value.h"

static void put_field(buf_t *b, const char *name, const char *text, size_t len)
{
    if (len == 0)
        return;
    buf_printf(b, ",\"%s\":", name);
    json_put_string(b, text, len);
}

/* {"kind":...,"message":...} with what else applies; attempts only where the record does not say it. */
static void put_error(buf_t *b, const fanmap_outcome_t *o, bool with_attempts)
{
    buf_printf(b, "{\"kind\":\"%s\",\"message\":", fanmap_kind_name(o->kind));
    json_put_string(b, o->message, strlen(o->message));
    put_field(b, "type", o->type, strlen(o->type));
    if (with_attempts)
        buf_printf(b, ",\"attempts\":%" PRIu32, o->attempts);
    if (o->exit_status)
        buf_printf(b, ",\"exit_status\":%d", o->exit_status);
    if (o->signo)
        buf_printf(b, ",\"signal\":%d", o->signo);
    put_field(b, "stderr", o->stderr_tail, o->stderr_len);
    put_field(b, "stdout", o->stdout_tail, o->stdout_len);
    buf_append(b, "}", 1);
}

static void put_record(buf_t *b, const fanmap_outcome_t *o)
{
    buf_printf(b, "{\"index\":%" PRIu64 ",\"attempts\":%" PRIu32, o->index, o->attempts);
    if (o->kind == FANMAP_VALUE) {
        buf_append_text(b, ",\"value\":");
        buf_append(b, o->value, o->value_len);
    } else {
        buf_append_text(b, ",\"error\":");
        put_error(b, o, false);
    }
    buf_append(b, "}", 1);
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
    if (as_record) {
        put_record(b, outcome);
    } else {
        buf_append_text(b, "{\"$error\":");
        put_error(b, outcome, true);
        buf_append(b, "}", 1);
    }
    if (b->failed)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    *ret_line = (const char *)b->data;
    *ret_len = b->len;
    return FANMAP_OK;
}
