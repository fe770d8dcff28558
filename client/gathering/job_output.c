/* The happy path: the topics are there, and what they take at most is known -> outcomes go into a transaction as they are handed out
 * -> after --commit-every, or when it is full, it is due.
 *
 * What can fail: a topic that is missing, a record that its topic takes in no form. Then the job fails here: its outcomes are in its
 * log. */
#include "client/gathering/job_output.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/connection/client.h"
#include "client/gathering/plain_record.h"
#include "io/bus_admin.h"

enum { RECORDS_MAX = 20000, BYTES_MAX = 16 << 20 }; /* of a transaction */

struct job_output {
    fanmap_job_t *job;
    spec_t spec; /* the job's, with where its list goes */
    plain_out_t plain;
    job_output_fn ready, due;
    loop_timer_t *timer;
    uint64_t put_n, put_bytes; /* all; of the transaction */
    uint64_t ended_n;          /* of those before the transaction */
};

static void fail_output(job_output_t *output, const fanmap_error_t *err)
{
    job_fail(output->job, err);
    loop_wake(output->job->f->loop);
}

/* ---- the topics ---- */

static void survey(job_output_t *output, const char *topic);

static void set_bytes_max(job_output_t *output, const bus_topic_state_t *topics, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!topics[i].has_config)
            continue;
        if (strcmp(topics[i].name, output->spec.to) == 0)
            output->plain.to_bytes_max = topics[i].message_bytes_max;
        if (strcmp(topics[i].name, output->spec.errors_to) == 0)
            output->plain.errors_bytes_max = topics[i].message_bytes_max;
    }
}

/* True: the job is still there. */
static bool unpin(fanmap_job_t *job)
{
    job->pins--;
    job->f->has_closed |= job->is_abandoned;
    return !job->is_abandoned && !job->error.code;
}

static void on_survey(job_output_t *output, const bus_topic_state_t *topics, size_t n, const fanmap_error_t *why,
                      const char *next)
{
    if (!unpin(output->job))
        return;
    if (why) {
        fail_output(output, why);
        return;
    }
    set_bytes_max(output, topics, n);
    if (next && next[0])
        survey(output, next);
    else
        output->ready(output->job);
}

static void on_to(void *arg, const bus_topic_state_t *topics, size_t n, const fanmap_error_t *why)
{
    job_output_t *output = arg;
    on_survey(output, topics, n, why, output->spec.errors_to);
}

static void on_errors_to(void *arg, const bus_topic_state_t *topics, size_t n, const fanmap_error_t *why)
{
    on_survey(arg, topics, n, why, NULL);
}

static void survey(job_output_t *output, const char *topic)
{
    fanmap_error_t err;
    bus_survey_fn then = topic == output->spec.to ? on_to : on_errors_to;
    output->job->pins++;
    if (bus_survey(output->job->f->bus, topic, then, output, &err) == FANMAP_OK)
        return;
    (void)unpin(output->job);
    fail_output(output, &err);
}

static void on_counted(void *arg, const uint32_t *partitions_n, const fanmap_error_t *why)
{
    job_output_t *output = arg;
    (void)partitions_n;
    if (!unpin(output->job))
        return;
    if (why)
        fail_output(output, why);
    else
        survey(output, output->spec.to);
}

int job_output_open(job_output_t *output, job_output_fn ready, fanmap_error_t *err)
{
    fanmap_job_t *job = output->job;
    const bus_topic_config_t topics[] = {{.name = output->spec.to}, {.name = output->spec.errors_to}};
    memcpy(output->spec.job, job->id, sizeof job->id);
    memcpy(output->spec.task, job->spec.task, sizeof job->spec.task);
    memcpy(output->spec.traceparent, job->spec.traceparent, sizeof job->spec.traceparent);
    output->ready = ready;
    int r = bus_ensure_topics(job->f->bus, topics, output->spec.errors_to[0] ? 2 : 1, false, on_counted, output, err);
    job->pins += r == FANMAP_OK; /* until it answers */
    return r;
}

/* ---- the transactions ---- */

static void on_timer(void *arg)
{
    const job_output_t *output = arg;
    output->due(output->job);
}

int job_output_put(job_output_t *output, bus_writer_t *writer, outcome_t *outcome, fanmap_error_t *err)
{
    char key[24];
    int key_len = snprintf(key, sizeof key, "%" PRIu64, outcome->index);
    stream_outcome_t record = {
        .timestamp_ms = -1, .source_key = key, .source_key_len = (size_t)key_len, .outcome = *outcome};
    int r = plain_put(&output->plain, writer, 0, &record, err);
    if (r != FANMAP_OK)
        return r;
    *outcome = record.outcome;
    if (output->put_n == output->ended_n)
        loop_timer_at(output->timer,
                      loop_now_ms(output->job->f->loop) + (int64_t)options_ms(output->job->options, OPT_COMMIT_EVERY));
    output->put_n++;
    output->put_bytes += outcome->value_len;
    return FANMAP_OK;
}

bool job_output_is_full(const job_output_t *output)
{
    return output->put_n - output->ended_n >= RECORDS_MAX || output->put_bytes >= BYTES_MAX;
}

void job_output_ends(job_output_t *output)
{
    output->ended_n = output->put_n;
    output->put_bytes = 0;
    loop_timer_stop(output->timer);
}

uint64_t job_output_n(const job_output_t *output)
{
    return output->put_n;
}

uint32_t job_output_batch_bytes(const job_output_t *output)
{
    return plain_batch_bytes(&output->plain);
}

bool job_output_is_plain(const job_output_t *output)
{
    return output->spec.terms.is_at_least_once;
}

/* ---- what is asked for ---- */

static int check_options(const fanmap_job_t *job, const char *to, const char *errors_to, fanmap_error_t *err)
{
    if (!to)
        return err_set(err, FANMAP_EUSAGE, "--errors-to of a job wants --to as well");
    if (job->f->is_local)
        return err_set(err, FANMAP_EUSAGE, "--to %s: an embedded map has no Kafka to write to", to);
    if (job->is_detached)
        return err_set(
            err, FANMAP_EUSAGE,
            "--to %s: nobody reads a job that is left to the fleet; fanmap gather JOB --to %s writes its list", to, to);
    return plain_check_topics(job->f->namespace_name, to, errors_to, err);
}

int job_output_new(fanmap_job_t *job, job_output_fn due, job_output_t **ret, fanmap_error_t *err)
{
    const char *to = options_text(job->options, OPT_TO), *errors_to = options_text(job->options, OPT_ERRORS_TO);
    int r = to || errors_to ? check_options(job, to, errors_to, err) : FANMAP_OK;
    if (r != FANMAP_OK || !to)
        return r;
    job_output_t *output = calloc(1, sizeof *output);
    if (!output)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    *ret = output;
    output->job = job;
    output->due = due;
    spec_init(&output->spec);
    (void)snprintf(output->spec.to, sizeof output->spec.to, "%s", to);
    (void)snprintf(output->spec.errors_to, sizeof output->spec.errors_to, "%s", errors_to ? errors_to : "");
    output->spec.out_format = plain_format_of(options_text(job->options, OPT_TO_FORMAT));
    output->spec.terms.is_at_least_once = strcmp(options_text(job->options, OPT_DELIVER), "at-least-once") == 0;
    output->plain.spec = &output->spec;
    return loop_timer_new(job->f->loop, on_timer, output, &output->timer, err);
}

void job_output_free(job_output_t *output)
{
    if (!output)
        return;
    bus_forget(output->job->f->bus, output);
    loop_timer_free(output->timer);
    plain_free(&output->plain);
    free(output);
}
