/* Slots as the core sees them: what runs in each, what waits behind it, and how either is taken out.
 *
 * What was guessed wrong is taken back: an attempt that outlasts a few milliseconds keeps nothing waiting behind it, and neither does
 * one whose job is paused, ended, over its tokens, or whose partition goes away. A run is started or taken back, never both;
 * the slot's answer says which.
 */
#include "worker/core/state.h"

enum { HALF_N = INT32_MAX /* numbers of runs come round */ };

static worker_slot_t *slot_at(worker_t *w, uint32_t slot)
{
    return slot < w->config.slots_n ? &w->slots[slot] : NULL;
}

static void become_idle(worker_t *w, uint32_t number)
{
    worker_slot_t *slot = &w->slots[number];
    if (!slot->is_up || slot->is_idle || slot->is_taking || slot->runs.n > 0)
        return;
    slot->is_idle = true;
    invariant(slot->job == NULL && w->idle_n < w->config.slots_n);
    w->idle[w->idle_n++] = number;
}

void slot_leave_idle(worker_t *w, uint32_t number)
{
    for (uint32_t i = 0; i < w->idle_n; i++)
        if (w->idle[i] == number) {
            w->idle[i] = w->idle[--w->idle_n];
            break;
        }
    w->slots[number].is_idle = false;
}

void slot_up(worker_t *w, uint32_t number)
{
    worker_slot_t *slot = slot_at(w, number);
    if (slot == NULL)
        return;
    slot->is_up = true;
    become_idle(w, number);
}

worker_item_t *slot_find(worker_t *w, uint32_t number, uint32_t n)
{
    worker_slot_t *slot = slot_at(w, number);
    worker_item_t *item = slot != NULL ? slot->runs.head : NULL;
    while (item != NULL && item->run_n != n)
        item = item->next;
    return item;
}

void slot_take_out(worker_t *w, uint32_t number, worker_item_t *item)
{
    worker_slot_t *slot = &w->slots[number];
    bool was_head = slot->runs.head == item;
    invariant(item->list == &slot->runs && item->state == STATE_RUNNING && item->job == slot->job);
    item_unlink(item);
    if (!was_head) {
        slot->bytes -= item->in_len;
        return;
    }
    slot->bytes -= slot->runs.head != NULL ? slot->runs.head->in_len : 0;
    slot->head_since_ms = w->now_ms;
    slot->is_killing = slot->is_killed_hard = false;
}

static void freeze(worker_t *w, uint32_t number, bool on)
{
    worker_action_t *action = act(w, WORKER_FREEZE);
    w->slots[number].is_frozen = on;
    if (action == NULL)
        return;
    action->freeze.slot = number;
    action->freeze.on = on;
}

void slot_emptied(worker_t *w, uint32_t number)
{
    worker_slot_t *slot = &w->slots[number];
    worker_job_t *job = slot->job;
    if (slot->runs.n > 0)
        return;
    slot->job = NULL;
    if (slot->is_frozen && slot->is_up)
        freeze(w, number, false);
    slot->is_frozen = false;
    become_idle(w, number);
    if (job == NULL)
        return;
    invariant(job->running > 0);
    job->running--;
    job_mark(w, job);
}

void slot_take_back(worker_t *w, uint32_t number, size_t least)
{
    worker_slot_t *slot = &w->slots[number];
    worker_action_t *action;
    if (!slot->has_unstarted || slot->is_taking || slot->runs.n < least || (action = act(w, WORKER_TAKE_BACK)) == NULL)
        return;
    slot->is_taking = true;
    action->take_back.slot = number;
}

/* They never started. */
static void requeue(worker_t *w, uint32_t number, uint32_t from, uint32_t to)
{
    worker_slot_t *slot = &w->slots[number];
    worker_job_t *job = slot->job;
    for (worker_item_t *item = slot->runs.tail, *before; item != NULL && item->run_n - from < HALF_N; item = before) {
        before = item->prev;
        if (item->run_n - to < HALF_N)
            continue;
        slot_take_out(w, number, item);
        item->fence = 0;
        item_requeue(w, item);
    }
    if (job != NULL)
        job_mark(w, job);
    if (slot->runs.n == 0)
        slot_emptied(w, number);
    else
        slot_review(w, number);
}

void slot_taken_back(worker_t *w, uint32_t number, uint32_t n)
{
    worker_slot_t *slot = slot_at(w, number);
    if (slot == NULL)
        return;
    slot->is_taking = slot->has_unstarted = false;
    requeue(w, number, n, n + HALF_N);
}

void slot_given_back(worker_t *w, uint32_t number, uint32_t from, uint32_t to)
{
    if (slot_at(w, number) != NULL)
        requeue(w, number, from, to);
}

void slot_kill(worker_t *w, uint32_t number, bool hard)
{
    worker_slot_t *slot = &w->slots[number];
    hard |= slot->is_frozen;
    if (slot->runs.n == 0 || slot->is_killed_hard || (slot->is_killing && !hard))
        return;
    slot_take_back(w, number, 2);
    worker_action_t *action = act(w, WORKER_KILL);
    if (action == NULL)
        return;
    action->kill.slot = number;
    action->kill.n = slot->runs.head->run_n;
    action->kill.hard = hard;
    w->stats.killed += !slot->is_killing;
    slot->is_killing = true;
    slot->is_killed_hard = hard;
    slot->kill_hard_at_ms = w->now_ms + SOFT_KILL_MS;
}

void slot_review(worker_t *w, uint32_t number)
{
    worker_slot_t *slot = &w->slots[number];
    const worker_item_t *head = slot->runs.head;
    if (head == NULL)
        return;
    if (!item_is_kept(head) || slot->job->is_killing)
        slot_kill(w, number, true);
    else if (slot->job->is_ended)
        slot_kill(w, number, false);
}

void slots_review(worker_t *w)
{
    for (uint32_t i = 0; i < w->config.slots_n; i++)
        slot_review(w, i);
}

void slots_withdraw_job(worker_t *w, const worker_job_t *job)
{
    for (uint32_t i = 0; i < w->config.slots_n; i++)
        if (w->slots[i].job == job)
            slot_take_back(w, i, 2);
}

static bool holds(const worker_slot_t *slot, const worker_part_t *part)
{
    for (const worker_item_t *item = slot->runs.head; item != NULL; item = item->next)
        if (item->part == part)
            return true;
    return false;
}

void slots_withdraw(worker_t *w, const worker_part_t *part)
{
    for (uint32_t i = 0; i < w->config.slots_n; i++)
        if (part == NULL || holds(&w->slots[i], part))
            slot_take_back(w, i, 2);
}

void slots_tick(worker_t *w)
{
    for (uint32_t i = 0; i < w->config.slots_n; i++) {
        worker_slot_t *slot = &w->slots[i];
        if (slot->runs.n > 1 && slot->call_n == 0 && w->now_ms >= slot->head_since_ms + TAKE_BACK_AFTER_MS)
            slot_take_back(w, i, 2);
        if (slot->is_killing && !slot->is_killed_hard && w->now_ms >= slot->kill_hard_at_ms)
            slot_kill(w, i, true);
    }
}

int64_t slots_next_ms(const worker_t *w)
{
    int64_t next = INT64_MAX;
    for (uint32_t i = 0; i < w->config.slots_n; i++) {
        const worker_slot_t *slot = &w->slots[i];
        int64_t due = INT64_MAX;
        if (slot->runs.n > 1 && slot->call_n == 0 && slot->has_unstarted && !slot->is_taking)
            due = slot->head_since_ms + TAKE_BACK_AFTER_MS;
        if (slot->is_killing && !slot->is_killed_hard && slot->kill_hard_at_ms < due)
            due = slot->kill_hard_at_ms;
        next = due < next ? due : next;
    }
    return next;
}
