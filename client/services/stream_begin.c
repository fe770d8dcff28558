/* The stream is found on the jobs topic, or begun there: its spec says from where, to where, by which task and in what order. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "client/options/policy.h"
#include "client/services/stream.h"
#include "io/random_id.h"
#include "schemas/place.h"

/* ---- topics ---- */

static void on_one_topic(void *arg, const uint32_t *partitions_n, const fanmap_error_t *err)
{
    fanmap_stream_t *s = arg;
    s->counted[0] = err ? 0 : partitions_n[0];
    query_answered(&s->query, err);
}

static void ensure(fanmap_stream_t *s, const bus_topic_config_t *topic, bool create)
{
    if (s->query.result != FANMAP_OK)
        return;
    s->query.result = bus_ensure_topics(s->f->bus, topic, 1, create, on_one_topic, s, s->query.err);
    if (s->query.result == FANMAP_OK)
        query_wait(&s->query, "Kafka");
}

static void check_topics(fanmap_stream_t *s)
{
    const spec_t *spec = &s->spec;
    if (spec->to[0])
        ensure(s, &(bus_topic_config_t){.name = spec->to}, false);
    if (spec->errors_to[0])
        ensure(s, &(bus_topic_config_t){.name = spec->errors_to}, false);
    ensure(s, &(bus_topic_config_t){.name = spec->from}, false);
    s->spec.items_partitions = s->counted[0];
}

/* Its log, a partition for each of the source's. */
static void make_log(fanmap_stream_t *s)
{
    const fanmap_options_t *o = s->f->options;
    uint32_t bytes_max = options_record_bytes_max(o);
    ensure(s, &(bus_topic_config_t){s->log_name, s->spec.items_partitions, false, -1, bytes_max},
           options_switch(o, OPT_CREATE_TOPICS));
    s->lanes_n = s->counted[0];
    if (s->query.result == FANMAP_OK && s->lanes_n < s->spec.items_partitions)
        s->query.result =
            err_set(s->query.err, FANMAP_EUSAGE, "topic %s has %" PRIu32 " partitions, and %s has %" PRIu32,
                    s->log_name, s->lanes_n, s->spec.from, s->spec.items_partitions);
}

/* ---- the spec ---- */

static void copy_topic(char *ret, const char *name)
{
    (void)snprintf(ret, KAFKA_NAME_MAX + 1, "%s", name ? name : "");
}

static stream_format_t format_of(const char *word)
{
    static const char *const words[] = {"json", "text", "binary", "msgpack"};
    size_t i = 0;
    while (i < 3 && strcmp(words[i], word) != 0)
        i++;
    return (stream_format_t)i;
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
    if (!from || strlen(from) > KAFKA_NAME_MAX)
        return err_set(err, FANMAP_EUSAGE, "which topic? give --from TOPIC");
    (void)snprintf(spec->job, sizeof spec->job, "%s", id ? id : task);
    (void)snprintf(spec->task, sizeof spec->task, "%s", task);
    (void)snprintf(spec->queue, sizeof spec->queue, "%s", options_text(o, OPT_QUEUE));
    copy_topic(spec->from, from);
    copy_topic(spec->to, options_text(o, OPT_TO));
    copy_topic(spec->errors_to, options_text(o, OPT_ERRORS_TO));
    spec->stream = order_of(options_text(o, OPT_ORDER));
    spec->in_format = format_of(options_text(o, OPT_FROM_FORMAT));
    spec->out_format = format_of(options_text(o, OPT_TO_FORMAT));
    spec->submitted_ms = wall_ms();
    int r = policy_from_options(o, true, s->f->tokens != NULL, spec, err);
    if (r != FANMAP_OK)
        return r;
    return random_id(spec->nonce, 20) == FANMAP_OK ? FANMAP_OK : err_set(err, FANMAP_EIO, "no random numbers");
}

/* ---- the jobs topic ---- */

static void publish_spec(fanmap_stream_t *s)
{
    char key[JOB_ID_MAX + 17];
    size_t key_len = jobs_key(key, sizeof key, s->spec.job, JOBS_SPEC);
    buf_t value = {0};
    s->spec.results_partition = place_results(s->spec.job, s->queue->results_n);
    s->spec.start_offset = query_end_of(&s->query, s->queue->results, (int32_t)s->spec.results_partition);
    jobs_encode_spec(&value, &s->spec);
    if (value.failed)
        query_out_of_memory(&s->query);
    query_put(&s->query, s->queue, TOPIC_JOBS, 0, key, key_len, value.data, value.len);
    query_stored(&s->query);
    buf_free(&value);
}

/* What is asked for is what it is: policies are those of its beginning. */
static void join_known(fanmap_stream_t *s, const lookup_result_t *seen)
{
    const spec_t *is = &seen->spec, *asked = &s->spec;
    const char *id = asked->job;
    fanmap_error_t *err = s->query.err;
    bool differs = strcmp(is->task, asked->task) != 0 || strcmp(is->from, asked->from) != 0 ||
                   strcmp(is->to, asked->to) != 0 || strcmp(is->errors_to, asked->errors_to) != 0 ||
                   is->stream != asked->stream || is->in_format != asked->in_format ||
                   is->out_format != asked->out_format || strcmp(is->queue, asked->queue) != 0;
    if (is->stream == STREAM_NOT)
        s->query.result = err_set(err, FANMAP_EUSAGE, "%s is a job, not a stream: give another --job-id", id);
    else if (seen->view.has_end)
        s->query.result = err_set(err, FANMAP_ESTOPPED, "stream %s was cancelled: give another --job-id", id);
    else if (differs)
        s->query.result = err_set(err, FANMAP_EUSAGE,
                                  "stream %s is there, with another task, topic, queue, order or format; give another "
                                  "--job-id, or what it began with",
                                  id);
    else
        s->spec = *is;
}

int stream_begin(fanmap_stream_t *s, const char *task, fanmap_error_t *err)
{
    lookup_result_t seen = {0};
    int r = fill_spec(s, task, err);
    if (r != FANMAP_OK)
        return r;
    name_stream(s->log_name, s->f->namespace_name, s->spec.job);
    name_gather(s->group_name, s->f->namespace_name, s->spec.job);
    query_begin(&s->query, s->f, (int)options_ms(s->f->options, OPT_CONNECT_TIMEOUT), err);
    s->queue = query_queue(&s->query, NULL, NULL);
    query_job(&s->query, s->queue, s->spec.job, &seen);
    bool is_known = s->query.result == FANMAP_OK && seen.view.is_known;
    if (is_known)
        join_known(s, &seen);
    check_topics(s);
    make_log(s);
    if (s->query.result == FANMAP_OK && !is_known)
        publish_spec(s);
    return query_end(&s->query);
}
