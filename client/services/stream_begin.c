/* The stream is found on the jobs topic, or begun there: its spec says from where, to where, by which task and in what order. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "client/options/policy.h"
#include "client/services/stream.h"
#include "io/random_id.h"
#include "schemas/names.h"
#include "schemas/place.h"

/* ---- the spec ---- */

static void copy_topic(char *ret, const char *name)
{
    (void)snprintf(ret, KAFKA_NAME_MAX + 1, "%s", name ? name : "");
}

static stream_order_t order_of(const char *word)
{
    return strcmp(word, "key") == 0    ? STREAM_BY_KEY
           : strcmp(word, "none") == 0 ? STREAM_UNORDERED
                                       : STREAM_BY_PARTITION;
}

static int fill_spec(fanmap_stream_t *s, const char *task, fanmap_error_t *err)
{
    const fanmap_options_t *o = s->f->options;
    spec_t *spec = &s->spec;
    const char *id = options_text(o, OPT_JOB_ID), *from = options_text(o, OPT_FROM);
    spec_init(spec);
    if (!task || !task_name_valid(task))
        return err_set(err, FANMAP_EUSAGE, "\"%s\" is not a task name", task ? task : "");
    if (!job_id_valid(id ? id : task))
        return err_set(err, FANMAP_EUSAGE, "\"%s\" cannot name the stream: give --job-id", id ? id : task);
    if (!from)
        return err_set(err, FANMAP_EUSAGE, "which topic? give --from TOPIC");
    if (!topic_name_valid(from))
        return err_set(err, FANMAP_EUSAGE, "--from: \"%s\" is not the name of a topic", from);
    (void)snprintf(spec->job, sizeof spec->job, "%s", id ? id : task);
    (void)snprintf(spec->task, sizeof spec->task, "%s", task);
    (void)snprintf(spec->queue, sizeof spec->queue, "%s", options_text(o, OPT_QUEUE));
    copy_topic(spec->from, from);
    copy_topic(spec->to, options_text(o, OPT_TO));
    copy_topic(spec->errors_to, options_text(o, OPT_ERRORS_TO));
    if (strcmp(spec->to, spec->from) == 0 || strcmp(spec->errors_to, spec->from) == 0)
        return err_set(err, FANMAP_EUSAGE, "the stream reads %s, and would never end what it writes there", spec->from);
    int r = plain_check_topics(s->f->namespace_name, spec->to, spec->errors_to, err);
    if (r != FANMAP_OK)
        return r;
    spec->stream = order_of(options_text(o, OPT_ORDER));
    spec->in_format = plain_format_of(options_text(o, OPT_FROM_FORMAT));
    spec->out_format = plain_format_of(options_text(o, OPT_TO_FORMAT));
    r = stream_terms_from_options(o, &spec->terms, err);
    if (r == FANMAP_OK)
        r = stream_start_read(options_text(o, OPT_START), &s->start_ms, err);
    if (r != FANMAP_OK)
        return r;
    spec->submitted_ms = wall_ms();
    r = policy_from_options(o, true, s->f->tokens != NULL, spec, err);
    if (r != FANMAP_OK)
        return r;
    return random_id(spec->nonce, 20) == FANMAP_OK ? FANMAP_OK : err_set(err, FANMAP_EIO, "no random numbers");
}

/* ---- the jobs topic ---- */

static void put_spec(fanmap_stream_t *s, const spec_t *spec)
{
    char key[JOB_ID_MAX + 17];
    size_t key_len = jobs_key(key, sizeof key, spec->job, JOBS_SPEC);
    buf_t value = {0};
    jobs_encode_spec(&value, spec);
    if (value.failed)
        query_out_of_memory(&s->query);
    query_put(&s->query, s->queue, TOPIC_JOBS, 0, key, key_len, value.data, value.len);
    query_wait_stored(&s->query);
    buf_free(&value);
}

static void on_table(void *arg, const char *job, const char *nonce, bool created, const fanmap_error_t *err)
{
    fanmap_stream_t *s = arg;
    (void)job, (void)nonce, (void)created;
    bool is_refused = err && err->code == FANMAP_EREFUSED;
    if (err && !is_refused)
        client_log(s->f, FANMAP_LOG_WARNING, "%s; the stream starts when a worker reaches Redis", err->message);
    query_answered(&s->query, is_refused ? err : NULL);
}

/* Before anybody knows the nonce: workers would else wait for a lease, as with a table that Redis lost. */
static void make_table(fanmap_stream_t *s)
{
    const spec_t *spec = &s->spec;
    tokens_port_t *tokens = s->f->tokens;
    if (s->query.result != FANMAP_OK || !spec_has_table(spec) || !tokens)
        return;
    tokens->create(tokens, spec->job, spec->nonce, spec->concurrency, spec->lease_ms, on_table, s);
    query_wait(&s->query, "Redis");
}

static void publish_spec(fanmap_stream_t *s)
{
    make_table(s);
    s->spec.results_partition = place_results(s->spec.job, s->queue->results_n);
    s->spec.start_offset = query_end_of(&s->query, s->queue->results, (int32_t)s->spec.results_partition);
    put_spec(s, &s->spec);
}

/* Policies are those of its beginning, and the limit is whatever it was set to since. */
static void say_what_stays(const fanmap_stream_t *s, const lookup_result_t *seen)
{
    char stays[400];
    spec_t is = seen->spec;
    is.concurrency = seen->view.concurrency;
    policy_stays(&is, &s->spec, stays, sizeof stays);
    if (stays[0])
        client_log(s->f, FANMAP_LOG_WARNING,
                   "stream %s goes on as it is: %s; its limit can be changed (fanmap set %s --concurrency N)", is.job,
                   stays, is.job);
}

/* What is asked for is what it is. */
static void join_known(fanmap_stream_t *s, const lookup_result_t *seen)
{
    const spec_t *is = &seen->spec, *asked = &s->spec;
    const char *id = asked->job;
    fanmap_error_t *err = s->query.err;
    char differences[400];
    stream_differences(is, asked, differences, sizeof differences);
    if (is->stream == STREAM_NOT)
        s->query.result = err_set(err, FANMAP_EUSAGE, "%s is a job, not a stream: give another --job-id", id);
    else if (seen->view.has_end)
        s->query.result = err_set(err, FANMAP_ESTOPPED, "stream %s was cancelled: give another --job-id", id);
    else if (differences[0] != '\0')
        s->query.result =
            err_set(err, FANMAP_EUSAGE, "stream %s is there: give another --job-id, or what it began with: %s", id,
                    differences);
    else {
        say_what_stays(s, seen);
        s->spec = *is;
    }
}

/* Others may have begun it at the same time. The spec that stands first is the stream's, and is made the last word, which is
 * what compaction keeps. */
static void agree_on_spec(fanmap_stream_t *s)
{
    lookup_result_t seen = {0};
    query_job(&s->query, s->queue, s->spec.job, &seen);
    if (s->query.result != FANMAP_OK || !seen.view.is_known || strcmp(seen.spec.nonce, s->spec.nonce) == 0)
        return;
    put_spec(s, &seen.spec);
    if (s->query.result == FANMAP_OK)
        join_known(s, &seen);
}

int stream_begin(fanmap_stream_t *s, const char *task, fanmap_error_t *err)
{
    lookup_result_t seen = {0};
    int r = fill_spec(s, task, err);
    if (r != FANMAP_OK)
        return r;
    name_of_id(s->log_name, s->f->namespace_name, NAME_STREAM, s->spec.job);
    name_of_id(s->group_name, s->f->namespace_name, NAME_GATHER, s->spec.job);
    query_begin(&s->query, s->f, (int)options_ms(s->f->options, OPT_CONNECT_TIMEOUT), err);
    s->queue = query_queue(&s->query, NULL, NULL);
    query_job(&s->query, s->queue, s->spec.job, &seen);
    bool is_known = s->query.result == FANMAP_OK && seen.view.is_known;
    if (is_known)
        join_known(s, &seen);
    stream_topics(s, !is_known);
    if (s->query.result == FANMAP_OK && !is_known) {
        publish_spec(s);
        agree_on_spec(s);
    }
    return query_end(&s->query);
}

static void on_ended(void *arg)
{
    fanmap_stream_t *s = arg;
    s->is_cancelled = true;
    loop_wake(s->f->loop);
}

int stream_watch_end(fanmap_stream_t *s, fanmap_error_t *err)
{
    return end_watch_begin(&s->end, s->queue->jobs, s->spec.job, on_ended, s, err);
}
