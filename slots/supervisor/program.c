/* One program and its descriptors: started with the slot's socket and with pipes, its protocol on whichever of the two
 * its hello comes, its messages read in pieces and cut apart, and what is written to it kept until it is taken. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "slots/supervisor/supervisor.h"

extern char **environ;

enum { SLOT_FD = 3, GO_FD, PROGRAM_ENDS, READ_BYTES = 64 * 1024, ENV_MORE = 3, WHOLE_BYTES = 4096, PRINTED_RUNS = 256 };

/* Descriptors of a program that starts: its ends, and ours. */
typedef struct {
    int theirs[PROGRAM_ENDS], ours[PROGRAM_ENDS];
} ends_t;

static void close_all(int *fds)
{
    for (int i = 0; i < PROGRAM_ENDS; i++)
        proc_close_fd(&fds[i]);
}

/* 0, 4: pipes that it reads; 1, 2: pipes that it writes; 3: a socket. Only our ends do not block. */
static bool make_ends(ends_t *e, const task_user_t *user)
{
    memset(e, -1, sizeof *e);
    for (int i = 0; i < PROGRAM_ENDS; i++) {
        int pair[2];
        bool is_input = i == STDIN_FILENO || i == GO_FD;
        int got = i == SLOT_FD ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) : pipe2(pair, O_CLOEXEC);
        if (got != 0)
            return false;
        if (i != SLOT_FD)
            task_user_own(user, pair[0]);
        e->theirs[i] = pair[is_input ? 0 : 1];
        e->ours[i] = pair[is_input ? 1 : 0];
        if (fcntl(e->ours[i], F_SETFL, O_NONBLOCK) != 0)
            return false;
    }
    return true;
}

static char **make_env(const terms_t *terms, char *slot_fd, char *slot, char *go_fd)
{
    char *const more[ENV_MORE + 1] = {slot_fd, slot, go_fd, NULL};
    char **with_terms = proc_merge_env(environ, terms->env);
    char **env = with_terms ? proc_merge_env(with_terms, more) : NULL;
    free(with_terms);
    return env;
}

char *program_name(const program_t *p, char ret[PROGRAM_NAME_MAX])
{
    buf_t line = {0};
    char words[PROGRAM_NAME_MAX / 2];
    for (size_t i = 0; p->argv[i]; i++) {
        buf_append_text(&line, i > 0 ? " " : "");
        buf_append_text(&line, p->argv[i]);
    }
    text_escape_to(words, sizeof words, line.data ? (const char *)line.data : "", line.len);
    snprintf(ret, PROGRAM_NAME_MAX, "task %.63s: '%s'", p->name, words);
    buf_free(&line);
    return ret;
}

/* An end of ours that does not block, while the program's does: it is opened anew. Where that cannot be, nothing is
 * told ahead. */
static void open_permits(program_t *p, int theirs)
{
    char path[48];
    snprintf(path, sizeof path, "/proc/self/fd/%d", theirs);
    p->undo_fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

int program_start(program_t *p, uint32_t slot, const char *path, int64_t bound_ms, int log_fd)
{
    char slot_fd[] = "FANMAP_SLOT_FD=3", go_fd[] = "FANMAP_SLOT_GO=4", slot_number[40];
    ends_t e;
    snprintf(slot_number, sizeof slot_number, "FANMAP_SLOT=%u", slot);
    char **env = make_env(p->terms, slot_fd, slot_number, go_fd);
    int error = !env ? ENOMEM : make_ends(&e, &p->ordinary->user) ? 0 : errno;
    child_t child = {.path = path,
                     .argv = p->argv,
                     .env = env,
                     .fds = e.theirs,
                     .fds_n = PROGRAM_ENDS,
                     .ordinary = p->ordinary,
                     .terms = p->terms,
                     .limit = limiter_enter_folders,
                     .limiter = p->limiter};
    if (!error)
        error = child_start(&child, &p->pid);
    free(env);
    if (error) {
        p->pid = 0; /* where it got that far, it is reaped as a stranger */
        if (error != ENOMEM)
            close_all(e.theirs), close_all(e.ours);
        return error;
    }
    open_permits(p, e.theirs[GO_FD]);
    close_all(e.theirs);
    p->go_fd = e.ours[GO_FD];
    p->stdin_fd = e.ours[STDIN_FILENO];
    p->out_fd = e.ours[STDOUT_FILENO];
    p->err_fd = e.ours[STDERR_FILENO];
    p->from_fd = p->to_fd = e.ours[SLOT_FD];
    p->state = PROGRAM_STARTING;
    p->started_ms = proc_now_ms();
    p->ready_by_ms = p->started_ms + bound_ms;
    p->is_slow_noted = false;
    p->stdout_is_log = false;
    log_open(&p->log, log_fd);
    return 0;
}

void program_close(program_t *p)
{
    if (p->to_fd != p->from_fd)
        proc_close_fd(&p->to_fd);
    proc_close_fd(&p->from_fd);
    proc_close_fd(&p->stdin_fd);
    proc_close_fd(&p->out_fd);
    proc_close_fd(&p->err_fd);
    proc_close_fd(&p->go_fd);
    proc_close_fd(&p->undo_fd);
    p->to_fd = -1;
    buf_free(&p->in);
    buf_free(&p->first);
    buf_free(&p->out);
    buf_free(&p->tasks);
    buf_free(&p->calls);
    served_reader_free(&p->reader);
    p->state = PROGRAM_OFF;
    p->closed_at_ms = 0;
    p->job_serial = 0;
    p->answered = p->written_bytes = p->in_used = p->owed_go = p->ahead_from = 0;
    p->ahead = 0;
    p->batch = (served_batch_t){0};
    p->is_reset = false;
}

void program_flush(program_t *p)
{
    while (p->out.len > 0 && p->to_fd >= 0) {
        ssize_t n = write(p->to_fd, p->out.data, p->out.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN) {
            p->is_reset = true; /* nobody reads there: its end is on its way */
            buf_clear(&p->out);
        }
        if (n <= 0)
            return;
        if ((size_t)n == p->out.len)
            buf_clear(&p->out);
        else
            buf_consume(&p->out, (size_t)n);
    }
}

int program_fill(program_t *p)
{
    ssize_t n = p->from_fd >= 0 ? proc_read(p->from_fd, &p->in, READ_BYTES) : 0;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return -1;
    p->is_reset = p->is_reset || (n < 0 && errno == ECONNRESET); /* what a socket says when something was left unread */
    return n > 0;
}

bool program_left_unread(const program_t *p)
{
    int unread = 0;
    if (p->to_fd != p->from_fd)
        return p->to_fd >= 0 && ioctl(p->to_fd, FIONREAD, &unread) == 0 && (size_t)unread >= p->written_bytes;
    return p->is_reset && p->written_bytes <= WHOLE_BYTES;
}

int program_next(program_t *p, size_t frame_max, served_message_t *ret)
{
    size_t used = 0;
    if (p->in.len == 0)
        return 0;
    int got = served_decode(&p->reader, p->in.data, p->in.len, frame_max, ret, &used);
    if (got <= 0)
        return got;
    p->in_used = used;
    return 1;
}

void program_drop(program_t *p)
{
    if (p->in_used == p->in.len)
        buf_clear(&p->in);
    else
        buf_consume(&p->in, p->in_used);
    p->in_used = 0;
}

void program_choose_protocol(program_t *p, bool is_stdio)
{
    if (!is_stdio) {
        proc_close_fd(&p->stdin_fd);
        p->stdout_is_log = true;
        return;
    }
    proc_close_fd(&p->from_fd);
    p->from_fd = p->out_fd;
    p->to_fd = p->stdin_fd;
    p->out_fd = p->stdin_fd = -1;
    buf_free(&p->in);
    p->in = p->first;
    p->first = (buf_t){0};
    served_reader_free(&p->reader);
}

bool program_drain(program_t *p, int *fd, const char *label, board_t *tail)
{
    char bytes[READ_BYTES];
    ssize_t n = *fd >= 0 ? read(*fd, bytes, sizeof bytes) : -1;
    if (n == 0)
        proc_close_fd(fd);
    if (n <= 0)
        return false;
    p->ahead_from = p->answered + PRINTED_RUNS;
    if (tail)
        board_tail_add(tail, bytes, (size_t)n);
    log_label(&p->log, label);
    log_text(&p->log, bytes, (size_t)n);
    return true;
}
