/* What the nodes run. A slot has one record, or a call of several: they are claimed one after the other, may be taken back
 * until then, and are answered in their order. What becomes of a record is its own seed's to say, what becomes of a call the
 * dice's as well: the whole of it fails or dies when one in it does, and sometimes when none does. */
#include "world.h"

#include <stdio.h>
#include <string.h>

static uint64_t plan(const world_t *x, const run_t *run)
{
    uint64_t state = x->seed ^ ((uint64_t)run->lane << 40) ^ ((uint64_t)run->offset << 8) ^ 1;
    return random_mix(&state);
}

static bool is_poison(const world_t *x, const run_t *run)
{
    return plan(x, run) % 1000 < x->poison_permille;
}

static bool has_failed(const world_t *x, const run_t *run)
{
    uint64_t dice = plan(x, run);
    return dice >> 32 & 1 && dice % 1000 < x->fails_permille && run->attempt < RETRIES;
}

/* ---- what must hold ---- */

static void check_alone(world_t *x, const node_t *node, const run_t *run)
{
    const record_t *mine = record_at(&x->lanes[run->lane], run->offset);
    for (uint32_t i = 0; i < x->slots_n; i++) {
        const node_slot_t *slot = &node->slots[i];
        for (size_t k = 0; k < slot->runs_n && !slot->is_killing; k++) {
            if (slot->runs[k].lane != run->lane)
                continue;
            const record_t *other = record_at(&x->lanes[run->lane], slot->runs[k].offset);
            if (mine == other && slot->runs[k].ownership == run->ownership)
                fault(x, "%s runs %lld twice at once", node->member, (long long)run->offset);
            if (x->order == STREAM_BY_KEY && mine->key >= 0 && mine->key == other->key)
                fault(x, "%s runs %lld and %lld of one key at once", node->member, (long long)mine->offset,
                      (long long)other->offset);
        }
    }
}

static void check_run(world_t *x, const node_t *node, const node_slot_t *slot, const run_t *run)
{
    stream_lane_t *lane = &x->lanes[run->lane];
    const record_t *record = record_at(lane, run->offset);
    size_t i = (size_t)(record - lane->records);
    check_alone(x, node, run);
    if (run->attempt > 1 + record->failures)
        fault(x, "%s runs attempt %u of %lld, which failed %u times", node->member, run->attempt,
              (long long)run->offset, record->failures);
    if (node->splits[run->lane][i].ownership == run->ownership && slot->call_n > node->splits[run->lane][i].most)
        fault(x, "%s has %lld in a call of %zu, and may have it in one of %zu", node->member, (long long)run->offset,
              slot->call_n, node->splits[run->lane][i].most);
}

/* Nothing fails because of what it was called with. Workers that died are charged to whatever ran there. */
void slot_check_outcome(world_t *x, const node_t *node, uint32_t l, const outcome_t *outcome)
{
    const record_t *record = record_at(&x->lanes[l], (int64_t)outcome->index);
    if (record == NULL || outcome->kind == FANMAP_VALUE || outcome->kind == FANMAP_LOST)
        return;
    if (outcome->kind == FANMAP_CRASHED ? record->failures + x->deaths < 3 : record->failures <= RETRIES)
        fault(x, "%s gives up lane %u, %lld: it failed %u times", node->member, l, (long long)outcome->index,
              record->failures);
}

/* ---- in ---- */

void slot_run(world_t *x, node_t *node, const worker_action_t *a)
{
    static uint32_t numbers;
    const payload_t *payload = (const payload_t *)(const void *)a->run.in;
    node_slot_t *slot = &node->slots[a->run.slot];
    if (slot->runs_n == 0) {
        slot->call_n = a->run.call_n > 0 ? a->run.call_n : 1;
        slot->claimed = slot->call_n == 1;
        slot->is_failing = slot->is_killing = false;
    }
    if (!slot->is_up || slot->runs_n == slot->call_n || slot->call_n > x->calls_max ||
        a->run.in_len != sizeof *payload || payload->offset != (int64_t)a->run.index) {
        fault(x, "%s runs something odd in slot %u", node->member, a->run.slot);
        return;
    }
    run_t run = {++numbers, payload->lane, a->run.attempt, payload->offset, node->ownership[payload->lane]};
    check_run(x, node, slot, &run);
    say(x, "%s runs lane %u, %lld, attempt %u, %zu of %zu", node->member, run.lane, (long long)run.offset, run.attempt,
        slot->runs_n + 1, slot->call_n);
    slot->runs[slot->runs_n++] = run;
    worker_ran(node->worker, a->run.item, run.n);
}

void slot_kill_run(node_t *node, uint32_t s, uint32_t n)
{
    node_slot_t *slot = &node->slots[s];
    slot->is_killing |= slot->runs_n > 0 && slot->runs[0].n == n;
}

void slot_withdraw(world_t *x, node_t *node, uint32_t s)
{
    node_slot_t *slot = &node->slots[s];
    if (x->calls_max == 1)
        fault(x, "%s takes back what is alone in slot %u", node->member, s);
    slot->is_asked = true;
    slot->kept_n = slot->runs_n > slot->claimed ? slot->runs[slot->claimed].n
                   : slot->runs_n > 0           ? slot->runs[slot->runs_n - 1].n + 1
                                                : 0;
    slot->runs_n = slot->claimed;
}

void slot_answer(world_t *x, node_t *node)
{
    for (uint32_t s = 0; s < x->slots_n; s++) {
        if (!node->slots[s].is_asked)
            continue;
        node->slots[s].is_asked = false;
        node_step(x, node, &(worker_event_t){.type = WORKER_TAKEN_BACK, .taken_back = {s, node->slots[s].kept_n}});
    }
}

/* ---- out ---- */

/* It failed with others: from now on it is in calls of half the size. */
static void note_split(world_t *x, node_t *node, const run_t *run, size_t n)
{
    const stream_lane_t *lane = &x->lanes[run->lane];
    size_t i = (size_t)(record_at(&x->lanes[run->lane], run->offset) - lane->records);
    node->splits[run->lane][i].ownership = run->ownership;
    node->splits[run->lane][i].most = (n + 1) / 2;
}

static void note_failure(world_t *x, node_t *node, const run_t *run, size_t n)
{
    if (n > 1)
        note_split(x, node, run, n);
    else
        record_at(&x->lanes[run->lane], run->offset)->failures++;
}

static void down(world_t *x, node_t *node, uint32_t s, attempt_down_t why)
{
    node_slot_t *slot = &node->slots[s];
    worker_event_t event = {.type = WORKER_SLOT_DOWN};
    event.down.slot = s;
    event.down.why = why;
    event.down.has_attempt = true;
    event.down.n = slot->runs[0].n;
    event.down.unstarted_from = slot->runs[slot->claimed - 1].n + 1;
    event.down.outcome.kind = why == ATTEMPT_TIMEOUT ? FANMAP_TIMEOUT : FANMAP_SIGNAL;
    event.down.outcome.message = event.down.outcome.type = event.down.outcome.stderr_tail = "";
    for (size_t i = 0; i < slot->claimed && why != ATTEMPT_KILLED; i++)
        note_failure(x, node, &slot->runs[i], slot->claimed);
    say(x, "%s: slot %u goes down with %zu", node->member, s, slot->claimed);
    slot->runs_n = slot->claimed = 0;
    slot->is_up = false;
    node_step(x, node, &event);
}

/* The first of those that have no outcome. */
static void done(world_t *x, node_t *node, uint32_t s)
{
    node_slot_t *slot = &node->slots[s];
    run_t run = slot->runs[0];
    bool fails = slot->is_failing || has_failed(x, &run);
    worker_event_t event = {.type = WORKER_ATTEMPT_DONE};
    event.done.slot = s;
    event.done.n = run.n;
    event.done.kind = fails ? FANMAP_EXCEPTION : FANMAP_VALUE;
    event.done.is_whole = slot->is_failing && rule_off != RULE_BLAME;
    event.done.outcome.kind = event.done.kind;
    event.done.outcome.value = (const uint8_t *)"\xc0";
    event.done.outcome.value_len = fails ? 0 : 1;
    event.done.outcome.message = event.done.outcome.type = event.done.outcome.stderr_tail = "";
    event.done.outcome.run_us = 5000;
    if (fails)
        note_failure(x, node, &run, slot->is_failing ? slot->call_n : 1);
    slot->runs_n--;
    slot->claimed--;
    memmove(slot->runs, slot->runs + 1, slot->runs_n * sizeof slot->runs[0]);
    slot->is_killing = false;
    node_step(x, node, &event);
}

/* Something in the call goes wrong with all of it, or nothing does and it is lost all the same. */
static bool call_goes_wrong(world_t *x, const node_slot_t *slot)
{
    bool fails = false;
    for (size_t i = 0; i < slot->claimed; i++)
        fails |= has_failed(x, &slot->runs[i]);
    return slot->call_n > 1 && chance(x, fails ? 500 : x->is_healed ? 0 : 30);
}

static const run_t *find_poison(const world_t *x, const node_slot_t *slot)
{
    for (size_t i = 0; i < slot->claimed; i++)
        if (is_poison(x, &slot->runs[i]))
            return &slot->runs[i];
    return NULL;
}

bool slot_act(world_t *x, size_t i, uint32_t s)
{
    node_t *node = &x->nodes[i];
    node_slot_t *slot = &node->slots[s];
    if (!slot->is_up) {
        slot->is_up = true;
        node_step(x, node, &(worker_event_t){.type = WORKER_SLOT_UP, .slot = {s}});
        return true;
    }
    if (slot->runs_n == 0)
        return false;
    if (slot->claimed < slot->runs_n) {
        slot->claimed += 1 + roll(x, slot->runs_n - slot->claimed);
        return true;
    }
    const run_t *poison = find_poison(x, slot);
    if (slot->is_killing && chance(x, 700))
        down(x, node, s, ATTEMPT_KILLED);
    else if (slot->is_failing || (poison != NULL && poison != slot->runs && chance(x, 300)))
        done(x, node, s); /* what stands before it has its outcome already */
    else if (poison != NULL && plan(x, poison) >> 20 & 1)
        down(x, node, s, x->calls_max > 1 && plan(x, poison) >> 21 & 1 ? ATTEMPT_TIMEOUT : ATTEMPT_DIED);
    else if (poison != NULL)
        node_kill(x, i);
    else if (!call_goes_wrong(x, slot))
        done(x, node, s);
    else if (slot->claimed > 1 && chance(x, 300))
        down(x, node, s, chance(x, 500) ? ATTEMPT_TIMEOUT : ATTEMPT_DIED);
    else
        slot->is_failing = true;
    return true;
}
