/* How a map begins, and its input.
 *
 * fanmap_map checks everything that can be checked here and returns. Once the topics are known to exist map_begin fixes
 * the job's places and the producer core begins to speak (produce.c). What is pushed before that is refused with
 * FANMAP_AGAIN; an end of the input is kept.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/connection/client.h"
#include "client/connection/fleet_limits.h"
#include "client/options/policy_rules.h"
#include "io/random_id.h"
#include "schemas/place.h"

enum { OUTBOX_MAX = 50000 };
static const char LOCAL_QUEUE[] = "default"; /* one worker serves every embedded map, whatever queue it names */

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void tell_end(fanmap_job_t *job)
{
    map_step(job, &(producer_event_t){.type = PRODUCER_END_INPUT, .message = job->source_error});
}

/* ---- beginning ---- */

static int fill_policies(fanmap_job_t *job, fanmap_error_t *err)
{
    const fanmap_options_t *o = job->options;
    spec_t *spec = &job->spec;
    const char *exits = options_text(o, "final-exit");
    spec->fail_fast = options_switch(o, "fail-fast");
    spec->sequences_n = (uint32_t)options_count(o, "sequences");
    int r = halt_parse(options_text(o, "halt"), &spec->halt, err);
    if (r == FANMAP_OK && spec->fail_fast && spec->halt.when != HALT_NEVER)
        r = err_set(err, FANMAP_EUSAGE, "give --fail-fast (which is --halt now,fail=1) or --halt, not both");
    if (r == FANMAP_OK && exits)
        r = exits_parse(exits, spec, err);
    if (r == FANMAP_OK)
        r = binds_encode(o, &job->bound, err);
    spec->bound = job->bound.data;
    spec->bound_len = job->bound.len;
    return r;
}

static int fill_spec(fanmap_job_t *job, const char *task, fanmap_error_t *err)
{
    const fanmap_options_t *o = job->options;
    spec_t *spec = &job->spec;
    spec_init(spec);
    bool is_given = task || !options_text(o, "retry-failed"); /* else it is that of the other job */
    if (is_given && (!task || !task_name_valid(task)))
        return err_set(err, FANMAP_EUSAGE, "\"%s\" is not a task name: [A-Za-z0-9._-], 1 to %d characters",
                       task ? task : "", TASK_NAME_MAX);
    snprintf(spec->task, sizeof spec->task, "%s", task ? task : "");
    snprintf(spec->queue, sizeof spec->queue, "%s", job->f->is_local ? LOCAL_QUEUE : options_text(o, "queue"));
    spec->submitted_ms = wall_ms();
    spec->concurrency = options_count(o, "concurrency");
    spec->lease_ms = (uint32_t)options_ms(o, "lease");
    spec->retries = (uint32_t)options_count(o, "retries");
    options_backoff(o, &spec->backoff_base_ms, &spec->backoff_factor_milli, &spec->backoff_cap_ms);
    spec->timeout_ms = (uint32_t)options_ms(o, "timeout");
    spec->grace_ms = (uint32_t)options_ms(o, "grace");
    spec->memory_bytes = options_bytes(o, "memory");
    spec->cpus_milli = options_cpus_milli(o, "cpus");
    spec->cpu_time_ms = (uint32_t)options_ms(o, "cpu-time");
    int64_t deadline = (int64_t)options_ms(o, "deadline");
    spec->deadline_ms = deadline ? spec->submitted_ms + deadline : 0;
    spec->crash_cap = (uint32_t)options_count(o, "crash-cap");
    spec->item_bytes_max = (uint32_t)options_bytes(o, "item-max");
    spec->value_bytes_max = (uint32_t)options_bytes(o, "value-max");
    if (spec->concurrency > 0 && !job->f->tokens && !job->f->is_local)
        return err_set(err, FANMAP_EUSAGE,
                       "--concurrency %" PRIu64
                       " needs Redis for its tokens: give --redis URL (FANMAP_REDIS), or use 0",
                       spec->concurrency);
    return fill_policies(job, err);
}

static int name_job(fanmap_job_t *job, fanmap_error_t *err)
{
    const char *id = options_text(job->options, "job-id");
    if (id)
        snprintf(job->id, sizeof job->id, "%s", id);
    else if (random_id(job->id, 20) != FANMAP_OK)
        return err_set(err, FANMAP_EIO, "the system gives no random bytes");
    memcpy(job->spec.job, job->id, sizeof job->id);
    if (random_id(job->spec.nonce, 16) != FANMAP_OK) /* also without a limit: one may be set later */
        return err_set(err, FANMAP_EIO, "the system gives no random bytes");
    return FANMAP_OK;
}

static int choose_queue(fanmap_job_t *job, fanmap_error_t *err)
{
    const char *of = options_text(job->options, "retry-failed");
    if (job->is_detached && job->f->is_local)
        return err_set(err, FANMAP_EUSAGE, "--detach needs a fleet: an embedded job ends with its program");
    return of ? retry_new(job, of, err) : queue_wait(job, job->spec.queue, map_begin, err);
}

int fanmap_map(fanmap_t *f, const char *task, const fanmap_options_t *options, fanmap_job_t **ret_job,
               fanmap_error_t *err)
{
    if (f->error.code)
        return err_copy(err, &f->error);
    fanmap_job_t *job;
    int r = job_new(f, options, &job, err);
    if (r != FANMAP_OK)
        return r;
    job->is_map = true;
    publisher_open(&job->publisher, f, map_stored, job);
    job->is_detached = options_switch(job->options, "detach");
    job->spill_bytes = options_bytes(job->options, "spill");
    if (job->is_unordered && job->spill_bytes > job->window_bytes)
        job->spill_bytes = job->window_bytes; /* what arrives waits in memory only */
    r = fill_spec(job, task, err);
    if (r == FANMAP_OK)
        r = name_job(job, err);
    if (r == FANMAP_OK)
        r = loop_timer_new(f->loop, map_on_timer, job, &job->timer, err);
    if (r == FANMAP_OK && f->is_local && task)
        r = local_start(f, job->options, &job->spec, err);
    if (r == FANMAP_OK)
        r = choose_queue(job, err);
    if (r != FANMAP_OK) {
        job_free(job);
        return r;
    }
    *ret_job = job;
    for (fanmap_job_t *other = f->jobs; other && f->is_local; other = other->next)
        gather_relieve(other); /* it is not alone any more */
    client_mark(f);
    return FANMAP_OK;
}

static int make_producer(fanmap_job_t *job, fanmap_error_t *err)
{
    producer_config_t config = {.spec = job->spec,
                                .ahead_n = options_count(job->options, "ahead"),
                                .spill_bytes = job->spill_bytes,
                                .attached = !job->is_detached,
                                .resume = resuming_known(job->resuming),
                                .outbox_n = OUTBOX_MAX};
    if (random_id(config.announce, 16) != FANMAP_OK)
        return err_set(err, FANMAP_EIO, "the system gives no random bytes");
    job->producer = producer_new(&config);
    return job->producer ? FANMAP_OK : err_set(err, FANMAP_ENOMEM, "out of memory for a producer");
}

void map_produce(fanmap_job_t *job)
{
    fanmap_error_t err;
    if (make_producer(job, &err) != FANMAP_OK) {
        job_fail(job, &err);
        return;
    }
    if (job->spec.deadline_ms)
        job->deadline_ms = loop_now_ms(job->f->loop) + job->spec.deadline_ms - wall_ms();
    map_simple_step(job, PRODUCER_BEGIN);
    if (job->input_ended)
        tell_end(job);
    presence_watch(job);
}

static void begin_new(fanmap_job_t *job)
{
    job->spec.items_partitions = job->queue->items_n;
    job->spec.results_partition = place_results(job->id, job->queue->results_n);
    map_produce(job);
}

/* By a map of this connection that Kafka may not know of yet. */
static bool is_in_use_here(const fanmap_job_t *job)
{
    for (const fanmap_job_t *other = job->f->jobs; other; other = other->next)
        if (other != job && other->producer && strcmp(other->id, job->id) == 0)
            return true;
    return false;
}

static void on_looked_up(void *arg, const lookup_result_t *result)
{
    fanmap_job_t *job = arg;
    fanmap_error_t err;
    lookup_free(job->lookup);
    job->lookup = NULL;
    if (is_in_use_here(job)) {
        err_set(&err, FANMAP_ECONFLICT, "job %s is being mapped by this program: choose another --job-id", job->id);
        job_fail(job, &err);
    } else if (result->is_found && job->f->is_local) {
        err_set(&err, FANMAP_ECONFLICT,
                "job %s was mapped by this program already: choose another --job-id (embedded there is nothing to "
                "resume: a job ends with its program)",
                job->id);
        job_fail(job, &err);
    } else if (!result->is_found) {
        begin_new(job);
    } else if (resuming_begin(job, result, &err) != FANMAP_OK) {
        job_fail(job, &err);
    }
}

void map_begin(fanmap_job_t *job)
{
    fanmap_error_t err;
    if (!asks_may_begin(job) || (job->retry && !retry_begin(job->retry)))
        return;
    if (!options_text(job->options, "job-id"))
        begin_new(job);
    else if (lookup_begin(job->queue, job->id, on_looked_up, job, &job->lookup, &err) != FANMAP_OK)
        job_fail(job, &err);
}

/* ---- the caller's input ---- */

bool map_writable(const fanmap_job_t *job)
{
    return job->producer && !job->stash.first && producer_writable(job->producer);
}

static int check_push(const fanmap_job_t *job, fanmap_format_t format, fanmap_error_t *err)
{
    if (job->error.code)
        return err_copy(err, &job->error);
    if (!job->is_map || (job->input_ended && !job->is_cut))
        return err_set(err, FANMAP_EUSAGE, job->is_map ? "the input of this map has ended" : "a gather has no input");
    if (job->retry)
        return err_set(err, FANMAP_EUSAGE, "the items of this map come from job %s (retry-failed)", job->spec.retry_of);
    if (job->pipe_from)
        return err_set(err, FANMAP_EUSAGE, "the items of this map come from job %s (fanmap_pipe)", job->pipe_from->id);
    if ((unsigned)format > FANMAP_WRAPPED)
        return err_set(err, FANMAP_EUSAGE, "%u is no format of an item", (unsigned)format);
    if (job->is_cut || (job->is_decided && job->list_state == LIST_CLOSED))
        return err_set(err, FANMAP_ESTOPPED, "job %s was stopped", job->id);
    return FANMAP_OK;
}

/* What was filled in is the next item. */
int map_put(fanmap_job_t *job, producer_event_t *event, size_t len, fanmap_error_t *err)
{
    if (job->in.failed || job->refusal.failed)
        return err_set(err, FANMAP_ENOMEM, "out of memory for an item of %zu bytes", len);
    event->type = PRODUCER_ITEM;
    job->pushed++;
    map_step(job, event);
    return FANMAP_OK;
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
    int r = check_push(job, format, err);
    if (r != FANMAP_OK)
        return r;
    job->was_full = !map_writable(job);
    return job->was_full ? FANMAP_AGAIN : FANMAP_OK;
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

int fanmap_push_zipped(fanmap_job_t *job, fanmap_format_t format, const fanmap_part_t *parts, size_t n,
                       fanmap_error_t *err)
{
    producer_event_t event = {0};
    int r = begin_push(job, format, err);
    if (r != FANMAP_OK)
        return r;
    if (job->spec.sequences_n == 0 || n != job->spec.sequences_n)
        return err_set(err, FANMAP_EUSAGE, "%zu parts of an item of %" PRIu32 " zipped sequences (\"sequences\")", n,
                       job->spec.sequences_n);
    item_fill_zipped(job, format, parts, n, &event);
    return end_push(job, &event, job->in.len, err);
}

void map_end_input(fanmap_job_t *job)
{
    job->input_ended = true;
    if (job->producer)
        tell_end(job);
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
    job->source_error = (char *)text.data;
    return FANMAP_OK;
}

int fanmap_end_input(fanmap_job_t *job, const char *source_error, fanmap_error_t *err)
{
    if (job->error.code)
        return err_copy(err, &job->error);
    if (!job->is_map)
        return err_set(err, FANMAP_EUSAGE, "a gather has no input");
    if (job->retry)
        return err_set(err, FANMAP_EUSAGE, "the items of this map come from job %s (retry-failed)", job->spec.retry_of);
    if (job->pipe_from)
        return err_set(err, FANMAP_EUSAGE, "the input of this map ends with job %s (fanmap_pipe)", job->pipe_from->id);
    if (job->input_ended)
        return FANMAP_OK;
    int r = source_error ? keep_source_error(job, source_error, err) : FANMAP_OK;
    if (r != FANMAP_OK)
        return r;
    map_end_input(job);
    client_mark(job->f);
    return FANMAP_OK;
}
