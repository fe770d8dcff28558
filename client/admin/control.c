/* Live control: find the job on the jobs topic, write the one record that changes it, wait until Kafka has stored it.
 *
 * pause, resume and concurrency are versioned fields of the jobs topic (version = seen + 1; the highest counts). cancel
 * is an `end` in the job's own log, which is what closes the list, and then its copy J/end, by which workers drop the
 * rest.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/admin/query.h"

typedef struct {
    ask_t ask;
    queue_t *queue; /* of jobs and results */
    const char *job, *verb, *arg;
} control_t;

static int put_field(control_t *c, jobs_field_t field, const buf_t *value, fanmap_error_t *err)
{
    char key[JOB_ID_MAX + 17];
    size_t key_len = jobs_key(key, sizeof key, c->job, field);
    if (value->failed)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    return ask_put(&c->ask, c->queue, TOPIC_JOBS, 0, key, key_len, value->data, value->len, err);
}

static int put_versioned(control_t *c, jobs_field_t field, uint64_t number, uint64_t version, fanmap_error_t *err)
{
    buf_t value = {0};
    jobs_encode_versioned(&value, number, version);
    int r = put_field(c, field, &value, err);
    buf_free(&value);
    return r;
}

static int put_cancel(control_t *c, const lookup_result_t *seen, fanmap_error_t *err)
{
    buf_t log = {0}, copy = {0};
    joblog_encode_end(&log, END_CANCEL);
    jobs_encode_end(&copy, END_CANCEL);
    int r = log.failed ? err_set(err, FANMAP_ENOMEM, "out of memory")
                       : ask_put(&c->ask, c->queue, TOPIC_RESULTS, (int32_t)seen->spec.results_partition, c->job,
                                 strlen(c->job), log.data, log.len, err);
    if (r == FANMAP_OK)
        r = put_field(c, JOBS_END, &copy, err);
    buf_free(&log);
    buf_free(&copy);
    return r;
}

static int write_verb(control_t *c, const lookup_result_t *seen, fanmap_error_t *err)
{
    if (!seen->is_found)
        return err_set(err, FANMAP_ENOJOB, "there is no job %s in namespace %s", c->job, c->ask.f->namespace_name);
    if (seen->has_end)
        return err_set(err, FANMAP_ESTOPPED, "job %s has ended already", c->job);
    if (strcmp(c->verb, "cancel") == 0)
        return put_cancel(c, seen, err);
    if (strcmp(c->verb, "concurrency") == 0)
        return put_versioned(c, JOBS_CONCURRENCY, strtoull(c->arg, NULL, 10), seen->concurrency_version + 1, err);
    return put_versioned(c, JOBS_PAUSED, strcmp(c->verb, "pause") == 0, seen->paused_version + 1, err);
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
    control_t c = {
        .ask = {.f = f, .timeout_ms = timeout_ms, .is_bounded = true}, .job = job_id, .verb = verb, .arg = arg};
    lookup_result_t seen;
    if (!job_id_valid(job_id))
        return err_set(err, FANMAP_EUSAGE, "\"%s\" is not a job id", job_id);
    int r = check_verb(verb, arg, err);
    if (r == FANMAP_OK && f->error.code)
        r = err_copy(err, &f->error);
    if (r == FANMAP_OK)
        r = ask_queue(&c.ask, NULL, &c.queue, err);
    if (r == FANMAP_OK)
        r = ask_job(&c.ask, c.queue, job_id, &seen, err);
    if (r == FANMAP_OK)
        r = write_verb(&c, &seen, err);
    if (r == FANMAP_OK)
        r = ask_stored(&c.ask, err);
    ask_finish(&c.ask);
    if (r == FANMAP_OK)
        tell_handles(f, job_id, verb);
    client_mark(f);
    return r;
}
