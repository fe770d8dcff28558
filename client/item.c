#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/client.h"
#include "schemas/value.h"

enum { HEADER_SLACK_BYTES = 32 * 1024 }; /* numbers may grow in msgpack: 1.5 takes nine bytes */

static void refuse(fanmap_job_t *job, fanmap_kind_t kind, const char *why, producer_event_t *ret)
{
    const char *source = options_text(job->options, "source");
    buf_clear(&job->refusal);
    put_utf8(&job->refusal, source, strlen(source));
    buf_printf(&job->refusal, " %" PRIu64 ": ", job->pushed + 1);
    put_utf8(&job->refusal, why, strlen(why));
    buf_append(&job->refusal, "", 1);
    ret->kind = kind;
    ret->message = (const char *)job->refusal.data;
}

static void refuse_size(fanmap_job_t *job, size_t len, producer_event_t *ret)
{
    char why[160];
    snprintf(why, sizeof why, "the item has %s%zu bytes, over the limit of %" PRIu32 " (--item-max)",
             len > job->spec.item_bytes_max ? "at least " : "", len, job->spec.item_bytes_max);
    refuse(job, FANMAP_TOO_LARGE, why, ret);
}

void item_fill_error(fanmap_job_t *job, const outcome_t *outcome, producer_event_t *ret)
{
    buf_clear(&job->refusal);
    joblog_put_outcome(&job->refusal, outcome);
    ret->kind = outcome->kind;
    ret->is_outcome = true;
    ret->in = job->refusal.data;
    ret->in_len = job->refusal.len;
}

static void fill_sound(fanmap_job_t *job, fanmap_format_t format, const void *item, size_t len, producer_event_t *ret)
{
    outcome_t error;
    const char *why = NULL;
    ret->kind = FANMAP_VALUE;
    ret->in = job->in.data;
    ret->in_len = job->in.len;
    if (format != FANMAP_JSON || !error_from_json(item, len, &job->in, &error, &why))
        return;
    if (why)
        refuse(job, FANMAP_BAD_INPUT, why, ret);
    else
        item_fill_error(job, &error, ret);
}

/* What was pushed is an array with one part of each zipped input. */
static bool has_parts(const fanmap_job_t *job)
{
    mp_reader_t r;
    mp_reader_init(&r, job->in.data, job->in.len);
    return mp_peek(&r) == MP_ARRAY && mp_read_array(&r) == job->spec.sequences_n && !r.bad;
}

void item_fill(fanmap_job_t *job, fanmap_format_t format, const void *item, size_t len, producer_event_t *ret)
{
    fanmap_error_t why;
    int r = FANMAP_OK;
    if (len > job->spec.item_bytes_max) {
        refuse_size(job, len, ret);
        return;
    }
    buf_clear(&job->in);
    if (format == FANMAP_JSON)
        r = value_from_json(&job->in, item, len, &why);
    else if (format == FANMAP_TEXT && utf8_valid(item, len))
        r = value_from_text(&job->in, item, len, &why);
    else if (format == FANMAP_BYTES || format == FANMAP_TEXT)
        value_from_bytes(&job->in, item, len);
    else if (mp_check(item, len))
        buf_append(&job->in, item, len);
    else
        r = err_set(&why, FANMAP_EUSAGE, "not one sound msgpack object");
    if (r == FANMAP_OK && job->spec.sequences_n > 0 && !has_parts(job))
        r = err_set(&why, FANMAP_EUSAGE, "not an array of %" PRIu32 " parts (the inputs are zipped)",
                    job->spec.sequences_n);
    if (r != FANMAP_OK)
        refuse(job, FANMAP_BAD_INPUT, why.message, ret);
    else if (job->in.len > job->spec.item_bytes_max + HEADER_SLACK_BYTES)
        refuse_size(job, job->in.len, ret);
    else
        fill_sound(job, format, item, len, ret);
}
