/* Which job's items go to which slot.
 *
 * Jobs that can start something stand in a ring. An idle slot takes the next job in turn and some of its items: as many
 * as its fair part of the queue, and no more than about 2 ms of work, judged by how long the job's attempts took so
 * far. While no other job waits, the slot is filled up again behind what runs. So short attempts cost no waiting for
 * the worker, and a job of ten items gets its turn beside a job of a million.
 * What was guessed wrong is taken back (slots.c).
 */
#include "worker/core/state.h"

enum { AHEAD_TARGET_US = 2000 /* how much work may wait unstarted in a slot */ };

/* ---- the ring ---- */

static void enter(worker_t *w, worker_job_t *job)
{
    invariant(!job->in_turn && (w->turn == NULL) == (w->turn_n == 0));
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
    invariant(job->in_turn && job->turn_prev->turn_next == job && job->turn_next->turn_prev == job);
    job->turn_prev->turn_next = job->turn_next;
    job->turn_next->turn_prev = job->turn_prev;
    if (w->turn == job)
        w->turn = job->turn_next == job ? NULL : job->turn_next;
    job->in_turn = false;
    w->turn_n--;
    invariant((w->turn == NULL) == (w->turn_n == 0));
}

void dispatch_enlist(worker_t *w, worker_job_t *job)
{
    bool wants = job->queue.n > 0 && job_may_start(job) && batch_is_due(w, job), can = wants && limits_room(w, job);
    count_token_wait(w, job, wants, can);
    if (can && !job->in_turn)
        enter(w, job);
    else if (!can && job->in_turn)
        leave(w, job);
}

/* ---- giving ---- */

static bool may_start(const worker_t *w)
{
    return !w->is_draining && !w->is_doubtful && !w->is_held && w->stats.publishing < w->config.publishing_max;
}

static int64_t deadline_of(const worker_t *w, const worker_job_t *job)
{
    int64_t of_job = job_deadline_ms(w, job);
    int64_t of_attempt = job->spec->timeout_ms > 0 ? w->now_ms + job->spec->timeout_ms : INT64_MAX;
    int64_t deadline = of_job < of_attempt ? of_job : of_attempt;
    return deadline == INT64_MAX ? -1 : deadline;
}

static void run(worker_t *w, uint32_t number, worker_item_t *item)
{
    worker_slot_t *slot = &w->slots[number];
    worker_job_t *job = item->job;
    worker_action_t *action = act(w, WORKER_RUN);
    if (action == NULL)
        return;
    invariant(slot->is_up && slot->job == job && job_may_start(job) && item_may_run(item));
    item_unlink(item);
    item_set_state(item, STATE_RUNNING);
    item->fence = job->tokens != NULL ? tokens_fence(job->tokens) : 0;
    if (slot->runs.n == 0) {
        slot->head_since_ms = w->now_ms;
        limits_started(w, job); /* what is called together starts together */
    } else {
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
    action->run.deadline_ms = deadline_of(w, job);
    action->run.index = item->index;
    action->run.in = item->in;
    action->run.in_len = item->in_len;
    action->run.payload = item->payload;
    action->run.call_n = 0;
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
    if (name_has_room(w, item))
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
    if (job->run_us == 0 || limits_has_rate(job))
        return 1; /* what waits in a slot starts at its own time */
    bool is_short =
        job->run_us * w->config.ahead_n <= AHEAD_TARGET_US; /* then that bounds it, and nothing is divided */
    size_t most = 1 + (size_t)(is_short ? w->config.ahead_n : AHEAD_TARGET_US / job->run_us);
    size_t left = job_outcomes_left(job);
    if (left == SIZE_MAX || spec_ends_on_errors(job->spec))
        return most;           /* after an error the slot starts nothing by itself */
    left /= w->config.slots_n; /* what waits behind the last of them would start */
    return left < 1 ? 1 : left < most ? left : most;
}

/* The slot may be told of the item ahead, by the bounds of bytes and of names. */
static bool takes_ahead(const worker_t *w, const worker_slot_t *slot, const worker_item_t *item)
{
    return slot->runs.n == 0 ||
           (slot->bytes + item->in_len <= w->config.ahead_bytes && names_have_ample_room(w, item->part));
}

/* Up to `n` runs in all; stops at the bound of bytes. */
static void fill(worker_t *w, uint32_t number, worker_job_t *job, size_t n)
{
    worker_slot_t *slot = &w->slots[number];
    worker_item_t *item;
    while (slot->runs.n < n && (item = next_item(w, job)) != NULL && takes_ahead(w, slot, item)) {
        run(w, number, item);
        if (w->failed)
            break;
    }
}

/* One call: as many as may be together. Its first run says how many. */
static void fill_call(worker_t *w, uint32_t number, worker_job_t *job)
{
    worker_slot_t *slot = &w->slots[number];
    size_t first = w->actions->n;
    uint32_t most = job->spec->batch_n;
    worker_item_t *item;
    while ((item = next_item(w, job)) != NULL && batch_takes(slot->runs.n, &most, item) && takes_ahead(w, slot, item)) {
        run(w, number, item);
        if (w->failed)
            return;
    }
    slot->call_n = (uint32_t)slot->runs.n;
    if (slot->call_n > 0)
        w->actions->at[first].run.call_n = slot->call_n;
}

static void begin_slot(worker_t *w, worker_job_t *job)
{
    size_t share = job->queue.n / w->idle_n, most = depth(w, job);
    uint32_t number = w->idle[w->idle_n - 1];
    if (next_item(w, job) == NULL)
        return;
    w->idle_n--;
    worker_slot_t *slot = &w->slots[number];
    invariant(slot->is_idle && slot->job == NULL && slot->runs.n == 0);
    slot->is_idle = false;
    slot->job = job;
    slot->bytes = 0;
    job->running++;
    invariant(!limits_over(w, job)); /* tokens in use stay within what the table allows */
    slot->call_n = 0;
    if (job->spec->batch_n > 1)
        fill_call(w, number, job);
    else
        fill(w, number, job, share < 1 ? 1 : share < most ? share : most);
}

void dispatch_turn(worker_t *w)
{
    while (w->idle_n > 0 && w->turn != NULL && may_start(w) && !w->failed) {
        worker_job_t *job = w->turn;
        if (limits_room(w, job))
            begin_slot(w, job);
        w->turn = job->turn_next;
        dispatch_enlist(w, job);
        job_mark(w, job);
    }
}

void dispatch_refill(worker_t *w, uint32_t number)
{
    worker_slot_t *slot = &w->slots[number];
    worker_job_t *job = slot->job;
    size_t most = depth(w, job);
    if (slot->runs.n > most / 2 || job->queue.n == 0 || slot->is_taking || slot->is_killing || slot->is_frozen)
        return;
    if (!may_start(w) || !job_may_start(job) || limits_over(w, job) || !limits_paced(w, job) ||
        w->turn_n > (size_t)job->in_turn)
        return;
    if (job->spec->batch_n > 1) {
        if (slot->runs.n == 0 && batch_is_due(w, job))
            fill_call(w, number, job);
        dispatch_enlist(w, job);
        return;
    }
    size_t share = job->queue.n / (w->idle_n + 1) + 1;
    fill(w, number, job, slot->runs.n + share < most ? slot->runs.n + share : most);
    dispatch_enlist(w, job);
}

/* ---- slots ---- */
