/* The input of a map. What is pushed before the producer has begun waits for it (early.c); so does an end of the input. */
#include <inttypes.h>
#include <string.h>

#include "client/gathering/outcome.h"
#include "client/mapping/mapping.h"

bool map_writable(const fanmap_job_t *job)
{
    const mapping_t *m = job->mapping;
    if (!m)
        return false;
    return m->producer ? !m->stash.first && producer_writable(m->producer) : !m->retry && early_has_room(&m->early);
}

bool map_has_room(const fanmap_job_t *job)
{
    return job->mapping && job->mapping->was_full && map_writable(job);
}

bool map_became_writable(fanmap_job_t *job)
{
    if (!map_has_room(job))
        return false;
    job->mapping->was_full = false;
    return true;
}

bool map_is_stopped(const fanmap_job_t *job)
{
    return (job->mapping && job->mapping->is_cut) || gather_is_closed(job);
}

int map_check_source(const fanmap_job_t *job, fanmap_error_t *err)
{
    const mapping_t *m = job->mapping;
    if (!m || m->input_ended)
        return err_set(err, FANMAP_EUSAGE, m ? "the input of job %s has ended" : "job %s is a gather: no input",
                       job->id);
    if (m->retry)
        return err_set(err, FANMAP_EUSAGE, "the items of job %s come from job %s (retry-failed)", job->id,
                       job->spec.retry_of);
    return m->source ? err_set(err, FANMAP_EUSAGE, "job %s has a pipe already", job->id) : FANMAP_OK;
}

fanmap_job_t *map_source(const fanmap_job_t *job)
{
    return job->mapping ? job->mapping->source : NULL;
}

void map_set_source(fanmap_job_t *job, fanmap_job_t *source)
{
    job->mapping->source = source;
}

/* ---- pushing ---- */

static int check_push(const fanmap_job_t *job, fanmap_format_t format, fanmap_error_t *err)
{
    const mapping_t *m = job->mapping;
    if (job->error.code)
        return err_copy(err, &job->error);
    if (!m || (m->input_ended && !m->is_cut))
        return err_set(err, FANMAP_EUSAGE, m ? "the input of this map has ended" : "a gather has no input");
    if (m->retry)
        return err_set(err, FANMAP_EUSAGE, "the items of this map come from job %s (retry-failed)", job->spec.retry_of);
    if (m->source)
        return err_set(err, FANMAP_EUSAGE, "the items of this map come from job %s (fanmap_pipe)", m->source->id);
    if ((unsigned)format > FANMAP_WORD)
        return err_set(err, FANMAP_EUSAGE, "%u is no format of an item", (unsigned)format);
    if (map_is_stopped(job))
        return err_set(err, FANMAP_ESTOPPED, "job %s was stopped", job->id);
    return FANMAP_OK;
}

/* What was filled in is the next item. */
int map_put(fanmap_job_t *job, producer_event_t *event, size_t len, fanmap_error_t *err)
{
    mapping_t *m = job->mapping;
    if (m->item.in.failed || m->item.refusal.failed)
        return err_set(err, FANMAP_ENOMEM, "out of memory for an item of %zu bytes", len);
    event->type = PRODUCER_ITEM;
    int r = m->producer ? FANMAP_OK : early_put(&m->early, event, err);
    m->pushed += r == FANMAP_OK;
    if (m->producer)
        map_step(job, event);
    return r;
}

int map_put_outcome(fanmap_job_t *job, const outcome_t *outcome, fanmap_error_t *err)
{
    producer_event_t event = {0};
    if (outcome->kind == FANMAP_VALUE)
        item_fill(job, FANMAP_MSGPACK, outcome->value, outcome->value_len, &event);
    else
        item_fill_error(job, outcome, &event);
    return map_put(job, &event, outcome->value_len, err);
}

/* FANMAP_OK: another item is taken now. */
static int begin_push(fanmap_job_t *job, fanmap_format_t format, fanmap_error_t *err)
{
    mapping_t *m = job->mapping;
    int r = check_push(job, format, err);
    if (r != FANMAP_OK)
        return r;
    m->was_full = !map_writable(job);
    return m->was_full ? FANMAP_AGAIN : FANMAP_OK;
}

static int end_push(fanmap_job_t *job, producer_event_t *event, size_t len, fanmap_error_t *err)
{
    int r = map_put(job, event, len, err);
    if (r == FANMAP_OK && job->error.code)
        client_mark(job->f);
    return r;
}

int fanmap_push(fanmap_job_t *job, fanmap_format_t format, const void *item, size_t len, fanmap_error_t *err)
{
    producer_event_t event = {0};
    int r = begin_push(job, format, err);
    if (r != FANMAP_OK)
        return r;
    item_fill(job, format, item, len, &event);
    return end_push(job, &event, len, err);
}

static int push_parts(fanmap_job_t *job, fanmap_format_t format, const char *const *names, const fanmap_part_t *parts,
                      size_t n, fanmap_error_t *err)
{
    producer_event_t event = {0};
    int r = begin_push(job, format, err);
    if (r != FANMAP_OK)
        return r;
    if (job->spec.sequences_n > 0 && (n != job->spec.sequences_n || names))
        return err_set(err, FANMAP_EUSAGE, "%zu parts of an item of %" PRIu32 " zipped sequences (\"sequences\")", n,
                       job->spec.sequences_n);
    item_fill_parts(job, format, names, parts, n, &event);
    return end_push(job, &event, job->mapping->item.in.len, err);
}

int fanmap_push_zipped(fanmap_job_t *job, fanmap_format_t format, const fanmap_part_t *parts, size_t n,
                       fanmap_error_t *err)
{
    return push_parts(job, format, NULL, parts, n, err);
}

int fanmap_push_row(fanmap_job_t *job, fanmap_format_t format, const char *const *names, const fanmap_part_t *parts,
                    size_t n, fanmap_error_t *err)
{
    return push_parts(job, format, names, parts, n, err);
}

void map_step_end_input(fanmap_job_t *job)
{
    map_step(job, &(producer_event_t){.type = PRODUCER_END_INPUT, .message = job->mapping->source_error});
}

void map_end_input(fanmap_job_t *job)
{
    mapping_t *m = job->mapping;
    m->input_ended = true;
    if (m->producer)
        map_step_end_input(job);
}

/* It goes into the log, where texts are UTF-8. */
static int keep_source_error(fanmap_job_t *job, const char *why, fanmap_error_t *err)
{
    buf_t text = {0};
    put_utf8(&text, why, strlen(why));
    buf_append(&text, "", 1);
    if (text.failed) {
        buf_free(&text);
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    }
    job->mapping->source_error = (char *)text.data;
    return FANMAP_OK;
}

int fanmap_end_input(fanmap_job_t *job, const char *source_error, fanmap_error_t *err)
{
    mapping_t *m = job->mapping;
    if (job->error.code)
        return err_copy(err, &job->error);
    if (!m)
        return err_set(err, FANMAP_EUSAGE, "a gather has no input");
    if (m->retry)
        return err_set(err, FANMAP_EUSAGE, "the items of this map come from job %s (retry-failed)", job->spec.retry_of);
    if (m->source)
        return err_set(err, FANMAP_EUSAGE, "the input of this map ends with job %s (fanmap_pipe)", m->source->id);
    if (m->input_ended)
        return FANMAP_OK;
    int r = source_error ? keep_source_error(job, source_error, err) : FANMAP_OK;
    if (r != FANMAP_OK)
        return r;
    map_end_input(job);
    client_mark(job->f);
    return FANMAP_OK;
}
