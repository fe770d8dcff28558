/* An input that is read again from its start, held against the job that it is said to be of. Up to the stored prefix
 * only its hash chain is known: each stored `progress` is a place where a difference shows. Behind the prefix each item
 * that has a record is compared as its turn comes (publish.c).
 *
 * A job that has its `input`, or was closed, gets nothing more; its input is compared as far as the log can tell.
 */
#include <inttypes.h>
#include <stdio.h>

#include "producer/state.h"
#include "schemas/place.h"

static void refuse_input(producer_t *p, const char *why)
{
    fanmap_error_t error;
    err_set(&error, FANMAP_ECONFLICT, "job %s was submitted with a different input: %s", p->config.spec.job, why);
    actions_fail(p, &error);
}

void compare_differs(producer_t *p, uint64_t from, uint64_t to)
{
    char why[160];
    if (to - from == 1)
        snprintf(why, sizeof why, "item %" PRIu64 " is another one now", from);
    else
        snprintf(why, sizeof why, "one of its items %" PRIu64 " to %" PRIu64 " is another one now", from, to - 1);
    refuse_input(p, why);
}

void compare_too_short(producer_t *p, uint64_t n, uint64_t index)
{
    char why[160];
    snprintf(why, sizeof why, "it ends after %" PRIu64 " items now, and item %" PRIu64 " was published before", n,
             index);
    refuse_input(p, why);
}

static void too_long(producer_t *p, uint64_t n)
{
    char why[160];
    snprintf(why, sizeof why, "it had %" PRIu64 " items, and has more now", n);
    refuse_input(p, why);
}

/* ---- what follows when it is the same ---- */

static void announce_takeover(producer_t *p)
{
    p->phase = PHASE_PUBLISHING;
    p->unmet = UNMET_ANNOUNCED | UNMET_CHECK | UNMET_SCAN;
    joblog_encode_producer(&p->values, p->config.announce);
    actions_put_log(p, RECORD_ANNOUNCE, 0);
    if (p->deadline_passed)
        close_cancel(p, END_DEADLINE);
}

/* Nothing is left to publish. */
static void only_wait_for_end(producer_t *p)
{
    p->phase = PHASE_PUBLISHING;
    p->input_put = p->settled = true;
    if (!p->config.attached)
        close_finish(p);
}

static void found_same_inputs(producer_t *p)
{
    const prior_t *prior = p->config.prior;
    actions_add(p, PRODUCER_READ_LOG);
    p->input_ended |= prior->is_halting && prior->total >= 0;
    if (prior->is_closed)
        close_found_closed(p, prior->reason);
    else if (prior->total >= 0)
        only_wait_for_end(p);
    else
        announce_takeover(p);
}

/* How many items can be compared by their chain, and must be there. */
static uint64_t needed(const prior_t *prior)
{
    return prior->total >= 0 ? (uint64_t)prior->total : prior->prefix;
}

/* With `input` in the log the end is needed too. */
static bool has_compared_all(const producer_t *p)
{
    const prior_t *prior = p->config.prior;
    bool may_go_on = prior->total < 0 || prior->is_halting;
    return p->compared == needed(prior) && (may_go_on || p->input_ended);
}

/* ---- events ---- */

void compare_begin(producer_t *p)
{
    p->phase = PHASE_COMPARING;
    if (has_compared_all(p))
        found_same_inputs(p);
}

void compare_item(producer_t *p, const producer_event_t *event)
{
    prior_t *prior = p->config.prior;
    uint64_t from;
    if (prior->total >= 0 && p->compared == (uint64_t)prior->total) {
        too_long(p, p->compared);
        return;
    }
    bool is_sent = event->kind == FANMAP_VALUE && !event->is_outcome;
    p->compared_chain = place_chain(p->compared_chain, event->in, is_sent ? event->in_len : 0);
    p->compared++;
    if (!prior_compare(prior, p->compared, p->compared_chain, &from))
        compare_differs(p, from, p->compared);
    else if (has_compared_all(p))
        found_same_inputs(p);
}

void compare_end_input(producer_t *p)
{
    uint64_t n = needed(p->config.prior);
    if (p->compared < n)
        compare_too_short(p, p->compared, n - 1);
    else if (has_compared_all(p))
        found_same_inputs(p);
}
