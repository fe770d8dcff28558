/* An item as the caller pushed it, made into the event by which the producer takes it. What cannot be sent (not
 * sound, too large, an error already) becomes the item's outcome there, and nothing fails. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "client/gathering/outcome.h"
#include "client/mapping/mapping.h"
#include "schemas/item.h"
#include "schemas/value.h"

static void refuse_item(fanmap_job_t *job, fanmap_kind_t kind, const char *why, producer_event_t *ret)
{
    mapping_t *m = job->mapping;
    const char *source = options_text(job->options, OPT_SOURCE);
    buf_clear(&m->item.refusal);
    put_utf8(&m->item.refusal, source, strlen(source));
    buf_printf(&m->item.refusal, " %" PRIu64 ": ", m->pushed + 1);
    put_utf8(&m->item.refusal, why, strlen(why));
    buf_append(&m->item.refusal, "", 1);
    ret->kind = kind;
    ret->message = (const char *)m->item.refusal.data;
}

static void refuse_size(fanmap_job_t *job, size_t len, producer_event_t *ret)
{
    char why[160];
    snprintf(why, sizeof why, "the item has %s%zu bytes, over the limit of %" PRIu32 " (--item-max)",
             len > job->spec.item_bytes_max ? "at least " : "", len, job->spec.item_bytes_max);
    refuse_item(job, FANMAP_TOO_LARGE, why, ret);
}

void item_fill_error(fanmap_job_t *job, const outcome_t *outcome, producer_event_t *ret)
{
    mapping_t *m = job->mapping;
    buf_clear(&m->item.refusal);
    joblog_put_outcome(&m->item.refusal, outcome);
    ret->kind = outcome->kind;
    ret->is_outcome = true;
    ret->in = m->item.refusal.data;
    ret->in_len = m->item.refusal.len;
}

static bool is_error(const fanmap_job_t *job, fanmap_format_t format, const void *item, size_t len, outcome_t *ret,
                     const char **ret_why)
{
    if (format == FANMAP_WRAPPED)
        return error_from_msgpack(item, len, ret, ret_why);
    return format == FANMAP_JSON && error_from_json(item, len, &job->mapping->item.in, ret, ret_why);
}

/* {"$value": X} is X; everything else is itself. */
static void put_unwrapped(buf_t *b, const void *item, size_t len)
{
    const uint8_t *inner;
    size_t inner_len;
    const char *key = msgpack_single_key(item, len, &inner, &inner_len);
    if (key && strcmp(key, "$value") == 0)
        buf_append(b, inner, inner_len);
    else
        buf_append(b, item, len);
}

/* Appends one msgpack object to job->in. */
static int item_to_msgpack(fanmap_job_t *job, fanmap_format_t format, const void *item, size_t len, fanmap_error_t *why)
{
    mapping_t *m = job->mapping;
    if (format == FANMAP_JSON)
        return value_from_json(&m->item.in, item, len, why);
    if (format == FANMAP_WORD) {
        size_t before = m->item.in.len;
        if (value_from_json(&m->item.in, item, len, why) == FANMAP_OK)
            return FANMAP_OK;
        m->item.in.len = before;
        format = FANMAP_TEXT;
    }
    if (format == FANMAP_TEXT && value_from_text(&m->item.in, item, len, why) == FANMAP_OK)
        return FANMAP_OK;
    if (format == FANMAP_BYTES || format == FANMAP_TEXT)
        mp_put_bin(&m->item.in, item, len);
    else if (!mp_check(item, len))
        return err_set(why, FANMAP_EUSAGE, "not one sound msgpack object");
    else if (format == FANMAP_WRAPPED)
        put_unwrapped(&m->item.in, item, len);
    else
        buf_append(&m->item.in, item, len);
    return FANMAP_OK;
}

/* What was pushed is an array with one part of each zipped input. */
static bool has_parts(const fanmap_job_t *job)
{
    const mapping_t *m = job->mapping;
    mp_reader_t r;
    mp_reader_init(&r, m->item.in.data, m->item.in.len);
    return mp_peek(&r) == MP_ARRAY && mp_read_array(&r) == job->spec.sequences_n && !r.bad;
}

/* What stands in job->in, with what was found wrong with it. */
static void fill_checked(fanmap_job_t *job, int r, fanmap_error_t *why, producer_event_t *ret)
{
    mapping_t *m = job->mapping;
    if (r == FANMAP_OK && job->spec.sequences_n > 0 && !has_parts(job))
        r = err_set(why, FANMAP_EUSAGE, "not an array of %" PRIu32 " parts (the inputs are zipped)",
                    job->spec.sequences_n);
    if (r != FANMAP_OK)
        refuse_item(job, FANMAP_BAD_INPUT, why->message, ret);
    else if (m->item.in.len > job->spec.item_bytes_max + ITEM_SLACK_BYTES)
        refuse_size(job, m->item.in.len, ret);
    else
        *ret = (producer_event_t){.kind = FANMAP_VALUE, .in = m->item.in.data, .in_len = m->item.in.len};
}

void item_fill(fanmap_job_t *job, fanmap_format_t format, const void *item, size_t len, producer_event_t *ret)
{
    fanmap_error_t why;
    outcome_t error;
    const char *wrong = NULL;
    if (len > job->spec.item_bytes_max) {
        refuse_size(job, len, ret);
        return;
    }
    buf_clear(&job->mapping->item.in);
    int r = item_to_msgpack(job, format, item, len, &why);
    if (r == FANMAP_OK && is_error(job, format, item, len, &error, &wrong)) {
        if (wrong)
            refuse_item(job, FANMAP_BAD_INPUT, wrong, ret);
        else
            item_fill_error(job, &error, ret);
        return;
    }
    fill_checked(job, r, &why, ret);
}

/* One part, behind its name in a map. */
static int put_part(fanmap_job_t *job, fanmap_format_t format, const char *name, const fanmap_part_t *part,
                    fanmap_error_t *why)
{
    if (name && !text_utf8_valid(name, strlen(name)))
        return err_set(why, FANMAP_EUSAGE, "its name is not UTF-8");
    if (name)
        mp_put_text(&job->mapping->item.in, name);
    return item_to_msgpack(job, format, part->bytes, part->len, why);
}

void item_fill_parts(fanmap_job_t *job, fanmap_format_t format, const char *const *names, const fanmap_part_t *parts,
                     size_t n, producer_event_t *ret)
{
    mapping_t *m = job->mapping;
    fanmap_error_t why;
    size_t len = 0;
    int r = FANMAP_OK;
    for (size_t i = 0; i < n && len <= job->spec.item_bytes_max; i++)
        len += parts[i].len + (names ? strlen(names[i]) : 0);
    if (len > job->spec.item_bytes_max) {
        refuse_size(job, len, ret);
        return;
    }
    buf_clear(&m->item.in);
    if (names)
        mp_put_map(&m->item.in, (uint32_t)n);
    else
        mp_put_array(&m->item.in, (uint32_t)n);
    for (size_t i = 0; i < n && r == FANMAP_OK; i++) {
        r = put_part(job, format, names ? names[i] : NULL, &parts[i], &why);
        if (r != FANMAP_OK)
            err_wrap(&why, "part %zu", i + 1);
    }
    fill_checked(job, r, &why, ret);
}
