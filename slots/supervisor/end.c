/* The end of a slot, from the order to what is then said to the processes in it. The loop in main.c sees it through. */
#include <signal.h>
#include <stdio.h>

#include "slots/supervisor/supervisor.h"

static void send_term(const supervisor_t *s)
{
    bool host_lives = s->host.pid > 0 && !s->host.has_ended;
    if (s->command.state == COMMAND_RUNNING && s->command.pid > 0)
        kill(-s->command.pid, SIGTERM);
    if (host_lives) /* where a command or a program runs, the host is idle: nobody waits for it */
        kill(-s->host.pid, s->command.state == COMMAND_IDLE ? SIGTERM : SIGKILL);
}

/* Something of the slot's attempt runs that a TERM can be for. */
static bool is_busy(const supervisor_t *s)
{
    uint32_t n;
    int64_t started_ms;
    return s->command.state != COMMAND_IDLE || board_running(s->board, &n, &started_ms);
}

void supervisor_end(supervisor_t *s, int64_t kill_at_ms)
{
    if (!s->is_ending) {
        s->is_ending = true;
        s->ends_command = s->command.state != COMMAND_IDLE;
        s->kill_at_ms = kill_at_ms;
        send_term(s);
        serve_end(s);
    }
    if (kill_at_ms < s->kill_at_ms || !is_busy(s))
        s->kill_at_ms = is_busy(s) ? kill_at_ms : 0;
}

void supervisor_give_up(supervisor_t *s, const char *why)
{
    snprintf(s->board->unusable, sizeof s->board->unusable, "%.400s", why);
    board_close(s->board);
    supervisor_end(s, 0);
}

void supervisor_leave(supervisor_t *s)
{
    s->leave_by_ms = proc_now_ms() + s->plan.bye_ms;
    serve_send_bye(s);
}

size_t supervisor_residents(const supervisor_t *s, pid_t *ret, size_t cap)
{
    size_t n = serve_pids(s, ret, cap - 1);
    if (s->host.pid > 0 && !s->host.has_ended)
        ret[n++] = s->host.pid;
    return n;
}
