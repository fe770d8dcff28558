/* Live control: from the moment J/concurrency, J/paused or J/end is stored, a worker in touch with Kafka obeys within
 * CONTROL_MS of virtual time, whatever else happens to it then.
 *
 *   end     it starts nothing more of the job, and nothing of it runs any more
 *   paused  it starts nothing more until the job is resumed
 *   limit   it no longer counts as one that may act by the older N (check.c)
 *
 * In touch is who runs and reaches a Kafka that answers at once; those two seconds begin anew when it comes back. */
#include "sim.h"

enum { CONTROL_MS = 2000, RECHECK_MS = 500, SLOW_MAX_MS = 4000 };

static bool is_in_touch(const sim_t *sim, const node_t *node)
{
    return kafka_reaches(sim, &node->process) && sim->kafka.slow_permille == 0;
}

void control_look(sim_t *sim)
{
    /* What was sent while answers were slow may arrive so late. */
    int64_t until_ms = sim->clock.now_ms + (sim->kafka.slow_permille > 0 ? SLOW_MAX_MS : 0);
    for (size_t i = 0; i < sim->nodes_n; i++) {
        node_t *node = &sim->nodes[i];
        bool was = node->is_in_touch;
        node->is_in_touch = is_in_touch(sim, node);
        if (kafka_reaches(sim, &node->process))
            node->unheard_ms = 0;
        if ((!was || !node->is_in_touch) && until_ms > node->out_of_touch_ms)
            node->out_of_touch_ms = until_ms;
    }
}

bool control_has_had_time(const sim_t *sim, const node_t *node, int64_t stored_ms)
{
    int64_t from_ms = stored_ms > node->out_of_touch_ms ? stored_ms : node->out_of_touch_ms;
    return node->is_in_touch && is_in_touch(sim, node) && sim->clock.now_ms - from_ms > CONTROL_MS;
}

/* Attempts of the job that run at a living worker which has had its time. */
static bool still_runs(sim_t *sim, const job_t *job, const node_t *node)
{
    uint64_t running = 0, attempts = 0;
    pool_count(node->pool, job->number, &running, &attempts);
    if (attempts > 0)
        sim_break(sim, "%s does not obey: %llu attempts of %s run %lld ms after its end was stored", node->process.name,
                  (unsigned long long)attempts, job->id, (long long)(sim->clock.now_ms - job->ended_ms));
    return attempts > 0;
}

static void on_time_is_over(sim_t *sim, event_t *event)
{
    const job_t *job = &sim->jobs[event->a];
    bool again = false;
    for (size_t i = 0; i < sim->nodes_n; i++) {
        const node_t *node = &sim->nodes[i];
        if (node->process.state == PROCESS_DEAD)
            continue;
        if (!control_has_had_time(sim, node, job->ended_ms))
            again = true;
        else if (still_runs(sim, job, node))
            return;
    }
    if (again)
        clock_again(&sim->clock, event, RECHECK_MS);
}

void control_stored(sim_t *sim, job_t *job, const jobs_record_t *record)
{
    int64_t now_ms = sim->clock.now_ms;
    if (record->tombstone)
        return;
    if (record->field == JOBS_END && job->ended_ms == 0) {
        job->ended_ms = now_ms;
        clock_after(&sim->clock, CONTROL_MS + 1, on_time_is_over)->a = job->number;
    } else if (record->field == JOBS_PAUSED && record->version > job->paused_stored) {
        job->paused_stored = record->version;
        job->paused_ms = record->value != 0 ? now_ms : 0;
    } else if (record->field == JOBS_CONCURRENCY && record->version > job->limit_stored) {
        job->limit_stored = record->version;
        job->limit_ms = now_ms;
    }
}

void control_began(sim_t *sim, const pool_t *pool, const run_t *run)
{
    const job_t *job = &sim->jobs[run->job];
    if (pool->worker->life != pool->life) /* a dead worker's: the guardian is about to end it */
        return;
    const char *what = job->ended_ms > 0 ? "its end was stored" : job->paused_ms > 0 ? "its pause was stored" : NULL;
    int64_t stored_ms = job->ended_ms > 0 ? job->ended_ms : job->paused_ms;
    if (what != NULL && control_has_had_time(sim, pool->worker->self, stored_ms))
        sim_break(sim, "%s does not obey: it starts %s/%llu %lld ms after %s", pool->worker->name, job->id,
                  (unsigned long long)run->index, (long long)(sim->clock.now_ms - stored_ms), what);
}
