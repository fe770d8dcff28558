/* Events into the core, and its actions out: to carry_out.c, which shell.c hands down, before the next event. What may have been
 * gathered is flushed at the end of the turn. Items and outcomes come many in a turn: the core draws its conclusions from all of
 * them at once, at the turn's end. */
#include "worker/shell/state.h"

void shell_left(worker_shell_t *shell)
{
    if (shell->is_drained)
        loop_defer(shell->loop, shell_tell_ended, shell);
}

void shell_intake(worker_shell_t *shell)
{
    size_t bound = shell->config.budget_bytes / 2;
    bool wants = shell->core_wants && shell->publishing_bytes < bound;
    if (wants == shell->group_wants || !shell->group)
        return;
    shell->group_wants = wants;
    bus_group_want(shell->group, wants);
}

void shell_dirty(worker_shell_t *shell)
{
    if (shell->is_dirty)
        return;
    shell->is_dirty = true;
    loop_defer(shell->loop, shell->end_of_turn, shell);
}

/* Both clocks; within a millisecond the broker's is looked up once, from when it is known. */
static void tell_time(worker_shell_t *shell, worker_event_t *event)
{
    event->now_ms = loop_now_ms(shell->loop);
    bool is_new = event->now_ms != shell->told_ms || shell->told_broker_ms == 0;
    if (is_new && !bus_clock(shell->bus, &shell->told_broker_ms))
        shell->told_broker_ms = 0;
    shell->told_ms = event->now_ms;
    event->broker_ms = shell->told_broker_ms;
}

static void step_once(worker_shell_t *shell, worker_event_t *event)
{
    tell_time(shell, event);
    worker_actions_clear(&shell->actions);
    worker_step(shell->core, event, &shell->actions);
    for (size_t i = 0; i < shell->actions.n; i++)
        shell->carry_out(shell, &shell->actions.at[i]);
    if (shell->actions.failed) {
        fanmap_error_t err;
        err_set(&err, FANMAP_ENOMEM, "out of memory");
        shell_fail(shell, &err);
    }
}

void shell_step(worker_shell_t *shell, worker_event_t *event)
{
    shell_dirty(shell);
    shell->owes_settling = event->more;
    step_once(shell, event);
    if (shell->closing_failed && !shell->joins_anew) { /* whether it was stored is not known: as if all was lost */
        worker_event_t lost = {.type = WORKER_LOST};
        shell->closing_failed = false;
        step_once(shell, &lost);
    }
    while (shell->takes_n > 0) { /* each may lead to more */
        shell->takes_n--;
        worker_event_t taken = {.type = WORKER_TAKEN_BACK};
        taken.taken_back.slot = shell->takes[shell->takes_n];
        taken.taken_back.n = shell->take_n[shell->takes_n];
        step_once(shell, &taken);
    }
}

void shell_step_record(worker_shell_t *shell, worker_event_type_t type, int32_t lane, const bus_record_t *record)
{
    worker_event_t event = {.type = type, .more = true};
    event.item.lane = lane;
    event.item.offset = record->offset;
    event.item.key = record->key;
    event.item.key_len = record->key_len;
    event.item.value = record->value;
    event.item.value_len = record->value_len;
    event.item.payload = record->owner;
    event.appended_ms = record->appended_ms;
    shell_step(shell, &event);
}

void shell_settle(worker_shell_t *shell)
{
    if (shell->owes_settling)
        shell_step(shell, &(worker_event_t){.type = WORKER_SETTLE});
}
