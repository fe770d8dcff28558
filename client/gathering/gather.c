/* The gathering side of a handle: the job's log goes through list (what counts) into order (whose turn it is).
 *
 * A reader that has more than the window waiting while the next outcome could be handed out is held: the caller is
 * slow, and the log keeps the rest. While the next outcome is missing it reads on, and order spills. The embedded log
 * is memory that all maps of a connection share, so there a reader is held only while its map is alone: one map whose
 * caller is slow must not stop the others.
 *
 * A job that wants no order has arrival in the place of order, and no disk: its reader is held whenever more than the
 * window waits.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/connection/client.h"

static void on_outcome(void *arg, const outcome_t *outcome)
{
    fanmap_job_t *job = arg;
    fanmap_error_t err;
    job->knows_more = true;
    if (job->is_detached || job->is_abandoned) /* nobody will ask for it */
        return;
    int r = job->arrival ? arrival_put(job->arrival, outcome, &err) : order_put(job->order, outcome, &err);
    if (r != FANMAP_OK) {
        err_wrap(&err, "keeping outcome %" PRIu64 " of job %s", outcome->index, job->id);
        job_fail(job, &err);
    }
}

static void on_decided(void *arg, uint64_t n, list_state_t state, end_reason_t reason, fanmap_kind_t missing)
{
    fanmap_job_t *job = arg;
    job->is_decided = true;
    job->list_n = n;
    job->list_state = state;
    job->end_reason = reason;
    if (job->arrival)
        arrival_decide(job->arrival, n, missing);
    else
        order_decide(job->order, n, missing);
    presence_stop(job);
}

static void answer_check(fanmap_job_t *job)
{
    if (job->check_until < 0 || job->check_until == INT64_MAX || job->log_position < job->check_until || !job->list)
        return;
    job->check_until = -1;
    map_step(job, &(producer_event_t){.type = PRODUCER_LOG_CHECKED,
                                      .announced = list_producer(job->list),
                                      .closed = job->is_decided && job->list_state == LIST_CLOSED,
                                      .has_input = list_total(job->list) >= 0,
                                      .reason = job->end_reason});
}

/* A newer announcement than its own stops a producer. */
static void tell_announced(fanmap_job_t *job)
{
    const char *announced = list_producer(job->list);
    if (!job->producer || job->is_finished || job->error.code || strcmp(announced, job->announced) == 0)
        return;
    snprintf(job->announced, sizeof job->announced, "%s", announced);
    map_step(job, &(producer_event_t){.type = PRODUCER_ANNOUNCED, .announced = job->announced});
}

static uint64_t waiting_bytes(const fanmap_job_t *job)
{
    return job->arrival ? arrival_waiting_bytes(job->arrival) : order_waiting_bytes(job->order);
}

static bool is_known(const void *arg, uint64_t index)
{
    return list_has(arg, index);
}

static bool is_alone(const fanmap_job_t *job)
{
    return !job->f->is_local || job->arrival || (job->f->jobs == job && !job->next);
}

static void hold_reader(fanmap_job_t *job)
{
    uint64_t limit = job->is_reader_held ? job->window_bytes / 2 : job->window_bytes;
    bool hold = !job->is_abandoned && waiting_bytes(job) > limit && gather_has_next(job) && is_alone(job);
    if (hold == job->is_reader_held || !job->reader)
        return;
    job->is_reader_held = hold;
    bus_reader_hold(job->reader, hold);
}

static void tell_producer(fanmap_job_t *job)
{
    if (!job->producer || job->is_finished || job->error.code || !job->knows_more)
        return;
    job->knows_more = false;
    job->told_waiting_bytes = job->is_abandoned ? 0 : waiting_bytes(job);
    map_step(job, &(producer_event_t){.type = PRODUCER_KNOWN,
                                      .known = list_known(job->list),
                                      .waiting_bytes = job->told_waiting_bytes});
}

/* Whoever sees a closing or a completion copies it to the jobs topic, so that workers drop the rest. */
static void copy_end(fanmap_job_t *job)
{
    if (job->producer) {
        map_step(job, &(producer_event_t){.type = PRODUCER_DECIDED, .reason = job->end_reason});
        return;
    }
    char key[JOB_ID_MAX + 17];
    fanmap_error_t err;
    buf_t value = {0};
    size_t key_len = jobs_key(key, sizeof key, job->id, JOBS_END);
    jobs_encode_end(&value, job->end_reason);
    if (!value.failed && !job->has_end_copy)
        (void)bus_produce(job->queue->jobs, 0, key, key_len, value.data, value.len, 0, &err); /* a hint: may be lost */
    buf_free(&value);
}

/* Whoever sees that nothing more is to start (--halt soon) tells the workers; until the bus has taken it, with each
 * record. */
static void tell_halt(fanmap_job_t *job)
{
    char key[JOB_ID_MAX + 17];
    fanmap_error_t err;
    buf_t value = {0};
    if (job->halt_told || !list_is_halting(job->list))
        return;
    if (!job->is_halting && job->producer)
        map_simple_step(job, PRODUCER_HALTED);
    job->is_halting = true;
    size_t key_len = jobs_key(key, sizeof key, job->id, JOBS_HALT);
    jobs_encode_end(&value, END_HALT);
    job->halt_told = !value.failed && (job->has_end_copy || bus_produce(job->queue->jobs, 0, key, key_len, value.data,
                                                                        value.len, 0, &err) == FANMAP_OK);
    buf_free(&value);
}

static void check_list(fanmap_job_t *job)
{
    fanmap_error_t err;
    if (!list_out_of_memory(job->list) || job->error.code)
        return;
    err_set(&err, FANMAP_ENOMEM, "out of memory for the list of job %s", job->id);
    job_fail(job, &err);
}

/* Nothing after the decision counts. */
static void close_reader(fanmap_job_t *job)
{
    bus_reader_close(job->reader);
    job->reader = NULL;
    job->is_reader_held = false;
    job->check_until = -1;
}

static bool on_record(void *arg, const bus_record_t *record)
{
    fanmap_job_t *job = arg;
    job->log_position = record->offset + 1;
    (void)list_record(job->list, record->offset, record->key, record->key_len, record->value, record->value_len);
    check_list(job);
    tell_announced(job);
    tell_halt(job);
    tell_producer(job);
    answer_check(job);
    if (job->is_decided) {
        copy_end(job);
        close_reader(job);
    } else {
        hold_reader(job);
    }
    return false;
}

static void on_end_of_log(void *arg, int64_t position)
{
    fanmap_job_t *job = arg;
    if (position > job->log_position)
        job->log_position = position;
    answer_check(job);
}

static void on_gone(void *arg, int64_t low)
{
    fanmap_job_t *job = arg;
    fanmap_error_t err;
    err_set(&err, FANMAP_ELOST,
            "the log of job %s is no longer whole: Kafka deleted what lies before offset %" PRId64
            " of its results partition (retention)",
            job->id, low);
    job_fail(job, &err);
}

int gather_begin(fanmap_job_t *job, fanmap_error_t *err)
{
    static const list_callbacks_t list_callbacks = {on_outcome, on_decided};
    static const bus_reader_callbacks_t reader_callbacks = {on_record, on_end_of_log, on_gone};
    job->list = list_new(job->id, &list_callbacks, job);
    if (job->list && job->is_unordered)
        job->arrival = arrival_new(is_known, job->list);
    if (!job->list || (job->is_unordered && !job->arrival))
        return err_set(err, FANMAP_ENOMEM, "out of memory for the list of job %s", job->id);
    job->log_position = job->spec.start_offset;
    return bus_read(job->queue->results, (int32_t)job->spec.results_partition, job->spec.start_offset,
                    &reader_callbacks, job, &job->reader, err);
}

void gather_end(fanmap_job_t *job)
{
    (void)bus_reader_drop(&job->reader);
    list_free(job->list);
    job->list = NULL;
}

void gather_relieve(fanmap_job_t *job)
{
    if (job->is_reader_held)
        hold_reader(job);
    if (job->told_waiting_bytes > job->spill_bytes && waiting_bytes(job) <= job->spill_bytes / 2)
        job->knows_more = true;
    tell_producer(job);
}

void gather_check(fanmap_job_t *job, int64_t end)
{
    job->check_until = end;
    answer_check(job);
}

bool gather_has_next(const fanmap_job_t *job)
{
    if (!job->list || job->is_detached)
        return false;
    if (job->arrival)
        return arrival_has_next(job->arrival);
    return job->is_decided || list_has(job->list, order_position(job->order));
}

int gather_next(fanmap_job_t *job, outcome_t *ret, fanmap_error_t *err)
{
    if (!gather_has_next(job))
        return FANMAP_AGAIN;
    int r = job->arrival ? arrival_next(job->arrival, ret) : order_next(job->order, ret, err);
    if (r == FANMAP_OK) {
        job->delivered++;
        job->cancelled += ret->kind == FANMAP_CANCELLED || ret->kind == FANMAP_DEADLINE;
    }
    gather_relieve(job);
    return r;
}

/* ---- gathering someone else's job ---- */

static void on_looked_up(void *arg, const lookup_result_t *result)
{
    fanmap_job_t *job = arg;
    fanmap_error_t err;
    lookup_free(job->lookup);
    job->lookup = NULL;
    if (!result->is_found) {
        err_set(&err, FANMAP_ENOJOB, "there is no job %s in namespace %s", job->id, job->f->namespace_name);
        job_fail(job, &err);
        return;
    }
    job->spec = result->spec;
    job->has_end_copy = result->has_end;
    job->is_paused = result->paused;
    if (gather_begin(job, &err) != FANMAP_OK)
        job_fail(job, &err);
}

void gather_lookup(fanmap_job_t *job)
{
    fanmap_error_t err;
    if (lookup_begin(job->queue, job->id, on_looked_up, job, &job->lookup, &err) != FANMAP_OK)
        job_fail(job, &err);
}

int gather_at(fanmap_t *f, const char *job_id, int32_t results_partition, int64_t start_offset,
              const fanmap_options_t *options, fanmap_job_t **ret_job, fanmap_error_t *err)
{
    fanmap_job_t *job;
    int r = job_new(f, options, &job, err);
    if (r != FANMAP_OK)
        return r;
    snprintf(job->id, sizeof job->id, "%s", job_id);
    job->spec.results_partition = (uint32_t)results_partition;
    job->spec.start_offset = start_offset;
    r = queue_get(f, NULL, &job->queue, err);
    if (r == FANMAP_OK)
        r = gather_begin(job, err);
    if (r != FANMAP_OK)
        job_free(job);
    else
        *ret_job = job;
    return r;
}

int fanmap_gather(fanmap_t *f, const char *job_id, const fanmap_options_t *options, fanmap_job_t **ret_job,
                  fanmap_error_t *err)
{
    if (f->error.code)
        return err_copy(err, &f->error);
    if (!job_id_valid(job_id))
        return err_set(err, FANMAP_EUSAGE, "\"%s\" is not a job id", job_id);
    if (f->is_local)
        return err_set(err, FANMAP_EUSAGE, "an embedded map leaves nothing to gather");
    fanmap_job_t *job;
    int r = job_new(f, options, &job, err);
    if (r != FANMAP_OK)
        return r;
    snprintf(job->id, sizeof job->id, "%s", job_id);
    r = queue_wait(job, NULL, gather_lookup, err);
    if (r != FANMAP_OK) {
        job_free(job);
        return r;
    }
    *ret_job = job;
    client_mark(f);
    return FANMAP_OK;
}
