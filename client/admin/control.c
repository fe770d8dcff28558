/* Live control: find the job on the jobs topic, write the one record that changes it, wait until Kafka has stored it.
 *
 * pause, resume and concurrency are versioned fields of the jobs topic (version = seen + 1; the highest counts). cancel
 * is an `end` in the job's own log, which is what closes the list, and then its copy J/end, by which workers drop the
 * rest.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/connection/client.h"

typedef struct {
    fanmap_job_t *job;
    const char *verb, *arg;
    bool is_written;
    fanmap_error_t error;
} control_t;

static uint64_t cookie_of(const fanmap_job_t *job)
{
    return (uint64_t)job->number << COOKIE_VALUE_BITS;
}

static int put_field(control_t *c, jobs_field_t field, const buf_t *value)
{
    char key[JOB_ID_MAX + 17];
    size_t key_len = jobs_key(key, sizeof key, c->job->id, field);
    c->job->control_left++;
    return bus_produce(c->job->queue->jobs, 0, key, key_len, value->data, value->len, cookie_of(c->job), &c->error);
}

static int put_versioned(control_t *c, jobs_field_t field, uint64_t number, uint64_t version)
{
    buf_t value = {0};
    jobs_encode_versioned(&value, number, version);
    int r = value.failed ? FANMAP_ENOMEM : put_field(c, field, &value);
    buf_free(&value);
    return r;
}

static int put_cancel(control_t *c, const lookup_result_t *seen)
{
    buf_t log = {0}, copy = {0};
    joblog_encode_end(&log, END_CANCEL);
    jobs_encode_end(&copy, END_CANCEL);
    c->job->control_left++;
    int r = log.failed || copy.failed ? FANMAP_ENOMEM : FANMAP_OK;
    if (r == FANMAP_OK)
        r = bus_produce(c->job->queue->results, (int32_t)seen->spec.results_partition, c->job->id, strlen(c->job->id),
                        log.data, log.len, cookie_of(c->job), &c->error);
    if (r == FANMAP_OK)
        r = put_field(c, JOBS_END, &copy);
    buf_free(&log);
    buf_free(&copy);
    return r;
}

static int write_verb(control_t *c, const lookup_result_t *seen)
{
    if (strcmp(c->verb, "cancel") == 0)
        return put_cancel(c, seen);
    if (strcmp(c->verb, "concurrency") == 0)
        return put_versioned(c, JOBS_CONCURRENCY, strtoull(c->arg, NULL, 10), seen->concurrency_version + 1);
    return put_versioned(c, JOBS_PAUSED, strcmp(c->verb, "pause") == 0, seen->paused_version + 1);
}

static void on_looked_up(void *arg, const lookup_result_t *seen)
{
    control_t *c = arg;
    int r = FANMAP_OK;
    if (!seen->is_found)
        err_set(&c->error, FANMAP_ENOJOB, "there is no job %s in namespace %s", c->job->id, c->job->f->namespace_name);
    else if (seen->has_end)
        err_set(&c->error, FANMAP_ESTOPPED, "job %s has ended already", c->job->id);
    else
        r = write_verb(c, seen);
    if (r != FANMAP_OK && !c->error.code)
        err_set_retry(&c->error, FANMAP_EUNREACHABLE, "Kafka takes no more records for the moment");
    c->is_written = true;
}

static int check_verb(const char *verb, const char *arg, fanmap_error_t *err)
{
    static const char *const verbs[] = {"cancel", "pause", "resume", "concurrency"};
    fanmap_options_t *options;
    bool is_known = false;
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        is_known |= strcmp(verb, verbs[i]) == 0;
    if (!is_known)
        return err_set(err, FANMAP_EUSAGE, "there is no verb \"%s\": cancel, pause, resume, concurrency", verb);
    if (strcmp(verb, "concurrency") != 0)
        return FANMAP_OK;
    if (fanmap_options_new(&options) != FANMAP_OK)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    int r = fanmap_options_set(options, "concurrency", arg ? arg : "", err);
    fanmap_options_free(options);
    return r;
}

static bool is_over(const control_t *c)
{
    return c->error.code || c->job->error.code || (c->is_written && c->job->control_left == 0);
}

/* Runs the loop until the record is stored. */
static int wait_stored(control_t *c, int timeout_ms, fanmap_error_t *err)
{
    int64_t until = loop_clock_ms() + timeout_ms;
    fanmap_job_t *job = c->job;
    while (!is_over(c)) {
        int64_t left = until - loop_clock_ms();
        if (left <= 0)
            return FANMAP_AGAIN;
        if (job->queue->is_ready && !job->lookup && !c->is_written &&
            lookup_begin(job->queue, job->id, on_looked_up, c, &job->lookup, &c->error) != FANMAP_OK)
            break;
        int r = client_turn(job->f, left > 100 ? 100 : (int)left, err);
        if (r != FANMAP_OK)
            return r;
    }
    const fanmap_error_t *why = c->error.code ? &c->error : &job->error;
    return why->code ? err_copy(err, why) : FANMAP_OK;
}

static void tell_handles(fanmap_t *f, const char *job_id, const char *verb)
{
    bool is_pause = strcmp(verb, "pause") == 0;
    for (fanmap_job_t *job = f->jobs; job; job = job->next)
        if (strcmp(job->id, job_id) == 0 && (is_pause || strcmp(verb, "resume") == 0))
            job->is_paused = is_pause;
}

int fanmap_control(fanmap_t *f, const char *job_id, const char *verb, const char *arg, int timeout_ms,
                   fanmap_error_t *err)
{
    control_t control = {.verb = verb, .arg = arg};
    if (!job_id_valid(job_id))
        return err_set(err, FANMAP_EUSAGE, "\"%s\" is not a job id", job_id);
    int r = check_verb(verb, arg, err);
    if (r == FANMAP_OK && f->error.code)
        r = err_copy(err, &f->error);
    if (r == FANMAP_OK)
        r = job_new(f, NULL, &control.job, err);
    if (r != FANMAP_OK)
        return r;
    fanmap_job_t *job = control.job;
    job->is_control = job->end_was_told = true;
    snprintf(job->id, sizeof job->id, "%s", job_id);
    r = queue_get(f, NULL, &job->queue, err);
    if (r == FANMAP_OK)
        r = wait_stored(&control, timeout_ms, err);
    job_free(job);
    if (r == FANMAP_OK)
        tell_handles(f, job_id, verb);
    client_mark(f);
    return r;
}
