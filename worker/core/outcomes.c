/* What attempts say, and what becomes of it: published, tried again, or dropped.
 *
 * An outcome that closes its job (fail-fast) is finished only once the closing stands on the jobs topic. Until then the
 * prefix stays before it, so that whoever takes the partition over finds the item, runs it, and closes the job if this
 * worker could not. Before the copy goes to the jobs topic, `end` is written to the job's log: another outcome of the
 * same item may stand there before this one, and then this one closes nothing, but `end` does, for every reader.
 */
#include "worker/core/state.h"

enum { UNUSABLE_WAIT_MS = 1000, HOLD_MS = 5000 /* for the word that a job halts, once its outcome is stored */ };

static void retry(worker_t *w, worker_item_t *item)
{
    if (!item_may_run(item) || (item->is_claimed && w->is_draining)) {
        item_requeue(w, item);
        return;
    }
    w->stats.retried++;
    backoff_delay(w, item, backoff_wait_ms(w, item->job->spec, item->attempts));
}

/* One attempt is used up. */
static void judge(worker_t *w, worker_item_t *item, const outcome_t *outcome, bool is_final)
{
    const worker_job_t *job = item->job;
    invariant(item->list == NULL && job->spec != NULL);
    item->attempts++;
    bool is_last = is_final || item->attempts > job->spec->retries || job->is_halting;
    if (outcome->kind == FANMAP_EXIT)
        is_last |= spec_exit_is_final(job->spec, outcome->exit_status);
    if (job->is_ended)
        item_finish(w, item); /* nothing stored after the end counts */
    else if (item->part->source != NULL && !item_is_ours(item))
        item_discard(w, item); /* nor what another owner of the lane runs again */
    else if (outcome->kind == FANMAP_VALUE || is_last)
        outcome_publish(w, item, outcome);
    else
        retry(w, item);
}

static void learn(worker_job_t *job, uint64_t run_us)
{
    uint64_t us = run_us > 0 ? run_us : 1;
    job->run_us = job->run_us == 0 ? us : (job->run_us * 7 + us + 7) / 8;
}

/* It was in a call that failed whole: it is tried again in a smaller one. */
static void split(worker_t *w, worker_item_t *item, size_t n)
{
    batch_split(item, n);
    item_requeue(w, item);
}

void outcome_done(worker_t *w, const worker_event_t *e)
{
    worker_item_t *item = slot_find(w, e->done.slot, e->done.n);
    if (item == NULL)
        return;
    worker_slot_t *slot = &w->slots[e->done.slot];
    outcome_t outcome = e->done.outcome;
    item_prefetch_behind(item);
    outcome.kind = e->done.kind;
    bool is_split = e->done.is_whole && slot->call_n > 1;
    if (!is_split)
        count_attempt(w, item, (uint32_t)outcome.kind, slot->head_since_ms);
    slot_take_out(w, e->done.slot, item);
    learn(item->job, outcome.run_us);
    if (is_split)
        split(w, item, slot->call_n);
    else
        judge(w, item, &outcome, e->done.final);
    if (outcome.kind != FANMAP_VALUE && !is_split && spec_ends_on_errors(slot->job->spec))
        slot_take_back(w, e->done.slot, 1);
    if (slot->runs.n > 0) {
        dispatch_refill(w, e->done.slot);
        slot_review(w, e->done.slot);
        return;
    }
    if (slot->job != NULL && slot->is_up && !slot->is_taking)
        dispatch_refill(w, e->done.slot);
    slot_emptied(w, e->done.slot);
}

static void charge(worker_t *w, worker_item_t *item, const worker_event_t *e, uint64_t ran_us)
{
    static const char message[] = "killed its slot too often";
    outcome_t outcome = e->down.outcome;
    if (outcome.run_us == 0)
        outcome.run_us = ran_us;
    item->charges += e->down.why == ATTEMPT_DIED;
    if (e->down.why == ATTEMPT_DIED && item->deaths < UINT8_MAX)
        item->deaths++;
    bool is_crashed =
        e->down.why == ATTEMPT_DIED && item->job->spec->crash_cap > 0 && item->charges >= item->job->spec->crash_cap;
    if (is_crashed) {
        outcome.kind = FANMAP_CRASHED;
        if (outcome.message_len == 0) {
            outcome.message = message;
            outcome.message_len = sizeof message - 1;
        }
    }
    judge(w, item, &outcome, is_crashed);
}

/* The task cannot run in this slot: not the item's fault, and no use in trying at once. */
static void give_back(worker_t *w, worker_item_t *item, const worker_event_t *e)
{
    if (item->run_n >= e->down.unstarted_from)
        item->fence = 0;
    if (e->down.why == ATTEMPT_UNUSABLE && item_may_run(item) && !(item->is_claimed && w->is_draining))
        backoff_delay(w, item, UNUSABLE_WAIT_MS);
    else
        item_requeue(w, item);
}

/* It, or what ran beside it, took every slot down. It takes a name anew, and runs apart from others as its charges say;
 * one that is claimed has no name here, and goes back to who owns it. */
static void suspect(worker_t *w, worker_item_t *item)
{
    uint32_t cap = item->job->spec->crash_cap;
    item->charges++;
    name_drop(w, item);
    suspect_end(w, item);
    if (cap > 0 && item->charges >= cap && !item->job->is_ended)
        outcome_crashed(w, item);
    else if (item->is_claimed && !item->job->is_ended)
        item_hand_back(w, item);
    else
        item_requeue(w, item);
}

/* `ran_n`: so many ran in one call and have no outcome. */
static void end_attempt(worker_t *w, worker_item_t *item, const worker_event_t *e, uint64_t ran_us, size_t ran_n)
{
    if (e->down.why == ATTEMPT_GUARDIAN_LOST)
        suspect(w, item);
    else if ((e->down.why == ATTEMPT_DIED || e->down.why == ATTEMPT_TIMEOUT) && ran_n > 1)
        split(w, item, ran_n);
    else if (e->down.why == ATTEMPT_DIED || e->down.why == ATTEMPT_TIMEOUT)
        charge(w, item, e, ran_us);
    else
        give_back(w, item, e);
}

/* What ran in the slot's call beside the attempt, itself counted. */
static size_t count_ran(const worker_slot_t *slot, const worker_event_t *e)
{
    size_t n = 0;
    for (const worker_item_t *item = slot->runs.head; item != NULL; item = item->next)
        n += slot->call_n > 1 && e->down.unstarted_from - item->run_n - 1 < INT32_MAX;
    return n > 0 ? n : 1;
}

void outcome_down(worker_t *w, const worker_event_t *e)
{
    if (e->down.slot >= w->config.slots_n)
        return;
    worker_slot_t *slot = &w->slots[e->down.slot];
    worker_job_t *job = slot->job;
    worker_item_t *attempt = e->down.has_attempt ? slot_find(w, e->down.slot, e->down.n) : NULL;
    uint64_t ran_us = slot->head_since_ms > 0 ? (uint64_t)(w->now_ms - slot->head_since_ms) * 1000 : 0;
    slot->is_up = false;
    if (attempt != NULL && e->down.why == ATTEMPT_GUARDIAN_LOST)
        names_guardian_lost(w);
    size_t ran_n = count_ran(slot, e);
    while (slot->runs.tail != NULL && slot->runs.tail != attempt) {
        worker_item_t *item = slot->runs.tail;
        slot_take_out(w, e->down.slot, item);
        if (attempt != NULL && slot->call_n > 1 && item->run_n < e->down.unstarted_from)
            end_attempt(w, item, e, ran_us, ran_n);
        else
            give_back(w, item, e);
    }
    if (attempt != NULL) {
        if (attempt->run_n < e->down.unstarted_from)
            count_attempt(w, attempt, count_down(e), slot->head_since_ms);
        slot_take_out(w, e->down.slot, attempt);
        end_attempt(w, attempt, e, ran_us, ran_n);
    }
    while (slot->runs.tail != NULL) { /* before the attempt: none, if the slot kept its order */
        worker_item_t *item = slot->runs.tail;
        slot_take_out(w, e->down.slot, item);
        give_back(w, item, e);
    }
    if (slot->is_idle)
        slot_leave_idle(w, e->down.slot);
    slot->is_frozen = slot->is_killing = slot->is_killed_hard = false;
    if (job != NULL)
        job_mark(w, job);
    slot_emptied(w, e->down.slot);
}

static void await_copy(worker_t *w, worker_item_t *item)
{
    worker_job_t *job = item->job;
    end_reason_t reason = (end_reason_t)item->end_reason;
    item_set_state(item, STATE_CLOSING);
    item_list_append(&job->closing, item);
    closing_write_end(w, job, reason);
}

void outcome_stored(worker_t *w, worker_item_t *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        worker_item_t *item = items[i];
        if (i + PREFETCH_AHEAD < n)
            prefetch(items[i + PREFETCH_AHEAD], sizeof *item);
        if (item->job != NULL && !item->is_handed)
            w->counts[item->part->task].items[item->kind]++;
        if (item->job != NULL && item->holds)
            item->job->hold_until_ms = item->end_reason != 0 ? INT64_MAX : w->now_ms + HOLD_MS;
        if (item->job != NULL && item->end_reason != 0 && !item->job->is_ended) {
            await_copy(w, item);
            continue;
        }
        w->stats.publishing--;
        if (item->is_handed)
            handoff_arrived(w);
        else
            w->stats.done++;
        item_finish(w, item);
    }
}

void outcome_end_written(worker_t *w, const char *id)
{
    worker_job_t *job = job_find(w, id);
    if (job == NULL || job->is_ended || job->spec == NULL)
        return;
    worker_action_t *action = act(w, WORKER_COPY_END);
    if (action == NULL)
        return;
    action->end.spec = job->spec;
    action->end.reason = job->end_reason;
}

void outcome_end_stored(worker_t *w, const char *id)
{
    worker_job_t *job = job_find(w, id);
    if (job != NULL)
        job_end(w, job);
}
