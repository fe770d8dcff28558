/* Which job's items go to which slot.
 *
 * Jobs that can start something stand in a ring. An idle slot takes the next job in turn and some of its items: as many
 * as its fair part of the queue, and no more than about 2 ms of work, judged by how long the job's attempts took so
 * far. While no other job waits, the slot is filled up again behind what runs. So short attempts cost no waiting for
 * the worker, and a job of ten items gets its turn beside a job of a million.
 *
 * What was guessed wrong is taken back: an attempt that outlasts a few milliseconds keeps nothing waiting behind it,
 * and neither does one whose job is paused, ended, over its tokens, or whose partition goes away. A run is started or
 * taken back, never both; the slot's answer says which.
 */
#include "worker/core/state.h"

static worker_slot_t *slot_at(worker_t *w, uint32_t slot)
{
    return slot < w->config.slots_n ? &w->slots[slot] : NULL;
}

/* ---- the ring ---- */

static void enter(worker_t *w, worker_job_t *job)
{
    if (w->turn == NULL)
        w->turn = job->turn_prev = job->turn_next = job;
    else { /* last in turn */
        job->turn_next = w->turn;
        job->turn_prev = w->turn->turn_prev;
        job->turn_prev->turn_next = job;
        job->turn_next->turn_prev = job;
    }
    job->in_turn = true;
    w->turn_n++;
}

static void leave(worker_t *w, worker_job_t *job)
{
    job->turn_prev->turn_next = job->turn_next;
    job->turn_next->turn_prev = job->turn_prev;
    if (w->turn == job)
        w->turn = job->turn_next == job ? NULL : job->turn_next;
    job->in_turn = false;
    w->turn_n--;
}

void schedule_job(worker_t *w, worker_job_t *job)
{
    bool can = job->queue.n > 0 && job_may_start(job) && limits_room(w, job);
    if (can && !job->in_turn)
        enter(w, job);
    else if (!can && job->in_turn)
        leave(w, job);
}

/* ---- giving ---- */

static bool may_start(const worker_t *w)
{
    return !w->is_draining && !w->is_doubtful && w->stats.publishing < w->config.publishing_max;
}

static int64_t deadline_of(const worker_t *w, const spec_t *spec)
{
    int64_t deadline = spec->timeout_ms > 0 ? w->now_ms + spec->timeout_ms : -1;
    if (spec->deadline_ms > 0) {
        int64_t job = w->now_ms + spec->deadline_ms - w->wall_ms;
        deadline = deadline < 0 || job < deadline ? job : deadline;
    }
    return deadline;
}

static void run(worker_t *w, uint32_t number, worker_item_t *item)
{
    worker_slot_t *slot = &w->slots[number];
    worker_job_t *job = item->job;
    worker_action_t *action = act(w, WORKER_RUN);
    if (action == NULL)
        return;
    item_unlink(item);
    item_set_state(item, STATE_RUNNING);
    item->fence = job->tokens != NULL ? tokens_fence(job->tokens) : 0;
    if (slot->runs.n == 0)
        slot->head_since_ms = w->now_ms;
    else {
        slot->bytes += item->in_len;
        slot->has_unstarted = true;
    }
    item_list_append(&slot->runs, item);
    action->run.slot = number;
    action->run.item = item;
    action->run.job_key = job->key;
    action->run.spec = job->spec;
    action->run.attempt = item->attempts + 1;
    action->run.fence = item->fence;
    action->run.deadline_ms = deadline_of(w, job->spec);
    action->run.index = item->index;
    action->run.in = item->in;
    action->run.in_len = item->in_len;
}

/* A retry takes a new grant: until there is one, it stands aside. */
static bool must_refence(worker_t *w, worker_job_t *job, worker_item_t *item)
{
    if (job->tokens == NULL || item->fence == 0 || item->fence < tokens_fence(job->tokens) ||
        tokens_fence(job->tokens) == 0)
        return false;
    item_unlink(item);
    item_list_append(&job->refence, item);
    if (job->asked_fence != tokens_fence(job->tokens))
        tokens_wake(job->tokens, w->now_ms);
    job->asked_fence = tokens_fence(job->tokens);
    return true;
}

/* Its name would not fit into the commits of its partition: until there is room, it stands aside. */
static bool must_stand_aside(worker_t *w, worker_job_t *job, worker_item_t *item)
{
    if (item_has_room(w, item))
        return false;
    item_unlink(item);
    item_list_append(&job->unnamed, item);
    w->has_unnamed = job->is_wary = true;
    return true;
}

static worker_item_t *next_item(worker_t *w, worker_job_t *job)
{
    worker_item_t *item;
    while ((item = lanes_first(&job->queue)) != NULL && (must_refence(w, job, item) || must_stand_aside(w, job, item)))
        ;
    return item;
}

/* How many runs may be in a slot of this job, the running one counted. */
static size_t depth(const worker_t *w, const worker_job_t *job)
{
    if (job->run_us == 0)
        return 1;
    uint64_t ahead = AHEAD_TARGET_US / job->run_us;
    return 1 + (size_t)(ahead < w->config.ahead_n ? ahead : w->config.ahead_n);
}

/* Up to `n` runs in all; stops at the bound of bytes. */
static void fill(worker_t *w, uint32_t number, worker_job_t *job, size_t n)
{
    worker_slot_t *slot = &w->slots[number];
    worker_item_t *item;
    while (slot->runs.n < n && (item = next_item(w, job)) != NULL) {
        if (slot->runs.n > 0 &&
            (slot->bytes + item->in_len > w->config.ahead_bytes || !part_has_ample_room(w, item->part)))
            break;
        run(w, number, item);
        if (w->failed)
            break;
    }
}

static void begin_slot(worker_t *w, worker_job_t *job)
{
    size_t share = job->queue.n / w->idle_n, most = depth(w, job);
    uint32_t number = w->idle[w->idle_n - 1];
    if (next_item(w, job) == NULL)
        return;
    w->idle_n--;
    worker_slot_t *slot = &w->slots[number];
    slot->is_idle = false;
    slot->job = job;
    slot->bytes = 0;
    job->running++;
    fill(w, number, job, share < 1 ? 1 : share < most ? share : most);
}

void schedule_turn(worker_t *w)
{
    while (w->idle_n > 0 && w->turn != NULL && may_start(w) && !w->failed) {
        worker_job_t *job = w->turn;
        if (limits_room(w, job))
            begin_slot(w, job);
        w->turn = job->turn_next;
        schedule_job(w, job);
        job_mark(w, job);
    }
}

void schedule_refill(worker_t *w, uint32_t number)
{
    worker_slot_t *slot = &w->slots[number];
    worker_job_t *job = slot->job;
    size_t most = depth(w, job);
    if (slot->runs.n > most / 2 || job->queue.n == 0 || slot->is_taking || slot->is_killing || slot->is_frozen)
        return;
    if (!may_start(w) || !job_may_start(job) || limits_over(w, job) || w->turn_n > (size_t)job->in_turn)
        return;
    size_t share = job->queue.n / (w->idle_n + 1) + 1;
    fill(w, number, job, slot->runs.n + share < most ? slot->runs.n + share : most);
    schedule_job(w, job);
}

/* ---- slots ---- */

static void become_idle(worker_t *w, uint32_t number)
{
    worker_slot_t *slot = &w->slots[number];
    if (!slot->is_up || slot->is_idle || slot->is_taking || slot->runs.n > 0)
        return;
    slot->is_idle = true;
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
    job->running--;
    job_mark(w, job);
}

void slot_take_back(worker_t *w, uint32_t number)
{
    worker_slot_t *slot = &w->slots[number];
    worker_action_t *action;
    if (!slot->has_unstarted || slot->is_taking || slot->runs.n < 2 || (action = act(w, WORKER_TAKE_BACK)) == NULL)
        return;
    slot->is_taking = true;
    action->take_back.slot = number;
}

void slot_taken_back(worker_t *w, uint32_t number, uint32_t n)
{
    worker_slot_t *slot = slot_at(w, number);
    if (slot == NULL)
        return;
    worker_job_t *job = slot->job;
    slot->is_taking = slot->has_unstarted = false;
    while (slot->runs.tail != NULL && slot->runs.tail->run_n >= n) {
        worker_item_t *item = slot->runs.tail;
        slot_take_out(w, number, item);
        item->fence = 0; /* it never started */
        item_requeue(w, item);
    }
    if (job != NULL)
        job_mark(w, job);
    if (slot->runs.n == 0)
        slot_emptied(w, number);
    else
        slot_review(w, number);
}

void slot_kill(worker_t *w, uint32_t number, bool hard)
{
    worker_slot_t *slot = &w->slots[number];
    hard |= slot->is_frozen;
    if (slot->runs.n == 0 || slot->is_killed_hard || (slot->is_killing && !hard))
        return;
    slot_take_back(w, number);
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

void slots_withdraw_job(worker_t *w, const worker_job_t *job)
{
    for (uint32_t i = 0; i < w->config.slots_n; i++)
        if (w->slots[i].job == job)
            slot_take_back(w, i);
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
            slot_take_back(w, i);
}

void schedule_tick(worker_t *w)
{
    for (uint32_t i = 0; i < w->config.slots_n; i++) {
        worker_slot_t *slot = &w->slots[i];
        if (slot->runs.n > 1 && w->now_ms >= slot->head_since_ms + TAKE_BACK_AFTER_MS)
            slot_take_back(w, i);
        if (slot->is_killing && !slot->is_killed_hard && w->now_ms >= slot->kill_hard_at_ms)
            slot_kill(w, i, true);
    }
}

int64_t schedule_next_ms(const worker_t *w)
{
    int64_t next = INT64_MAX;
    for (uint32_t i = 0; i < w->config.slots_n; i++) {
        const worker_slot_t *slot = &w->slots[i];
        int64_t due = INT64_MAX;
        if (slot->runs.n > 1 && slot->has_unstarted && !slot->is_taking)
            due = slot->head_since_ms + TAKE_BACK_AFTER_MS;
        if (slot->is_killing && !slot->is_killed_hard && slot->kill_hard_at_ms < due)
            due = slot->kill_hard_at_ms;
        next = due < next ? due : next;
    }
    return next;
}
