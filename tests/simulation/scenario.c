/* From a seed to a fleet, its jobs and its faults. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faults.h"
#include "remake.h"
#include "schemas/place.h"

/* ---- jobs ---- */

static void on_outcome(void *arg, const outcome_t *outcome)
{
    (void)arg;
    (void)outcome;
}

static void on_decided(void *arg, uint64_t n, list_state_t state, end_reason_t reason, fanmap_kind_t missing)
{
    (void)arg;
    (void)n;
    (void)state;
    (void)reason;
    (void)missing;
}

const list_callbacks_t sim_deaf = {on_outcome, on_decided};

uint32_t sim_task_of(const sim_t *sim, int32_t lane)
{
    return (uint32_t)lane / sim->scenario.items_partitions;
}

enum { SUBMITTER_OFF_MS = 12 * 3600 * 1000 };

void job_begin(sim_t *sim, job_t *job, size_t number, uint32_t task)
{
    snprintf(job->id, sizeof job->id, "job%zu", number + 1);
    job->number = number;
    job->hash = place_job_hash(job->id);
    spec_init(&job->spec);
    snprintf(job->spec.job, sizeof job->spec.job, "%s", job->id);
    snprintf(job->spec.task, sizeof job->spec.task, "%s", sim_tasks[task]);
    job->lanes_from = (int32_t)(task * sim->scenario.items_partitions);
    snprintf(job->spec.queue, sizeof job->spec.queue, "default");
    snprintf(job->spec.nonce, sizeof job->spec.nonce, "nonce-%s", job->id);
    job->spec.items_partitions = sim->scenario.items_partitions;
    job->spec.results_partition = place_results(job->id, sim->scenario.results_partitions);
    job->spec.start_offset = job->start_offset = -1;
    job->input_every_ms = 40;
    job->spec.submitted_ms = sim->wall_ms + sim->clock.now_ms;
    job->spec.lease_ms = sim->scenario.lease_ms;
    job->spec.backoff_base_ms = 100;
    job->spec.backoff_factor_milli = 2000;
    job->spec.backoff_cap_ms = 2000;
    job->spec.grace_ms = 100;
    job->truth = list_new(job->id, &sim_deaf, NULL);
    if (job->truth == NULL)
        abort();
}

static bool lacks_a_claim_rule(const sim_t *sim)
{
    return !sim_protects(sim, PROTECTION_CLAIMS) || !sim_protects(sim, PROTECTION_LOSS);
}

static void draw_plan(sim_t *sim, job_t *job)
{
    static const int64_t spans[][2] = {{0, 3}, {1, 40}, {20, 400}, {200, 3000}, {1000, 20000}, {5000, 60000}};
    size_t kind = sim->scenario.is_about_tokens ? 3 + ROLL(sim, 3) : ROLL(sim, sim->scenario.is_about_makers ? 3 : 5);
    job->plan_seed = random_next(&sim->clock.random);
    if (lacks_a_claim_rule(sim))
        kind = 3 + ROLL(sim, 2); /* what runs long enough */
    job->run_ms_min = spans[kind][0];
    job->run_ms_max = spans[kind][1];
    job->run_ms_long = (int64_t[]){1000, 8000, 40000}[ROLL(sim, 3)];
    job->long_permille = CHANCE(sim, 400) ? 30 : 0;
    static const uint64_t sizes[] = {300, 200, 100, 40, 30, 20};
    job->items_n = CHANCE(sim, 50) ? ROLL(sim, 2) : 1 + ROLL(sim, sizes[kind]);
    bool troubled = CHANCE(sim, 500);
    job->fails_permille = troubled ? (unsigned)ROLL(sim, 200) : 0;
    job->fails_for_ever_permille = troubled ? (unsigned)ROLL(sim, 30) : 0;
    job->final_permille = 200;
    job->dies_permille = troubled && CHANCE(sim, 300) ? 40 : 0;
    job->poison_permille = troubled && CHANCE(sim, 200) ? 10 : 0;
    job->kills_permille = sim->scenario.is_poisoned ? (unsigned)(2000 / (job->items_n + 10)) : 0;
    if (sim->scenario.is_poisoned)
        job->dies_permille = job->poison_permille = 0;
    job->bad_permille = CHANCE(sim, 200) ? 20 : 0;
}

/* From the plan's own seed: more halts, by counts and percents, now and soon, and final exits. */
static void draw_policies(job_t *job)
{
    uint64_t dice = job->plan_seed ^ (job->plan_seed >> 29);
    bool wants_halt = job->spec.halt.when != HALT_NEVER || (!job->spec.fail_fast && dice % 8 == 0);
    uint32_t threshold = 1 + (uint32_t)(dice >> 8) % 12;
    bool is_percent = (dice >> 16) % 2 == 0;
    if (wants_halt)
        job->spec.halt = (halt_t){.when = (dice >> 20) % 2 ? HALT_NOW : HALT_SOON,
                                  .what = (halt_what_t)((dice >> 24) % 3),
                                  .threshold = is_percent ? threshold * 8 : threshold,
                                  .is_percent = is_percent};
    if ((dice >> 32) % 6 == 0) {
        job->spec.final_exits[0] = (exit_range_t){PLAN_EXIT_STATUS, PLAN_EXIT_STATUS};
        job->spec.final_exits_n = 1;
    }
    job->cancels_from_outside = (dice >> 40) % 2 == 0;
}

uint32_t draw_task(sim_t *sim)
{
    return sim->scenario.tasks_n > 1 ? (uint32_t)ROLL(sim, sim->scenario.tasks_n) : 0;
}

/* Likewise from its own seed: whether it is run in calls of several items. */
static void draw_calls(job_t *job)
{
    uint64_t dice = job->plan_seed >> 23;
    if (dice % 4 > 0)
        return;
    job->spec.batch_n = 2 + (uint32_t)(dice >> 4) % 6;
    job->spec.batch_within_ms = (dice >> 8) % 2 ? 50 : 0;
}

static void draw_job(sim_t *sim, job_t *job, size_t number)
{
    job_begin(sim, job, number, draw_task(sim));
    draw_plan(sim, job);
    job->begin_ms = CHANCE(sim, 600) ? BETWEEN(sim, 0, 2000) : BETWEEN(sim, 0, sim->scenario.chaos_ms / 2);
    bool is_limited = sim->scenario.is_about_tokens || CHANCE(sim, 800);
    job->spec.concurrency = is_limited ? 1 + ROLL(sim, CHANCE(sim, 500) ? 2 : 6) : 0;
    rate_draw(sim, job);
    job->limit = job->spec.concurrency;
    job->cap = job->limit > 0 ? job->limit : UINT64_MAX;
    job->spec.retries = (uint32_t)ROLL(sim, 5);
    if (CHANCE(sim, 100))
        job->spec.timeout_ms = 5000;
    job->spec.fail_fast = CHANCE(sim, 100);
    if (CHANCE(sim, 80))
        job->spec.halt =
            (halt_t){.when = HALT_NOW, .what = (halt_what_t)ROLL(sim, 3), .threshold = 1 + (uint32_t)ROLL(sim, 20)};
    draw_policies(job);
    if (!sim->scenario.is_about_tokens)
        draw_calls(job);
    job->spec.submitted_ms += (int64_t)(job->plan_seed >> 13) % (2 * SUBMITTER_OFF_MS) - SUBMITTER_OFF_MS;
    if (CHANCE(sim, 60))
        job->spec.deadline_ms = job->spec.submitted_ms + BETWEEN(sim, 1000, 60000);
    job->has_source_error = CHANCE(sim, 50);
    job->will_cancel = CHANCE(sim, 300);
    if (sim->scenario.is_about_makers || (!sim->scenario.is_about_tokens && CHANCE(sim, 300)))
        job->input_every_ms = BETWEEN(sim, 40, 2000);
    if (sim->scenario.is_about_makers)
        job->items_n = 50 + ROLL(sim, 250);
}

static bool lacks_a_token_rule(const sim_t *sim)
{
    return !sim_protects(sim, PROTECTION_SCRIPT) || !sim_protects(sim, PROTECTION_FREEZE) ||
           !sim_protects(sim, PROTECTION_ALLOW_FALLS) || !sim_protects(sim, PROTECTION_VOID);
}

static bool lacks_a_maker_rule(const sim_t *sim)
{
    return !sim_protects(sim, PROTECTION_CHAIN) || !sim_protects(sim, PROTECTION_OFFSETS) ||
           !sim_protects(sim, PROTECTION_ANNOUNCED);
}

static bool lacks_a_charge_rule(const sim_t *sim)
{
    return !sim_protects(sim, PROTECTION_NAMES) || !sim_protects(sim, PROTECTION_MARKS) ||
           !sim_protects(sim, PROTECTION_CHARGES) || !sim_protects(sim, PROTECTION_NOTES);
}

static bool lacks_a_log_rule(const sim_t *sim)
{
    return !sim_protects(sim, PROTECTION_WITNESS) || !sim_protects(sim, PROTECTION_LOG) ||
           !sim_protects(sim, PROTECTION_BEGINNING) || !sim_protects(sim, PROTECTION_IDLE_LOOK);
}

/* From the first job's own seed, so that no other draw moves: workers come, go and die, and a task's topic goes. */
static void draw_remade(sim_t *sim)
{
    static const fault_t faults[] = {FAULT_DRAIN,      FAULT_KILL,  FAULT_STOP_SHORT,
                                     FAULT_KAFKA_SLOW, FAULT_PAUSE, FAULT_LIMIT};
    scenario_t *s = &sim->scenario;
    uint64_t dice = sim->jobs[0].plan_seed >> 37;
    bool may = !s->is_about_tokens && !s->is_about_makers && !s->is_poisoned && !s->is_alone;
    s->is_remade = may && (dice % 6 == 0 || lacks_a_log_rule(sim));
    if (!s->is_remade)
        return;
    s->faults_n = 0;
    bool is_long = lacks_a_log_rule(sim) || dice >> 20 & 1; /* then logs grow beyond where the ones before them ended */
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        if (is_long ? i == 0 : dice >> (8 + i) & 1)
            s->faults[s->faults_n++] = faults[i];
    s->has_jumps = false;
    for (job_t *job = sim->jobs; job < sim->jobs + sim->jobs_n && is_long; job++) {
        job->items_n = ITEMS_MAX * 3 / 4;
        job->run_ms_min = 0;
        job->run_ms_max = 300;
    }
    remake_begin(sim);
}

/* A few kinds, often, or many kinds, each seldom. */
static void draw_faults(sim_t *sim)
{
    static const fault_t about_tokens[] = {
        FAULT_STOP,  FAULT_CUT_REDIS, FAULT_REDIS_DOWN, FAULT_REDIS_FLUSH, FAULT_REDIS_JUMP,    FAULT_REDIS_NETWORK,
        FAULT_LIMIT, FAULT_KILL,      FAULT_STOP_SHORT, FAULT_CUT_KAFKA,   FAULT_REDIS_PASSWORD};
    static const fault_t gentle[] = {FAULT_DRAIN,         FAULT_DRAIN, FAULT_LIMIT,
                                     FAULT_REDIS_NETWORK, FAULT_PAUSE, FAULT_FOREIGN};
    static const fault_t alone[] = {FAULT_DRAIN, FAULT_KILL, FAULT_KAFKA_SLOW, FAULT_KILL, FAULT_PAUSE};
    static const fault_t about_makers[] = {FAULT_KILL_MAKER, FAULT_TAKE_OVER, FAULT_KAFKA_SLOW, FAULT_KILL,
                                           FAULT_STOP_MAKER};
    scenario_t *s = &sim->scenario;
    for (size_t i = 0; i < sizeof about_makers / sizeof about_makers[0] && s->is_about_makers; i++)
        if (i < 2 || CHANCE(sim, 300))
            s->faults[s->faults_n++] = about_makers[i];
    if (s->is_about_makers)
        return;
    if (s->is_alone && !s->is_gentle && !s->is_poisoned) {
        for (size_t i = 0; i < sizeof alone / sizeof alone[0]; i++)
            if (i == 0 || (lacks_a_claim_rule(sim) ? alone[i] != FAULT_KILL : CHANCE(sim, 600)))
                s->faults[s->faults_n++] = alone[i];
        return;
    }
    if (s->is_gentle || s->is_poisoned) {
        for (size_t i = 0; i < sizeof gentle / sizeof gentle[0]; i++)
            if (i == 0 || CHANCE(sim, 500))
                s->faults[s->faults_n++] = gentle[i];
        return;
    }
    for (size_t i = 0; i < sizeof about_tokens / sizeof about_tokens[0] && s->is_about_tokens; i++)
        if (CHANCE(sim, 300))
            s->faults[s->faults_n++] = about_tokens[i];
    if (s->is_about_tokens)
        return;
    unsigned share = (unsigned[]){100, 250, 500, 800}[ROLL(sim, 4)];
    for (unsigned fault = 0; fault < FAULTS_N; fault++)
        if (CHANCE(sim, share))
            s->faults[s->faults_n++] = fault;
}

/* Each worker serves some of the tasks, and each task is served by some worker. */
static void draw_tasks(sim_t *sim)
{
    unsigned n = sim->scenario.tasks_n, served = 0, all = (1U << n) - 1;
    for (size_t i = 0; n > 1 && i < sim->nodes_n; i++) {
        sim->nodes[i].tasks = 1 + (unsigned)ROLL(sim, all);
        served |= sim->nodes[i].tasks;
    }
    if (n > 1)
        sim->nodes[ROLL(sim, sim->nodes_n)].tasks |= all & ~served;
}

void scenario_draw(sim_t *sim)
{
    scenario_t *s = &sim->scenario;
    sim->wall_ms = 1700000000000 + BETWEEN(sim, 0, 1000000);
    s->is_about_tokens = CHANCE(sim, 300) || lacks_a_token_rule(sim);
    bool lacks_a_takeover_rule = lacks_a_charge_rule(sim) || lacks_a_claim_rule(sim);
    if (lacks_a_takeover_rule)
        s->is_about_tokens = false;
    s->workers_n = 1 + (unsigned)ROLL(sim, 4);
    s->jobs_n = 1 + (unsigned)ROLL(sim, 3);
    if (s->is_about_tokens) {
        s->workers_n = 2 + (unsigned)ROLL(sim, 3);
        s->jobs_n = 1;
    }
    s->tasks_n =
        !s->is_about_tokens && s->workers_n > 1 && CHANCE(sim, 400) ? 2 + (unsigned)ROLL(sim, TASKS_MAX - 1) : 1;
    s->items_partitions = 1 + (uint32_t)ROLL(sim, TASK_PARTITIONS_MAX);
    s->results_partitions = 1 + (uint32_t)ROLL(sim, 2);
    s->lease_ms = 15000;
    s->ahead_n = CHANCE(sim, 600) ? (uint32_t)ROLL(sim, POOL_AHEAD_MAX) : 0;
    s->revoke_waits = CHANCE(sim, 500);
    s->revoke_ms = (uint32_t[]){0, 500, 5000}[ROLL(sim, 3)];
    s->guardian_stall_ms = 3000;
    s->grace_ms = 200;
    s->chaos_ms = (int64_t[]){10000, 30000, 60000, 120000}[s->is_about_tokens ? 3 : ROLL(sim, 4)];
    s->fault_every_ms = (int64_t[]){500, 2000, 8000, 25000}[s->is_about_tokens ? 2 + ROLL(sim, 2) : ROLL(sim, 3)];
    s->end_ms = s->chaos_ms + 1500000;
    s->is_about_makers = !s->is_about_tokens && (lacks_a_maker_rule(sim) || CHANCE(sim, 150));
    s->is_gentle = !s->is_about_tokens && !s->is_about_makers && CHANCE(sim, 200);
    if (lacks_a_takeover_rule)
        s->is_about_makers = s->is_gentle = false;
    if (!s->is_about_tokens && !s->is_about_makers && !s->is_gentle) {
        s->is_poisoned = CHANCE(sim, 150) || lacks_a_charge_rule(sim);
        s->is_alone = s->is_poisoned || CHANCE(sim, 150) || lacks_a_claim_rule(sim);
    }
    s->is_alone = s->is_alone || s->is_gentle;
    s->names_max = CHANCE(sim, 200) ? 1 + (uint32_t)ROLL(sim, 6) : 0;
    s->metadata_max = CHANCE(sim, 200) ? 120 + (uint32_t)ROLL(sim, 300) : 0;
    if (s->is_poisoned) /* each killing is noticed after a session only */
        s->end_ms += 2000000;
    draw_faults(sim);
    for (size_t i = 0; i < s->faults_n; i++)
        s->has_jumps = s->has_jumps || s->faults[i] == FAULT_REDIS_JUMP || s->faults[i] == FAULT_REPLAY ||
                       s->faults[i] == FAULT_TAKE_OVER;
    s->items_max = (size_t[]){4, 20, 100, 1000}[ROLL(sim, 4)];
    s->order_memory = CHANCE(sim, 100) ? 512 : 1 << 20;
    kafka_begin(&sim->kafka, s->tasks_n, s->items_partitions, s->results_partitions, &check_hooks);
    sim->kafka.session_ms = CHANCE(sim, 500) ? 45000 : 10000;
    sim->kafka.rebalance_ms = 60000;
    if (lacks_a_claim_rule(sim))
        sim->kafka.lost_commit_permille = 400;
    sim->jobs_n = s->jobs_n;
    for (size_t j = 0; j < sim->jobs_n; j++)
        draw_job(sim, &sim->jobs[j], j);
    sim->nodes_n = s->workers_n;
    for (size_t i = 0; i < sim->nodes_n; i++) {
        node_begin(&sim->nodes[i], i, 1 + (unsigned)ROLL(sim, POOL_SLOTS_MAX), BETWEEN(sim, -500000, 1000000000));
        faults_back_later(sim, &sim->nodes[i], CHANCE(sim, 800) ? BETWEEN(sim, 0, 1000) : BETWEEN(sim, 0, s->chaos_ms));
    }
    draw_tasks(sim);
    draw_remade(sim);
    faults_begin(sim);
}
