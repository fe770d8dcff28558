/* The gathering side of a handle: the job's log goes through list (what counts) into order (whose turn it is).
 *
 * A reader that has more than the window waiting while the next outcome could be handed out is held: the caller is
 * slow, and the log keeps the rest. While the next outcome is missing it reads on, and order spills. The embedded log
 * is memory that all maps of a connection share, so there a reader is held only while its map is alone: one map whose
 * caller is slow must not stop the others.
 *
 * A job that wants outcomes as they arrive needs no disk: its reader is held whenever more than the window waits.
 */
#include "client/gathering/gather.h"

#include <inttypes.h>
#include <stdlib.h>

#include "aggregator/order.h"
#include "client/connection/client.h"
#include "client/joblog/lookup.h"

struct gathering {
    gather_changed_fn changed;
    lookup_t *lookup;
    list_t *list;
    order_t *order;
    bus_reader_t *reader;
    uint64_t window_bytes;
    int64_t position;
    decision_t decision;
    bool is_unordered, is_reader_held, halt_told, has_end_copy;
};

/* ---- what the log says ---- */

static void on_outcome(void *arg, const outcome_t *outcome)
{
    fanmap_job_t *job = arg;
    gathering_t *g = job->gathering;
    fanmap_error_t err;
    if (job->is_detached || job->is_abandoned) /* nobody will ask for it */
        return;
    if (order_put(g->order, outcome, &err) != FANMAP_OK) {
        err_wrap(&err, "keeping outcome %" PRIu64 " of job %s", outcome->index, job->id);
        job_fail(job, &err);
    }
}

static void on_decided(void *arg, uint64_t n, list_state_t state, end_reason_t reason, fanmap_kind_t missing)
{
    gathering_t *g = ((fanmap_job_t *)arg)->gathering;
    g->decision = (decision_t){true, n, state, reason};
    order_decide(g->order, n, missing);
}

static void report_change(fanmap_job_t *job)
{
    if (job->gathering->changed)
        job->gathering->changed(job);
}

uint64_t gather_waiting_bytes(const fanmap_job_t *job)
{
    return order_waiting_bytes(job->gathering->order);
}

uint64_t gather_next_index(const fanmap_job_t *job)
{
    const gathering_t *g = job->gathering;
    return g->is_unordered ? list_known(g->list) : order_position(g->order);
}

bool gather_is_held(const fanmap_job_t *job)
{
    return job->gathering->is_reader_held;
}

static bool is_known(const void *arg, uint64_t index)
{
    return list_has(arg, index);
}

static bool is_alone(const fanmap_job_t *job)
{
    return !job->f->is_local || job->gathering->is_unordered || (job->f->jobs == job && !job->next);
}

static void hold_reader(fanmap_job_t *job)
{
    gathering_t *g = job->gathering;
    uint64_t limit = g->is_reader_held ? g->window_bytes / 2 : g->window_bytes;
    bool hold = !job->is_abandoned && gather_waiting_bytes(job) > limit && gather_has_next(job) && is_alone(job);
    if (hold == g->is_reader_held || !g->reader)
        return;
    g->is_reader_held = hold;
    bus_reader_hold(g->reader, hold);
}

/* Tells the workers, by a copy on the jobs topic, so that they drop the rest, and `fanmap jobs`, what the list comes
 * to. A hint, which may be lost. */
static bool copy_to_workers(const fanmap_job_t *job, jobs_field_t field, end_reason_t reason)
{
    char key[JOB_ID_MAX + 17];
    fanmap_error_t err;
    buf_t value = {0};
    size_t key_len = jobs_key(key, sizeof key, job->id, field);
    jobs_counts_t counts = list_counts(job->gathering->list);
    jobs_encode_end_counted(&value, reason, &counts);
    bool told =
        !value.failed && (job->gathering->has_end_copy ||
                          bus_produce(job->queue->jobs, 0, key, key_len, value.data, value.len, 0, &err) == FANMAP_OK);
    buf_free(&value);
    return told;
}

static void check_list(fanmap_job_t *job)
{
    fanmap_error_t err;
    if (!list_out_of_memory(job->gathering->list) || job->error.code)
        return;
    err_set(&err, FANMAP_ENOMEM, "out of memory for the list of job %s", job->id);
    job_fail(job, &err);
}

static bool on_record(void *arg, const bus_record_t *record)
{
    fanmap_job_t *job = arg;
    gathering_t *g = job->gathering;
    g->position = record->offset + 1;
    (void)list_record(g->list, record->offset, record->key, record->key_len, record->value, record->value_len);
    check_list(job);
    if (!g->halt_told && list_is_halting(g->list)) /* until the bus has taken it, with each record */
        g->halt_told = copy_to_workers(job, JOBS_HALT, END_HALT);
    report_change(job);
    if (!g->decision.is_decided) {
        hold_reader(job);
        return false;
    }
    if (!g->changed)
        (void)copy_to_workers(job, JOBS_END, g->decision.reason);
    bus_reader_close(g->reader); /* nothing after the decision counts */
    g->reader = NULL;
    g->is_reader_held = false;
    return false;
}

static void on_end_of_log(void *arg, int64_t position)
{
    fanmap_job_t *job = arg;
    if (position > job->gathering->position)
        job->gathering->position = position;
    report_change(job);
}

static void on_gone(void *arg, int64_t low)
{
    fanmap_job_t *job = arg;
    fanmap_error_t err;
    if (low < 0)
        err_set(&err, FANMAP_ELOST, "the log of job %s is no longer whole: its topic was deleted, or made anew",
                job->id);
    else
        err_set(&err, FANMAP_ELOST,
                "the log of job %s is no longer whole: Kafka deleted what lies before offset %" PRId64
                " of its results partition (retention)",
                job->id, low);
    job_fail(job, &err);
}

/* ---- beginning and end ---- */

int gather_new(fanmap_job_t *job, gather_changed_fn changed, fanmap_error_t *err)
{
    gathering_t *g = calloc(1, sizeof *g);
    if (!g)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    job->gathering = g;
    g->changed = changed;
    g->window_bytes = options_bytes(job->options, OPT_WINDOW);
    g->is_unordered = options_switch(job->options, OPT_UNORDERED);
    return order_new(g->is_unordered ? SIZE_MAX : g->window_bytes, NULL, &g->order, err);
}

int gather_begin(fanmap_job_t *job, fanmap_error_t *err)
{
    static const list_callbacks_t list_callbacks = {on_outcome, on_decided};
    static const bus_reader_callbacks_t reader_callbacks = {
        .record = on_record, .at_end = on_end_of_log, .gone = on_gone, .shares = true};
    gathering_t *g = job->gathering;
    g->list = list_new(job->id, &list_callbacks, job);
    if (g->list && g->is_unordered)
        order_by_arrival(g->order, is_known, g->list);
    if (!g->list)
        return err_set(err, FANMAP_ENOMEM, "out of memory for the list of job %s", job->id);
    g->position = job->spec.start_offset;
    return bus_read(job->queue->results, (int32_t)job->spec.results_partition, job->spec.start_offset,
                    &reader_callbacks, job, &g->reader, err);
}

void gather_free(fanmap_job_t *job)
{
    gathering_t *g = job->gathering;
    if (!g)
        return;
    lookup_free(g->lookup);
    (void)bus_reader_drop(&g->reader);
    list_free(g->list);
    order_free(g->order);
    free(g);
}

static void on_looked_up(void *arg, const lookup_result_t *result)
{
    fanmap_job_t *job = arg;
    gathering_t *g = job->gathering;
    fanmap_error_t err;
    lookup_free(g->lookup);
    g->lookup = NULL;
    if (!result->view.is_known) {
        err_set(&err, FANMAP_ENOJOB, "there is no job %s in namespace %s", job->id, job->f->namespace_name);
        job_fail(job, &err);
        return;
    }
    job->spec = result->spec;
    g->has_end_copy = result->view.has_end && result->view.counts.is_known;
    job->is_paused = result->view.paused;
    if (lookup_check_list(job->queue, &job->spec, &err) != FANMAP_OK || gather_begin(job, &err) != FANMAP_OK)
        job_fail(job, &err);
}

void gather_lookup(fanmap_job_t *job)
{
    fanmap_error_t err;
    if (lookup_begin(job->queue, job->id, on_looked_up, job, &job->gathering->lookup, &err) != FANMAP_OK)
        job_fail(job, &err);
}

/* ---- what is known, and what is next ---- */

const list_t *gather_list(const fanmap_job_t *job)
{
    return job->gathering->list;
}

const decision_t *gather_decision(const fanmap_job_t *job)
{
    return &job->gathering->decision;
}

bool gather_is_closed(const fanmap_job_t *job)
{
    return job->gathering->decision.is_decided && job->gathering->decision.state == LIST_CLOSED;
}

int64_t gather_position(const fanmap_job_t *job)
{
    return job->gathering->position;
}

void gather_relieve(fanmap_job_t *job)
{
    if (job->gathering->is_reader_held)
        hold_reader(job);
    report_change(job);
}

bool gather_has_next(const fanmap_job_t *job)
{
    const gathering_t *g = job->gathering;
    if (!g->list || job->is_detached)
        return false;
    return g->decision.is_decided ||
           (g->is_unordered ? gather_waiting_bytes(job) > 0 : list_has(g->list, order_position(g->order)));
}

int gather_next(fanmap_job_t *job, outcome_t *ret, fanmap_error_t *err)
{
    if (!gather_has_next(job))
        return FANMAP_AGAIN;
    int r = order_next(job->gathering->order, ret, err);
    gather_relieve(job);
    return r;
}
