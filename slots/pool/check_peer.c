/* The program at the other end of a check: started as a slot would start it, with the slot's descriptor and its stdin
 * and stdout, talked to with deadlines, and killed with its whole group at the end. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "slots/pool/protocol_check.h"
#include "slots/shared/proc.h"

enum { READ_BYTES = 64 * 1024, SEND_WAIT_MS = 5000, ENDS = 5 };

/* theirs: stdin, stdout, stderr, the slot, and perhaps the permits; ours: the other ends, but of stderr. */
static bool make_ends(peer_t *p, int theirs[ENDS], bool with_permits)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1}, slot[2] = {-1, -1}, permits[2] = {-1, -1};
    bool ok = pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0 &&
              socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, slot) == 0;
    /* A pipe to whoever reads it; that nobody does any more kills nobody here. */
    ok = ok && (!with_permits || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, permits) == 0);
    const int ends[ENDS] = {in[0], out[1], -1, slot[1], permits[0]};
    memcpy(theirs, ends, sizeof ends);
    p->permits_fd = permits[1];
    p->stdin_fd = in[1];
    p->out_fd = out[0];
    p->from_fd = p->to_fd = slot[0];
    return ok && fcntl(p->from_fd, F_SETFL, O_NONBLOCK) == 0 && fcntl(p->stdin_fd, F_SETFL, O_NONBLOCK) == 0 &&
           fcntl(p->out_fd, F_SETFL, O_NONBLOCK) == 0;
}

static int spawn(peer_t *p, const char *const *argv, const int theirs[ENDS], char **env)
{
    const int fds[ENDS] = {theirs[0], theirs[1], p->log_fd, theirs[3], theirs[4]};
    proc_program_t program = {argv[0], (char *const *)(uintptr_t)argv, env, fds, theirs[4] >= 0 ? 5 : 4, true};
    return proc_spawn(&program, &p->pid);
}

int peer_start(peer_t *p, const char *const *argv, int log_fd, bool with_permits, fanmap_error_t *err)
{
    int theirs[ENDS] = {-1, -1, -1, -1, -1};
    *p = (peer_t){
        .pidfd = -1, .from_fd = -1, .to_fd = -1, .stdin_fd = -1, .out_fd = -1, .permits_fd = -1, .log_fd = log_fd};
    p->is_first = true;
    p->frame_max = SERVED_HELLO_MAX;
    char slot_fd[] = "FANMAP_SLOT_FD=3", slot[] = "FANMAP_SLOT=0", go[] = "FANMAP_SLOT_GO=4";
    char *const own[] = {slot_fd, slot, with_permits ? go : NULL, NULL};
    char **env = proc_clean_env(own);
    int error = !env ? ENOMEM : make_ends(p, theirs, with_permits) ? 0 : errno;
    if (!error)
        error = spawn(p, argv, theirs, env);
    free(env);
    for (int i = 0; i < ENDS; i++)
        proc_close_fd(&theirs[i]);
    if (!error) {
        p->pidfd = proc_pidfd(p->pid);
        return FANMAP_OK;
    }
    p->pid = 0;
    peer_close(p);
    return err_set(err, FANMAP_EUSAGE, "cannot start %.200s: %s", argv[0], strerror(error));
}

bool peer_send(peer_t *p, const buf_t *bytes)
{
    size_t at = 0;
    while (at < bytes->len && p->to_fd >= 0) {
        struct pollfd ready = {.fd = p->to_fd, .events = POLLOUT};
        ssize_t n = p->is_stdio ? write(p->to_fd, bytes->data + at, bytes->len - at)
                                : send(p->to_fd, bytes->data + at, bytes->len - at, MSG_NOSIGNAL);
        if (n > 0)
            at += (size_t)n;
        else if (n < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        else if (poll(&ready, 1, SEND_WAIT_MS) <= 0)
            return false;
    }
    return at == bytes->len;
}

bool peer_permit(peer_t *p, const char *permits)
{
    return send(p->permits_fd, permits, strlen(permits), MSG_NOSIGNAL) == (ssize_t)strlen(permits);
}

static void pass_on(const peer_t *p, const void *bytes, size_t len)
{
    if (p->log_fd >= 0 && len > 0)
        (void)!write(p->log_fd, bytes, len);
}

static bool read_into(int *fd, buf_t *b)
{
    ssize_t n = proc_read(*fd, b, READ_BYTES);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        proc_close_fd(fd);
    return n > 0;
}

/* The first bytes on stdout: a hello makes it the protocol. */
static void read_stdout(peer_t *p)
{
    served_reader_t reader = {0};
    served_message_t message;
    size_t used;
    read_into(&p->out_fd, &p->first);
    int got = p->is_first ? served_decode(&reader, p->first.data, p->first.len, p->frame_max, &message, &used) : -1;
    served_reader_free(&reader);
    if (got > 0 && message.type == SLOT_HELLO) {
        proc_close_fd(&p->from_fd);
        p->from_fd = p->out_fd;
        p->to_fd = p->stdin_fd;
        p->out_fd = p->stdin_fd = -1;
        p->is_stdio = true;
        buf_free(&p->in);
        p->in = p->first;
        p->first = (buf_t){0};
    } else if (got != 0 || p->out_fd < 0) {
        pass_on(p, p->first.data, p->first.len);
        buf_clear(&p->first);
    }
}

/* Returns true if there is something to report. */
static bool next(peer_t *p, peer_event_t *ret)
{
    if (p->in_used > 0)
        buf_consume(&p->in, p->in_used);
    p->in_used = 0;
    int got =
        p->in.len == 0 ? 0 : served_decode(&p->reader, p->in.data, p->in.len, p->frame_max, &p->message, &p->in_used);
    if (got == 0 && p->from_fd >= 0)
        return false;
    *ret = got > 0 ? PEER_MESSAGE : got < 0 ? PEER_BAD : PEER_CLOSED;
    p->is_first = false;
    if (!p->is_stdio)
        proc_close_fd(&p->stdin_fd);
    return true;
}

peer_event_t peer_receive(peer_t *p, int64_t wait_ms)
{
    int64_t end_ms = proc_now_ms() + wait_ms;
    peer_event_t event;
    while (!next(p, &event)) {
        int64_t left_ms = end_ms - proc_now_ms();
        struct pollfd polls[] = {{p->from_fd, POLLIN, 0}, {p->out_fd, POLLIN, 0}};
        if (left_ms < 0 || poll(polls, 2, (int)left_ms) == 0)
            return PEER_SILENT;
        bool was_stdio = p->is_stdio;
        if (polls[1].revents)
            read_stdout(p);
        if (polls[0].revents && was_stdio == p->is_stdio)
            read_into(&p->from_fd, &p->in);
        if (p->from_fd < 0 && p->to_fd >= 0 && !p->is_stdio)
            p->to_fd = -1; /* one socket */
    }
    return event;
}

void peer_end_writing(peer_t *p)
{
    if (p->is_stdio)
        proc_close_fd(&p->to_fd);
    else if (p->to_fd >= 0)
        (void)shutdown(p->to_fd, SHUT_WR);
}

bool peer_ended(peer_t *p, int64_t wait_ms, int *ret_status)
{
    int64_t end_ms = proc_now_ms() + wait_ms;
    for (;;) {
        int64_t left_ms = end_ms - proc_now_ms();
        struct pollfd polls[] = {{p->pidfd, POLLIN, 0}, {p->out_fd, POLLIN, 0}};
        if (poll(polls, 2, left_ms > 0 ? (int)left_ms : 0) == 0 && left_ms <= 0)
            return false;
        if (polls[1].revents)
            read_stdout(p);
        if (polls[0].revents)
            break;
    }
    bool ok = waitpid(p->pid, ret_status, 0) == p->pid;
    kill(-p->pid, SIGKILL); /* what it left in its group */
    p->pid = 0;
    return ok;
}

void peer_close(peer_t *p)
{
    if (p->pid > 0) {
        kill(-p->pid, SIGKILL);
        waitpid(p->pid, NULL, 0);
    }
    p->pid = 0;
    if (p->to_fd == p->from_fd)
        p->to_fd = -1;
    proc_close_fd(&p->pidfd);
    proc_close_fd(&p->from_fd);
    proc_close_fd(&p->to_fd);
    proc_close_fd(&p->stdin_fd);
    proc_close_fd(&p->out_fd);
    proc_close_fd(&p->permits_fd);
    buf_free(&p->in);
    buf_free(&p->first);
    served_reader_free(&p->reader);
}
