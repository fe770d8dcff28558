/* The worker's side as its caller sees it: giving a slot its job, its runs and its lapse, taking runs back, killing and freezing. What has to be asked of the guardian is noted on the slot and sent by
 * guardian_link.c; frames and results are slot_io.c's, a slot's beginning and end slot_life.c's. */
#include "slots/slots.h"

#include <string.h>

#include "base/array.h"
#include "slots/pool/pool.h"

enum { FRAME_SPARE_BYTES = 64 * 1024 };

const char *slots_abilities(const slots_t *s)
{
    return s->abilities;
}

/* ---- lapses ---- */

static int64_t find_lapse(const slots_t *s, uint32_t job_key)
{
    for (size_t i = 0; i < s->lapses_n; i++)
        if (s->lapses[i].job_key == job_key)
            return s->lapses[i].at_ms;
    return INT64_MAX;
}

static bool note_lapse(slots_t *s, uint32_t job_key, int64_t at_ms)
{
    size_t i = 0;
    while (i < s->lapses_n && s->lapses[i].job_key != job_key)
        i++;
    if (i < s->lapses_n && at_ms == INT64_MAX) {
        s->lapses[i] = s->lapses[--s->lapses_n];
        return true;
    }
    if (i == s->lapses_n && at_ms == INT64_MAX)
        return true;
    if (!array_has_room(s->lapses, i, s->lapses_cap, 8))
        return false;
    s->lapses[i] = (lapse_t){job_key, at_ms};
    s->lapses_n += i == s->lapses_n;
    return true;
}

static void store_lapse(slots_t *s, slot_t *t, int64_t at_ms)
{
    int64_t now_ms = loop_clock_ms(), old_ms = atomic_exchange(&t->board->lapse_at_ms, at_ms);
    if (old_ms != at_ms && (old_ms <= now_ms || (at_ms != INT64_MAX && at_ms < now_ms + LOOK_AHEAD_MS)))
        s->owes_look = true;
}

void slots_set_lapse(slots_t *s, uint32_t job_key, int64_t lapse_at_ms)
{
    note_lapse(s, job_key, lapse_at_ms);
    for (uint32_t i = 0; i < s->plan.slots_n; i++) {
        slot_t *t = &s->slots[i];
        if (t->board && t->has_job && t->job_key == job_key)
            store_lapse(s, t, lapse_at_ms);
    }
    if (s->owes_look)
        guardian_send_pending(s);
}

void slots_set_timeout(slots_t *s, uint32_t timeout_ms)
{
    for (uint32_t i = 0; i < s->plan.slots_n; i++)
        if (s->slots[i].board && s->slots[i].has_job)
            atomic_store(&s->slots[i].board->timeout_ms, timeout_ms);
    s->owes_look = true;
    guardian_send_pending(s);
}

/* ---- runs ---- */

/* Returns the timeout. */
static uint32_t set_limits(slot_t *t, const slots_job_t *job)
{
    const terms_t *terms = &job->task->terms;
    limits_t limits = limits_smaller(&terms->limits, &job->limits);
    uint32_t timeout_ms = job->timeout_ms;
    if (terms->timeout_ms && (timeout_ms == 0 || terms->timeout_ms < timeout_ms))
        timeout_ms = terms->timeout_ms;
    if (memcmp(&t->board->limits, &limits, sizeof limits) != 0) {
        t->board->limits = limits;
        atomic_fetch_add(&t->board->limits_id, 1);
    }
    atomic_store(&t->board->timeout_ms, timeout_ms);
    return timeout_ms;
}

void slots_set_job(slots_t *s, uint32_t slot, uint32_t job_key, const slots_job_t *job)
{
    slot_t *t = &s->slots[slot];
    if (!t->board)
        return;
    uint32_t value_max = job->value_bytes_max;
    if (value_max == 0 || value_max > s->value_bytes_max)
        value_max = (uint32_t)s->value_bytes_max;
    slot_job_t frame = {.id = job_key,
                        .job = job->job,
                        .job_len = strlen(job->job),
                        .task = job->task->name,
                        .task_len = strlen(job->task->name),
                        .attempts_max = job->attempts_max,
                        .value_bytes_max = value_max,
                        .bound = job->bound,
                        .bound_len = job->bound_len,
                        .parts = job->parts,
                        .traceparent = job->traceparent,
                        .traceparent_len = job->traceparent ? strlen(job->traceparent) : 0,
                        .trace_salt = job->trace_salt};
    t->engine = job->task->engine;
    t->job_key = job_key;
    t->has_job = true;
    t->frame_max = (size_t)value_max + FRAME_SPARE_BYTES;
    slot_put_job(&slot_end(t)->out, &frame);
    slot_end(t)->was_used = true;
    uint32_t timeout_ms = set_limits(t, job);
    atomic_store(&t->board->grace_ms, job->grace_ms);
    atomic_store(&t->board->holds_on_error, job->holds_on_error);
    store_lapse(s, t, find_lapse(s, job_key));
    s->owes_look = s->owes_look || (timeout_ms > 0 && timeout_ms < LOOK_AHEAD_MS);
}

void slots_call(slots_t *s, uint32_t slot, uint32_t n)
{
    slot_put_number(&slot_end(&s->slots[slot])->out, SLOT_CALL, n);
}

uint32_t slots_run(slots_t *s, uint32_t slot, const slot_run_t *run)
{
    slot_t *t = &s->slots[slot];
    slot_run_t numbered = *run;
    numbered.n = t->next_n;
    if (!inflight_push(&t->inflight, numbered.n))
        return numbered.n;
    t->next_n++;
    slot_put_run(&slot_end(t)->out, &numbered);
    t->unflushed++;
    return numbered.n;
}

/* Granted before it is sent: a run that is read before it may start would be dropped. */
static void flush_slot(slot_t *t)
{
    uint32_t count = t->unflushed;
    t->unflushed = 0;
    if (t->board && t->inflight.live == count)
        (void)board_take_back(t->board); /* nothing is there: an error holds nothing up */
    if (!t->board || count == 0 || !board_grant(t->board, t->next_n - count, count))
        return;
    slot_send(t, slot_end(t));
    if (t->inflight.live > 1)
        slots_pull_soon(t->pool, PULL_MS_MIN);
}

void slots_flush(slots_t *s)
{
    if (s->owes_look)
        guardian_send_pending(s);
    for (uint32_t i = 0; i < s->plan.slots_n; i++)
        if (s->slots[i].unflushed > 0)
            flush_slot(&s->slots[i]);
}

uint32_t slots_take_back(slots_t *s, uint32_t slot)
{
    slot_t *t = &s->slots[slot];
    if (!t->board || t->inflight.live == 0)
        return t->next_n;
    uint32_t next = board_take_back(t->board), first = t->next_n;
    for (size_t i = 0; i < t->inflight.n; i++) {
        const inflight_run_t *e = &t->inflight.at[(t->inflight.first + i) & (t->inflight.cap - 1)];
        if (!e->revoked && (int32_t)(e->n - next) >= 0) {
            first = e->n;
            break;
        }
    }
    t->unflushed = 0;
    inflight_revoke(&t->inflight, first, t->next_n);
    slots_pull_soon(s, 0);
    return first;
}

void slots_kill(slots_t *s, uint32_t slot, uint32_t n, bool now)
{
    slot_t *t = &s->slots[slot];
    if (!t->board || !inflight_has(&t->inflight, n))
        return;
    bool was_closed = board_is_closed(t->board);
    if (!was_closed && !board_close_run(t->board, n)) {
        if (board_was_claimed(t->board, n)) {
            slots_pull_soon(s, 0); /* it is over: its result is there */
            return;
        }
        board_close(t->board);
    }
    if (was_closed && !now)
        return;
    t->is_killing = t->owes_kill = true;
    t->kill_grace_ms = now ? 0 : atomic_load(&t->board->grace_ms);
    guardian_send_pending(s);
}

void slots_freeze(slots_t *s, uint32_t slot, bool freeze)
{
    s->slots[slot].freeze_wanted = freeze;
    guardian_send_pending(s);
}
