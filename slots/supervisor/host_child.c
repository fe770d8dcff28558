/* The task host as its parent sees it: started when the first frame for it arrives; its output is labelled and logged.
 *
 * Which attempt a line belongs to. The label is read off the board before the pipe is read. If the host has gone on to
 * a later attempt by then, it has put a marker behind what the earlier ones wrote and into the same pipe, and a read
 * takes all that a pipe can hold, so the marker is seen together with the text before it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "slots/shared/marker.h"
#include "slots/supervisor/supervisor.h"

enum { READ_BYTES = 128 * 1024, LABEL_WAIT_MS = 20 };

void host_start(supervisor_t *s)
{
    char path[4096], slot[16], parent[16];
    char *const argv[] = {(char[]){"fanmap-host"}, slot, parent, NULL};
    int ends[2] = {-1, -1};
    snprintf(path, sizeof path, "%s/fanmap-host", s->plan.libexec);
    snprintf(slot, sizeof slot, "%u", s->slot);
    snprintf(parent, sizeof parent, "%ld", (long)s->self);
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    int error = null_fd < 0 || pipe2(ends, O_CLOEXEC) != 0 ? errno : 0;
    const int fds[] = {null_fd, ends[1], ends[1], -1, PLAN_FD, BOARD_FD, -1, HOST_FD};
    child_t child = {.path = path, .argv = argv, .fds = fds, .fds_n = HOST_FD + 1, .ordinary = &s->plan.ordinary};
    if (!error) {
        task_user_own(&s->plan.ordinary.user, ends[1]);
        error = child_start(&child, &s->host.pid);
    }
    if (error) {
        snprintf(s->board->unusable, sizeof s->board->unusable, "cannot start fanmap-host: %s", strerror(error));
        supervisor_end(s, 0);
    }
    s->host.out_fd = ends[0];
    if (ends[0] >= 0)
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
    proc_close_fd(&ends[1]);
    proc_close_fd(&null_fd);
    close(HOST_FD);
    s->host_fd_open = false;
    s->has_children = true;
}

void host_apply_limits(supervisor_t *s)
{
    char why[160];
    uint32_t id = atomic_load(&s->board->limits_id);
    if (s->host.pid <= 0 || s->host.has_ended || s->is_ending)
        return;
    if (!limiter_set(&s->host.limiter, &s->board->limits, why, sizeof why))
        supervisor_give_up(s, why);
    else if (!limiter_put(&s->host.limiter, s->host.pid))
        supervisor_give_up(s, "the limits of a task cannot be put on its process");
    else
        atomic_store(&s->board->limits_set, id);
}

static void label_from_board(const board_t *b, char *ret)
{
    snprintf(ret, LOG_LABEL_MAX, "%.*s/%llu/%u", JOB_ID_MAX, b->job, (unsigned long long)atomic_load(&b->index),
             atomic_load(&b->attempt));
}

static void log_output(supervisor_t *s, const char *label, const uint8_t *bytes, size_t len)
{
    if (len == 0)
        return;
    if (strcmp(s->host.log.label, label) != 0)
        atomic_store(&s->board->tail_len, 0);
    log_label(&s->host.log, label);
    log_text(&s->host.log, (const char *)bytes, len);
    board_tail_add(s->board, (const char *)bytes, len);
}

/* A marker at `at`: its whole length, 0 when more has to be read, or -1 when it is none. */
static long parse_marker(const uint8_t *at, size_t len, char *ended, char *begins)
{
    size_t most = len < MARKER_MAX ? len : MARKER_MAX;
    if (len >= MARKER_BEGIN_LEN && memcmp(at, MARKER_BEGIN, MARKER_BEGIN_LEN) != 0)
        return -1;
    const uint8_t *end = memchr(at, '\n', most);
    if (!end)
        return most == MARKER_MAX ? -1 : 0;
    const uint8_t *middle = memchr(at, MARKER_MIDDLE, (size_t)(end - at));
    if (!middle || middle - at >= LOG_LABEL_MAX || end - middle > LOG_LABEL_MAX)
        return -1;
    snprintf(ended, LOG_LABEL_MAX, "%.*s", (int)(middle - at - MARKER_BEGIN_LEN), (const char *)at + MARKER_BEGIN_LEN);
    snprintf(begins, LOG_LABEL_MAX, "%.*s", (int)(end - middle - 1), (const char *)middle + 1);
    return end - at + 1;
}

static void handle_output(supervisor_t *s, char *label)
{
    buf_t *in = &s->host.in;
    size_t start = 0, at = 0;
    char ended[LOG_LABEL_MAX], begins[LOG_LABEL_MAX];
    while (at < in->len) {
        const uint8_t *mark = memchr(in->data + at, MARKER_BEGIN[0], in->len - at);
        at = mark ? (size_t)(mark - in->data) : in->len;
        long used = mark ? parse_marker(mark, in->len - at, ended, begins) : -1;
        if (mark && used == 0)
            break;
        if (mark && used > 0) {
            log_output(s, ended, in->data + start, at - start);
            snprintf(label, LOG_LABEL_MAX, "%s", begins);
            at += (size_t)used;
            start = at;
        } else if (mark) {
            at++;
        }
    }
    log_output(s, label, in->data + start, at - start);
    buf_consume(in, at);
}

void host_drain(supervisor_t *s)
{
    char label[LOG_LABEL_MAX];
    for (int turns = 0; turns < 8; turns++) {
        label_from_board(s->board, label);
        ssize_t n = proc_read(s->host.out_fd, &s->host.in, READ_BYTES);
        if (n == 0)
            proc_close_fd(&s->host.out_fd);
        if (n <= 0)
            return;
        handle_output(s, label);
    }
}

int host_end_line(supervisor_t *s)
{
    log_t *log = &s->host.log;
    char label[LOG_LABEL_MAX];
    uint32_t n;
    int64_t started_ms;
    if (log->part.len == 0 && log->dropped == 0)
        return -1;
    label_from_board(s->board, label);
    if (strcmp(label, log->label) == 0 && board_running(s->board, &n, &started_ms))
        return LABEL_WAIT_MS;
    log_end_attempt(log);
    return -1;
}
