#include "pool.h"

#include <stdlib.h>
#include <string.h>

#include "faults.h"
#include "node.h"
#include "plan.h"
#include "sim.h"

enum { LASTS_MS = 5, LAPSED_KILL_MS = 60000, LAPSES_MAX = POOL_LAPSES_MAX };

static int64_t worker_now_ms(const sim_t *sim, const pool_t *pool)
{
    return sim->clock.now_ms + pool->worker->clock_off_ms;
}

static int64_t stall_ms(sim_t *sim)
{
    if (sim->scenario.is_golden)
        return 0;
    if (dice_chance(&sim->clock, 300))
        return dice_between(&sim->clock, 0, sim->scenario.guardian_stall_ms);
    return dice_between(&sim->clock, 0, 20);
}

static bool is_frozen(const slot_t *slot)
{
    return slot->is_frozen_by_worker || slot->is_frozen_by_guardian;
}

static void on_message(sim_t *sim, event_t *event)
{
    node_slot(sim, event->to->self, event->data);
}

static void tell(sim_t *sim, pool_t *pool, uint32_t s, slot_message_t message)
{
    if (pool->worker->life != pool->life)
        return;
    slot_t *slot = &pool->slots[s];
    int64_t at_ms = sim->clock.now_ms + (sim->scenario.is_golden ? 0 : dice_between(&sim->clock, 0, 2));
    slot->tell_ms = at_ms > slot->tell_ms ? at_ms : slot->tell_ms;
    message.slot = s;
    event_t *event = clock_tell(&sim->clock, slot->tell_ms - sim->clock.now_ms, pool->worker, on_message);
    event->data = take_copy(&message, sizeof message);
}

static bool has_lapsed(const sim_t *sim, const pool_t *pool, uint32_t job_key)
{
    for (size_t i = 0; i < LAPSES_MAX; i++)
        if (pool->lapses[i].is_used && pool->lapses[i].job_key == job_key)
            return pool->lapses[i].at_ms <= worker_now_ms(sim, pool) && sim_protects(sim, PROTECTION_FREEZE);
    return false;
}

static void on_end(sim_t *sim, event_t *event);

static void count_down(sim_t *sim, pool_t *pool, uint32_t s)
{
    slot_t *slot = &pool->slots[s];
    slot->since_ms = sim->clock.now_ms;
    event_t *event = clock_after(&sim->clock, slot->waiting[0].left_ms, on_end);
    event->x = s;
    event->a = ++slot->turn;
    event->data = pool;
    event->drop = pool_keep;
}

/* What runs lasts: nothing that was told ahead has begun, and all that waits goes back. */
static void on_lasting(sim_t *sim, event_t *event)
{
    pool_t *pool = event->data;
    uint32_t s = (uint32_t)event->x;
    slot_t *slot = &pool->slots[s];
    if (!slot->is_running || slot->waiting[0].n != event->a || slot->claimed < 2 || is_frozen(slot))
        return;
    slot_message_t message = {.what = SLOT_SAYS_BACK, .n = slot->waiting[1].n, .unstarted_from = slot->next_n};
    slot->n = slot->claimed = 1;
    if (sim_protects(sim, PROTECTION_BACK))
        tell(sim, pool, s, message);
}

static void claim_ahead(sim_t *sim, pool_t *pool, uint32_t s)
{
    slot_t *slot = &pool->slots[s];
    if (slot->claimed == 0)
        slot->claimed = 1;
    if (sim->scenario.is_golden || slot->n <= slot->claimed || !dice_chance(&sim->clock, 300))
        return;
    slot->claimed = (size_t)dice_between(&sim->clock, (int64_t)slot->claimed + 1, (int64_t)slot->n);
    event_t *event = clock_after(&sim->clock, LASTS_MS, on_lasting);
    event->x = s;
    event->a = slot->waiting[0].n;
    event->data = pool;
    event->drop = pool_keep;
}

/* How many begin and end together. */
static size_t call_of(const slot_t *slot)
{
    return slot->waiting[0].call_n > 1 ? slot->waiting[0].call_n : 1;
}

static void begin_next(sim_t *sim, pool_t *pool, uint32_t s)
{
    slot_t *slot = &pool->slots[s];
    if (slot->is_running || !slot->is_up || slot->n == 0 || is_frozen(slot) ||
        has_lapsed(sim, pool, slot->waiting[0].job_key))
        return;
    size_t n = call_of(slot);
    if (slot->n < n)
        return; /* the others are on their way */
    slot->is_running = true;
    slot->is_ending = false;
    if (n > 1)
        slot->claimed = n;
    else
        claim_ahead(sim, pool, s);
    for (size_t i = 0; i < n; i++)
        sim_attempt_began(sim, pool, &slot->waiting[i]);
    count_down(sim, pool, s);
}

static void pop(slot_t *slot, size_t n)
{
    slot->n -= n;
    slot->claimed -= n;
    memmove(&slot->waiting[0], &slot->waiting[n], slot->n * sizeof slot->waiting[0]);
    slot->is_running = false;
    slot->turn++;
}

static void on_restarted(sim_t *sim, event_t *event)
{
    pool_t *pool = event->data;
    slot_t *slot = &pool->slots[event->x];
    if (slot->is_up || slot->turn != event->a)
        return;
    slot->is_up = true;
    tell(sim, pool, (uint32_t)event->x, (slot_message_t){.what = SLOT_SAYS_UP});
}

void pool_keep(void *data)
{
    (void)data;
}

static void restart(sim_t *sim, pool_t *pool, uint32_t s)
{
    event_t *event =
        clock_after(&sim->clock, sim->scenario.is_golden ? 5 : dice_between(&sim->clock, 1, 60), on_restarted);
    event->x = s;
    event->a = pool->slots[s].turn;
    event->data = pool;
    event->drop = pool_keep;
}

/* The slot's process is gone, with its attempt if it ran one; what waited behind was never begun. */
static void go_down(sim_t *sim, pool_t *pool, uint32_t s, int down)
{
    slot_t *slot = &pool->slots[s];
    slot_message_t message = {.what = SLOT_SAYS_DOWN, .down = down, .has_attempt = slot->is_running};
    message.unstarted_from = slot->next_n;
    if (slot->is_running) {
        message.run = slot->waiting[0];
        message.n = message.run.n;
        message.unstarted_from = slot->n > slot->claimed ? slot->waiting[slot->claimed].n : slot->next_n;
        for (size_t i = 0; i < call_of(slot); i++)
            sim_attempt_ended(sim, pool, &slot->waiting[i], "is killed");
    } else if (slot->n > slot->claimed) {
        message.unstarted_from = slot->waiting[slot->claimed].n;
    }
    slot->n = slot->claimed = 0;
    slot->is_running = slot->is_up = slot->is_ending = false;
    slot->is_frozen_by_worker = slot->is_frozen_by_guardian = false;
    slot->turn++;
    slot->downs_n++;
    tell(sim, pool, s, message);
    restart(sim, pool, s);
}

static void kill_all(sim_t *sim, pool_t *pool, int down)
{
    for (uint32_t s = 0; s < pool->slots_n; s++)
        if (pool->slots[s].is_up)
            go_down(sim, pool, s, down);
}

/* What becomes of a call: the worst of what its runs do. */
static plan_t plan_of_call(const sim_t *sim, const slot_t *slot, bool *ret_fails)
{
    plan_t all = {.kind = FANMAP_VALUE};
    *ret_fails = false;
    for (size_t i = 0; i < call_of(slot); i++) {
        plan_t plan = plan_of(sim, slot->waiting[i].job, slot->waiting[i].index, slot->waiting[i].attempt);
        all.kills_guardian |= plan.kills_guardian;
        all.kills |= plan.kills;
        all.dies |= plan.dies;
        all.times_out |= plan.times_out;
        *ret_fails |= plan.kind != FANMAP_VALUE;
    }
    return all;
}

static void finish_call(sim_t *sim, pool_t *pool, uint32_t s, bool is_whole)
{
    slot_t *slot = &pool->slots[s];
    size_t n = call_of(slot);
    for (size_t i = 0; i < n; i++) {
        const run_t *run = &slot->waiting[i];
        bool has_value = plan_of(sim, run->job, run->index, run->attempt).kind == FANMAP_VALUE && !is_whole;
        sim_attempt_ended(sim, pool, run, is_whole ? "fails with its call" : has_value ? "gives a value" : "fails");
        tell(sim, pool, s, (slot_message_t){.what = SLOT_SAYS_DONE, .n = run->n, .run = *run, .is_whole = is_whole});
    }
    pop(slot, n);
    begin_next(sim, pool, s);
}

static void finish(sim_t *sim, pool_t *pool, uint32_t s)
{
    slot_t *slot = &pool->slots[s];
    run_t run = slot->waiting[0];
    bool fails;
    plan_t plan = plan_of_call(sim, slot, &fails);
    if (plan.kills_guardian) {
        sim_say(sim, "%s/%llu takes the guardian of %s down", sim->jobs[run.job].id, (unsigned long long)run.index,
                pool->worker->name);
        kill_all(sim, pool, ATTEMPT_GUARDIAN_LOST);
        return;
    }
    if (plan.kills && pool->worker->life == pool->life && pool->worker->state == PROCESS_RUNS) {
        sim_say(sim, "%s/%llu takes %s down", sim->jobs[run.job].id, (unsigned long long)run.index, pool->worker->name);
        node_kill(sim, pool->worker->self);
        faults_back_later(sim, pool->worker->self, dice_between(&sim->clock, 100, 5000));
        return;
    }
    if (plan.kills || plan.dies || plan.times_out) {
        go_down(sim, pool, s, plan.times_out ? ATTEMPT_TIMEOUT : ATTEMPT_DIED);
        return;
    }
    finish_call(sim, pool, s, fails && call_of(slot) > 1 && dice_chance(&sim->clock, 500));
}

static void on_end(sim_t *sim, event_t *event)
{
    pool_t *pool = event->data;
    slot_t *slot = &pool->slots[event->x];
    if (slot->turn == event->a && slot->is_running && !is_frozen(slot))
        finish(sim, pool, (uint32_t)event->x);
}

pool_t *pool_new(sim_t *sim, process_t *worker, unsigned slots_n)
{
    pool_t *pool = take(sizeof *pool);
    pool->worker = worker;
    pool->life = worker->life;
    pool->slots_n = slots_n;
    pool->silent_since_ms = INT64_MAX;
    pool->next = sim->pools;
    sim->pools = pool;
    for (uint32_t s = 0; s < slots_n; s++)
        restart(sim, pool, s);
    return pool;
}

void pools_free(sim_t *sim)
{
    while (sim->pools != NULL) {
        pool_t *pool = sim->pools;
        sim->pools = pool->next;
        free(pool);
    }
}

uint32_t pool_run(sim_t *sim, pool_t *pool, uint32_t s, const run_t *run)
{
    slot_t *slot = &pool->slots[s];
    if (s >= pool->slots_n || slot->n > POOL_AHEAD_MAX) {
        sim_break(sim, "%s: run sent to slot %u, which has no room", pool->worker->name, s);
        return 0;
    }
    if (!slot->is_up_told)
        sim_break(sim, "%s: run sent to slot %u, which is not up", pool->worker->name, s);
    if (slot->downs_n > 0) /* it has just gone down: this run never begins, as the message says */
        return slot->next_n++;
    run_t *mine = &slot->waiting[slot->n++];
    *mine = *run;
    mine->n = slot->next_n++;
    mine->left_ms = plan_of(sim, run->job, run->index, run->attempt).run_ms;
    if (slot->n > 1 && slot->waiting[0].job != run->job)
        sim_break(sim, "%s: slot %u got runs of two jobs at once", pool->worker->name, s);
    uint32_t n = mine->n;
    begin_next(sim, pool, s);
    return n;
}

uint32_t pool_take_back(pool_t *pool, uint32_t s)
{
    slot_t *slot = &pool->slots[s];
    size_t kept = slot->claimed;
    uint32_t n = slot->n > kept ? slot->waiting[kept].n : slot->next_n;
    slot->n = slot->n < kept ? slot->n : kept;
    return n;
}

static void on_killed(sim_t *sim, event_t *event)
{
    pool_t *pool = event->data;
    slot_t *slot = &pool->slots[event->x];
    if (slot->is_running && slot->waiting[0].n == event->a)
        go_down(sim, pool, (uint32_t)event->x, ATTEMPT_KILLED);
}

/* Soft: TERM, and the attempt may still give its value before the grace is over. */
void pool_kill(sim_t *sim, pool_t *pool, uint32_t s, uint32_t n, bool hard)
{
    slot_t *slot = &pool->slots[s];
    if (slot->is_running && slot->waiting[0].n == n) {
        int64_t grace_ms = hard ? 10 : sim->scenario.grace_ms;
        event_t *event = clock_after(&sim->clock, dice_between(&sim->clock, 0, grace_ms), on_killed);
        event->x = s;
        event->a = n;
        event->data = pool;
        event->drop = pool_keep;
        slot->is_ending = true;
        return;
    }
    for (size_t i = 0; i < slot->n; i++)
        if (slot->waiting[i].n == n)
            sim_break(sim, "%s: kills run %u of slot %u, which has not begun", pool->worker->name, n, s);
}

/* Frozen is what the worker asked to freeze, and what lapsed. */
static void set_frozen(sim_t *sim, pool_t *pool, uint32_t s, bool by_worker, bool by_guardian)
{
    slot_t *slot = &pool->slots[s];
    bool was = is_frozen(slot);
    slot->is_frozen_by_worker = by_worker;
    slot->is_frozen_by_guardian = by_guardian;
    bool is = is_frozen(slot);
    if (is && !was && slot->is_running) {
        int64_t left_ms = slot->waiting[0].left_ms - (sim->clock.now_ms - slot->since_ms);
        slot->waiting[0].left_ms = left_ms > 0 ? left_ms : 0;
        slot->turn++;
        sim_say(sim, "%s: %s/%llu is frozen%s", pool->worker->name, sim->jobs[slot->waiting[0].job].id,
                (unsigned long long)slot->waiting[0].index, by_guardian ? " by the guardian" : "");
    } else if (!is && was && slot->is_running) {
        count_down(sim, pool, s);
        sim_say(sim, "%s: %s/%llu is thawed", pool->worker->name, sim->jobs[slot->waiting[0].job].id,
                (unsigned long long)slot->waiting[0].index);
    } else if (!is && was) {
        begin_next(sim, pool, s);
    }
    sim_count(sim);
}

void pool_freeze(sim_t *sim, pool_t *pool, uint32_t s, bool on)
{
    slot_t *slot = &pool->slots[s];
    if (slot->is_up && slot->downs_n == 0 && sim_protects(sim, PROTECTION_FREEZE))
        set_frozen(sim, pool, s, on, slot->is_frozen_by_guardian);
}

static void on_lapsed_too_long(sim_t *sim, event_t *event)
{
    pool_t *pool = event->data;
    slot_t *slot = &pool->slots[event->x];
    if (slot->is_running && slot->is_frozen_by_guardian && slot->waiting[0].n == event->a)
        go_down(sim, pool, (uint32_t)event->x, ATTEMPT_LAPSED);
}

static void on_lapse(sim_t *sim, event_t *event)
{
    pool_t *pool = event->data;
    uint32_t job_key = pool->lapses[event->a].job_key;
    if (!has_lapsed(sim, pool, job_key))
        return;
    for (uint32_t s = 0; s < pool->slots_n; s++) {
        slot_t *slot = &pool->slots[s];
        if (!slot->is_running || slot->waiting[0].job_key != job_key || slot->is_frozen_by_guardian)
            continue;
        set_frozen(sim, pool, s, slot->is_frozen_by_worker, true);
        event_t *late = clock_after(&sim->clock, LAPSED_KILL_MS, on_lapsed_too_long);
        late->x = s;
        late->a = slot->waiting[0].n;
        late->data = pool;
        late->drop = pool_keep;
    }
}

/* A later deadline: the guardian lets go on what it froze, and what waited begins. */
static void postpone(sim_t *sim, pool_t *pool, uint32_t job_key)
{
    for (uint32_t s = 0; s < pool->slots_n; s++) {
        slot_t *slot = &pool->slots[s];
        if (slot->n == 0 || slot->waiting[0].job_key != job_key)
            continue;
        if (slot->is_frozen_by_guardian)
            set_frozen(sim, pool, s, slot->is_frozen_by_worker, false);
        begin_next(sim, pool, s);
    }
}

void pool_lapse(sim_t *sim, pool_t *pool, uint32_t job_key, int64_t at_ms)
{
    size_t i = 0;
    while (i < LAPSES_MAX && pool->lapses[i].is_used && pool->lapses[i].job_key != job_key)
        i++;
    if (i == LAPSES_MAX) {
        sim_break(sim, "%s: lapses of more than %d jobs", pool->worker->name, LAPSES_MAX);
        return;
    }
    int64_t now_ms = worker_now_ms(sim, pool);
    pool->lapses[i].is_used = true;
    pool->lapses[i].job_key = job_key;
    pool->lapses[i].at_ms = at_ms;
    if (at_ms > now_ms)
        postpone(sim, pool, job_key);
    if (at_ms == INT64_MAX)
        return;
    event_t *event = clock_after(&sim->clock, at_ms - now_ms + stall_ms(sim), on_lapse);
    event->a = i;
    event->data = pool;
    event->drop = pool_keep;
}

static void on_silent(sim_t *sim, event_t *event)
{
    pool_t *pool = event->data;
    if (pool->silent_since_ms != event->x)
        return;
    sim_say(sim, "%s's guardian kills everything", pool->worker->name);
    kill_all(sim, pool, ATTEMPT_LAPSED);
}

static void guard(sim_t *sim, pool_t *pool, int64_t delay_ms)
{
    pool->silent_since_ms = sim->clock.now_ms;
    event_t *event = clock_after(&sim->clock, delay_ms + stall_ms(sim), on_silent);
    event->x = pool->silent_since_ms;
    event->data = pool;
    event->drop = pool_keep;
}

void pool_worker_stopped(sim_t *sim, pool_t *pool)
{
    guard(sim, pool, sim->kafka.session_ms / 2);
}

void pool_worker_continued(sim_t *sim, pool_t *pool)
{
    (void)sim;
    pool->silent_since_ms = INT64_MAX;
}

void pool_worker_died(sim_t *sim, pool_t *pool)
{
    guard(sim, pool, 0);
}

bool pool_is_idle(const pool_t *pool)
{
    for (uint32_t s = 0; s < pool->slots_n; s++)
        if (pool->slots[s].n > 0)
            return false;
    return true;
}

void pool_count(const pool_t *pool, size_t job, uint64_t *ret_running, uint64_t *ret_attempts)
{
    for (uint32_t s = 0; s < pool->slots_n; s++) {
        const slot_t *slot = &pool->slots[s];
        if (!slot->is_running || slot->waiting[0].job != job)
            continue;
        ++*ret_attempts;
        if (!is_frozen(slot))
            ++*ret_running;
    }
}
