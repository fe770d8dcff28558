/* A job that asks for memory, processors or processor time is begun only once Redis has said what workers allow: then
 * one that asks for more than any of them does is refused before anything is sent. */
#include "client/mapping/mapping.h"

#include <stdio.h>
#include <stdlib.h>

#include "client/tasks/job_limits.h"
#include "tokens/presence.h"

enum { PATIENCE_MS = 2000 };

static void begin_map(fanmap_job_t *job)
{
    job->mapping->limits.is_done = true;
    fleet_limits_stop(job);
    if (!job->error.code)
        job->mapping->limits.then(job);
}

static void on_answer(void *arg, const char *const *texts, size_t n, const fanmap_error_t *failed)
{
    fanmap_job_t *job = arg;
    fanmap_error_t err;
    if (!failed && n > PRESENCE_BOUNDS_N) {
        limits_t allowed = {.memory_bytes = strtoull(texts[1], NULL, 10),
                            .cpus_milli = (uint32_t)strtoull(texts[2], NULL, 10),
                            .cpu_time_ms = (uint32_t)strtoull(texts[3], NULL, 10)};
        if (job_limits_check(&job->spec, &allowed, "any worker of this task", &err) != FANMAP_OK)
            job_fail(job, &err);
    }
    begin_map(job);
}

static void on_timer(void *arg)
{
    begin_map(arg);
}

bool fleet_limits_may_begin(fanmap_job_t *job, queue_ready_fn then)
{
    mapping_t *m = job->mapping;
    fanmap_t *f = job->f;
    char name[NAME_MAX_LEN + TASK_NAME_MAX + 2];
    fanmap_error_t err;
    limits_t asks = job_limits_of(&job->spec);
    if (m->limits.is_done || !limits_any(&asks) || !f->presence)
        return true;
    if (m->limits.timer)
        return false;
    snprintf(name, sizeof name, "%s.%s", job->spec.queue, job->spec.task);
    if (loop_timer_new(f->loop, on_timer, job, &m->limits.timer, &err) != FANMAP_OK ||
        presence_ask(f->presence, PRESENCE_BOUNDS, name, on_answer, job, &err) != FANMAP_OK)
        return true;
    m->limits.then = then;
    loop_timer_at(m->limits.timer, loop_now_ms(f->loop) + PATIENCE_MS);
    return false;
}

void fleet_limits_stop(fanmap_job_t *job)
{
    mapping_t *m = job->mapping;
    if (m->limits.timer)
        presence_forget(job->f->presence, job);
    loop_timer_free(m->limits.timer);
    m->limits.timer = NULL;
}
