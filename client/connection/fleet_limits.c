#include "client/connection/fleet_limits.h"

#include "client/connection/job_limits.h"
#include "tokens/presence.h"

enum { TURN_MS = 50, PATIENCE_MS = 2000 };

static void go_on(fanmap_job_t *job)
{
    job->asks_done = true;
    asks_stop(job);
    if (!job->error.code)
        map_begin(job);
}

static void on_answer(void *arg, int workers_n)
{
    fanmap_t *f = arg;
    fanmap_job_t *job = job_by_number(f, f->asked_number);
    fanmap_error_t err;
    f->asked_number = 0;
    if (!job || job->asks_done)
        return;
    const uint64_t *bounds = presence_bounds(f->presence);
    limits_t allowed = {
        .memory_bytes = bounds[0], .cpus_milli = (uint32_t)bounds[1], .cpu_time_ms = (uint32_t)bounds[2]};
    if (workers_n > 0 && asks_check(&job->spec, &allowed, "any worker of this task", &err) != FANMAP_OK)
        job_fail(job, &err);
    go_on(job);
}

/* Presence takes one question at a time. */
static void on_timer(void *arg)
{
    fanmap_job_t *job = arg;
    fanmap_t *f = job->f;
    int64_t now_ms = loop_now_ms(f->loop);
    if (now_ms >= job->asks_until_ms) {
        if (f->asked_number == job->number)
            f->asked_number = 0;
        go_on(job);
        return;
    }
    loop_timer_at(job->asks_timer, now_ms + TURN_MS);
    if (f->asked_number)
        return;
    f->asked_number = job->number;
    f->asked_ms = now_ms;
    presence_query_bounds(f->presence, job->spec.queue, job->spec.task, on_answer, f);
}

bool asks_may_begin(fanmap_job_t *job)
{
    fanmap_t *f = job->f;
    fanmap_error_t err;
    limits_t asks = asks_of(&job->spec);
    if (job->asks_done || !limits_any(&asks) || !f->presence)
        return true;
    if (job->asks_timer)
        return false;
    if (loop_timer_new(f->loop, on_timer, job, &job->asks_timer, &err) != FANMAP_OK)
        return true;
    job->asks_until_ms = loop_now_ms(f->loop) + PATIENCE_MS;
    loop_timer_at(job->asks_timer, loop_now_ms(f->loop));
    return false;
}

void asks_stop(fanmap_job_t *job)
{
    if (job->asks_timer)
        loop_timer_free(job->asks_timer);
    job->asks_timer = NULL;
}
