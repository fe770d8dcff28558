/* From a seed to a fleet, its jobs and its faults; and the control commands. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schemas/item.h"
#include "schemas/place.h"
#include "sim.h"

enum { SETTLE_MS = 1000 };

typedef enum {
    FAULT_KILL,
    FAULT_STOP,
    FAULT_STOP_SHORT,
    FAULT_DRAIN,
    FAULT_CUT_KAFKA,
    FAULT_CUT_REDIS,
    FAULT_KAFKA_AWAY,
    FAULT_KAFKA_SLOW,
    FAULT_REDIS_DOWN,
    FAULT_REDIS_FLUSH,
    FAULT_REDIS_JUMP,
    FAULT_REDIS_NETWORK,
    FAULT_LIMIT,
    FAULT_LIMIT_AGAIN,
    FAULT_PAUSE,
    FAULT_FOREIGN,
    FAULT_REPLAY,
    FAULT_STOP_MAKER,
    FAULT_CANCEL,
    FAULTS_N
} fault_t;

#define ROLL(sim, n)           dice(&(sim)->clock, n)
#define BETWEEN(sim, from, to) dice_between(&(sim)->clock, from, to)
#define CHANCE(sim, permille)  dice_chance(&(sim)->clock, permille)

/* ---- control: what `fanmap set`, `pause` and `resume` write ---- */

static void append_versioned(sim_t *sim, const job_t *job, jobs_field_t field, uint64_t value, uint64_t version)
{
    char key[JOB_ID_MAX + 16];
    size_t key_len = jobs_key(key, sizeof key, job->id, field);
    buf_t b = {0};
    jobs_encode_versioned(&b, value, version);
    kafka_append(sim, TOPIC_JOBS, 0, key, key_len, b.data, b.len);
    buf_free(&b);
}

void sim_set_limit(sim_t *sim, job_t *job, uint64_t n)
{
    job->limit = n;
    job->limit_version++;
    sim_say(sim, "N of %s becomes %llu", job->id, (unsigned long long)n);
    append_versioned(sim, job, JOBS_CONCURRENCY, n, job->limit_version);
    sim_count(sim);
}

void sim_pause(sim_t *sim, job_t *job, bool pause)
{
    if (job->paused == pause)
        return;
    job->paused = pause;
    sim_say(sim, "%s is %s", job->id, pause ? "paused" : "resumed");
    append_versioned(sim, job, JOBS_PAUSED, pause, ++job->paused_version);
}

/* ---- records of strangers ---- */

static void append_foreign(sim_t *sim)
{
    uint8_t junk[40];
    for (size_t i = 0; i < sizeof junk; i++)
        junk[i] = (uint8_t)ROLL(sim, 256);
    size_t len = ROLL(sim, sizeof junk);
    const char *key = CHANCE(sim, 500) ? sim->jobs[ROLL(sim, sim->jobs_n)].id : "stranger";
    int topic = (int)ROLL(sim, TOPICS_N);
    int32_t partition = (int32_t)ROLL(sim, sim->kafka.partitions_n[topic]);
    sim_say(sim, "a stranger writes %zu bytes under \"%s\" to topic %d", len, key, topic);
    kafka_append(sim, topic, partition, key, strlen(key), junk, len);
    if (CHANCE(sim, 300)) {
        buf_t b = {0}, in = {0};
        plan_input(&in, 1, 1);
        item_encode(&b, ROLL(sim, 5), in.data, in.len);
        kafka_append(sim, TOPIC_ITEMS, (int32_t)ROLL(sim, sim->kafka.partitions_n[TOPIC_ITEMS]), "stranger", 8, b.data,
                     b.len);
        buf_free(&b);
        buf_free(&in);
    }
}

/* A record once more, as another producer without idempotence would: to any partition of items, to its own of the
 * others. */
static void append_again(sim_t *sim)
{
    int topic = (int)ROLL(sim, TOPICS_N);
    int32_t partition = (int32_t)ROLL(sim, sim->kafka.partitions_n[topic]);
    int64_t end = kafka_log_end(sim, topic, partition);
    if (end == 0)
        return;
    int64_t offset = (int64_t)ROLL(sim, (uint64_t)end);
    record_t record = *kafka_record(sim, topic, partition, offset);
    int32_t to = topic == TOPIC_ITEMS ? (int32_t)ROLL(sim, sim->kafka.partitions_n[topic]) : partition;
    sim_say(sim, "record %lld of topic %d is replayed", (long long)offset, topic);
    kafka_append(sim, topic, to, record.key, record.key_len, record.value, record.value_len);
}

/* ---- faults ---- */

static void on_node_back(sim_t *sim, event_t *event)
{
    node_t *node = &sim->nodes[event->a];
    if (node->process.state == PROCESS_DEAD)
        node_start(sim, node);
    else if (node->is_draining)
        clock_again(&sim->clock, event, SETTLE_MS);
}

static void back_later(sim_t *sim, const node_t *node, int64_t delay_ms)
{
    clock_after(&sim->clock, delay_ms, on_node_back)->a = node->number;
}

static void on_continue(sim_t *sim, event_t *event)
{
    node_t *node = &sim->nodes[event->a];
    if (node->process.life == event->b)
        node_continue(sim, node);
}

static void stop(sim_t *sim, node_t *node, int64_t for_ms)
{
    if (node->process.state != PROCESS_RUNS)
        return;
    node_stop(sim, node);
    event_t *event = clock_after(&sim->clock, for_ms, on_continue);
    event->a = node->number;
    event->b = node->process.life;
}

static void on_maker_continue(sim_t *sim, event_t *event)
{
    process_continue(&sim->clock, &sim->jobs[event->a].process);
}

static void stop_maker(sim_t *sim, job_t *job, int64_t for_ms)
{
    if (job->process.state != PROCESS_RUNS)
        return;
    sim_say(sim, "the program of %s is stopped", job->id);
    process_stop(&job->process);
    clock_after(&sim->clock, for_ms, on_maker_continue)->a = job->number;
}

static void on_kafka_back(sim_t *sim, event_t *event)
{
    (void)event;
    sim->kafka.away = false;
    sim_say(sim, "kafka is back");
}

static void kafka_away(sim_t *sim, int64_t for_ms)
{
    if (sim->kafka.away)
        return;
    sim_say(sim, "kafka is away");
    sim->kafka.away = true;
    clock_after(&sim->clock, for_ms, on_kafka_back);
}

static void cut(sim_t *sim, node_t *node, bool *is_cut, const char *from)
{
    *is_cut = !*is_cut;
    sim->lost_lives++;
    sim_say(sim, "%s is %s %s", node->process.name, *is_cut ? "cut off from" : "back at", from);
}

static void change_limit(sim_t *sim)
{
    job_t *job = &sim->jobs[ROLL(sim, sim->jobs_n)];
    if (!job->is_decided)
        sim_set_limit(sim, job, CHANCE(sim, 200) ? 0 : 1 + ROLL(sim, 6));
}

static void inflict(sim_t *sim, fault_t fault)
{
    node_t *node = &sim->nodes[ROLL(sim, sim->nodes_n)];
    job_t *job = &sim->jobs[ROLL(sim, sim->jobs_n)];
    switch (fault) {
    case FAULT_KILL:
        node_kill(sim, node);
        back_later(sim, node, CHANCE(sim, 500) ? BETWEEN(sim, 1, 2000) : BETWEEN(sim, 1, 30000));
        break;
    case FAULT_STOP:
        stop(sim, node, BETWEEN(sim, 1, 60000));
        break;
    case FAULT_STOP_SHORT:
        stop(sim, node, BETWEEN(sim, 1, 9000));
        break;
    case FAULT_DRAIN:
        node_drain(sim, node);
        back_later(sim, node, BETWEEN(sim, 100, 30000));
        break;
    case FAULT_CUT_KAFKA:
        cut(sim, node, &node->process.kafka_cut, "kafka");
        break;
    case FAULT_CUT_REDIS:
        cut(sim, node, &node->process.redis_cut, "redis");
        break;
    case FAULT_KAFKA_AWAY:
        kafka_away(sim, CHANCE(sim, 700) ? BETWEEN(sim, 1, 8000) : BETWEEN(sim, 1, 40000));
        break;
    case FAULT_KAFKA_SLOW:
        sim->kafka.slow_permille = (unsigned)ROLL(sim, 4) * 60;
        sim->kafka.lost_commit_permille = (unsigned)ROLL(sim, 3) * 200;
        break;
    case FAULT_REDIS_DOWN:
        if (!sim->redis.down)
            redis_restart(sim, CHANCE(sim, 500) ? BETWEEN(sim, 1, 100) : BETWEEN(sim, 1, 20000));
        break;
    case FAULT_REDIS_FLUSH:
        redis_flush(sim);
        break;
    case FAULT_REDIS_JUMP:
        redis_jump(sim, BETWEEN(sim, -100000, 100000));
        break;
    case FAULT_REDIS_NETWORK:
        redis_choose_network(sim);
        break;
    case FAULT_LIMIT:
    case FAULT_LIMIT_AGAIN:
        change_limit(sim);
        break;
    case FAULT_PAUSE:
        sim_pause(sim, job, !job->paused);
        break;
    case FAULT_FOREIGN:
        append_foreign(sim);
        break;
    case FAULT_REPLAY:
        append_again(sim);
        break;
    case FAULT_STOP_MAKER:
        stop_maker(sim, job, BETWEEN(sim, 1, 12000));
        break;
    case FAULT_CANCEL:
        if (job->will_cancel)
            maker_cancel(sim, job);
        break;
    case FAULTS_N:
        break;
    }
}

/* Every fault is mended; what is left must end by itself. */
static void heal(sim_t *sim)
{
    sim_say(sim, "all faults are mended");
    sim->healed = true;
    sim->kafka.slow_permille = sim->kafka.lost_commit_permille = 0;
    sim->kafka.away = sim->redis.down = false;
    sim->redis.latency_min_ms = 1;
    sim->redis.latency_max_ms = 5;
    sim->redis.lost_wake_permille = 0;
    for (size_t i = 0; i < sim->nodes_n; i++) {
        node_t *node = &sim->nodes[i];
        node->process.kafka_cut = node->process.redis_cut = false;
        node_continue(sim, node);
        if (node->process.state == PROCESS_DEAD)
            back_later(sim, node, BETWEEN(sim, 1, 3000));
    }
    for (size_t j = 0; j < sim->jobs_n; j++) {
        process_continue(&sim->clock, &sim->jobs[j].process);
        sim_pause(sim, &sim->jobs[j], false);
    }
}

static void on_fault(sim_t *sim, event_t *event)
{
    if (sim->clock.now_ms >= CLOCK_START_MS + sim->scenario.chaos_ms) {
        heal(sim);
        return;
    }
    if (sim->scenario.faults_n > 0)
        inflict(sim, (fault_t)sim->scenario.faults[ROLL(sim, sim->scenario.faults_n)]);
    clock_again(&sim->clock, event, BETWEEN(sim, 1, sim->scenario.fault_every_ms));
}

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

static const list_callbacks_t truth_callbacks = {on_outcome, on_decided};

void job_begin(sim_t *sim, job_t *job, size_t number)
{
    snprintf(job->id, sizeof job->id, "job%zu", number + 1);
    job->number = number;
    job->hash = place_job_hash(job->id);
    spec_init(&job->spec);
    snprintf(job->spec.job, sizeof job->spec.job, "%s", job->id);
    snprintf(job->spec.task, sizeof job->spec.task, "double");
    snprintf(job->spec.queue, sizeof job->spec.queue, "default");
    snprintf(job->spec.nonce, sizeof job->spec.nonce, "nonce-%s", job->id);
    job->spec.items_partitions = sim->scenario.items_partitions;
    job->spec.results_partition = place_results(job->id, sim->scenario.results_partitions);
    job->spec.start_offset = -1;
    job->spec.submitted_ms = sim->wall_ms + sim->clock.now_ms;
    job->spec.lease_ms = sim->scenario.lease_ms;
    job->spec.backoff_base_ms = 100;
    job->spec.backoff_factor_milli = 2000;
    job->spec.backoff_cap_ms = 2000;
    job->spec.grace_ms = 100;
    job->truth = list_new(job->id, &truth_callbacks, NULL);
    if (job->truth == NULL)
        abort();
}

static void draw_plan(sim_t *sim, job_t *job)
{
    static const int64_t spans[][2] = {{0, 3}, {1, 40}, {20, 400}, {200, 3000}, {1000, 20000}, {5000, 60000}};
    size_t kind = sim->scenario.is_about_tokens ? 3 + ROLL(sim, 3) : ROLL(sim, 5);
    job->plan_seed = random_next(&sim->clock.random);
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
    job->bad_permille = CHANCE(sim, 200) ? 20 : 0;
}

static void draw_job(sim_t *sim, job_t *job, size_t number)
{
    job_begin(sim, job, number);
    draw_plan(sim, job);
    job->begin_ms = CHANCE(sim, 600) ? BETWEEN(sim, 0, 2000) : BETWEEN(sim, 0, sim->scenario.chaos_ms / 2);
    bool is_limited = sim->scenario.is_about_tokens || CHANCE(sim, 800);
    job->spec.concurrency = is_limited ? 1 + ROLL(sim, CHANCE(sim, 500) ? 2 : 6) : 0;
    job->limit = job->spec.concurrency;
    job->cap = job->limit > 0 ? job->limit : UINT64_MAX;
    job->spec.retries = (uint32_t)ROLL(sim, 5);
    if (CHANCE(sim, 100))
        job->spec.timeout_ms = 5000;
    job->spec.fail_fast = CHANCE(sim, 100);
    if (CHANCE(sim, 80))
        job->spec.halt =
            (halt_t){.when = HALT_NOW, .what = (halt_what_t)ROLL(sim, 3), .threshold = 1 + (uint32_t)ROLL(sim, 20)};
    if (CHANCE(sim, 60))
        job->spec.deadline_ms = job->spec.submitted_ms + BETWEEN(sim, 1000, 60000);
    job->has_source_error = CHANCE(sim, 50);
    job->will_cancel = CHANCE(sim, 300);
}

/* A few kinds, often, or many kinds, each seldom. */
static void draw_faults(sim_t *sim)
{
    static const fault_t about_tokens[] = {FAULT_STOP,       FAULT_CUT_REDIS,     FAULT_REDIS_DOWN, FAULT_REDIS_FLUSH,
                                           FAULT_REDIS_JUMP, FAULT_REDIS_NETWORK, FAULT_LIMIT,      FAULT_KILL,
                                           FAULT_STOP_SHORT, FAULT_CUT_KAFKA};
    static const fault_t gentle[] = {FAULT_DRAIN,         FAULT_DRAIN, FAULT_LIMIT,
                                     FAULT_REDIS_NETWORK, FAULT_PAUSE, FAULT_FOREIGN};
    scenario_t *s = &sim->scenario;
    if (s->is_gentle) {
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

static bool lacks_a_token_rule(const sim_t *sim)
{
    return !sim_protects(sim, PROTECTION_SCRIPT) || !sim_protects(sim, PROTECTION_FREEZE) ||
           !sim_protects(sim, PROTECTION_ALLOW_FALLS);
}

void scenario_draw(sim_t *sim)
{
    scenario_t *s = &sim->scenario;
    sim->wall_ms = 1700000000000 + BETWEEN(sim, 0, 1000000);
    s->is_about_tokens = CHANCE(sim, 300) || lacks_a_token_rule(sim);
    s->workers_n = 1 + (unsigned)ROLL(sim, 4);
    s->jobs_n = 1 + (unsigned)ROLL(sim, 3);
    if (s->is_about_tokens) {
        s->workers_n = 2 + (unsigned)ROLL(sim, 3);
        s->jobs_n = 1;
    }
    s->items_partitions = 1 + (uint32_t)ROLL(sim, PARTITIONS_MAX);
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
    s->is_gentle = !s->is_about_tokens && CHANCE(sim, 200);
    if (s->is_gentle)
        s->revoke_waits = true;
    draw_faults(sim);
    for (size_t i = 0; i < s->faults_n; i++)
        s->has_jumps = s->has_jumps || s->faults[i] == FAULT_REDIS_JUMP || s->faults[i] == FAULT_REPLAY;
    s->items_max = (size_t[]){4, 20, 100, 1000}[ROLL(sim, 4)];
    s->order_memory = CHANCE(sim, 100) ? 512 : 1 << 20;
    kafka_begin(&sim->kafka, s->items_partitions, s->results_partitions, &check_hooks);
    sim->kafka.session_ms = CHANCE(sim, 500) ? 45000 : 10000;
    sim->kafka.rebalance_ms = 60000;
    sim->jobs_n = s->jobs_n;
    for (size_t j = 0; j < sim->jobs_n; j++)
        draw_job(sim, &sim->jobs[j], j);
    sim->nodes_n = s->workers_n;
    for (size_t i = 0; i < sim->nodes_n; i++) {
        node_begin(&sim->nodes[i], i, 1 + (unsigned)ROLL(sim, POOL_SLOTS_MAX), BETWEEN(sim, -500000, 1000000000));
        back_later(sim, &sim->nodes[i], CHANCE(sim, 800) ? BETWEEN(sim, 0, 1000) : BETWEEN(sim, 0, s->chaos_ms));
    }
    clock_after(&sim->clock, BETWEEN(sim, 1, s->fault_every_ms), on_fault);
}
