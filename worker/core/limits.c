/* The tokens of limited jobs: how many slots may run a job, and what happens when fewer may than do. */
#include "worker/core/state.h"

/* How far ahead places for starts are asked for. */
enum { STARTS_AHEAD_US = 200000 };

bool limits_has_rate(const worker_job_t *job)
{
    return job->spec != NULL && job->spec->start_every_us > 0;
}

void limits_take_rate(const worker_t *w, worker_job_t *job)
{
    uint64_t every_us = w->config.is_alone ? job->spec->start_every_us : 0;
    bool is_apart = job->spec->starts_apart;
    job->pace = (pace_t){.delay_ms = is_apart ? (uint32_t)(every_us / 1000) : 0, .every_us = is_apart ? 0 : every_us};
}

bool limits_paced(const worker_t *w, const worker_job_t *job)
{
    return pace_may_start(&job->pace, w->now_ms) && (job->tokens == NULL || tokens_may_start(job->tokens, w->now_ms));
}

void limits_started(worker_t *w, worker_job_t *job)
{
    pace_started(&job->pace, w->now_ms);
    if (job->tokens != NULL)
        tokens_started(job->tokens, w->now_ms);
}

bool limits_need_tokens(const worker_t *w, const worker_job_t *job)
{
    return job->concurrency > 0 || (limits_has_rate(job) && !w->config.is_alone);
}

static bool is_limited(const worker_t *w, const worker_job_t *job)
{
    return limits_need_tokens(w, job) || job->tokens != NULL;
}

void limits_begin(worker_t *w, worker_job_t *job)
{
    if (job->tokens != NULL || job->spec == NULL || !limits_need_tokens(w, job) || !w->config.has_tokens ||
        job->is_ended)
        return;
    job->tokens =
        tokens_new(job->id, w->incarnation, job->spec->nonce, job->spec->lease_ms, job->spec->concurrency, w->now_ms);
    if (job->tokens == NULL) {
        w->failed = true;
        return;
    }
    if (!w->config.is_alone)
        tokens_set_rate(job->tokens, job->spec->start_every_us, job->spec->starts_apart);
    job->keep_sent = job->want_sent = 0;
    if (job->zero_version > 0) /* what runs was begun without a limit */
        tokens_set_limit(job->tokens, 0, job->zero_version, w->now_ms);
    if (job->concurrency_version > 0)
        tokens_set_limit(job->tokens, job->concurrency, job->concurrency_version, w->now_ms);
    job_activate(w, job);
}

bool limits_room(const worker_t *w, const worker_job_t *job)
{
    if (!limits_paced(w, job))
        return false;
    if (!is_limited(w, job))
        return true;
    return job->tokens != NULL && !job->is_killing && job->running < tokens_allow(job->tokens, w->now_ms);
}

bool limits_over(const worker_t *w, const worker_job_t *job)
{
    if (!is_limited(w, job))
        return false;
    return job->tokens == NULL || job->is_killing || job->running > tokens_allow(job->tokens, w->now_ms);
}

/* Tokens that the table was told of and that nothing uses any more. */
static uint64_t withheld(const worker_job_t *job)
{
    return job->keep_sent != UINT64_MAX && job->keep_sent > job->running ? job->keep_sent - job->running : 0;
}

/* How many of `startable` could start soon, as far as slots and the limit go: now, and behind what ends meanwhile. */
static void tell_starts(worker_t *w, worker_job_t *job, uint64_t startable)
{
    uint64_t n = job->concurrency, most = n > 0 && n < w->config.slots_n ? n : w->config.slots_n;
    uint64_t soon = most > job->running ? most - job->running : 0;
    soon = soon < w->idle_n ? soon : w->idle_n;
    soon += job->run_us > 0 ? job->running * (STARTS_AHEAD_US / job->run_us) : 0;
    tokens_set_starts(job->tokens, soon < startable ? soon : startable);
}

static void tell_demand(worker_t *w, worker_job_t *job)
{
    uint64_t startable = job_may_start(job) && !w->is_draining ? job->queue.n + job->refence.n + job->unnamed.n : 0;
    bool withholds = job->hold_until_ms > 0 && withheld(job) > 0;
    uint64_t keep = job->running + withholds;
    invariant(job->running <= w->config.slots_n);
    tell_starts(w, job, startable);
    uint64_t places = tokens_starts(job->tokens, w->now_ms);
    uint64_t want = keep + (startable < places ? startable : places);
    if (want > w->config.slots_n)
        want = w->config.slots_n;
    if (job->keep_sent == keep && job->want_sent == want)
        return;
    job->keep_sent = keep;
    job->want_sent = want;
    tokens_set_demand(job->tokens, keep, want, w->now_ms);
}

static void kill_all(worker_t *w, worker_job_t *job)
{
    job->is_killing = true;
    for (uint32_t i = 0; i < w->config.slots_n; i++)
        if (w->slots[i].job == job)
            slot_kill(w, i, true);
}

static void freeze_slot(worker_t *w, uint32_t number, bool on)
{
    worker_slot_t *slot = &w->slots[number];
    worker_action_t *action;
    if (slot->is_frozen == on || (action = act(w, WORKER_FREEZE)) == NULL)
        return;
    slot->is_frozen = on;
    action->freeze.slot = number;
    action->freeze.on = on;
    if (on)
        slot_take_back(w, number, 2);
}

/* What is being killed without grace is not thawed for it. */
static void freeze_all(worker_t *w, worker_job_t *job, bool on)
{
    job->is_frozen = on;
    for (uint32_t i = 0; i < w->config.slots_n; i++)
        if (w->slots[i].job == job && (on || !w->slots[i].is_killed_hard))
            freeze_slot(w, i, on);
}

/* The one that has run for the shortest time loses least. */
static void kill_youngest(worker_t *w, const worker_job_t *job)
{
    uint32_t youngest = w->config.slots_n;
    for (uint32_t i = 0; i < w->config.slots_n; i++) {
        const worker_slot_t *slot = &w->slots[i];
        if (slot->job == job && slot->runs.n > 0 && !slot->is_killing &&
            (youngest == w->config.slots_n || slot->head_since_ms > w->slots[youngest].head_since_ms))
            youngest = i;
    }
    if (youngest == w->config.slots_n)
        return;
    freeze_slot(w, youngest, true);
    slot_kill(w, youngest, true);
}

/* Frozen first: their tokens may already be someone else's. */
static void kill_excess(worker_t *w, worker_job_t *job)
{
    uint64_t excess = tokens_excess(job->tokens), unused = withheld(job);
    excess -= unused < excess ? unused : excess;
    for (uint32_t i = 0; excess > 0 && i < w->config.slots_n; i++) {
        if (w->slots[i].job != job || !w->slots[i].is_killing)
            continue;
        freeze_slot(w, i, true);
        slot_kill(w, i, true);
        excess--;
    }
    for (; excess > 0; excess--)
        kill_youngest(w, job);
}

static void obey(worker_t *w, worker_job_t *job)
{
    tokens_verdict_t verdict = tokens_verdict(job->tokens, w->now_ms);
    job->is_killing &= verdict == TOKENS_KILL;
    kill_excess(w, job); /* before anything is thawed */
    if (verdict == TOKENS_KILL && job->running > 0)
        kill_all(w, job);
    else if (verdict == TOKENS_KILL) {
        tokens_killed(job->tokens, w->now_ms);
        job->is_killing = job->is_frozen = false;
        job->keep_sent = job->want_sent = UINT64_MAX;
        tell_demand(w, job);
    } else if (verdict == TOKENS_FREEZE && job->running > 0)
        freeze_all(w, job, true);
    else if (job->is_frozen)
        freeze_all(w, job, false);
    if (job->running > tokens_allow(job->tokens, w->now_ms))
        slots_withdraw_job(w, job);
}

static void tell_lapse(worker_t *w, worker_job_t *job)
{
    int64_t at_ms = tokens_lapse_at_ms(job->tokens);
    worker_action_t *action;
    if (at_ms == job->lapse_sent || (action = act(w, WORKER_LAPSE)) == NULL)
        return;
    job->lapse_sent = at_ms;
    action->lapse.job_key = job->key;
    action->lapse.at_ms = at_ms;
}

/* Retries that waited for a newer grant go back into the queue. */
static void end_refence(worker_t *w, worker_job_t *job)
{
    while (job->refence.n > 0) {
        worker_item_t *item = job->refence.head;
        item_unlink(item);
        item_queue(w, item);
    }
}

void limits_turn(worker_t *w, worker_job_t *job)
{
    tokens_request_t request;
    if (job->tokens == NULL)
        return;
    if (job->concurrency == 0)
        end_refence(w, job); /* no grants any more: no reply would end it */
    tell_demand(w, job);
    obey(w, job);
    tell_lapse(w, job);
    if (!tokens_poll(job->tokens, w->now_ms, &request))
        return;
    worker_action_t *action = act(w, WORKER_SYNC);
    if (action != NULL)
        action->sync.request = request;
}

/* The last word: the table hears that nothing is kept or wanted, as far as it can be told at once. What is withheld is
 * left to lapse: others may hear of the end later than we do. */
void limits_end(worker_t *w, worker_job_t *job)
{
    if (job->tokens == NULL)
        return;
    if (job->hold_until_ms == 0)
        limits_turn(w, job);
    tokens_free(job->tokens);
    job->tokens = NULL;
    job->is_frozen = job->is_killing = false;
}

void limits_reply(worker_t *w, const char *id, uint64_t seq, const tokens_reply_t *reply)
{
    worker_job_t *job = job_find(w, id);
    if (job == NULL || job->tokens == NULL)
        return;
    uint64_t fence = tokens_fence(job->tokens);
    if (reply != NULL)
        tokens_on_reply(job->tokens, seq, reply, w->now_ms);
    else
        tokens_on_error(job->tokens, seq, w->now_ms);
    if (tokens_fence(job->tokens) > fence)
        end_refence(w, job);
    job_mark(w, job);
}

void limits_wake(worker_t *w, const char *id)
{
    worker_job_t *job = job_find(w, id);
    if (job == NULL || job->tokens == NULL)
        return;
    tokens_wake(job->tokens, w->now_ms);
    job_mark(w, job);
}
