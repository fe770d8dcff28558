/* What a command prints: its stdout is collected as its value, its stderr goes to the log and to the board's tail, and where
 * the task's terms want it both are copied, as frames, while it runs. */
#include <signal.h>
#include <unistd.h>

#include "slots/supervisor/supervisor.h"

enum { READ_BYTES = 64 * 1024 };

void command_kill_left(supervisor_t *s)
{
    command_t *c = &s->command;
    pid_t except[RESIDENTS_MAX];
    size_t except_n = supervisor_residents(s, except, RESIDENTS_MAX);
    if (c->pid > 0)
        kill(-c->pid, SIGKILL);
    proc_signal_descendants(s->self, except, except_n, SIGKILL);
}

bool command_is_copied(supervisor_t *s)
{
    command_t *c = &s->command;
    if (!c->task || c->task->terms.copy == COPY_NOWHERE)
        return true;
    command_drain(s, COMMAND_DRAIN_ALL);
    if (c->copy.len == 0 && !c->copy.has_ended)
        copy_put(&c->copy, COPY_END, NULL, 0);
    return c->copy.len == 0;
}

static void append_output(supervisor_t *s, const char *bytes, size_t len)
{
    command_t *c = &s->command;
    size_t room = c->value_bytes_max + 1 - c->out.len; /* 1: a newline that is no part of the value */
    if (len <= room) {
        buf_append(&c->out, bytes, len);
        return;
    }
    if (!c->too_large && c->pid > 0)
        command_kill_left(s);
    c->too_large = true;
}

/* Returns false if there is nothing now, or no room for it. */
static bool copy_some(supervisor_t *s, int fd, copy_stream_t stream)
{
    command_t *c = &s->command;
    char bytes[COPY_BYTES_MAX];
    ssize_t n = copy_flush(&c->copy) ? read(fd, bytes, sizeof bytes) : -1;
    if (n <= 0)
        return false;
    if (stream == COPY_STDERR)
        board_tail_add(s->board, bytes, (size_t)n);
    else if (c->task->terms.copy == COPY_BESIDE)
        append_output(s, bytes, (size_t)n);
    copy_put(&c->copy, stream, bytes, (size_t)n);
    return true;
}

static void drain_copied(supervisor_t *s, int turns_max)
{
    bool has_more = true;
    for (int turns = 0; turns < turns_max && has_more; turns++) {
        has_more = copy_some(s, s->command.out_fd, COPY_STDOUT);
        has_more |= copy_some(s, s->command.err_fd, COPY_STDERR);
    }
}

void command_drain(supervisor_t *s, int turns_max)
{
    command_t *c = &s->command;
    if (c->task && c->task->terms.copy != COPY_NOWHERE) {
        drain_copied(s, turns_max);
        return;
    }
    char bytes[READ_BYTES];
    ssize_t n;
    for (int turns = 0; turns < turns_max && (n = read(c->out_fd, bytes, sizeof bytes)) > 0; turns++)
        append_output(s, bytes, (size_t)n);
    for (int turns = 0; turns < turns_max && (n = read(c->err_fd, bytes, sizeof bytes)) > 0; turns++) {
        board_tail_add(s->board, bytes, (size_t)n);
        log_label(&c->log, c->label);
        log_text(&c->log, bytes, (size_t)n);
    }
}
