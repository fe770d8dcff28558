#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node_internal.h"
#include "remake.h"

enum { STEPS_AT_MS_MAX = 20000, STOP_LEEWAY = 64 };

const char *const sim_tasks[TASKS_MAX] = {"double", "twice", "again"};

int64_t node_now_ms(const sim_t *sim, const node_t *node)
{
    return sim->clock.now_ms + node->process.clock_off_ms;
}

static void on_tick(sim_t *sim, event_t *event)
{
    node_t *node = event->to->self;
    if (event->x != node->tick_ms)
        return;
    node->tick_ms = INT64_MAX;
    node_step(sim, node, &(worker_event_t){.type = WORKER_TICK});
}

static void arm_tick(sim_t *sim, node_t *node)
{
    int64_t next_ms = worker_next_ms(node->worker);
    if (next_ms == INT64_MAX)
        return;
    next_ms -= node->process.clock_off_ms;
    if (next_ms <= sim->clock.now_ms)
        next_ms = sim->clock.now_ms + 1;
    if (next_ms >= node->tick_ms)
        return;
    node->tick_ms = next_ms;
    event_t *event = clock_tell(&sim->clock, next_ms - sim->clock.now_ms, &node->process, on_tick);
    event->x = next_ms;
}

/* A core that is never content would run for ever at one instant. */
static void count_steps(sim_t *sim, node_t *node)
{
    if (node->stepped_ms != sim->clock.now_ms)
        node->steps_at_ms = 0;
    node->stepped_ms = sim->clock.now_ms;
    if (++node->steps_at_ms > STEPS_AT_MS_MAX)
        sim_break(sim, "%s: livelock, %d steps at one instant", node->process.name, STEPS_AT_MS_MAX);
}

static void check_bounds(sim_t *sim, node_t *node)
{
    size_t max = sim->scenario.items_max + sim->scenario.items_max / 3;
    if (node->payloads_n > max + STOP_LEEWAY)
        sim_break(sim, "%s: %zu payloads in hand, %zu may be", node->process.name, node->payloads_n, max);
}

/* The answer follows right behind the step that asked. */
static void tell_taken_back(sim_t *sim, node_t *node)
{
    if (node->takes_n == 0 || sim->broken[0] != '\0')
        return;
    worker_event_t event = {.type = WORKER_TAKEN_BACK};
    event.taken_back.slot = node->takes[0];
    event.taken_back.n = node->take_n[0];
    node->takes_n--;
    memmove(node->takes, node->takes + 1, node->takes_n * sizeof node->takes[0]);
    memmove(node->take_n, node->take_n + 1, node->takes_n * sizeof node->take_n[0]);
    node_step(sim, node, &event);
}

static void on_settle(sim_t *sim, event_t *event)
{
    node_t *node = event->to->self;
    node->is_settling = false;
    node_step(sim, node, &(worker_event_t){.type = WORKER_SETTLE});
}

/* Items and outcomes come in turns, at whose end conclusions are drawn: in half of all runs, so that both ways are looked at. */
static void tell_more(sim_t *sim, node_t *node, worker_event_t *event)
{
    event->more = (event->type == WORKER_ITEM || event->type == WORKER_FETCHED || event->type == WORKER_ATTEMPT_DONE) &&
                  !sim->scenario.is_golden && sim->seed % 2 == 0;
    if (!event->more || node->is_settling)
        return;
    node->is_settling = true;
    clock_tell(&sim->clock, 0, &node->process, on_settle);
}

void node_step(sim_t *sim, node_t *node, worker_event_t *event)
{
    uint64_t life = node->process.life;
    tell_more(sim, node, event);
    event->now_ms = node_now_ms(sim, node);
    event->broker_ms = node->knows_broker ? event->now_ms + node->broker_off_ms : 0;
    count_steps(sim, node);
    worker_actions_clear(&node->actions);
    worker_step(node->worker, event, &node->actions);
    node->is_losing = event->type == WORKER_LOST || event->type == WORKER_REMADE;
    node->is_remade = event->type == WORKER_REMADE;
    if (node->actions.failed)
        sim_break(sim, "%s: out of memory", node->process.name);
    for (size_t i = 0; i < node->actions.n && sim->broken[0] == '\0'; i++) {
        node_carry_out(sim, node, &node->actions.at[i]);
        if (node->process.life != life)
            return; /* it left */
    }
    check_bounds(sim, node);
    arm_tick(sim, node);
    if (node->closing_failed) {
        node->closing_failed = false;
        node_step(sim, node, &(worker_event_t){.type = WORKER_LOST});
    }
    tell_taken_back(sim, node);
}

/* ---- life ---- */

void node_begin(node_t *node, size_t number, unsigned slots_n, int64_t clock_off_ms)
{
    char name[16];
    snprintf(name, sizeof name, "w%zu", number + 1);
    memset(node, 0, sizeof *node);
    process_begin(&node->process, name, node);
    node->process.clock_off_ms = clock_off_ms;
    node->number = number;
    node->slots_n = slots_n;
    node->tasks = 1;
}

void node_start(sim_t *sim, node_t *node)
{
    process_start(&node->process);
    snprintf(node->incarnation, sizeof node->incarnation, "%s-%llu", node->process.name,
             (unsigned long long)node->process.life);
    const char *served[TASKS_MAX];
    size_t served_n = 0;
    for (size_t t = 0; t < TASKS_MAX; t++)
        if (node->tasks >> t & 1)
            served[served_n++] = sim_tasks[t];
    worker_config_t config = {.queue = "default",
                              .incarnation = node->incarnation,
                              .slots_n = node->slots_n,
                              .tasks = served,
                              .tasks_n = served_n,
                              .budget_bytes = 1 << 20,
                              .items_max = sim->scenario.items_max,
                              .ample_n = sim->scenario.is_golden ? 0 : sim->seed % 3 * 2,
                              .can_fetch = !sim->scenario.is_golden,
                              .commit_every_ms = 1000,
                              .session_ms = (uint32_t)sim->kafka.session_ms,
                              .drain_ms = 10000,
                              .revoke_ms = sim->scenario.revoke_ms,
                              .names_max = sim->scenario.names_max,
                              .metadata_max = sim->scenario.metadata_max,
                              .ahead_n = sim->scenario.ahead_n,
                              .ahead_bytes = 4096,
                              .publishing_max = 64,
                              .has_tokens = true,
                              .has_handoff = !sim->scenario.is_golden || sim->scenario.has_handoff,
                              .seed = dice(&sim->clock, UINT64_MAX)};
    node->worker = worker_new(&config);
    if (node->worker == NULL)
        abort();
    sim_say(sim, "%s starts as %s", node->process.name, node->incarnation);
    node->wants = node->has_joined = node->is_draining = node->is_reading_jobs = node->is_fetching = false;
    node->is_settling = false;
    node->jobs_position = 0;
    node->knows_broker = node->has_asked_clock = false;
    node->is_watching = node->is_fetching_again = false;
    for (int p = 0; p < PARTITIONS_MAX; p++)
        node->watched[p] = node->fetched[p] = -1;
    node->must_hear = node->closing_failed = false;
    node->jobs_asked_n = node->takes_n = 0;
    node->jobs_start_end = kafka_log_end(sim, TOPIC_JOBS, 0);
    node->tick_ms = INT64_MAX;
    memset(node->limit_version, 0, sizeof node->limit_version);
    memset(node->lease_version, 0, sizeof node->lease_version);
    memset(node->sync_seq, 0, sizeof node->sync_seq);
    looker_start(sim, node);
    node->pool = pool_new(sim, &node->process, node->slots_n);
    node_poke_jobs(sim, node);
    arm_tick(sim, node);
}

/* What a process holds dies with it. */
static void forget(node_t *node)
{
    looker_forget(node);
    worker_free(node->worker);
    node->worker = NULL;
    worker_actions_free(&node->actions);
    memset(&node->actions, 0, sizeof node->actions);
    node_forget_packs(node);
    while (node->payloads != NULL)
        payload_release(node, node->payloads);
    consumer_forget(&node->consumer);
    node->consumer.id[0] = '\0';
}

static void die(sim_t *sim, node_t *node)
{
    kafka_process_died(sim, &node->process);
    pool_worker_died(sim, node->pool);
    process_die(&sim->clock, &node->process);
    forget(node);
}

void node_kill(sim_t *sim, node_t *node)
{
    if (node->process.state == PROCESS_DEAD)
        return;
    sim_say(sim, "%s is killed", node->process.name);
    sim->lost_lives++;
    die(sim, node);
}

void node_stop(sim_t *sim, node_t *node)
{
    if (node->process.state != PROCESS_RUNS)
        return;
    sim_say(sim, "%s is stopped", node->process.name);
    sim->lost_lives++;
    process_stop(&node->process);
    node->stopped_ms = sim->clock.now_ms;
    pool_worker_stopped(sim, node->pool);
}

void node_continue(sim_t *sim, node_t *node)
{
    if (node->process.state != PROCESS_STOPPED)
        return;
    sim_say(sim, "%s goes on", node->process.name);
    if (sim->clock.now_ms - node->stopped_ms > sim->kafka.session_ms / 2)
        node->must_hear = true;
    process_continue(&sim->clock, &node->process);
    pool_worker_continued(sim, node->pool);
}

void node_drain(sim_t *sim, node_t *node)
{
    if (node->process.state != PROCESS_RUNS || node->is_draining)
        return;
    sim_say(sim, "%s drains", node->process.name);
    node->is_draining = true;
    node_step(sim, node, &(worker_event_t){.type = WORKER_DRAIN});
}

/* The core gives back whatever it still holds. */
static void end_well(sim_t *sim, node_t *node)
{
    worker_actions_clear(&node->actions);
    worker_abandon(node->worker, &node->actions);
    for (size_t i = 0; i < node->actions.n; i++)
        node_carry_out(sim, node, &node->actions.at[i]);
    if (node->payloads_n > 0)
        sim_break(sim, "%s leaves with %zu payloads never given back", node->process.name, node->payloads_n);
    die(sim, node);
}

/* Behind WORKER_DRAINED: it leaves the group, which takes its partitions away properly, and ends. */
void node_on_left(sim_t *sim, event_t *event)
{
    node_t *node = event->to->self;
    uint64_t life = node->process.life;
    if (!kafka_outbox_is_empty(sim, &node->process)) { /* notes, perhaps */
        clock_again(&sim->clock, event, 5);
        return;
    }
    if (node->has_joined)
        group_leave(sim, &node->process, &node->consumer);
    if (node->process.life == life)
        end_well(sim, node);
}

void node_end(node_t *node)
{
    if (node->worker != NULL)
        forget(node);
}
