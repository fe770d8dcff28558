/* One reading of the jobs topic from its beginning to the end that it had, of which only the records of one job are
 * looked at. */
#include "client/joblog/lookup.h"

#include <stdlib.h>
#include <string.h>

#include "client/connection/client.h"

enum { COUNTING_MS = 20 };

/* One reading of the jobs topic up to the end that it had when asked. */
struct lookup {
    queue_t *queue;
    char job[JOB_ID_MAX + 1];
    lookup_fn fn;
    void *arg;
    bus_reader_t *reader;
    loop_timer_t *timer; /* looks whether the partitions were counted again */
    bool has_counted;
    lookup_result_t result;
};

static bool is_change(const job_view_t *before, const job_view_t *now, jobs_field_t field)
{
    switch (field) {
    case JOBS_SPEC:
        return now->is_known && !before->is_known;
    case JOBS_CONCURRENCY:
        return now->concurrency != before->concurrency;
    case JOBS_PAUSED:
        return now->paused != before->paused;
    case JOBS_END:
        return now->has_end && !before->has_end;
    case JOBS_HALT:
        break;
    }
    return false;
}

static void add_change(lookup_result_t *result, const jobs_record_t *record, int64_t at_ms)
{
    lookup_change_t *changes = result->changes;
    if (result->changes_n == LOOKUP_CHANGES_MAX)
        memmove(changes, changes + 1, --result->changes_n * sizeof *changes);
    uint64_t value = record->field == JOBS_CONCURRENCY ? result->view.concurrency : result->view.paused;
    changes[result->changes_n++] = (lookup_change_t){at_ms, record->field, value, record->end_reason};
}

static void note_record(lookup_result_t *result, const jobs_record_t *record, int64_t at_ms)
{
    bool is_again = result->view.is_known && result->spec.stream != STREAM_NOT; /* of a stream the first one counts */
    job_view_t before = result->view;
    job_view_record(&result->view, record);
    if (is_change(&before, &result->view, record->field))
        add_change(result, record, at_ms);
    if (record->field != JOBS_SPEC || is_again)
        return;
    result->spec = record->spec;
    result->spec.bound = NULL; /* it dies with the record, and a gatherer has no use for it */
    result->spec.bound_len = 0;
}

static bool on_record(void *arg, const bus_record_t *record)
{
    lookup_t *lookup = arg;
    size_t id_len = strlen(lookup->job);
    const char *key = record->key;
    if (record->key_len <= id_len || memcmp(key, lookup->job, id_len) != 0 || key[id_len] != '/')
        return false;
    jobs_record_t decoded;
    if (jobs_decode(record->key, record->key_len, record->value, record->value_len, &decoded))
        note_record(&lookup->result, &decoded, record->timestamp_ms);
    return false;
}

static void call_back(lookup_t *lookup)
{
    lookup_fn fn = lookup->fn;
    lookup_result_t result = lookup->result; /* the callee frees the lookup */
    lookup->fn = NULL;
    if (fn)
        fn(lookup->arg, &result);
}

static void on_timer(void *arg)
{
    lookup_t *lookup = arg;
    if (lookup->queue->is_counting)
        loop_timer_at(lookup->timer, loop_now_ms(lookup->queue->f->loop) + COUNTING_MS);
    else
        call_back(lookup);
}

/* The results topic may have more partitions than when this connection looked it up. */
static bool is_counting(lookup_t *lookup)
{
    fanmap_error_t err;
    const lookup_result_t *result = &lookup->result;
    if (lookup->has_counted || !result->view.is_known || result->spec.results_partition < lookup->queue->results_n)
        return lookup->has_counted && lookup->queue->is_counting;
    lookup->has_counted = true;
    if (queue_count_again(lookup->queue, &err) != FANMAP_OK)
        return false;
    loop_timer_at(lookup->timer, loop_now_ms(lookup->queue->f->loop) + COUNTING_MS);
    return true;
}

static void on_end(void *arg, int64_t position)
{
    lookup_t *lookup = arg;
    (void)position;
    if (lookup->fn && !is_counting(lookup))
        call_back(lookup);
}

static void on_gone(void *arg, int64_t low)
{
    (void)low;
    on_end(arg, -1);
}

int lookup_begin(queue_t *queue, const char *job_id, lookup_fn fn, void *arg, lookup_t **ret, fanmap_error_t *err)
{
    static const bus_reader_callbacks_t callbacks = {.record = on_record, .at_end = on_end, .gone = on_gone};
    lookup_t *lookup = calloc(1, sizeof *lookup);
    if (!lookup)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    lookup->queue = queue;
    lookup->fn = fn;
    lookup->arg = arg;
    memcpy(lookup->job, job_id, strlen(job_id) + 1);
    int r = loop_timer_new(queue->f->loop, on_timer, lookup, &lookup->timer, err);
    if (r == FANMAP_OK)
        r = bus_read(queue->jobs, 0, BUS_BEGIN, &callbacks, lookup, &lookup->reader, err);
    if (r != FANMAP_OK)
        lookup_free(lookup);
    else
        *ret = lookup;
    return r;
}

void lookup_free(lookup_t *lookup)
{
    if (!lookup)
        return;
    (void)bus_reader_drop(&lookup->reader);
    loop_timer_free(lookup->timer);
    free(lookup);
}

int lookup_check_log(const queue_t *queue, const spec_t *spec, fanmap_error_t *err)
{
    if (spec->results_partition < queue->results_n)
        return FANMAP_OK;
    return err_set(err, FANMAP_ELOST,
                   "job %s has no log: its spec names partition %u of the results topic, which has %u", spec->job,
                   (unsigned)spec->results_partition, (unsigned)queue->results_n);
}

int lookup_check_list(const queue_t *queue, const spec_t *spec, fanmap_error_t *err)
{
    if (spec->stream == STREAM_NOT)
        return lookup_check_log(queue, spec, err);
    return err_set(err, FANMAP_EUSAGE, "%s is a stream and has no list: its outcomes are in topic %s", spec->job,
                   spec->to[0] ? spec->to : "(none)");
}
