/* Live control: find the job on the jobs topic, write the one record that changes it, wait until Kafka has stored it.
 *
 * pause, resume and concurrency are versioned fields of the jobs topic (version = seen + 1; the highest counts). cancel
 * is an `end` in the job's own log, which is what closes the list, and, once that is stored, its copy J/end, by which
 * workers drop the rest. What can fail: a J/end whose log goes on leaves a job that nobody works on and nobody ends.
 * Then cancel writes the `end` that is missing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/admin/query.h"
#include "client/joblog/job_counts.h"

typedef struct {
    query_t query;
    queue_t *queue; /* of jobs and results */
    const char *job, *verb, *arg;
} control_t;

static int put_field(control_t *c, jobs_field_t field, const buf_t *value, fanmap_error_t *err)
{
    char key[JOB_ID_MAX + 17];
    size_t key_len = jobs_key(key, sizeof key, c->job, field);
    if (value->failed)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    return query_put(&c->query, c->queue, TOPIC_JOBS, 0, key, key_len, value->data, value->len, err);
}

static int put_versioned(control_t *c, jobs_field_t field, uint64_t number, uint64_t version, fanmap_error_t *err)
{
    buf_t value = {0};
    jobs_encode_versioned(&value, number, version);
    int r = put_field(c, field, &value, err);
    buf_free(&value);
    return r;
}

static int put_end(control_t *c, const lookup_result_t *seen, fanmap_error_t *err)
{
    buf_t log = {0};
    joblog_encode_end(&log, END_CANCEL);
    int r = log.failed ? err_set(err, FANMAP_ENOMEM, "out of memory")
                       : query_put(&c->query, c->queue, TOPIC_RESULTS, (int32_t)seen->spec.results_partition, c->job,
                                   strlen(c->job), log.data, log.len, err);
    buf_free(&log);
    return r == FANMAP_OK ? query_stored(&c->query, err) : r;
}

static int put_cancel(control_t *c, const lookup_result_t *seen, fanmap_error_t *err)
{
    buf_t copy = {0};
    int r = put_end(c, seen, err);
    jobs_encode_end(&copy, END_CANCEL);
    if (r == FANMAP_OK)
        r = put_field(c, JOBS_END, &copy, err);
    buf_free(&copy);
    return r == FANMAP_OK ? query_stored(&c->query, err) : r;
}

/* ---- a job that the jobs topic calls ended ---- */

static void on_log_record(void *arg, const bus_record_t *record)
{
    job_counts_record(arg, record);
}

/* Whether its log, which alone decides, is still open. */
static int read_log(control_t *c, const lookup_result_t *seen, bool *ret_is_open, fanmap_error_t *err)
{
    job_counts_t *counts = job_counts_new(c->job);
    if (!counts)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    int r = query_read(&c->query, c->queue->results, (int32_t)seen->spec.results_partition, seen->spec.start_offset, -1,
                       on_log_record, counts, NULL, err);
    if (r == FANMAP_OK && list_out_of_memory(counts->list))
        r = err_set(err, FANMAP_ENOMEM, "out of memory for the list of job %s", c->job);
    *ret_is_open = !counts->is_decided;
    job_counts_free(counts);
    return r;
}

static int control_ended(control_t *c, const lookup_result_t *seen, fanmap_error_t *err)
{
    bool is_open = false;
    int r = read_log(c, seen, &is_open, err);
    if (r == FANMAP_ELOST || (r == FANMAP_OK && !is_open))
        return err_set(err, FANMAP_ESTOPPED, "job %s has ended already", c->job);
    if (r != FANMAP_OK)
        return r;
    if (strcmp(c->verb, "cancel") == 0)
        return put_end(c, seen, err);
    return err_set(err, FANMAP_ESTOPPED,
                   "the jobs topic says that job %s has ended, and its log does not: workers have dropped it; "
                   "fanmap cancel %s closes its list",
                   c->job, c->job);
}

/* ---- fields with a version ---- */

static int no_version_left(const control_t *c, fanmap_error_t *err)
{
    return err_set(err, FANMAP_ESTOPPED,
                   "%s has no effect on job %s: the jobs topic holds the highest version there is of that field, and "
                   "nothing counts behind it; cancel the job and submit it anew",
                   c->verb, c->job);
}

/* Of records with the same version the first counts, and it may be another writer's: what was written is looked at
 * again, and written with the next version if it does not count. */
static int put_until_it_counts(control_t *c, lookup_result_t *seen, fanmap_error_t *err)
{
    bool is_limit = strcmp(c->verb, "concurrency") == 0;
    jobs_field_t field = is_limit ? JOBS_CONCURRENCY : JOBS_PAUSED;
    uint64_t wanted = is_limit ? strtoull(c->arg, NULL, 10) : (uint64_t)(strcmp(c->verb, "pause") == 0);
    for (;;) {
        const job_view_t *view = &seen->view;
        uint64_t version = is_limit ? view->concurrency_version : view->paused_version;
        if (version == UINT64_MAX)
            return no_version_left(c, err);
        int r = put_versioned(c, field, wanted, ++version, err);
        if (r == FANMAP_OK)
            r = query_stored(&c->query, err);
        if (r == FANMAP_OK)
            r = query_job(&c->query, c->queue, c->job, seen, err);
        if (r != FANMAP_OK)
            return r;
        bool is_later = (is_limit ? view->concurrency_version : view->paused_version) > version;
        if (is_later || !view->is_known || (is_limit ? view->concurrency : view->paused) == wanted)
            return FANMAP_OK; /* somebody's later word, or ours */
    }
}

static int carry_out(control_t *c, lookup_result_t *seen, fanmap_error_t *err)
{
    if (!seen->view.is_known)
        return err_set(err, FANMAP_ENOJOB, "there is no job %s in namespace %s", c->job, c->query.f->namespace_name);
    int r = lookup_check_log(c->queue, &seen->spec, err);
    if (r != FANMAP_OK)
        return r;
    if (seen->view.has_end)
        return control_ended(c, seen, err);
    return strcmp(c->verb, "cancel") == 0 ? put_cancel(c, seen, err) : put_until_it_counts(c, seen, err);
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
    bool is_relative = false;
    int r = fanmap_options_set(options, "concurrency", arg ? arg : "", err);
    if (r == FANMAP_OK)
        (void)options_limit(options, OPT_CONCURRENCY, &is_relative);
    if (is_relative)
        r = err_set(err, FANMAP_EUSAGE,
                    "--concurrency %s counts the processors of this machine: for a fleet, give a number", arg);
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
        .query = {.f = f, .timeout_ms = timeout_ms, .is_bounded = true}, .job = job_id, .verb = verb, .arg = arg};
    lookup_result_t seen;
    if (!job_id_valid(job_id))
        return err_set(err, FANMAP_EUSAGE, "\"%s\" is not a job id", job_id);
    int r = check_verb(verb, arg, err);
    if (r == FANMAP_OK && f->error.code)
        r = err_copy(err, &f->error);
    if (r == FANMAP_OK)
        r = query_queue(&c.query, NULL, NULL, &c.queue, err);
    if (r == FANMAP_OK)
        r = query_job(&c.query, c.queue, job_id, &seen, err);
    if (r == FANMAP_OK)
        r = carry_out(&c, &seen, err);
    query_finish(&c.query);
    if (r == FANMAP_OK)
        tell_handles(f, job_id, verb);
    client_mark(f);
    return r;
}
