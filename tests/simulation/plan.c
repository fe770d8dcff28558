#include "plan.h"

#include <stdio.h>
#include <xxhash.h>

#include "schemas/mp.h"
#include "sim.h"

static uint64_t draw(const job_t *job, uint64_t index, uint32_t attempt, uint64_t what)
{
    uint64_t words[4] = {job->hash, index, attempt, what};
    return XXH64(words, sizeof words, job->plan_seed);
}

static bool permille(const job_t *job, uint64_t index, uint32_t attempt, uint64_t what, unsigned limit)
{
    return draw(job, index, attempt, what) % 1000 < limit;
}

/* How many of the first attempts fail: mostly none, sometimes some, sometimes all. */
static uint32_t failures(const job_t *job, uint64_t index)
{
    if (permille(job, index, 0, 1, job->fails_for_ever_permille))
        return UINT32_MAX;
    if (permille(job, index, 0, 2, job->fails_permille))
        return 1 + (uint32_t)(draw(job, index, 0, 3) % 3);
    return 0;
}

static fanmap_kind_t failure_kind(const job_t *job, uint64_t index)
{
    return draw(job, index, 0, 4) % 2 ? FANMAP_EXCEPTION : FANMAP_EXIT;
}

static int64_t duration(const job_t *job, uint64_t index, uint32_t attempt)
{
    int64_t from = job->run_ms_min, span = job->run_ms_max - job->run_ms_min + 1;
    if (permille(job, index, 0, 5, job->long_permille))
        return job->run_ms_long;
    return from + (int64_t)(draw(job, index, attempt, 6) % (uint64_t)span);
}

plan_t plan_of(const sim_t *sim, size_t j, uint64_t index, uint32_t attempt)
{
    const job_t *job = &sim->jobs[j];
    if (job->durations_ms[index] > 0)
        return (plan_t){.run_ms = job->durations_ms[index], .kind = FANMAP_VALUE};
    plan_t plan = {.run_ms = duration(job, index, attempt), .kind = FANMAP_VALUE};
    plan.kills = permille(job, index, 0, 13, job->kills_permille);
    if (plan.kills) {
        plan.kills_guardian = draw(job, index, 0, 14) % 2;
        plan.kind = FANMAP_CRASHED;
        return plan;
    }
    plan.dies = attempt == 1 && permille(job, index, 0, 7, job->dies_permille);
    plan.dies = plan.dies || permille(job, index, 0, 8, job->poison_permille);
    if (plan.dies) {
        plan.kind = FANMAP_SIGNAL;
        return plan;
    }
    if (attempt <= failures(job, index)) {
        plan.kind = failure_kind(job, index);
        plan.is_final = permille(job, index, 0, 9, job->final_permille);
    }
    if (job->spec.timeout_ms > 0 && permille(job, index, attempt, 10, 30)) {
        plan.times_out = true;
        plan.run_ms = job->spec.timeout_ms;
        plan.kind = FANMAP_TIMEOUT;
        plan.is_final = false; /* it did not come to say so */
    }
    return plan;
}

void plan_input(buf_t *b, uint64_t job_hash, uint64_t index)
{
    uint64_t words[2] = {job_hash, index};
    mp_put_uint(b, XXH64(words, sizeof words, 1));
}

void plan_value(buf_t *b, uint64_t job_hash, uint64_t index)
{
    char text[80];
    uint64_t words[2] = {job_hash, index};
    int len = snprintf(text, sizeof text, "value of %llu: %016llx", (unsigned long long)index,
                       (unsigned long long)XXH64(words, sizeof words, 2));
    mp_put_str(b, text, (size_t)len);
}

fanmap_kind_t plan_source(const sim_t *sim, size_t j, uint64_t index)
{
    const job_t *job = &sim->jobs[j];
    if (permille(job, index, 0, 11, job->bad_permille))
        return FANMAP_BAD_INPUT;
    if (permille(job, index, 0, 12, job->bad_permille))
        return FANMAP_TOO_LARGE;
    return FANMAP_VALUE;
}

fanmap_kind_t plan_outcome(const sim_t *sim, size_t j, uint64_t index, uint32_t *ret_attempts)
{
    const job_t *job = &sim->jobs[j];
    fanmap_kind_t source = plan_source(sim, j, index);
    *ret_attempts = 0;
    if (source != FANMAP_VALUE)
        return source;
    uint32_t charges = 0;
    for (uint32_t attempt = 1;; attempt++) {
        plan_t plan = plan_of(sim, j, index, attempt);
        *ret_attempts = attempt;
        if (plan.kills)
            return FANMAP_CRASHED;
        charges += plan.dies;
        if (charges >= job->spec.crash_cap)
            return FANMAP_CRASHED;
        if (plan.kind == FANMAP_EXIT && spec_exit_is_final(&job->spec, PLAN_EXIT_STATUS))
            return plan.kind;
        if (plan.kind == FANMAP_VALUE || plan.is_final || attempt > job->spec.retries)
            return plan.kind;
    }
}
