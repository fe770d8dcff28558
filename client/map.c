/* A map, producing side: the producer core decides, this carries out.
 *
 * fanmap_map checks everything that can be checked here and returns. Once the topics are known to exist map_begin fixes
 * the job's places and the core begins to speak: its records go to the bus, in order; what the bus has no room for
 * waits in the stash (bounded, because the core is not writable while anything is in it). Every delivery report carries
 * a cookie of job number and value, so that a report for a job that is gone finds nobody.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/client.h"
#include "io/random_id.h"
#include "schemas/place.h"

enum { OUTBOX_MAX = 50000 };
#define COOKIE_VALUE_MASK ((UINT64_C(1) << COOKIE_VALUE_BITS) - 1)

struct stash_entry {
    stash_entry_t *next;
    producer_action_type_t type;
    int32_t partition;
    uint64_t cookie;
    size_t key_len, value_len;
    char bytes[]; /* key, value */
};

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

static int fill_spec(fanmap_job_t *job, const char *task, fanmap_error_t *err)
{
    const fanmap_options_t *o = job->options;
    spec_t *spec = &job->spec;
    spec_init(spec);
    if (!task_name_valid(task))
        return err_set(err, FANMAP_EUSAGE, "\"%s\" is not a task name: [A-Za-z0-9._-], 1 to %d characters", task,
                       TASK_NAME_MAX);
    snprintf(spec->task, sizeof spec->task, "%s", task);
    snprintf(spec->queue, sizeof spec->queue, "%s", options_text(o, "queue"));
    spec->submitted_ms = wall_ms();
    spec->concurrency = options_count(o, "concurrency");
    spec->lease_ms = (uint32_t)options_ms(o, "lease");
    spec->retries = (uint32_t)options_count(o, "retries");
    options_backoff(o, &spec->backoff_base_ms, &spec->backoff_factor_milli, &spec->backoff_cap_ms);
    spec->timeout_ms = (uint32_t)options_ms(o, "timeout");
    spec->grace_ms = (uint32_t)options_ms(o, "grace");
    int64_t deadline = (int64_t)options_ms(o, "deadline");
    spec->deadline_ms = deadline ? spec->submitted_ms + deadline : 0;
    spec->fail_fast = options_switch(o, "fail-fast");
    spec->crash_cap = (uint32_t)options_count(o, "crash-cap");
    spec->item_bytes_max = (uint32_t)options_bytes(o, "item-max");
    spec->value_bytes_max = (uint32_t)options_bytes(o, "value-max");
    if (spec->concurrency > 0 && !job->f->tokens && !job->f->is_local)
        return err_set(err, FANMAP_EUSAGE,
                       "--concurrency %" PRIu64
                       " needs Redis for its tokens: give --redis URL (FANMAP_REDIS), or use 0",
                       spec->concurrency);
    return FANMAP_OK;
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

static void on_timer(void *arg)
{
    map_simple_step(arg, PRODUCER_TICK);
}

int fanmap_map(fanmap_t *f, const char *task, const fanmap_options_t *options, fanmap_job_t **ret_job,
               fanmap_error_t *err)
{
    if (f->error.code)
        return err_set(err, f->error.code, "%s", f->error.message);
    fanmap_job_t *job;
    int r = job_new(f, options, &job, err);
    if (r != FANMAP_OK)
        return r;
    job->is_map = true;
    job->is_detached = options_switch(job->options, "detach");
    r = fill_spec(job, task, err);
    if (r == FANMAP_OK)
        r = name_job(job, err);
    if (r == FANMAP_OK)
        r = loop_timer_new(f->loop, on_timer, job, &job->timer, err);
    if (r == FANMAP_OK && f->is_local)
        r = local_start(f, job->options, job->spec.queue, task, err);
    if (r == FANMAP_OK)
        r = queue_get(f, job->spec.queue, &job->queue, err);
    if (r != FANMAP_OK) {
        job_free(job);
        return r;
    }
    *ret_job = job;
    if (job->queue->is_ready)
        map_begin(job);
    return FANMAP_OK;
}

static int make_producer(fanmap_job_t *job)
{
    producer_config_t config = {.spec = job->spec,
                                .ahead_n = options_count(job->options, "ahead"),
                                .spill_bytes = options_bytes(job->options, "spill"),
                                .attached = !job->is_detached,
                                .outbox_n = OUTBOX_MAX};
    if (random_id(config.announce, 16) != FANMAP_OK)
        return FANMAP_EIO;
    job->producer = producer_new(&config);
    return job->producer ? FANMAP_OK : FANMAP_ENOMEM;
}

static void begin_producer(fanmap_job_t *job)
{
    fanmap_error_t err;
    job->spec.items_partitions = job->queue->items_n;
    job->spec.results_partition = place_results(job->id, job->queue->results_n);
    if (make_producer(job) != FANMAP_OK) {
        err_set(&err, FANMAP_ENOMEM, "out of memory for a producer");
        job_fail(job, &err);
        return;
    }
    map_simple_step(job, PRODUCER_BEGIN);
    if (job->input_ended)
        tell_end(job);
    presence_watch(job);
    loop_wake(job->f->loop); /* who waits to push may try again */
}

static void on_looked_up(void *arg, const lookup_result_t *result)
{
    fanmap_job_t *job = arg;
    fanmap_error_t err;
    lookup_free(job->lookup);
    job->lookup = NULL;
    if (result->is_found) {
        err_set(&err, FANMAP_ECONFLICT,
                "job %s exists already: choose another --job-id, or see it with: fanmap gather %s", job->id, job->id);
        job_fail(job, &err);
        return;
    }
    begin_producer(job);
}

void map_begin(fanmap_job_t *job)
{
    fanmap_error_t err;
    if (!options_text(job->options, "job-id") || job->f->is_local)
        begin_producer(job);
    else if (lookup_begin(job->queue, job->id, on_looked_up, job, &job->lookup, &err) != FANMAP_OK)
        job_fail(job, &err);
}

/* ---- carrying out ---- */

static int send(fanmap_job_t *job, producer_action_type_t type, int32_t partition, const void *key, size_t key_len,
                const void *value, size_t value_len, uint64_t cookie, fanmap_error_t *err)
{
    uint64_t full = ((uint64_t)job->number << COOKIE_VALUE_BITS) | (cookie & COOKIE_VALUE_MASK);
    bus_topic_t *topic = type == PRODUCER_PUT_ITEM  ? job->queue->items
                         : type == PRODUCER_PUT_LOG ? job->queue->results
                                                    : job->queue->jobs;
    return bus_produce(topic, partition, key, key_len, value, value_len, full, err);
}

static void stash_put(fanmap_job_t *job, const producer_action_t *a, int32_t partition, const char *key, size_t key_len)
{
    stash_entry_t *entry = malloc(sizeof *entry + key_len + a->value_len);
    fanmap_error_t err;
    if (!entry) {
        err_set(&err, FANMAP_ENOMEM, "out of memory for a record that waits for Kafka");
        job_fail(job, &err);
        return;
    }
    *entry = (stash_entry_t){NULL, a->type, partition, a->cookie, key_len, a->value_len};
    memcpy(entry->bytes, key, key_len);
    if (a->value_len)
        memcpy(entry->bytes + key_len, a->value, a->value_len);
    *job->stash.last = entry;
    job->stash.last = &entry->next;
}

static void stash_send(fanmap_job_t *job)
{
    fanmap_error_t err;
    while (job->stash.first) {
        stash_entry_t *e = job->stash.first;
        int r = send(job, e->type, e->partition, e->bytes, e->key_len, e->bytes + e->key_len, e->value_len, e->cookie,
                     &err);
        if (r == FANMAP_AGAIN)
            return;
        if (r != FANMAP_OK)
            job_fail(job, &err);
        job->stash.first = e->next;
        if (!e->next)
            job->stash.last = &job->stash.first;
        free(e);
    }
}

void stash_free(stash_t *stash)
{
    while (stash->first) {
        stash_entry_t *entry = stash->first;
        stash->first = entry->next;
        free(entry);
    }
    stash->last = &stash->first;
}

static void put_record(fanmap_job_t *job, const producer_action_t *a)
{
    fanmap_error_t err;
    bool is_jobs = a->type == PRODUCER_PUT_JOBS;
    const char *key = is_jobs ? a->key : job->id;
    int32_t partition = is_jobs ? 0 : a->type == PRODUCER_PUT_LOG ? (int32_t)job->spec.results_partition : a->partition;
    int r = FANMAP_AGAIN;
    if (!job->stash.first)
        r = send(job, a->type, partition, key, strlen(key), a->value, a->value_len, a->cookie, &err);
    if (r == FANMAP_AGAIN)
        stash_put(job, a, partition, key, strlen(key));
    else if (r != FANMAP_OK)
        job_fail(job, &err);
}

static void on_table(void *arg, const char *job_id, const char *nonce, bool created, const fanmap_error_t *err)
{
    fanmap_t *f = arg;
    fanmap_job_t *job = f->jobs;
    while (job && (strcmp(job->id, job_id) != 0 || strcmp(job->spec.nonce, nonce) != 0))
        job = job->next;
    if (!job)
        return;
    if (err && err->code == FANMAP_EREFUSED) {
        client_fail(f, err);
        return;
    }
    if (err)
        client_log(f, FANMAP_LOG_WARNING, "%s; the job starts when a worker reaches Redis", err->message);
    map_step(job, &(producer_event_t){.type = PRODUCER_TABLE, .ok = created});
}

static void check_log(fanmap_job_t *job);

static void on_log_end(void *arg, int64_t end)
{
    fanmap_t *f = ((queue_t *)arg)->f;
    for (fanmap_job_t *job = f->jobs; job; job = job->next) {
        if (job->check_until != INT64_MAX || job->queue != arg)
            continue;
        job->check_until = end;
        if (end < 0)
            check_log(job);
        else
            gather_relieve(job);
    }
}

static void check_log(fanmap_job_t *job)
{
    fanmap_error_t err;
    job->check_until = INT64_MAX;
    if (bus_query_end(job->queue->results, (int32_t)job->spec.results_partition, on_log_end, job->queue, &err) !=
        FANMAP_OK)
        job_fail(job, &err);
}

static void carry_out(fanmap_job_t *job, const producer_action_t *a)
{
    fanmap_t *f = job->f;
    tokens_port_t *tokens = f->tokens;
    switch (a->type) {
    case PRODUCER_CREATE_TABLE:
        tokens->create(tokens, job->id, job->spec.nonce, job->spec.concurrency, job->spec.lease_ms, on_table, f);
        break;
    case PRODUCER_PUT_LOG:
    case PRODUCER_PUT_JOBS:
    case PRODUCER_PUT_ITEM:
        put_record(job, a);
        break;
    case PRODUCER_CHECK_LOG:
        check_log(job);
        break;
    case PRODUCER_FINISHED:
        job->is_finished = true;
        loop_wake(f->loop);
        break;
    case PRODUCER_FAILED:
        job_fail(job, &a->error);
        break;
    }
}

void map_step(fanmap_job_t *job, producer_event_t *event)
{
    event->now_ms = loop_now_ms(job->f->loop);
    producer_actions_clear(&job->actions);
    producer_step(job->producer, event, &job->actions);
    for (size_t i = 0; i < job->actions.n && !job->error.code; i++)
        carry_out(job, &job->actions.at[i]);
    if (job->actions.failed) {
        fanmap_error_t err;
        err_set(&err, FANMAP_ENOMEM, "out of memory for a producer");
        job_fail(job, &err);
    }
    loop_timer_at(job->timer, producer_next_ms(job->producer));
}

void map_simple_step(fanmap_job_t *job, producer_event_type_t type)
{
    map_step(job, &(producer_event_t){.type = type});
}

/* ---- delivery reports ---- */

static fanmap_job_t *delivered_job(void *arg, uint64_t cookie)
{
    fanmap_job_t *job = job_by_number(arg, (uint32_t)(cookie >> COOKIE_VALUE_BITS));
    if (!job || !job->producer || job->error.code)
        return NULL;
    return job;
}

static void after_delivery(fanmap_job_t *job)
{
    stash_send(job);
    job_reap(job);
}

void map_item_delivered(void *arg, uint64_t cookie, int32_t partition, int64_t offset, const fanmap_error_t *err)
{
    fanmap_job_t *job = delivered_job(arg, cookie);
    if (!job)
        return;
    producer_event_t event = {.type = err ? PRODUCER_ITEM_REFUSED : PRODUCER_ITEM_STORED,
                              .index = cookie & COOKIE_VALUE_MASK,
                              .partition = partition,
                              .offset = offset};
    map_step(job, &event);
    after_delivery(job);
}

/* The job's log begins where `start` was stored. */
static void read_from_start(fanmap_job_t *job)
{
    fanmap_error_t err;
    if (job->list)
        return;
    job->spec.start_offset = producer_spec(job->producer)->start_offset;
    if (job->spec.start_offset >= 0 && gather_begin(job, &err) != FANMAP_OK)
        job_fail(job, &err);
}

static void stored(void *arg, producer_event_type_t type, uint64_t cookie, int64_t offset, const fanmap_error_t *err)
{
    fanmap_job_t *job = job_by_number(arg, (uint32_t)(cookie >> COOKIE_VALUE_BITS));
    if (job && job->is_control)
        job->control_left--;
    job = delivered_job(arg, cookie);
    if (!job)
        return;
    if (err) {
        fanmap_error_t why = *err;
        err_wrap(&why, "storing a record of job %s", job->id);
        job_fail(job, &why);
        return;
    }
    map_step(job, &(producer_event_t){.type = type, .cookie = cookie & COOKIE_VALUE_MASK, .offset = offset});
    read_from_start(job);
    after_delivery(job);
}

void map_log_delivered(void *arg, uint64_t cookie, int32_t partition, int64_t offset, const fanmap_error_t *err)
{
    (void)partition;
    stored(arg, PRODUCER_LOG_STORED, cookie, offset, err);
}

void map_jobs_delivered(void *arg, uint64_t cookie, int32_t partition, int64_t offset, const fanmap_error_t *err)
{
    (void)partition;
    stored(arg, PRODUCER_JOBS_STORED, cookie, offset, err);
}

/* ---- the caller's input ---- */

int fanmap_push(fanmap_job_t *job, fanmap_format_t format, const void *item, size_t len, fanmap_error_t *err)
{
    if (job->error.code)
        return err_set(err, job->error.code, "%s", job->error.message);
    if (!job->is_map || job->input_ended)
        return err_set(err, FANMAP_EUSAGE, job->is_map ? "the input of this map has ended" : "a gather has no input");
    if (job->is_decided && job->list_state == LIST_CLOSED)
        return err_set(err, FANMAP_ESTOPPED, "the job was stopped");
    if (!job->producer || job->stash.first || !producer_writable(job->producer)) {
        job->was_full = true;
        return FANMAP_AGAIN;
    }
    producer_event_t event = {.type = PRODUCER_ITEM, .kind = item_fill(job, format, item, len)};
    if (event.kind == FANMAP_VALUE) {
        event.in = job->in.data;
        event.in_len = job->in.len;
    } else {
        event.message = (const char *)job->text.data;
    }
    if (job->in.failed || job->text.failed)
        return err_set(err, FANMAP_ENOMEM, "out of memory for an item of %zu bytes", len);
    job->pushed++;
    map_step(job, &event);
    return FANMAP_OK;
}

int fanmap_end_input(fanmap_job_t *job, const char *source_error, fanmap_error_t *err)
{
    if (job->error.code)
        return err_set(err, job->error.code, "%s", job->error.message);
    if (!job->is_map)
        return err_set(err, FANMAP_EUSAGE, "a gather has no input");
    if (job->input_ended)
        return FANMAP_OK;
    if (source_error)
        job->source_error = strdup(source_error);
    if (source_error && !job->source_error)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    job->input_ended = true;
    if (job->producer)
        tell_end(job);
    return FANMAP_OK;
}
