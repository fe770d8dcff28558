/* A map that has stood still says why. Once a second it is looked whether an outcome came or was handed out; when none
 * did for some seconds, although items are out, the fleet is asked (connection/fleet.h), and what comes of it
 * (joblog/why.h) is said once, again when the cause has changed, and when it goes on.
 *
 * That nobody will run an item any more is said only when two answers agree, between which no outcome came: the first
 * may have overtaken the last outcomes. That no worker serves the task may be no_worker.c's to say. */
#include <stdlib.h>

#include "client/mapping/mapping.h"

enum { TICK_MS = 1000, STILL_MS = 5000, ASK_EVERY_MS = 5000, KAFKA_SILENT_MS = 12000 };

static uint64_t known_n(const fanmap_job_t *job)
{
    const list_t *list = gather_list(job);
    return list ? list_now(list)->known : 0;
}

static bool has_moved(fanmap_job_t *job)
{
    waiting_t *w = &job->mapping->waiting;
    uint64_t now_known = known_n(job), position = gather_next_index(job);
    bool moved = now_known != w->known || position != w->position;
    w->known = now_known;
    w->position = position;
    return moved;
}

/* What it waits for, if it waits at all. */
static bool is_waiting(const fanmap_job_t *job)
{
    const mapping_t *m = job->mapping;
    if (job->error.code || job->is_detached || job->is_abandoned || gather_decision(job)->is_decided)
        return false;
    return producer_published(m->producer) > known_n(job) || gather_is_held(job);
}

/* ---- saying it ---- */

static void log_cause(fanmap_job_t *job, const why_t *found)
{
    waiting_t *w = &job->mapping->waiting;
    why_cause_t cause = found->n > 0 ? found->causes[0] : WHY_NOTHING;
    bool is_doubted = cause == WHY_PASSED_OVER && w->found != WHY_PASSED_OVER;
    w->found = cause;
    if (cause == WHY_NOTHING || cause == w->said || is_doubted)
        return;
    if (cause == WHY_NO_WORKER && job->mapping->no_worker_timer)
        return;
    w->said = cause;
    client_log(job->f, FANMAP_LOG_WARNING, "job %s waits: %s", job->id, found->texts[0]);
}

void waiting_said(fanmap_job_t *job, why_cause_t cause)
{
    job->mapping->waiting.said = cause;
}

static void moved_on(fanmap_job_t *job, int64_t now_ms)
{
    waiting_t *w = &job->mapping->waiting;
    if (w->said != WHY_NOTHING)
        client_log(job->f, FANMAP_LOG_WARNING, "job %s goes on", job->id);
    w->said = w->found = WHY_NOTHING;
    w->since_ms = now_ms;
}

void waiting_gathered(fanmap_job_t *job)
{
    if (job->mapping->waiting.said != WHY_NOTHING && has_moved(job))
        moved_on(job, loop_now_ms(job->f->loop));
}

/* ---- finding it out ---- */

static void find_cause(fanmap_job_t *job, const fleet_t *fleet)
{
    const mapping_t *m = job->mapping;
    why_t found;
    uint64_t position = gather_next_index(job);
    const char *parent = getenv("FANMAP_JOB"); /* set for who runs in a slot */
    const why_facts_t facts = {.job = job->id,
                               .task = job->spec.task,
                               .queue = job->spec.queue,
                               .name_space = job->f->namespace_name,
                               .parent = parent ? parent : "",
                               .fleet = fleet,
                               .is_paused = job->is_paused,
                               .is_still = true,
                               .concurrency = fleet->has_table ? fleet->limit : job->spec.concurrency,
                               .has_rate = job->spec.start_every_us > 0,
                               .known = known_n(job),
                               .published = producer_published(m->producer),
                               .published_before = m->waiting.published_before,
                               .total = 0, /* its input is the caller's matter */
                               .producer_silent_ms = -1,
                               .behind_n =
                                   known_n(job) > position && !gather_has_next(job) ? known_n(job) - position : 0,
                               .next_index = position,
                               .is_held = gather_is_held(job)};
    why(&facts, &found);
    log_cause(job, &found);
}

static void on_fleet(void *arg, const fleet_t *fleet)
{
    fanmap_job_t *job = arg;
    if (!has_moved(job) && is_waiting(job))
        find_cause(job, fleet);
    else
        moved_on(job, loop_now_ms(job->f->loop));
}

static void query_fleet(fanmap_job_t *job, int64_t now_ms)
{
    mapping_t *m = job->mapping;
    fanmap_error_t err;
    fleet_t fleet = {.workers_n = -1, .oldest_index = -1, .owned_n = -1, .lag = -1};
    const char *parent = getenv("FANMAP_JOB");
    const fleet_question_t question = {.queue = job->spec.queue,
                                       .task = job->spec.task,
                                       .job = job->id,
                                       .parent = parent ? parent : "",
                                       .has_limit = job->spec.concurrency > 0,
                                       .items = job->queue->items,
                                       .partitions_n = job->spec.items_partitions};
    fleet.is_kafka_silent = fleet_kafka_missing_ms(job->f) > KAFKA_SILENT_MS;
    if (gather_is_held(job) || fleet.is_kafka_silent) {
        find_cause(job, &fleet);
        m->waiting.asked_ms = now_ms;
        return;
    }
    uint64_t stored = producer_acknowledged(m->producer);
    if (fleet_ask(job->f, &question, on_fleet, job, &err) != FANMAP_OK) /* others ask: at the next tick */
        return;
    m->waiting.published_before = stored;
    m->waiting.asked_ms = now_ms;
}

static void on_timer(void *arg)
{
    fanmap_job_t *job = arg;
    waiting_t *w = &job->mapping->waiting;
    int64_t now_ms = loop_now_ms(job->f->loop);
    if (has_moved(job))
        moved_on(job, now_ms);
    else if (!is_waiting(job))
        w->since_ms = now_ms;
    else if (now_ms - w->since_ms >= STILL_MS && now_ms - w->asked_ms >= ASK_EVERY_MS)
        query_fleet(job, now_ms);
    loop_timer_at(w->timer, now_ms + TICK_MS);
}

void waiting_watch(fanmap_job_t *job)
{
    waiting_t *w = &job->mapping->waiting;
    fanmap_error_t err;
    if (job->f->is_local || w->timer || loop_timer_new(job->f->loop, on_timer, job, &w->timer, &err) != FANMAP_OK)
        return;
    w->since_ms = loop_now_ms(job->f->loop);
    w->asked_ms = w->since_ms - ASK_EVERY_MS;
    loop_timer_at(w->timer, w->since_ms + TICK_MS);
}

void waiting_stop(fanmap_job_t *job)
{
    waiting_t *w = &job->mapping->waiting;
    if (!w->timer)
        return;
    fleet_forget(job->f, job);
    loop_timer_free(w->timer);
    w->timer = NULL;
}
