/* How a map begins and ends.
 *
 * map_new checks everything that can be checked here and returns. Once the topics are known to exist map_begin fixes
 * the job's places and the producer core begins to speak (produce.c). What is pushed before that waits for it, and so
 * does an end of the input.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "client/connection/local.h"
#include "client/mapping/item_scan.h"
#include "client/mapping/mapping.h"
#include "client/mapping/retry_failed.h"
#include "client/options/policy.h"
#include "client/options/policy_rules.h"
#include "io/random_id.h"
#include "schemas/place.h"

enum { OUTBOX_MAX = 50000 };
static const char LOCAL_QUEUE[] = "default"; /* one worker serves every embedded map, whatever queue it names */

/* ---- beginning ---- */

static int fill_policies(fanmap_job_t *job, fanmap_error_t *err)
{
    mapping_t *m = job->mapping;
    const fanmap_options_t *o = job->options;
    spec_t *spec = &job->spec;
    const char *exits = options_text(o, OPT_FINAL_EXIT);
    spec->fail_fast = options_switch(o, OPT_FAIL_FAST);
    spec->sequences_n = (uint32_t)options_count(o, OPT_SEQUENCES);
    int r = halt_parse(options_text(o, OPT_HALT), &spec->halt, err);
    if (r == FANMAP_OK && spec->fail_fast && spec->halt.when != HALT_NEVER)
        r = err_set(err, FANMAP_EUSAGE, "give --fail-fast (which is --halt now,fail=1) or --halt, not both");
    if (r == FANMAP_OK && exits)
        r = exits_parse(exits, spec, err);
    if (r == FANMAP_OK)
        r = binds_encode(o, &m->bound, err);
    spec->bound = m->bound.data;
    spec->bound_len = m->bound.len;
    return r;
}

static int fill_spec(fanmap_job_t *job, const char *task, fanmap_error_t *err)
{
    const fanmap_options_t *o = job->options;
    spec_t *spec = &job->spec;
    spec_init(spec);
    bool is_given = task || !options_text(o, OPT_RETRY_FAILED); /* else it is that of the other job */
    if (is_given && (!task || !task_name_valid(task)))
        return err_set(err, FANMAP_EUSAGE, "\"%s\" is not a task name: [A-Za-z0-9._-], 1 to %d characters",
                       task ? task : "", TASK_NAME_MAX);
    snprintf(spec->task, sizeof spec->task, "%s", task ? task : "");
    snprintf(spec->queue, sizeof spec->queue, "%s", job->f->is_local ? LOCAL_QUEUE : options_text(o, OPT_QUEUE));
    spec->submitted_ms = wall_ms();
    int64_t deadline = (int64_t)options_ms(o, OPT_DEADLINE);
    spec->deadline_ms = deadline ? spec->submitted_ms + deadline : 0;
    bool is_fleet = !job->f->is_local;
    int r = policy_from_options(o, is_fleet, !is_fleet || job->f->tokens, spec, err);
    return r == FANMAP_OK ? fill_policies(job, err) : r;
}

enum { DRAWN_LEN = 20, DRAWN_TAIL_LEN = 5, TAILS = 12 /* are drawn at once */ };

/* A random name, and one whose log will lie where this connection reads already: elsewhere its first outcome would wait
 * for the answer to a fetch that is under way. What is drawn anew for that is the name's tail. */
static int draw_id(fanmap_job_t *job)
{
    char tails[TAILS * DRAWN_TAIL_LEN + 1];
    const queue_t *queue = job->f->queues;
    while (queue && !queue->is_ready)
        queue = queue->next;
    int32_t wanted = queue ? bus_partition_at_hand(queue->results) : -1;
    int r = random_id(job->id, DRAWN_LEN);
    for (uint32_t i = 0; r == FANMAP_OK && wanted >= 0 && i < 8 * queue->results_n; i++) {
        if (place_results(job->id, queue->results_n) == (uint32_t)wanted)
            break;
        if (i % TAILS == 0)
            r = random_id(tails, TAILS * DRAWN_TAIL_LEN);
        memcpy(job->id + DRAWN_LEN - DRAWN_TAIL_LEN, tails + i % TAILS * DRAWN_TAIL_LEN, DRAWN_TAIL_LEN);
    }
    return r;
}

static int name_job(fanmap_job_t *job, fanmap_error_t *err)
{
    const char *id = options_text(job->options, OPT_JOB_ID);
    if (id)
        snprintf(job->id, sizeof job->id, "%s", id);
    else if (draw_id(job) != FANMAP_OK)
        return err_set(err, FANMAP_EIO, "the system gives no random bytes");
    memcpy(job->spec.job, job->id, sizeof job->id);
    if (random_id(job->spec.nonce, 16) != FANMAP_OK) /* also without a limit: one may be set later */
        return err_set(err, FANMAP_EIO, "the system gives no random bytes");
    return FANMAP_OK;
}

static void map_begin(fanmap_job_t *job);

static int choose_queue(fanmap_job_t *job, fanmap_error_t *err)
{
    const char *of = options_text(job->options, OPT_RETRY_FAILED);
    if (job->is_detached && job->f->is_local)
        return err_set(err, FANMAP_EUSAGE, "--detach needs a fleet: an embedded job ends with its program");
    if (!of && (options_text(job->options, OPT_RETRY_GROUP) || options_text(job->options, OPT_RETRY_ITEMS)))
        return err_set(err, FANMAP_EUSAGE,
                       "--retry-group and --retry-items choose among the items of --retry-failed JOB");
    return of ? retry_new(job, of, map_begin, err) : queue_wait(job, job->spec.queue, job->spec.task, map_begin, err);
}

int map_new(fanmap_job_t *job, const char *task, fanmap_error_t *err)
{
    fanmap_t *f = job->f;
    mapping_t *m = job->mapping = calloc(1, sizeof *m);
    if (!m)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    m->stash.last = &m->stash.first;
    m->log_check.until = -1;
    m->log_check.at_ms = m->deadline_ms = m->timer_ms = INT64_MAX;
    publisher_open(&m->publisher, f, map_stored, job);
    job->is_detached = options_switch(job->options, OPT_DETACH);
    m->spill_bytes = options_bytes(job->options, OPT_SPILL);
    uint64_t window_bytes = options_bytes(job->options, OPT_WINDOW);
    if (options_switch(job->options, OPT_UNORDERED) && m->spill_bytes > window_bytes)
        m->spill_bytes = window_bytes; /* what arrives waits in memory only */
    int r = gather_new(job, map_gathered, err);
    if (r == FANMAP_OK)
        r = fill_spec(job, task, err);
    if (r == FANMAP_OK)
        r = name_job(job, err);
    if (r == FANMAP_OK)
        r = loop_timer_new(f->loop, map_on_timer, job, &m->timer, err);
    if (r == FANMAP_OK && f->is_local && task)
        r = local_start(job, err);
    return r == FANMAP_OK ? choose_queue(job, err) : r;
}

static int make_producer(fanmap_job_t *job, fanmap_error_t *err)
{
    mapping_t *m = job->mapping;
    producer_config_t config = {.spec = job->spec,
                                .ahead_n = options_count(job->options, OPT_AHEAD),
                                .spill_bytes = m->spill_bytes,
                                .attached = !job->is_detached,
                                .prior = resubmit_known(m->resubmit),
                                .outbox_n = OUTBOX_MAX};
    if (random_id(config.announce, 16) != FANMAP_OK)
        return err_set(err, FANMAP_EIO, "the system gives no random bytes");
    m->producer = producer_new(&config);
    return m->producer ? FANMAP_OK : err_set(err, FANMAP_ENOMEM, "out of memory for a producer");
}

static void map_produce(fanmap_job_t *job)
{
    mapping_t *m = job->mapping;
    fanmap_error_t err;
    if (make_producer(job, &err) != FANMAP_OK) {
        job_fail(job, &err);
        return;
    }
    if (job->spec.deadline_ms)
        m->deadline_ms =
            loop_now_ms(job->f->loop) + job->spec.deadline_ms - job->spec.submitted_ms - resubmit_age_ms(m->resubmit);
    map_simple_step(job, PRODUCER_BEGIN);
    early_flush(job);
    if (m->input_ended)
        map_step_end_input(job);
    no_worker_watch(job);
    waiting_watch(job);
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
        if (other != job && other->mapping && other->mapping->producer && strcmp(other->id, job->id) == 0)
            return true;
    return false;
}

static void on_looked_up(void *arg, const lookup_result_t *result)
{
    fanmap_job_t *job = arg;
    mapping_t *m = job->mapping;
    fanmap_error_t err;
    lookup_free(m->lookup);
    m->lookup = NULL;
    if (is_in_use_here(job))
        job_fail(job, err_of(FANMAP_ECONFLICT,
                             "job %s is being mapped by this program: try again when that is over, or choose another "
                             "--job-id",
                             job->id));
    else if (result->view.is_known && job->f->is_local)
        job_fail(job, err_of(FANMAP_ECONFLICT,
                             "job %s was mapped by this program already: choose another --job-id (embedded there is "
                             "nothing to resume: a job ends with its program)",
                             job->id));
    else if (!result->view.is_known)
        begin_new(job);
    else if (resubmit_begin(job, result, map_produce, &err) != FANMAP_OK)
        job_fail(job, &err);
}

/* The topics are there: fixes the places in the spec and starts the producer, or finds out first what there is. */
static void map_begin(fanmap_job_t *job)
{
    mapping_t *m = job->mapping;
    fanmap_error_t err;
    if (!fleet_limits_may_begin(job, map_begin) || (m->retry && !retry_begin(m->retry)) ||
        !gather_output_may_begin(job, map_begin))
        return;
    if (!options_text(job->options, OPT_JOB_ID))
        begin_new(job);
    else if (lookup_begin(job->queue, job->id, on_looked_up, job, &m->lookup, &err) != FANMAP_OK)
        job_fail(job, &err);
}

/* ---- ending ---- */

/* What a caller that left need not wait for any more. */
static bool is_stored(const mapping_t *m)
{
    return m->input_ended ? producer_settled(m->producer) : producer_acknowledged(m->producer) >= m->pushed;
}

bool map_is_over(const fanmap_job_t *job)
{
    const mapping_t *m = job->mapping;
    if (!m || !m->producer || m->is_finished || map_has_failed(job))
        return true;
    return job->is_abandoned && job->is_detached && is_stored(m);
}

bool map_may_leave(const fanmap_job_t *job)
{
    const mapping_t *m = job->mapping;
    if (!m || !job->is_detached || !m->producer)
        return false;
    return gather_is_closed(job) || (m->input_ended && (producer_settled(m->producer) || m->is_finished));
}

void map_close(fanmap_job_t *job, bool detach)
{
    if (!job->mapping)
        return;
    no_worker_stop(job);
    waiting_stop(job);
    bool is_let_go = detach || (job->is_detached && job->mapping->input_ended);
    if (!is_let_go && map_can_be_cancelled(job))
        map_simple_step(job, PRODUCER_CANCEL);
}

void map_free(fanmap_job_t *job)
{
    mapping_t *m = job->mapping;
    if (!m)
        return;
    publisher_close(&m->publisher);
    no_worker_stop(job);
    waiting_stop(job);
    fleet_limits_stop(job);
    lookup_free(m->lookup);
    loop_timer_free(m->timer);
    producer_free(m->producer);
    resubmit_free(m->resubmit);
    retry_free(m->retry);
    item_scan_free(m->scan);
    producer_actions_free(&m->actions);
    stash_free(&m->stash);
    early_free(&m->early);
    free(m->source_error);
    buf_free(&m->bound);
    buf_free(&m->item.in);
    buf_free(&m->item.refusal);
    free(m);
}

void map_stats(const fanmap_job_t *job, fanmap_stats_t *stats)
{
    const mapping_t *m = job->mapping;
    if (!m)
        return;
    if (m->producer)
        stats->published = producer_published(m->producer);
    if (m->input_ended)
        stats->total = (int64_t)m->pushed;
    stats->input_ended = m->input_ended || stats->total >= 0;
}
