/* What goes wrong, and how it is mended. */
#include "faults.h"

#include <string.h>

#include "schemas/item.h"

enum { SETTLE_MS = 1000 };

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

void sim_cancel(sim_t *sim, job_t *job)
{
    char key[JOB_ID_MAX + 16];
    buf_t log = {0}, copy = {0};
    if (job->start_offset < 0 || job->is_ended) /* there is no such job, or it has ended already */
        return;
    sim_say(sim, "another program cancels %s", job->id);
    joblog_encode_end(&log, END_CANCEL);
    kafka_append(sim, TOPIC_RESULTS, (int32_t)job->spec.results_partition, job->id, strlen(job->id), log.data, log.len);
    size_t key_len = jobs_key(key, sizeof key, job->id, JOBS_END);
    jobs_encode_end(&copy, END_CANCEL);
    kafka_append(sim, TOPIC_JOBS, 0, key, key_len, copy.data, copy.len);
    buf_free(&log);
    buf_free(&copy);
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

void faults_back_later(sim_t *sim, const node_t *node, int64_t delay_ms)
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
    process_continue(&sim->clock, &sim->jobs[event->a].makers[event->b]->process);
}

static void stop_maker(sim_t *sim, job_t *job, int64_t for_ms)
{
    if (job->maker->process.state != PROCESS_RUNS)
        return;
    sim_say(sim, "the program of %s is stopped", job->id);
    process_stop(&job->maker->process);
    event_t *event = clock_after(&sim->clock, for_ms, on_maker_continue);
    event->a = job->number;
    event->b = job->maker->number;
}

/* Enough programs are left for what follows a death. */
static bool may_lose_maker(const job_t *job)
{
    return job->maker->process.state == PROCESS_RUNS && job->makers_n <= MAKERS_MAX - 4;
}

static void kill_maker(sim_t *sim, job_t *job)
{
    if (!may_lose_maker(job))
        return;
    sim_say(sim, "the program of %s is killed", job->id);
    maker_die(sim, job->maker);
    resubmit_later(sim, job, BETWEEN(sim, 1, 20000), CHANCE(sim, 400));
}

/* It is stopped for so long that another one is started, and then goes on. */
static void take_over(sim_t *sim, job_t *job)
{
    if (!may_lose_maker(job))
        return;
    stop_maker(sim, job, BETWEEN(sim, 10000, 30000));
    resubmit_later(sim, job, BETWEEN(sim, 8000, 12000), false);
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

static void on_password_read(sim_t *sim, event_t *event)
{
    node_t *node = &sim->nodes[event->a];
    sim_say(sim, "%s has read the new password of redis", node->process.name);
    node->process.redis_cut = false;
}

/* Redis refuses everybody, until each has got the new password, at its own time. */
static void rotate_password(sim_t *sim)
{
    sim_say(sim, "the password of redis is another one");
    for (size_t i = 0; i < sim->nodes_n; i++) {
        sim->lost_lives += !sim->nodes[i].process.redis_cut;
        sim->nodes[i].process.redis_cut = true;
        clock_after(&sim->clock, BETWEEN(sim, 1, 20000), on_password_read)->a = i;
    }
}

static void change_limit(sim_t *sim)
{
    job_t *job = &sim->jobs[ROLL(sim, sim->jobs_n)];
    if (!job->maker->is_decided)
        sim_set_limit(sim, job, CHANCE(sim, 200) ? 0 : 1 + ROLL(sim, 6));
}

static void inflict(sim_t *sim, fault_t fault)
{
    node_t *node = &sim->nodes[ROLL(sim, sim->nodes_n)];
    job_t *job = &sim->jobs[ROLL(sim, sim->jobs_n)];
    switch (fault) {
    case FAULT_KILL:
        node_kill(sim, node);
        faults_back_later(sim, node, CHANCE(sim, 500) ? BETWEEN(sim, 1, 2000) : BETWEEN(sim, 1, 30000));
        break;
    case FAULT_STOP:
        stop(sim, node, BETWEEN(sim, 1, 60000));
        break;
    case FAULT_STOP_SHORT:
        stop(sim, node, BETWEEN(sim, 1, 9000));
        break;
    case FAULT_DRAIN:
        node_drain(sim, node);
        faults_back_later(sim, node, BETWEEN(sim, 100, 30000));
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
        if (job->will_cancel && job->cancels_from_outside)
            sim_cancel(sim, job);
        else if (job->will_cancel)
            maker_cancel(sim, job);
        break;
    case FAULT_KILL_MAKER:
        kill_maker(sim, job);
        break;
    case FAULT_TAKE_OVER:
        take_over(sim, job);
        break;
    case FAULT_REDIS_PASSWORD:
        rotate_password(sim);
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
            faults_back_later(sim, node, BETWEEN(sim, 1, 3000));
    }
    for (size_t j = 0; j < sim->jobs_n; j++) {
        for (size_t i = 0; i < sim->jobs[j].makers_n; i++)
            process_continue(&sim->clock, &sim->jobs[j].makers[i]->process);
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

void faults_begin(sim_t *sim)
{
    clock_after(&sim->clock, BETWEEN(sim, 1, sim->scenario.fault_every_ms), on_fault);
}
