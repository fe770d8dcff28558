/* What served programs print, which of their descriptors are polled, and how long they are waited for. The stdout of a
 * program is the protocol if its first bytes are a hello, and output otherwise. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "slots/shared/ctl.h"
#include "slots/supervisor/supervisor.h"

enum { CLOSED_WAIT_MS = 1000, DRAIN_TURNS = 4, SLOW_MS = 3000, SLOW_AGAIN_MS = 100 };

static const char *label_of(const supervisor_t *s, const program_t *p)
{
    return serve_runs(s, p) ? s->command.label : p->name;
}

/* ---- what it prints ---- */

/* Its first bytes on stdout: a hello, and then stdout is the protocol; or not, and then it is output for ever. */
static void read_first(supervisor_t *s, program_t *p)
{
    served_reader_t reader = {0};
    served_message_t message;
    size_t used;
    void *room = buf_reserve(&p->first, SERVED_HELLO_MAX);
    ssize_t n = room ? read(p->out_fd, room, SERVED_HELLO_MAX) : -1;
    p->first.len += n > 0 ? (size_t)n : 0;
    int got = served_decode(&reader, p->first.data, p->first.len, SERVED_HELLO_MAX, &message, &used);
    bool is_hello = got > 0 && message.type == SLOT_HELLO;
    served_reader_free(&reader);
    if (is_hello) {
        program_choose_protocol(p, true);
        serve_handle_messages(s, p);
    } else if (got != 0 || n == 0) {
        p->stdout_is_log = true;
    }
}

static void log_first(supervisor_t *s, program_t *p)
{
    if (!p->stdout_is_log || p->first.len == 0)
        return;
    log_label(&p->log, label_of(s, p));
    log_text(&p->log, (const char *)p->first.data, p->first.len);
    buf_free(&p->first);
}

void serve_drain_one(supervisor_t *s, program_t *p, int turns)
{
    board_t *tail = serve_runs(s, p) ? s->board : NULL;
    if (p->state == PROGRAM_STARTING && !p->stdout_is_log && p->out_fd >= 0)
        read_first(s, p);
    log_first(s, p);
    for (int i = 0; i < turns && p->stdout_is_log && program_drain(p, &p->out_fd, label_of(s, p), NULL); i++)
        ;
    for (int i = 0; i < turns && program_drain(p, &p->err_fd, label_of(s, p), tail); i++)
        ;
}

void serve_drain(supervisor_t *s)
{
    for (size_t i = 0; i < s->serve.programs_n; i++) {
        program_t *p = &s->serve.programs[i];
        if (p->state == PROGRAM_OFF)
            continue;
        p->stdout_is_log = p->stdout_is_log || p->out_fd >= 0;
        serve_drain_one(s, p, COMMAND_DRAIN_ALL);
        log_end_attempt(&p->log);
    }
}

/* ---- descriptors ---- */

/* While another run goes on in the slot, an idle program is not listened to: it could only do harm. */
static bool listens(const supervisor_t *s, const program_t *p)
{
    if (p->state == PROGRAM_OFF || p->closed_at_ms > 0)
        return false;
    return p->state != PROGRAM_READY || serve_runs(s, p) || s->command.state == COMMAND_IDLE;
}

/* The protocol first: what was printed before an answer is then seen together with it. */
void serve_set_polls(const supervisor_t *s, struct pollfd *polls)
{
    for (size_t i = 0; i < s->serve.programs_n; i++, polls += PROGRAM_FDS) {
        const program_t *p = &s->serve.programs[i];
        bool has_own_out = p->out.len > 0 && p->to_fd != p->from_fd;
        short events = (short)(POLLIN | (p->out.len > 0 && !has_own_out ? POLLOUT : 0));
        polls[0] = (struct pollfd){listens(s, p) ? p->from_fd : -1, events, 0};
        polls[1] = (struct pollfd){p->out_fd, POLLIN, 0};
        polls[2] = (struct pollfd){p->err_fd, POLLIN, 0};
        polls[3] = (struct pollfd){has_own_out ? p->to_fd : -1, POLLOUT, 0};
    }
}

void serve_on_polls(supervisor_t *s, const struct pollfd *polls)
{
    for (size_t i = 0; i < s->serve.programs_n; i++, polls += PROGRAM_FDS) {
        program_t *p = &s->serve.programs[i];
        if (polls[1].revents || polls[2].revents)
            serve_drain_one(s, p, DRAIN_TURNS);
        if ((polls[0].revents & POLLOUT) || polls[3].revents)
            program_flush(p);
        if (polls[0].revents & (POLLIN | POLLHUP | POLLERR))
            serve_read(s, p);
        if (p->first.len > 0)
            log_first(s, p);
    }
}

static bool is_starting(const program_t *p)
{
    return p->state == PROGRAM_STARTING || p->state == PROGRAM_GREETED;
}

static const char *missing_step(const program_t *p)
{
    return p->state == PROGRAM_STARTING ? "said no hello on FANMAP_SLOT_FD or stdout" : "said hello, but not ready,";
}

static void give_up_late(supervisor_t *s, program_t *p)
{
    char what[200];
    if (p->closed_at_ms > 0)
        snprintf(what, sizeof what, "closed the slot's descriptor and did not end");
    else
        snprintf(what, sizeof what, "%s in time (%g s, --start-timeout): it is started again, its items wait",
                 missing_step(p), (double)(p->ready_by_ms - p->started_ms) / 1000);
    serve_protocol_error(s, p, what);
}

/* Who waits for a program that says nothing is told so long before it is given up. Returns true if that was now. */
static bool send_slow_note(const program_t *p)
{
    char name[PROGRAM_NAME_MAX];
    ctl_message_t m = {.type = CTL_NOTE};
    snprintf(m.text, sizeof m.text, "%s has %s for %d s; at %g s (--start-timeout) it is started again, its items wait",
             program_name(p, name), missing_step(p), SLOW_MS / 1000, (double)(p->ready_by_ms - p->started_ms) / 1000);
    return ctl_send(LINK_FD, &m, NULL, 0) == 0 || errno != EAGAIN;
}

static int64_t due_ms(const program_t *p)
{
    if (p->closed_at_ms > 0)
        return p->closed_at_ms + CLOSED_WAIT_MS;
    return is_starting(p) ? p->ready_by_ms : INT64_MAX;
}

/* When to look at it again. */
static int64_t check_times(supervisor_t *s, program_t *p, int64_t now_ms)
{
    if (p->state == PROGRAM_OFF || s->is_ending)
        return INT64_MAX;
    int64_t due = due_ms(p);
    if (now_ms >= due) {
        give_up_late(s, p);
        return now_ms;
    }
    if (!is_starting(p) || p->is_slow_noted)
        return due;
    int64_t note_at_ms = p->started_ms + SLOW_MS;
    if (now_ms >= note_at_ms) {
        p->is_slow_noted = send_slow_note(p);
        note_at_ms = p->is_slow_noted ? due : now_ms + SLOW_AGAIN_MS;
    }
    return note_at_ms < due ? note_at_ms : due;
}

int serve_wait_ms(supervisor_t *s)
{
    int64_t soonest_ms = INT64_MAX, now_ms = proc_now_ms();
    for (size_t i = 0; i < s->serve.programs_n; i++) {
        int64_t at_ms = check_times(s, &s->serve.programs[i], now_ms);
        soonest_ms = at_ms < soonest_ms ? at_ms : soonest_ms;
    }
    if (soonest_ms == INT64_MAX)
        return -1;
    return soonest_ms > now_ms ? (int)(soonest_ms - now_ms) + 1 : 0;
}
