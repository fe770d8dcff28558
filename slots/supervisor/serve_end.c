/* How a served program ends, or what it has broken, and what that means for the slot: see the story in serve.c. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "slots/supervisor/supervisor.h"

enum { RESULT_WAIT_MS = 20, RESULT_TURNS = 50 };

static void log_reason(program_t *p, const char *what)
{
    log_label(&p->log, p->name);
    log_text(&p->log, what, strlen(what));
    log_text(&p->log, "\n", 1);
}

void serve_unusable(supervisor_t *s, const program_t *p, const char *why)
{
    char name[PROGRAM_NAME_MAX];
    snprintf(s->board->unusable, sizeof s->board->unusable, "%s %.280s", program_name(p, name), why);
    supervisor_end(s, 0);
}

static bool slot_is_busy(const supervisor_t *s)
{
    uint32_t n;
    int64_t started_ms;
    return board_running(s->board, &n, &started_ms);
}

/* A program that nobody waits for is no longer to be trusted. */
static void give_up_idle(supervisor_t *s, program_t *p, const char *why)
{
    log_reason(p, why);
    if (!slot_is_busy(s)) {
        supervisor_end(s, 0);
        return;
    }
    if (p->pid > 0)
        kill(-p->pid, SIGKILL);
    p->pid = 0;
    program_close(p);
}

void serve_protocol_error(supervisor_t *s, program_t *p, const char *why)
{
    if (s->is_ending)
        return;
    if (p->state != PROGRAM_READY) {
        serve_unusable(s, p, why);
    } else if (serve_runs(s, p)) {
        snprintf(s->serve.broken, sizeof s->serve.broken, "%s", why);
        supervisor_end(s, 0);
    } else {
        give_up_idle(s, p, why);
    }
}

static void exited_while_starting(supervisor_t *s, const program_t *p, int status)
{
    char what[120];
    if (WIFSIGNALED(status))
        snprintf(what, sizeof what, "was killed by signal %d before it was ready", WTERMSIG(status));
    else
        snprintf(what, sizeof what, "ended with status %d before it was ready", WEXITSTATUS(status));
    serve_unusable(s, p, what);
}

/* It had gone before the run reached it: that run was not started. */
static void ended_between(supervisor_t *s, program_t *p)
{
    s->command.state = COMMAND_IDLE;
    if (p->answered == 0)
        serve_unusable(s, p, "ended without looking at its first run");
    else
        give_up_idle(s, p, "ended between two items");
}

/* They may hold the answer that it owed. */
static void read_last_words(supervisor_t *s, program_t *p)
{
    serve_drain_one(s, p, COMMAND_DRAIN_ALL);
    while (!s->is_ending && p->state != PROGRAM_OFF && program_fill(p) > 0)
        serve_handle_messages(s, p);
}

static bool has_begun(const supervisor_t *s, const program_t *p)
{
    return p->ahead > 0 && !s->serve.is_call ? serve_had_begun(s, p) : !program_left_unread(p);
}

bool serve_exited(supervisor_t *s, pid_t pid, int status)
{
    size_t i = 0;
    while (i < s->serve.programs_n && s->serve.programs[i].pid != pid)
        i++;
    if (i == s->serve.programs_n)
        return false;
    program_t *p = &s->serve.programs[i];
    p->pid = 0;
    read_last_words(s, p);
    if (serve_runs(s, p))
        s->status = status;
    if (s->is_ending || p->state == PROGRAM_OFF)
        return true;
    if (s->leave_by_ms > 0) {
        program_close(p);
        return true;
    }
    if (p->state != PROGRAM_READY)
        exited_while_starting(s, p, status);
    else if (serve_runs(s, p) && !has_begun(s, p) && board_unclaim(s->board))
        ended_between(s, p);
    else if (serve_runs(s, p))
        supervisor_end(s, 0);
    else
        give_up_idle(s, p, "ended between two items");
    return true;
}

void serve_send_broken(supervisor_t *s)
{
    outlet_t *outlet = &s->command.outlet;
    if (!s->serve.broken[0] || s->command.state != COMMAND_SERVED)
        return;
    result_refuse(s, FANMAP_PROTOCOL, 0, s->serve.broken);
    for (int i = 0; i < RESULT_TURNS && !outlet_pump(outlet); i++) {
        outlet_ring(outlet);
        ring_wait(s->board, RESULT_WAIT_MS);
    }
}
