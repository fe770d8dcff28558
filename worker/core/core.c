/* The worker's step: one event in, actions out.
 *
 * The happy path of an item: intake.c decodes it and filing.c files it with its job; dispatch.c gives it to a slot, when
 * limits.c says that there is a token; outcomes.c judges what came out and publish.c sends it; once Kafka has it its
 * offset is finished (item.c), and commits.c commits the finished prefix.
 *
 * What can fail: an attempt (backoff.c, outcomes.c), its slot (outcomes.c), the tokens (limits.c), the ownership of its
 * partition (partitions.c, claims.c), its worker (poison.c), the job itself, which may end at any moment (closing.c).
 * Nothing here waits for anything: what is under way is a state, and its answer is an event. What follows from a change
 * of a job is drawn once, at the end of the step (settle.c); of events that come together, at the end of the last.
 */
#include "base/clock.h"
#include "worker/core/state.h"

#include <stdio.h>
#include <stdlib.h>

static bool copy_tasks(worker_t *w, const worker_config_t *config)
{
    w->tasks = calloc(config->tasks_n + 1, sizeof *w->tasks);
    if (w->tasks == NULL)
        return false;
    for (size_t i = 0; i < config->tasks_n; i++) {
        w->tasks[i] = strdup(config->tasks[i]);
        if (w->tasks[i] == NULL)
            return false;
    }
    return true;
}

worker_t *worker_new(const worker_config_t *config)
{
    worker_t *w = calloc(1, sizeof *w);
    if (w == NULL)
        return NULL;
    w->config = *config;
    snprintf(w->incarnation, sizeof w->incarnation, "%s", config->incarnation);
    w->config.incarnation = w->incarnation;
    w->config.queue = NULL;
    random_seed(&w->random, config->seed);
    random_seed(&w->log_random, ~config->seed);
    w->slots = calloc(config->slots_n, sizeof *w->slots);
    w->idle = calloc(config->slots_n, sizeof *w->idle);
    w->counts = calloc(config->tasks_n + 1, sizeof *w->counts);
    w->intake_on = true;
    budget_begin(w);
    w->commit_next_ms = INT64_MIN;
    if (w->slots == NULL || w->idle == NULL || w->counts == NULL || !copy_tasks(w, config)) {
        worker_free(w);
        return NULL;
    }
    return w;
}

void worker_abandon(worker_t *w, worker_actions_t *actions)
{
    w->actions = actions;
    for (uint32_t i = 0; i < w->parts_n; i++)
        for (worker_item_t *item = w->parts[i] != NULL ? w->parts[i]->items : NULL; item != NULL;
             item = item->part_next)
            item_release(w, item);
}

void worker_free(worker_t *w)
{
    if (w == NULL)
        return;
    for (size_t i = 0; w->tasks != NULL && i < w->config.tasks_n; i++)
        free(w->tasks[i]);
    free(w->tasks);
    heap_free(&w->delayed);
    jobs_free(w);
    parts_free(w);
    item_pool_free(&w->pool);
    free(w->slots);
    free(w->idle);
    free(w->counts);
    free(w);
}

/* Of what we claimed: others would wait for it. */
static void hand_back_unstarted(worker_t *w)
{
    for (uint32_t i = 0; i < w->parts_n && w->kept_n > 0; i++)
        for (worker_item_t *item = w->parts[i] != NULL ? w->parts[i]->items : NULL, *next; item != NULL; item = next) {
            next = item->part_next;
            if (item->is_claimed && (item->state == STATE_QUEUED || item->state == STATE_DELAYED))
                item_hand_back(w, item);
        }
}

/* What has not started will not: nobody should be charged for it if we die now. */
static void withdraw_all(worker_t *w)
{
    for (worker_job_t *job = w->active; job != NULL; job = job->active_next)
        names_withdraw(w, job);
}

static void begin_drain(worker_t *w)
{
    if (w->is_draining)
        return;
    w->is_draining = true;
    w->drain_end_ms = w->now_ms + w->config.drain_ms;
    w->drain_over_ms = w->drain_end_ms + 1000;
    slots_withdraw(w, NULL);
    hand_back_unstarted(w);
    withdraw_all(w);
    for (worker_job_t *job = w->active; job != NULL; job = job->active_next)
        job_mark(w, job);
}

static bool is_quiet(const worker_t *w)
{
    for (uint32_t i = 0; i < w->config.slots_n; i++)
        if (w->slots[i].runs.n > 0)
            return false;
    return w->stats.publishing == 0;
}

static void drain_turn(worker_t *w)
{
    if (w->is_drained)
        return;
    if (w->now_ms >= w->drain_end_ms)
        for (uint32_t i = 0; i < w->config.slots_n; i++)
            slot_kill(w, i, true);
    if (!w->is_committing && (is_quiet(w) || w->now_ms >= w->drain_over_ms)) {
        w->is_committing = true;
        w->drain_over_ms = w->now_ms + 2000;
        withdraw_all(w); /* of what was taken back from the slots */
        parts_commit_all(w);
    }
    if (w->is_committing && (parts_are_committed(w) || w->now_ms >= w->drain_over_ms)) {
        w->is_drained = true;
        act(w, WORKER_DRAINED);
    }
}

static void tick(worker_t *w)
{
    backoff_turn(w);
    jobs_turn(w);
    slots_tick(w);
}

/* Of the group, and of what is read beside it. */
static void handle_group(worker_t *w, const worker_event_t *e)
{
    switch (e->type) {
    case WORKER_ASSIGNED:
        part_assigned(w, e);
        break;
    case WORKER_REBALANCED:
        w->stats.is_dealt = true;
        parts_rebalanced(w, e->member);
        break;
    case WORKER_REVOKED:
        part_revoked(w, e->revoked.lane, e->revoked.may_wait);
        break;
    case WORKER_LOST:
        w->stats.is_dealt = false;
        parts_lost(w);
        break;
    case WORKER_REMADE:
        log_remade(w, e->gap.lane);
        break;
    case WORKER_MEMBERS:
        claims_members(w, e);
        break;
    case WORKER_FETCHED:
        intake_fetched(w, e);
        break;
    case WORKER_FETCH_OVER:
        intake_fetch_over(w, e->gap.lane, e->gap.to);
        break;
    case WORKER_HEARD:
        claims_heard(w, e);
        break;
    case WORKER_COMMITTED:
        part_committed(w, e);
        break;
    default:
        invariant(false); /* an event that nobody knows */
        break;
    }
}

static void handle(worker_t *w, const worker_event_t *e)
{
    switch (e->type) {
    case WORKER_TICK:
        tick(w);
        break;
    case WORKER_SETTLE:
        break;
    case WORKER_JOBS:
        jobs_record(w, e->jobs, e->appended_ms);
        break;
    case WORKER_JOBS_POSITION:
        jobs_position(w, e->position.at_end);
        break;
    case WORKER_ITEM:
        intake_item(w, e);
        break;
    case WORKER_GAP:
        intake_gap(w, e->gap.lane, e->gap.from, e->gap.to);
        break;
    case WORKER_TOKENS:
        limits_reply(w, e->tokens.job, e->tokens.seq, e->tokens.reply);
        break;
    case WORKER_WAKE:
        limits_wake(w, e->wake.job);
        break;
    case WORKER_SLOT_UP:
        slot_up(w, e->slot.slot);
        break;
    case WORKER_ATTEMPT_DONE:
        outcome_done(w, e);
        break;
    case WORKER_SLOT_DOWN:
        outcome_down(w, e);
        break;
    case WORKER_GIVEN_BACK:
        slot_given_back(w, e->given_back.slot, e->given_back.from, e->given_back.to);
        break;
    case WORKER_TAKEN_BACK:
        slot_taken_back(w, e->taken_back.slot, e->taken_back.n);
        break;
    case WORKER_STORED:
        outcome_stored(w, e->stored.items, e->stored.n);
        break;
    case WORKER_END_STORED:
        outcome_end_stored(w, e->end_stored.job);
        break;
    case WORKER_END_WRITTEN:
        outcome_end_written(w, e->end_stored.job);
        break;
    case WORKER_HUNGRY:
        handoff_asked(w, e);
        break;
    case WORKER_NOT_HANDED:
        handoff_failed(w, e->stored.items, e->stored.n);
        break;
    case WORKER_HOLD:
        w->is_held = e->hold;
        break;
    case WORKER_DRAIN:
        begin_drain(w);
        break;
    default: /* of the group */
        handle_group(w, e);
        break;
    }
}

/* What follows from all that was told. */
static void conclude(worker_t *w)
{
    claims_turn(w);
    names_turn(w);
    source_turn(w);
    jobs_settle(w);
    dispatch_turn(w);
    jobs_settle(w); /* what it started changed demands */
    handoff_turn(w);
    parts_turn(w);
    deferred_turn(w);
    intake_turn(w);
    if (w->is_draining)
        drain_turn(w);
}

void worker_step(worker_t *w, const worker_event_t *event, worker_actions_t *actions)
{
    bool was_stopped =
        w->config.session_ms > 0 && w->now_ms > 0 && event->now_ms - w->now_ms > w->config.session_ms / 2;
    w->actions = actions;
    w->steps++;
    w->now_ms = event->now_ms;
    w->broker_ms = event->broker_ms;
    if (was_stopped)
        parts_doubt(w);
    handle(w, event);
    if (!event->more)
        conclude(w);
    else if (event->type == WORKER_ITEM)
        intake_turn(w); /* a bound holds in any case */
    invariant(w->marked == NULL || w->failed || w->marked->is_marked);
    actions->failed = w->failed;
}

void worker_ran(worker_t *w, worker_item_t *item, uint32_t n)
{
    (void)w;
    item->run_n = n;
}

int64_t worker_next_ms(const worker_t *w)
{
    int64_t next = earlier(earlier(parts_next_ms(w), claims_next_ms(w)), jobs_next_ms(w));
    const heap_node_t *delayed = heap_min(&w->delayed);
    if (delayed != NULL)
        next = earlier(next, delayed->key);
    if (w->is_draining && !w->is_drained) {
        next = earlier(next, w->drain_over_ms);
        if (w->now_ms < w->drain_end_ms)
            next = earlier(next, w->drain_end_ms);
    }
    next = earlier(earlier(next, intake_next_ms(w)), deferred_next_ms(w));
    return earlier(earlier(next, handoff_next_ms(w)), slots_next_ms(w));
}
