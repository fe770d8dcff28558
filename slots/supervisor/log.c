/* Lines are put together, labelled, escaped and written whole, or not at all: a pipe that is full, or whose reader is
 * stuck, never holds up a slot. What was dropped is counted and said when the attempt ends. */
#include "slots/supervisor/log.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "base/text.h"

enum { WRITE_MAX = 4096 }; /* a pipe takes so much at once or not at all */

void log_open(log_t *log, int fd)
{
    struct stat about;
    *log = (log_t){.fd = fd};
    log->is_file = fd >= 0 && fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
}

static bool write_now(const log_t *log, const void *bytes, size_t len)
{
    struct iovec part = {(void *)(uintptr_t)bytes, len};
    struct pollfd ready = {.fd = log->fd, .events = POLLOUT};
    if (!log->is_file && (poll(&ready, 1, 0) <= 0 || !(ready.revents & POLLOUT)))
        return false;
    ssize_t n = log->is_file ? -1 : pwritev2(log->fd, &part, 1, -1, RWF_NOWAIT);
    if (log->is_file || (n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == ESPIPE || errno == EINVAL)))
        n = writev(log->fd, &part, 1);
    return n == (ssize_t)len;
}

static void write_line(log_t *log, const char *text, size_t len)
{
    buf_t line = {0};
    if (log->fd < 0)
        return;
    buf_append_text(&line, log->label);
    buf_append_text(&line, ": ");
    text_escape(&line, text, len, WRITE_MAX - LOG_LABEL_MAX - 8);
    buf_append_text(&line, "\n");
    if (line.failed || !write_now(log, line.data, line.len))
        log->dropped += len;
    buf_free(&line);
}

static void end_line(log_t *log)
{
    if (log->part.len > 0)
        write_line(log, (const char *)log->part.data, log->part.len);
    buf_clear(&log->part);
}

void log_end_attempt(log_t *log)
{
    char text[64];
    end_line(log);
    size_t dropped = log->dropped;
    log->taken = log->dropped = 0;
    if (dropped == 0)
        return;
    int n = snprintf(text, sizeof text, "[%zu bytes dropped]", dropped);
    write_line(log, text, (size_t)n);
    log->dropped = 0;
}

void log_label(log_t *log, const char *label)
{
    if (strcmp(log->label, label) == 0)
        return;
    log_end_attempt(log);
    snprintf(log->label, sizeof log->label, "%s", label);
}

/* How much of `len` more bytes this attempt may still write; the rest is counted. */
static size_t count_taken(log_t *log, size_t len)
{
    size_t left = LOG_ATTEMPT_BYTES - log->taken, n = len < left ? len : left;
    log->taken += n;
    log->dropped += len - n;
    return n;
}

void log_text(log_t *log, const char *bytes, size_t len)
{
    len = count_taken(log, len);
    while (len > 0) {
        const char *end = memchr(bytes, '\n', len);
        size_t n = end ? (size_t)(end - bytes) : len;
        size_t room = LOG_LINE_BYTES - log->part.len;
        size_t used = n <= room ? n : room;
        buf_append(&log->part, bytes, used);
        if (end && used == n && log->part.len == 0)
            write_line(log, "", 0);
        if ((end && used == n) || log->part.len >= LOG_LINE_BYTES)
            end_line(log);
        if (end && used == n)
            used++;
        bytes += used;
        len -= used;
    }
}
