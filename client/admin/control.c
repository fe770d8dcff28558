/* Live control: find the job on the jobs topic, write the one record that changes it, wait until Kafka has stored it.
 *
 * pause, resume and concurrency are versioned fields of the jobs topic (version = seen + 1; the highest counts). cancel
 * is an `end` in the job's own log, which is what closes the list, and, once that is stored, its copy J/end, by which
 * workers drop the rest. What can fail: a J/end whose log goes on leaves a job that nobody works on and nobody ends.
 * Then cancel writes the `end` that is missing.
 */
#include <stdlib.h>
#include <string.h>

#include "client/admin/query.h"
#include "client/joblog/job_counts.h"

enum { COUNTED_RECORDS_MAX = 65536 }; /* of the results partition, for what a cancelled job comes to */

typedef struct {
    query_t query;
    queue_t *queue; /* of jobs and results */
    lookup_result_t seen;
    const char *job, *verb, *arg;
} control_t;

static void put_field(control_t *c, jobs_field_t field, buf_t *value)
{
    char key[JOB_ID_MAX + 17];
    size_t key_len = jobs_key(key, sizeof key, c->job, field);
    if (value->failed)
        query_out_of_memory(&c->query);
    query_put(&c->query, c->queue, TOPIC_JOBS, 0, key, key_len, value->data, value->len);
    query_wait_stored(&c->query);
    buf_free(value);
}

static void put_end(control_t *c)
{
    buf_t log = {0};
    joblog_encode_end(&log, END_CANCEL);
    if (log.failed)
        query_out_of_memory(&c->query);
    query_put(&c->query, c->queue, TOPIC_RESULTS, (int32_t)c->seen.spec.results_partition, c->job, strlen(c->job),
              log.data, log.len);
    query_wait_stored(&c->query);
    buf_free(&log);
}

/* ---- its log ---- */

/* What its log, which alone decides, comes to; not known while it is open. Of one that is gone nothing but that. */
static jobs_counts_t count_log(control_t *c)
{
    jobs_counts_t ret = {0};
    job_counts_t *counts = job_counts_new(c->job);
    if (!counts)
        query_out_of_memory(&c->query);
    int64_t low = query_read(&c->query, c->queue->results, (int32_t)c->seen.spec.results_partition,
                             c->seen.spec.start_offset, -1, job_counts_record, counts);
    if (c->query.result == FANMAP_ELOST)
        query_clear_error(&c->query);
    else if (c->query.result == FANMAP_OK && low < 0 && list_out_of_memory(counts->list))
        query_out_of_memory(&c->query);
    if (low >= 0)
        ret.is_known = true;
    else if (counts)
        ret = list_counts(counts->list);
    job_counts_free(counts);
    return ret;
}

static void put_copy(control_t *c, const jobs_counts_t *counts)
{
    buf_t copy = {0};
    jobs_encode_end_counted(&copy, END_CANCEL, counts);
    put_field(c, JOBS_END, &copy);
}

/* Workers know of the end by the first copy; what the list comes to is for people, and only if its log is short. */
static void put_cancel(control_t *c)
{
    put_end(c);
    put_copy(c, &(jobs_counts_t){0});
    if (c->query.result != FANMAP_OK)
        return;
    int64_t end = query_end_of(&c->query, c->queue->results, (int32_t)c->seen.spec.results_partition);
    if (end - c->seen.spec.start_offset <= COUNTED_RECORDS_MAX) {
        jobs_counts_t counts = count_log(c);
        if (counts.total > 0)
            put_copy(c, &counts);
    }
    query_clear_error(&c->query);
}

/* ---- a job that the jobs topic calls ended ---- */

static void control_ended(control_t *c)
{
    bool is_stream = c->seen.spec.stream != STREAM_NOT, is_open = !is_stream && !count_log(c).is_known;
    fanmap_error_t *err = c->query.err;
    if (c->query.result != FANMAP_OK)
        return;
    if (!is_open)
        c->query.result =
            err_set(err, FANMAP_ESTOPPED, "%s %s has ended already", is_stream ? "stream" : "job", c->job);
    else if (strcmp(c->verb, "cancel") == 0)
        put_end(c);
    else
        c->query.result =
            err_set(err, FANMAP_ESTOPPED,
                    "the jobs topic says that job %s has ended, and its log does not: workers have dropped it; "
                    "fanmap cancel %s closes its list",
                    c->job, c->job);
}

/* ---- fields with a version ---- */

static void no_version_left(control_t *c)
{
    c->query.result =
        err_set(c->query.err, FANMAP_ESTOPPED,
                "%s has no effect on job %s: the jobs topic holds the highest version there is of that field, and "
                "nothing counts behind it; cancel the job and submit it anew",
                c->verb, c->job);
}

/* Of records with the same version the first counts, and it may be another writer's: what was written is looked at
 * again, and written with the next version if it does not count. */
static void put_until_it_counts(control_t *c)
{
    bool is_limit = strcmp(c->verb, "concurrency") == 0, is_done = false;
    jobs_field_t field = is_limit ? JOBS_CONCURRENCY : JOBS_PAUSED;
    uint64_t wanted = is_limit ? strtoull(c->arg, NULL, 10) : (uint64_t)(strcmp(c->verb, "pause") == 0);
    const job_view_t *view = &c->seen.view;
    while (c->query.result == FANMAP_OK && !is_done) {
        uint64_t version = is_limit ? view->concurrency_version : view->paused_version;
        buf_t value = {0};
        if (version == UINT64_MAX) {
            no_version_left(c);
            return;
        }
        jobs_encode_versioned(&value, wanted, ++version);
        put_field(c, field, &value);
        query_job(&c->query, c->queue, c->job, &c->seen);
        bool is_later = (is_limit ? view->concurrency_version : view->paused_version) > version;
        /* somebody's later word, or ours */
        is_done = is_later || !view->is_known || (is_limit ? view->concurrency : view->paused) == wanted;
    }
}

static void carry_out(control_t *c)
{
    if (c->query.result == FANMAP_OK)
        c->query.result = lookup_check_log(c->queue, &c->seen.spec, c->query.err);
    if (c->query.result != FANMAP_OK)
        return;
    if (c->seen.view.has_end)
        control_ended(c);
    else if (strcmp(c->verb, "cancel") == 0)
        put_cancel(c);
    else
        put_until_it_counts(c);
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
    control_t c = {.query = {.f = f, .timeout_ms = timeout_ms, .is_bounded = true, .err = err},
                   .job = job_id,
                   .verb = verb,
                   .arg = arg};
    if (!job_id_valid(job_id))
        return err_set(err, FANMAP_EUSAGE, "\"%s\" is not a job id", job_id);
    c.query.result = check_verb(verb, arg, err);
    if (c.query.result == FANMAP_OK && f->error.code)
        c.query.result = err_copy(err, &f->error);
    c.queue = query_queue(&c.query, NULL, NULL);
    query_known_job(&c.query, c.queue, job_id, &c.seen);
    carry_out(&c);
    if (c.query.result == FANMAP_OK)
        tell_handles(f, job_id, verb);
    return query_end(&c.query);
}
