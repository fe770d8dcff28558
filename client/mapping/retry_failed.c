/* --retry-failed JOB: a new job with JOB's length, in which what had a value keeps it, and the rest runs again.
 *
 * JOB's log is read once: it must be decided, and says which indexes have a value. Then everything is brought into
 * order, on disk beyond the window (retry_failed_collect.c), and only when it is there whole does the new job begin. Its
 * producer is fed like any other, in order (retry_failed_feed.c): an old value goes into the new log as it is, as an outcome; an input is
 * published. So every reader of the new log has the whole list, and resuming the new job works like resuming any.
 *
 * Task, bound arguments and the number of zipped inputs are JOB's unless given; the queue is JOB's. What was never sent
 * (bad_input, too_large) has no input in Kafka and keeps its error.
 */
#include "client/mapping/retry_failed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void retry_fail(retry_failed_t *r, int code, const char *why)
{
    job_fail(r->job, err_of(code, "--retry-failed %s: %s", r->of, why));
}

void retry_free(retry_failed_t *r)
{
    if (!r)
        return;
    lookup_free(r->lookup);
    (void)bus_reader_drop(&r->reader);
    list_free(r->list);
    list_free(r->again);
    order_free(r->order);
    bitset_free(&r->valued);
    bitset_free(&r->ran);
    bitset_free(&r->kept);
    bitset_free(&r->found);
    outcome_view_free(&r->view);
    retry_choice_free(&r->choice);
    free(r->offsets);
    free(r->wanted);
    r->job->f->retries_n--;
    free(r);
}

int retry_new(fanmap_job_t *job, const char *of, queue_ready_fn begin, fanmap_error_t *err)
{
    if (job->f->is_local)
        return err_set(err, FANMAP_EUSAGE, "--retry-failed needs a fleet: an embedded map leaves nothing behind");
    if (strcmp(of, job->id) == 0)
        return err_set(err, FANMAP_EUSAGE, "--retry-failed %s makes a new job: give it another --job-id", of);
    retry_failed_t *r = calloc(1, sizeof *r);
    if (!r)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    r->job = job;
    r->begin = begin;
    job->mapping->retry = r;
    job->f->retries_n++;
    snprintf(r->of, sizeof r->of, "%s", of);
    memcpy(job->spec.retry_of, r->of, sizeof r->of);
    if (retry_choice_read(options_text(job->options, OPT_RETRY_GROUP), options_text(job->options, OPT_RETRY_ITEMS),
                          &r->choice, err) != FANMAP_OK)
        return err->code;
    return queue_wait(job, NULL, NULL, begin, err);
}

bool retry_wants(const retry_failed_t *r, uint64_t index)
{
    return !bitset_test(&r->valued, index) && !bitset_test(&r->kept, index);
}

/* ---- what the new job takes over ---- */

static bool inherit_bound(fanmap_job_t *job, const spec_t *old)
{
    mapping_t *m = job->mapping;
    if (options_is_set(job->options, OPT_BIND) || old->bound_len == 0)
        return true;
    buf_clear(&m->bound);
    buf_append(&m->bound, old->bound, old->bound_len);
    job->spec.bound = m->bound.data;
    job->spec.bound_len = m->bound.len;
    return !m->bound.failed;
}

static int inherit_spec(retry_failed_t *r, fanmap_error_t *err)
{
    fanmap_job_t *job = r->job;
    spec_t *spec = &job->spec;
    if (!spec->task[0])
        memcpy(spec->task, r->spec.task, sizeof spec->task);
    if (!options_is_set(job->options, OPT_SEQUENCES))
        spec->sequences_n = r->spec.sequences_n;
    if (options_is_set(job->options, OPT_QUEUE) && strcmp(spec->queue, r->spec.queue) != 0)
        return err_set(err, FANMAP_EUSAGE, "--retry-failed %s stays on its queue, %s", r->of, r->spec.queue);
    memcpy(spec->queue, r->spec.queue, sizeof spec->queue);
    if (spec->item_bytes_max < r->spec.item_bytes_max)
        spec->item_bytes_max = r->spec.item_bytes_max;
    if (spec->value_bytes_max < r->spec.value_bytes_max)
        spec->value_bytes_max = r->spec.value_bytes_max;
    if (!inherit_bound(job, &r->spec))
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    return queue_wait(job, r->spec.queue, r->spec.task, r->begin, err); /* the inputs are there */
}

/* ---- the first reading ---- */

static bool is_chosen(retry_failed_t *r, const outcome_t *outcome)
{
    const fanmap_outcome_t *o = &r->view.outcome;
    fanmap_error_t err;
    if (!r->choice.group[0])
        return retry_choice_has(&r->choice, outcome->index, outcome->kind, "", "");
    if (outcome_view_fill(&r->view, outcome, &err) == FANMAP_OK)
        return retry_choice_has(&r->choice, o->index, o->kind, o->type, o->message);
    job_fail(r->job, &err);
    return false;
}

static void on_outcome(void *arg, const outcome_t *outcome)
{
    retry_failed_t *r = arg;
    bool was_sent = outcome->attempts > 0;
    if (outcome->kind == FANMAP_VALUE) {
        (void)bitset_set(&r->valued, outcome->index);
        return;
    }
    if (was_sent)
        (void)bitset_set(&r->ran, outcome->index);
    if (!is_chosen(r, outcome)) {
        (void)bitset_set(&r->kept, outcome->index);
        return;
    }
    r->chosen_n++;
    if (!was_sent && (outcome->kind == FANMAP_BAD_INPUT || outcome->kind == FANMAP_TOO_LARGE)) {
        (void)bitset_set(&r->kept, outcome->index);
        r->never_sent_n++;
    }
}

static void on_decided(void *arg, uint64_t n, list_state_t state, end_reason_t reason, fanmap_kind_t missing)
{
    retry_failed_t *r = arg;
    (void)state, (void)reason;
    r->is_decided = true;
    r->n = n;
    r->missing = missing;
}

/* Items of a stopped job that have no outcome are failures like others. */
static void choose_missing(retry_failed_t *r)
{
    for (uint64_t i = 0; i < r->n && !retry_choice_is_all(&r->choice); i++) {
        if (list_has(r->list, i))
            continue;
        if (retry_choice_has(&r->choice, i, r->missing, "", ""))
            r->chosen_n++;
        else
            (void)bitset_set(&r->kept, i);
    }
}

static bool on_record(void *arg, const bus_record_t *record)
{
    retry_failed_t *r = arg;
    (void)list_record(r->list, record->offset, record->key, record->key_len, record->value, record->value_len);
    return false;
}

static void check_first_reading(retry_failed_t *r)
{
    char why[160];
    fanmap_error_t err;
    const spec_t *spec = list_spec(r->list);
    choose_missing(r);
    if (list_out_of_memory(r->list) || r->valued.failed || r->ran.failed || r->kept.failed) {
        retry_fail(r, FANMAP_ENOMEM, "out of memory");
        return;
    }
    if (!r->is_decided || !spec) {
        snprintf(why, sizeof why, "it has not ended (%" PRIu64 " outcomes so far): wait for it, or cancel it",
                 list_now(r->list)->known);
        retry_fail(r, FANMAP_EUSAGE, why);
        return;
    }
    if (r->chosen_n == 0 && !retry_choice_is_all(&r->choice)) {
        retry_fail(r, FANMAP_EUSAGE, "none of its failed items is in that group or list");
        return;
    }
    r->spec = *spec;
    r->is_judged = true;
    if (inherit_spec(r, &err) != FANMAP_OK)
        job_fail(r->job, &err);
}

static void on_end(void *arg, int64_t position)
{
    retry_failed_t *r = arg;
    (void)position;
    if (bus_reader_drop(&r->reader))
        check_first_reading(r);
}

static void on_gone(void *arg, int64_t low)
{
    (void)low;
    retry_fail(arg, FANMAP_ELOST, "its log is no longer whole (retention)");
}

static void on_looked_up(void *arg, const lookup_result_t *found)
{
    static const list_callbacks_t list_callbacks = {on_outcome, on_decided};
    static const bus_reader_callbacks_t reader_callbacks = {.record = on_record, .at_end = on_end, .gone = on_gone};
    retry_failed_t *r = arg;
    fanmap_error_t err;
    lookup_free(r->lookup);
    r->lookup = NULL;
    if (!found->view.is_known) {
        retry_fail(r, FANMAP_ENOJOB, "there is no such job");
        return;
    }
    if (found->spec.stream != STREAM_NOT) {
        retry_fail(r, FANMAP_EUSAGE, "it is a stream: fanmap dead replay --stream puts what failed back on its source");
        return;
    }
    r->spec = found->spec;
    r->list = list_new(r->of, &list_callbacks, r);
    if (!r->list)
        retry_fail(r, FANMAP_ENOMEM, "out of memory");
    else if (lookup_check_log(r->job->queue, &r->spec, &err) != FANMAP_OK)
        job_fail(r->job, &err);
    else if (bus_read(r->job->queue->results, (int32_t)r->spec.results_partition, r->spec.start_offset,
                      &reader_callbacks, r, &r->reader, &err) != FANMAP_OK)
        job_fail(r->job, &err);
}

bool retry_begin(retry_failed_t *r)
{
    fanmap_error_t err;
    if (r->is_collected)
        return true;
    if (r->is_judged)
        retry_collect(r);
    else if (lookup_begin(r->job->queue, r->of, on_looked_up, r, &r->lookup, &err) != FANMAP_OK)
        job_fail(r->job, &err);
    return false;
}

void retry_collected(retry_failed_t *r)
{
    fanmap_job_t *job = r->job;
    fanmap_error_t err;
    r->is_collected = true;
    if (queue_wait(job, job->spec.queue, job->spec.task, r->begin, &err) != FANMAP_OK)
        job_fail(job, &err);
}
