/* Jobs with a rate: how often workers start something of them, all together, whatever happens to workers, messages and
 * the table. A start is what a worker gives to a slot; what is called together is one.
 *
 * In any time T there are at most T / every + 1 starts and those of one second more, by which a start may be late.
 * Where they are to be apart, none is nearer than that to the one before. A jump of Redis's clock is a hole that the
 * docs name: it brings the next places nearer by a fifth of a lease, and costs the starts of one second. */
#include "sim.h"

enum { LATE_US = 1000000, MS_US = 1000, JUMP_MS = 3000 };

static bool lacks_a_rate_rule(const sim_t *sim)
{
    return sim->mutant != NULL && sim->mutant->is_about_rates;
}

/* From the job's own seed, so that no other draw moves. */
void rate_draw(const sim_t *sim, job_t *job)
{
    static const uint64_t everies_us[] = {700, 3000, 20000, 150000, 600000, 5000000};
    uint64_t dice = job->plan_seed >> 17, kind = (dice >> 4) % (sim->scenario.is_about_tokens ? 6 : 5);
    if (!lacks_a_rate_rule(sim) && dice % 5 > 0)
        return;
    if (lacks_a_rate_rule(sim)) {
        job->run_ms_min = 0;
        job->run_ms_max = 300;
        job->long_permille = job->fails_permille = 0;
    }
    job->spec.start_every_us = everies_us[kind];
    job->spec.starts_apart = (dice >> 9) % 3 == 0;
    if (kind == 5 && job->items_n > 25)
        job->items_n = 25;
    if ((dice >> 12) % 3 == 0)
        job->spec.concurrency = 0;
}

void rate_jumped(sim_t *sim)
{
    for (size_t j = 0; j < sim->jobs_n; j++)
        sim->jobs[j].jumps_us += LATE_US + (int64_t)sim->jobs[j].spec.start_every_us;
}

void rate_started(sim_t *sim, const process_t *worker, size_t j, uint64_t index)
{
    job_t *job = &sim->jobs[j];
    int64_t every_us = (int64_t)job->spec.start_every_us, now_us = sim->clock.now_ms * MS_US;
    bool has_jumped = now_us < (sim->redis.jumped_ms + JUMP_MS) * MS_US + every_us;
    if (every_us == 0)
        return;
    if (job->spec.starts_apart && !has_jumped && now_us + MS_US < job->last_start_us + every_us)
        sim_break(sim, "%s: starts too fast: %s starts /%llu %lld us after the one before, %lld us are asked for",
                  job->id, worker->name, (unsigned long long)index, (long long)(now_us - job->last_start_us),
                  (long long)every_us);
    if (job->next_start_us > now_us + LATE_US + MS_US + job->jumps_us)
        sim_break(sim, "%s: starts too fast: %s starts /%llu %lld us before its time, one every %lld us", job->id,
                  worker->name, (unsigned long long)index, (long long)(job->next_start_us - now_us),
                  (long long)every_us);
    job->next_start_us = (job->next_start_us > now_us ? job->next_start_us : now_us) + every_us;
    job->last_start_us = now_us;
}
