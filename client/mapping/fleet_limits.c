/* A job that asks for memory, processors or processor time is begun only once Redis has said what workers allow: then
 * one that asks for more than any of them does is refused before anything is sent. */
#include "client/mapping/mapping.h"

#include "client/tasks/job_limits.h"
#include "tokens/presence.h"

enum { TURN_MS = 50, PATIENCE_MS = 2000 };

static void begin_map(fanmap_job_t *job)
{
    job->mapping->limits.is_done = true;
    fleet_limits_stop(job);
    if (!job->error.code)
        job->mapping->limits.then(job);
}

static void on_answer(void *arg, int workers_n)
{
    fanmap_t *f = arg;
    fanmap_job_t *job = job_by_number(f, f->asked_number);
    fanmap_error_t err;
    f->asked_number = 0;
    if (!job || job->mapping->limits.is_done)
        return;
    const uint64_t *bounds = presence_bounds(f->presence);
    limits_t allowed = {
        .memory_bytes = bounds[0], .cpus_milli = (uint32_t)bounds[1], .cpu_time_ms = (uint32_t)bounds[2]};
    if (workers_n > 0 && job_limits_check(&job->spec, &allowed, "any worker of this task", &err) != FANMAP_OK)
        job_fail(job, &err);
    begin_map(job);
}

/* Presence takes one question at a time. */
static void on_timer(void *arg)
{
    fanmap_job_t *job = arg;
    mapping_t *m = job->mapping;
    fanmap_t *f = job->f;
    int64_t now_ms = loop_now_ms(f->loop);
    if (now_ms >= m->limits.until_ms) {
        if (f->asked_number == job->number)
            f->asked_number = 0;
        begin_map(job);
        return;
    }
    loop_timer_at(m->limits.timer, now_ms + TURN_MS);
    if (f->asked_number)
        return;
    f->asked_number = job->number;
    f->asked_ms = now_ms;
    presence_query_bounds(f->presence, job->spec.queue, job->spec.task, on_answer, f);
}

bool fleet_limits_may_begin(fanmap_job_t *job, queue_ready_fn then)
{
    mapping_t *m = job->mapping;
    fanmap_t *f = job->f;
    fanmap_error_t err;
    limits_t asks = job_limits_of(&job->spec);
    if (m->limits.is_done || !limits_any(&asks) || !f->presence)
        return true;
    if (m->limits.timer)
        return false;
    if (loop_timer_new(f->loop, on_timer, job, &m->limits.timer, &err) != FANMAP_OK)
        return true;
    m->limits.then = then;
    m->limits.until_ms = loop_now_ms(f->loop) + PATIENCE_MS;
    loop_timer_at(m->limits.timer, loop_now_ms(f->loop));
    return false;
}

void fleet_limits_stop(fanmap_job_t *job)
{
    mapping_t *m = job->mapping;
    if (m->limits.timer)
        loop_timer_free(m->limits.timer);
    m->limits.timer = NULL;
}
