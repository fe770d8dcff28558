/* When a list is decided, and as what: by an outcome that closes it (fail-fast, --halt), by the record that ends it, or by the last
 * outcome that was missing. */
#include "aggregator/list_state.h"
#include "base/invariant.h"

enum { PERCENT_OUTCOMES_MIN = 3, END_NONE = 0 };

void list_decide_as(list_t *list, list_state_t state, end_reason_t reason, uint64_t n)
{
    invariant(list->now.state == LIST_OPEN && state != LIST_OPEN);
    list->now.state = state;
    list->now.end_reason = reason;
    list->now.decided_n = n;
    fanmap_kind_t missing = reason == END_DEADLINE ? FANMAP_DEADLINE : FANMAP_CANCELLED;
    if (list->callbacks.decided)
        list->callbacks.decided(list->arg, n, state, reason, missing);
}

void list_decide(list_t *list, list_state_t state, end_reason_t reason)
{
    uint64_t published = list->now.end > list->now.prefix ? list->now.end : list->now.prefix;
    list_decide_as(list, state, reason, list->now.total >= 0 ? (uint64_t)list->now.total : published);
}

void list_decide_if_whole(list_t *list)
{
    if (list->now.state != LIST_OPEN || list->now.total < 0 || list->now.known < list->now.wanted)
        return;
    if (list->input_error)
        list_decide(list, LIST_CLOSED, END_INPUT_ERROR);
    else if (list->now.is_halting)
        list_decide(list, LIST_CLOSED, END_HALT);
    else
        list_decide(list, LIST_COMPLETE, END_COMPLETE);
}

static bool halt_holds(const list_t *list)
{
    const halt_t *halt = &list->spec.halt;
    uint64_t hits = list->given_n;
    if (halt->what == HALT_FAIL)
        hits = list->now.failed;
    else if (halt->what == HALT_SUCCESS)
        hits = list->given_n - list->now.failed;
    if (!halt->is_percent)
        return hits >= halt->threshold;
    return list->given_n >= PERCENT_OUTCOMES_MIN && hits * 100 >= halt->threshold * list->given_n;
}

/* The reason for which this outcome, already counted, closes the job. */
static int closing_reason(const list_t *list, const outcome_t *outcome)
{
    if (list->spec.fail_fast && outcome->kind != FANMAP_VALUE)
        return END_FAIL_FAST;
    if (list->spec.halt.when == HALT_NOW && halt_holds(list))
        return END_HALT;
    return END_NONE;
}

static void check_halt_soon(list_t *list, uint64_t index)
{
    if (list->now.is_halting || list->spec.halt.when != HALT_SOON || !halt_holds(list))
        return;
    list->now.is_halting = true;
    list->now.closed_by = (int64_t)index;
}

void list_judge(list_t *list, const outcome_t *outcome)
{
    int reason = closing_reason(list, outcome);
    check_halt_soon(list, outcome->index);
    if (reason != END_NONE) {
        list->now.closed_by = (int64_t)outcome->index;
        list_decide(list, LIST_CLOSED, (end_reason_t)reason);
    } else {
        list_decide_if_whole(list);
    }
}
