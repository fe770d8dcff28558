/* Records that Kafka did not take, for a reason other than their size: they are kept as they are and sent again, after a
 * wait that grows from 250 ms to 2 s and is short again once anything is stored. What it is said of is the trouble, not
 * each record: when it begins, then every half minute, and when it is over.
 *
 * They count as publishing all the while, so a worker that cannot store anything takes nothing new in.
 */
#include "worker/shell/inflight.h"

enum { HELD_MS_MIN = 250, HELD_MS_MAX = 2000, HELD_SAID_MS = 30000 };

/* What is refused ends the worker, whose last line that is. */
static void say(worker_shell_t *shell, const fanmap_error_t *err)
{
    int64_t now = loop_now_ms(shell->loop);
    if (now < shell->held.say_ms || err->code == FANMAP_EREFUSED)
        return;
    shell->held.say_ms = now + HELD_SAID_MS;
    shell->held.was_said = true;
    shell_log(shell, FANMAP_LOG_WARNING, "Kafka does not take what is to be stored: %s; it is kept and tried again",
              err->message);
}

void inflight_hold(worker_shell_t *shell, inflight_t *inflight, const fanmap_error_t *err)
{
    say(shell, err);
    inflight->next = NULL;
    *shell->held.last = inflight;
    shell->held.last = &inflight->next;
    if (shell->held.is_waiting)
        return;
    int64_t wait_ms = 2 * shell->held.wait_ms;
    wait_ms = wait_ms < HELD_MS_MIN ? HELD_MS_MIN : wait_ms > HELD_MS_MAX ? HELD_MS_MAX : wait_ms;
    shell->held.wait_ms = wait_ms;
    shell->held.is_waiting = true;
    loop_timer_at(shell->held.timer, loop_now_ms(shell->loop) + wait_ms);
}

static void send_again(void *arg)
{
    worker_shell_t *shell = arg;
    inflight_t *inflight = shell->held.first, *next;
    shell->held.is_waiting = false;
    shell->held.first = NULL;
    shell->held.last = &shell->held.first;
    for (; inflight; inflight = next) {
        next = inflight->next;
        inflight_send(shell, inflight);
    }
    shell_dirty(shell);
}

void shell_held_stored(worker_shell_t *shell)
{
    shell->held.wait_ms = 0;
    if (!shell->held.was_said || shell->held.first)
        return;
    shell->held.was_said = false;
    shell->held.say_ms = 0;
    shell_log(shell, FANMAP_LOG_INFO, "Kafka takes what is to be stored again");
}

int shell_held_open(worker_shell_t *shell, fanmap_error_t *err)
{
    shell->held.last = &shell->held.first;
    return loop_timer_new(shell->loop, send_again, shell, &shell->held.timer, err);
}

void shell_held_close(worker_shell_t *shell)
{
    loop_timer_free(shell->held.timer);
}
