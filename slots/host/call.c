/* A call: several runs that a task gets at once, because it said that it takes several (FANMAP_TASK_BATCH).
 *
 * Happy path: the worker says how many runs belong together, and they come one after the other. Their frames are gone when
 * the last one is there, so each is copied. Then they are claimed, the first as a run that is alone, the others behind it;
 * the task gets the first attempt, with the others behind it as a list; and each has an outcome.
 *
 * What can fail. Some are taken back before they are claimed: those come last, and the call is smaller. An item is none for the
 * task's shape: it is left out of the list, and is an error by itself. The task says that all of it failed: each outcome
 * says so, and the worker makes smaller calls of them. */
#include <stdlib.h>

#include "base/array.h"
#include "slots/host/host.h"

static bool make_room(host_t *h, uint32_t n)
{
    call_t *c = &h->call;
    if (n <= c->cap)
        return true;
    if (!array_extend(c->runs, c->cap, n))
        return false;
    for (; c->cap < n; c->cap++)
        attempt_init(&c->runs[c->cap].attempt, h->attempt.api.cancelled);
    return true;
}

void call_begin(host_t *h, uint32_t n)
{
    bool is_call = n > 1 && n <= CALL_MAX && h->current && h->current->takes_calls;
    h->call.n = 0;
    h->call.wanted = is_call && make_room(h, n) ? n : 0;
}

bool call_wants(const host_t *h)
{
    return h->call.n < h->call.wanted;
}

/* What the run borrows is copied. */
static void hold_run(called_t *to, const slot_run_t *run)
{
    buf_clear(&to->held);
    buf_append(&to->held, run->in, run->in_len);
    if (run->context_len > 0)
        buf_append(&to->held, run->context, run->context_len);
    to->run = *run;
    to->run.in = to->held.data;
    to->run.context = run->context_len > 0 ? to->held.data + run->in_len : NULL;
}

bool call_add(host_t *h, const slot_run_t *run)
{
    call_t *c = &h->call;
    called_t *to = &c->runs[c->n++];
    hold_run(to, run);
    if (to->held.failed)
        run_give_up(h, "no memory for the items of a call");
    if (c->n < c->wanted)
        return false;
    c->wanted = 0;
    return true;
}

bool call_claim(host_t *h, int64_t now_ms)
{
    call_t *c = &h->call;
    board_claim_t got = BOARD_CLAIMED;
    for (c->claimed = 0; c->claimed < c->n; c->claimed++) {
        const slot_run_t *run = &c->runs[c->claimed].run;
        if (c->claimed == 0)
            got = board_claim(h->board, run->n, run->index, run->attempt, now_ms);
        else
            got = board_claim_ahead(h->board, run->n);
        if (got != BOARD_CLAIMED)
            break;
    }
    return got != BOARD_CLOSED;
}

void call_run(host_t *h)
{
    call_t *c = &h->call;
    attempt_t *first = NULL, *last = NULL;
    for (uint32_t i = 0; i < c->claimed; i++) {
        called_t *r = &c->runs[i];
        r->has_begun = run_prepare(h, &r->attempt, &r->run);
        if (!r->has_begun)
            continue;
        if (last)
            last->api.next = &r->attempt.api;
        else
            first = &r->attempt;
        last = &r->attempt;
    }
    c->result = 0;
    c->run_us = 0;
    if (!first)
        return;
    c->result = run_task(h, first, &c->run_us);
    const slot_run_t *last_run = &c->runs[c->claimed - 1].run;
    if (run_put_marker(h, last_run)) /* the label on the board is another's from now on, and it writes nothing */
        run_owe_marker(h, last_run);
}

/* Who says why the whole of it failed. */
static const attempt_t *attempt_to_blame(const call_t *c)
{
    const attempt_t *first = NULL;
    for (uint32_t i = 0; i < c->claimed; i++) {
        const called_t *r = &c->runs[i];
        if (r->has_begun && r->attempt.has_failed)
            return &r->attempt;
        if (r->has_begun && !first)
            first = &r->attempt;
    }
    return first;
}

bool call_put_outcome(host_t *h, uint32_t i)
{
    const call_t *c = &h->call;
    const called_t *r = &c->runs[i];
    slot_done_t done = {.n = r->run.n, .run_us = i == 0 ? c->run_us : 0, .is_whole = r->has_begun && c->result != 0};
    buf_clear(&h->frame);
    if (!r->has_begun)
        run_put_unshaped(h, &done);
    else if (done.is_whole)
        run_put_exception(h, attempt_to_blame(c), &done, c->result);
    else
        run_put_outcome(h, &r->attempt, &done, 0);
    return done.kind == FANMAP_VALUE;
}
