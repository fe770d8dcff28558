/* The gathering side of a handle: the job's log goes through list (what counts) into order (whose turn it is).
 *
 * A reader that has more than the window waiting while the next outcome could be handed out is held: the caller is
 * slow, and the log keeps the rest. While the next outcome is missing it reads on, and order spills. The embedded log
 * is memory that all maps of a connection share, so there a reader is held only while its map is alone: one map whose
 * caller is slow must not stop the others.
 *
 * A job that wants outcomes as they arrive needs no disk: its reader is held whenever more than the window waits.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "client/connection/client.h"
#include "client/gathering/gather_state.h"
#include "client/joblog/job_counts.h"

/* ---- what the log says ---- */

static void on_outcome(void *arg, const outcome_t *outcome)
{
    fanmap_job_t *job = arg;
    gathering_t *g = job->gathering;
    fanmap_error_t err;
    if (job->is_detached || job->is_abandoned) /* nobody will ask for it */
        return;
    if (!reading_accepts(&g->reading, outcome->index))
        return;
    outcome_t put = *outcome;
    if (g->share && !share_has(g->share, put.index)) { /* nobody will see more of it than that it is there */
        put.kind = FANMAP_VALUE;
        put.value = (const uint8_t *)"\xc0";
        put.value_len = 1;
        put.worker_len = 0;
    }
    if (order_put(g->order, &put, &err) != FANMAP_OK) {
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

bool gather_list_has_next(const gathering_t *g)
{
    if (!g->list)
        return false;
    return g->decision.is_decided ||
           (g->is_unordered ? order_waiting_bytes(g->order) > 0 : list_has(g->list, order_position(g->order)));
}

static void hold_reader(fanmap_job_t *job)
{
    gathering_t *g = job->gathering;
    uint64_t limit = g->is_reader_held ? g->window_bytes / 2 : g->window_bytes;
    bool hold = !job->is_abandoned && order_waiting_bytes(g->order) > limit && gather_list_has_next(g) && is_alone(job);
    if (hold == g->is_reader_held || !g->reader)
        return;
    g->is_reader_held = hold;
    bus_reader_hold(g->reader, hold);
}

/* Tells the workers, by a copy on the jobs topic, so that they drop the rest, and `fanmap jobs`, what the list comes
 * to. A hint, which may be lost. */
static bool copy_to_workers(const fanmap_job_t *job, jobs_field_t field, end_reason_t reason)
{
    const gathering_t *g = job->gathering;
    return g->has_end_copy || job_counts_publish(g->list, job->queue->jobs, job->id, field, reason);
}

static bool on_record(void *arg, const bus_record_t *record)
{
    fanmap_job_t *job = arg;
    gathering_t *g = job->gathering;
    order_mark(g->order, reading_record(&g->reading, record->offset, g->list));
    (void)list_record(g->list, record->offset, record->key, record->key_len, record->value, record->value_len);
    gather_check_list(job, 0);
    gather_check_start(job);
    if (!g->halt_published && list_now(g->list)->is_halting) /* until the bus has taken it, with each record */
        g->halt_published = copy_to_workers(job, JOBS_HALT, END_HALT);
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
    if (position > job->gathering->reading.next_offset)
        job->gathering->reading.next_offset = position;
    gather_check_list(job, position);
    gather_check_start_later(job);
    report_change(job);
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
    int r = job_output_new(job, gather_end_output, &g->output, err);
    if (r != FANMAP_OK)
        return r;
    return order_new(g->is_unordered ? SIZE_MAX : g->window_bytes, NULL, &g->order, err);
}

/* Where the caller wants to begin. */
static int begin_where_asked(fanmap_job_t *job, fanmap_error_t *err)
{
    gathering_t *g = job->gathering;
    const position_t *from = g->from;
    bool has_place = from && (from->kind == POSITION_ORDERED || from->kind == POSITION_ARRIVAL);
    g->reading.next_offset = has_place ? from->reread_at : job->spec.start_offset;
    if (from && from->kind != POSITION_INDEX && from->job != position_job(&job->spec))
        return err_set(err, FANMAP_EUSAGE, "the position is of another job than %s, or of an earlier one of that id",
                       job->id);
    if (!reading_begin(&g->reading, g->is_unordered, from))
        return err_set(err, FANMAP_ENOMEM, "out of memory for the list of job %s", job->id);
    order_begin_at(g->order, g->reading.from);
    if (has_place && !list_resume(g->list, &job->spec, from))
        return err_set(err, FANMAP_EUSAGE, "what the position says of job %s cannot be", job->id);
    g->has_end_copy |= g->decision.is_decided;
    return FANMAP_OK;
}

int gather_begin(fanmap_job_t *job, fanmap_error_t *err)
{
    static const list_callbacks_t list_callbacks = {on_outcome, on_decided};
    static const bus_reader_callbacks_t reader_callbacks = {
        .record = on_record, .at_end = on_end_of_log, .gone = gather_log_gone, .shares = true};
    gathering_t *g = job->gathering;
    g->list = list_new(job->id, &list_callbacks, job);
    if (g->list && g->is_unordered)
        order_by_arrival(g->order, is_known, g->list);
    if (!g->list)
        return err_set(err, FANMAP_ENOMEM, "out of memory for the list of job %s", job->id);
    int r = begin_where_asked(job, err);
    if (r != FANMAP_OK || g->decision.is_decided)
        return r;
    return bus_read(job->queue->results, (int32_t)job->spec.results_partition, g->reading.next_offset,
                    &reader_callbacks, job, &g->reader, err);
}

void gather_free(fanmap_job_t *job)
{
    gathering_t *g = job->gathering;
    if (!g)
        return;
    lookup_free(g->lookup);
    (void)bus_reader_drop(&g->reader);
    if (g->unbegun)
        loop_timer_free(g->unbegun);
    list_free(g->list);
    order_free(g->order);
    reading_free(&g->reading);
    kept_place_close(g->kept);
    job_output_free(g->output);
    share_close(g->share);
    follow_free(g->follow);
    free(g->place);
    free(g->from);
    free(g);
}

void gather_relieve(fanmap_job_t *job)
{
    if (job->gathering->is_reader_held)
        hold_reader(job);
    report_change(job);
}
