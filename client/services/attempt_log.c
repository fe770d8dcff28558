/* A pipe. Supervisors write whole lines of less than PIPE_BUF into it, or nothing. */
#include "client/services/attempt_log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "schemas/names.h"
#include "schemas/value.h"

enum { READ_BYTES = 64 * 1024, PIPE_BYTES = 1024 * 1024 };

struct attempt_log {
    int from, to, out;
    bool is_json;
    attempt_line_fn fn;
    void *arg;
    loop_watch_t *watch;
    buf_t part; /* read, and not yet a line */
    buf_t json;
    uint64_t dropped;
};

/* JOB/INDEX/ATTEMPT: text. False: it is none. */
static bool take_apart(const char *line, size_t len, char job[JOB_ID_MAX + 1], attempt_line_t *ret)
{
    const char *slash = memchr(line, '/', len);
    if (!slash || slash == line || slash - line > JOB_ID_MAX)
        return false;
    memcpy(job, line, (size_t)(slash - line));
    job[slash - line] = '\0';
    char label[64] = "", *end;
    size_t rest = len - (size_t)(slash + 1 - line);
    memcpy(label, slash + 1, rest < sizeof label - 1 ? rest : sizeof label - 1);
    *ret = (attempt_line_t){.job = job, .index = strtoull(label, &end, 10)};
    if (*end != '/')
        return false;
    ret->attempt = (uint32_t)strtoul(end + 1, &end, 10);
    if (strncmp(end, ": ", 2) != 0)
        return false;
    ret->text = slash + 1 + (end + 2 - label);
    ret->len = len - (size_t)(ret->text - line);
    return true;
}

static void put_json(buf_t *b, const attempt_line_t *line)
{
    char stamp[32];
    struct tm tm;
    int64_t now_ms = wall_ms();
    time_t seconds = (time_t)(now_ms / 1000);
    gmtime_r(&seconds, &tm);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
    buf_printf(b, "{\"time\":\"%s.%03dZ\",\"level\":\"task\",\"job\":\"%s\",\"index\":%" PRIu64 ",\"attempt\":%" PRIu32,
               stamp, (int)(now_ms % 1000), line->job, line->index, line->attempt);
    buf_append_text(b, ",\"message\":");
    json_put_string(b, line->text, line->len);
    buf_append_text(b, "}\n");
}

static bool write_now(const attempt_log_t *log, const void *bytes, size_t len)
{
    struct pollfd ready = {.fd = log->out, .events = POLLOUT};
    return len <= PIPE_BUF && poll(&ready, 1, 0) > 0 && (ready.revents & POLLOUT) &&
           write(log->out, bytes, len) == (ssize_t)len;
}

static void write_out(attempt_log_t *log, const void *bytes, size_t len)
{
    char note[128];
    int n = snprintf(note, sizeof note,
                     log->is_json ? "{\"level\":\"warning\",\"message\":\"%" PRIu64 " bytes of tasks were dropped\"}\n"
                                  : "[%" PRIu64 " bytes of tasks were dropped]\n",
                     log->dropped);
    if (log->dropped > 0 && write_now(log, note, (size_t)n))
        log->dropped = 0;
    if (!write_now(log, bytes, len))
        log->dropped += len;
}

static void print_line(attempt_log_t *log, const char *line, size_t len, const attempt_line_t *apart)
{
    if (!log->is_json || !apart) {
        write_out(log, line, len + 1);
        return;
    }
    buf_clear(&log->json);
    put_json(&log->json, apart);
    if (!log->json.failed)
        write_out(log, log->json.data, log->json.len);
}

/* `line` has a newline at line[len]. */
static void take_line(attempt_log_t *log, const char *line, size_t len)
{
    char job[JOB_ID_MAX + 1];
    attempt_line_t apart;
    bool is_sound = take_apart(line, len, job, &apart);
    if (log->out >= 0)
        print_line(log, line, len, is_sound ? &apart : NULL);
    if (is_sound && log->fn)
        log->fn(log->arg, &apart);
}

static void take_lines(attempt_log_t *log)
{
    const char *at = (const char *)log->part.data, *end = at + log->part.len, *newline;
    while (at < end && (newline = memchr(at, '\n', (size_t)(end - at)))) {
        take_line(log, at, (size_t)(newline - at));
        at = newline + 1;
    }
    buf_consume(&log->part, log->part.len - (size_t)(end - at));
}

/* False: there is nothing more now. */
static bool read_some(attempt_log_t *log)
{
    char *room = buf_reserve(&log->part, READ_BYTES);
    ssize_t n = room ? read(log->from, room, READ_BYTES) : -1;
    if (n <= 0)
        return n < 0 && errno == EINTR;
    log->part.len += (size_t)n;
    take_lines(log);
    return true;
}

static void on_readable(void *arg, int fd, unsigned events)
{
    (void)fd, (void)events;
    (void)read_some(arg);
}

int attempt_log_open(loop_t *loop, int out_fd, bool is_json, attempt_line_fn fn, void *arg, attempt_log_t **ret,
                     fanmap_error_t *err)
{
    int fds[2];
    attempt_log_t *log = calloc(1, sizeof *log);
    if (!log)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    if (pipe2(fds, O_CLOEXEC) != 0) {
        free(log);
        return err_set(err, FANMAP_EIO, "no pipe for what attempts write: %s", strerror(errno));
    }
    *log = (attempt_log_t){.from = fds[0], .to = fds[1], .out = out_fd, .is_json = is_json, .fn = fn, .arg = arg};
    (void)fcntl(log->from, F_SETFL, O_NONBLOCK);
    (void)fcntl(log->from, F_SETPIPE_SZ, PIPE_BYTES);
    int r = loop_watch_add(loop, log->from, LOOP_READ, on_readable, log, &log->watch, err);
    if (r == FANMAP_OK)
        *ret = log;
    else
        attempt_log_close(log);
    return r;
}

int attempt_log_fd(const attempt_log_t *log)
{
    return log->to;
}

void attempt_log_close(attempt_log_t *log)
{
    if (!log)
        return;
    close(log->to);
    while (read_some(log))
        ;
    if (log->watch)
        loop_watch_remove(log->watch);
    close(log->from);
    buf_free(&log->part);
    buf_free(&log->json);
    free(log);
}
