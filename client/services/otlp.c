/* One request at a time, on a connection of its own: its name is resolved, what has gathered is sent, the first line of the
 * reply is read. Meanwhile spans gather for the next one.
 *
 * What can fail: the collector is away, slow, or does not want them. The batch is dropped and counted, the first time of a row is
 * logged, and the next batch tries again; nothing waits for any of it. */
#include "client/services/otlp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/services/otlp_json.h"
#include "tokens/resolve.h"

enum { GATHERED_BYTES_MAX = 1 << 20, LINGER_MS = 1000, REQUEST_MS = 10000, HOST_BYTES = 256, PATH_BYTES = 512 };
enum { STATUS_LINE = 12 /* HTTP/1.1 200 */ };

struct otlp {
    loop_t *loop;
    fanmap_log_fn log;
    void *log_arg;
    const char *queue, *instance;
    char host[HOST_BYTES], path[PATH_BYTES];
    uint16_t port;
    loop_timer_t *timer;
    buf_t gathered; /* spans with commas between them */
    uint64_t gathered_n, sending_n, sent_n, dropped_n;
    enum { IDLE, RESOLVING, CONNECTING, SENDING, READING } state;
    resolve_t *resolve;
    int fd;
    loop_watch_t *watch;
    buf_t request;
    size_t written, reply_len;
    char reply[STATUS_LINE + 1];
    bool has_warned;
};

/* ---- one request ---- */

static void end_request(otlp_t *o)
{
    if (o->watch)
        loop_watch_remove(o->watch);
    if (o->fd >= 0)
        close(o->fd);
    o->watch = NULL;
    o->fd = -1;
    o->state = IDLE;
    o->sending_n = 0;
    buf_clear(&o->request);
    loop_timer_stop(o->timer);
    if (o->gathered_n > 0)
        loop_timer_at(o->timer, loop_now_ms(o->loop) + LINGER_MS);
}

static void drop_spans(otlp_t *o, const char *why)
{
    if (!o->has_warned)
        log_to(o->log, o->log_arg, FANMAP_LOG_WARNING, "spans do not reach %s:%u, and are dropped: %s", o->host,
               o->port, why);
    o->has_warned = true;
    o->dropped_n += o->sending_n;
    end_request(o);
}

static void read_reply(otlp_t *o)
{
    ssize_t n = recv(o->fd, o->reply + o->reply_len, STATUS_LINE - o->reply_len, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        drop_spans(o, n == 0 ? "it closed the connection" : strerror(errno));
        return;
    }
    o->reply_len += (size_t)n;
    if (o->reply_len < STATUS_LINE)
        return;
    o->reply[STATUS_LINE] = '\0';
    if (strncmp(o->reply, "HTTP/1.", 7) != 0 || o->reply[9] != '2') {
        drop_spans(o, o->reply);
        return;
    }
    o->has_warned = false;
    o->sent_n += o->sending_n;
    end_request(o);
}

static void send_request(otlp_t *o)
{
    ssize_t n = send(o->fd, o->request.data + o->written, o->request.len - o->written, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) {
        drop_spans(o, strerror(errno));
        return;
    }
    o->written += (size_t)n;
    if (o->written < o->request.len)
        return;
    o->state = READING;
    loop_watch_set(o->watch, LOOP_READ);
}

static void on_socket(void *arg, int fd, unsigned events)
{
    otlp_t *o = arg;
    int wrong = 0;
    socklen_t len = sizeof wrong;
    (void)events;
    if (o->state == CONNECTING) {
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &wrong, &len) != 0 || wrong != 0) {
            drop_spans(o, strerror(wrong));
            return;
        }
        o->state = SENDING;
    }
    if (o->state == SENDING)
        send_request(o);
    else
        read_reply(o);
}

static socklen_t address_of(const otlp_t *o, const char *text, struct sockaddr_storage *ret)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
    memset(ret, 0, sizeof *ret);
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(o->port);
        return sizeof *v4;
    }
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(o->port);
    return inet_pton(AF_INET6, text, &v6->sin6_addr) == 1 ? sizeof *v6 : 0;
}

static void on_resolved(void *arg, char (*addresses)[RESOLVE_ADDRESS_MAX], size_t n, const char *why)
{
    otlp_t *o = arg;
    struct sockaddr_storage at;
    fanmap_error_t err;
    o->resolve = NULL;
    if (o->state != RESOLVING)
        return;
    socklen_t len = n > 0 ? address_of(o, addresses[0], &at) : 0;
    if (len == 0) {
        drop_spans(o, why ? why : "it has no address");
        return;
    }
    o->state = CONNECTING;
    o->fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (o->fd < 0 || (connect(o->fd, (const struct sockaddr *)&at, len) != 0 && errno != EINPROGRESS))
        drop_spans(o, strerror(errno));
    else if (loop_watch_add(o->loop, o->fd, LOOP_WRITE, on_socket, o, &o->watch, &err) != FANMAP_OK)
        drop_spans(o, err.message);
}

static void begin_request(otlp_t *o)
{
    fanmap_error_t err;
    otlp_request(&o->request, o->host, o->port, o->path, o->instance, &o->gathered);
    o->sending_n = o->gathered_n;
    o->gathered_n = 0;
    o->written = o->reply_len = 0;
    bool is_whole = !o->request.failed && !o->gathered.failed;
    buf_clear(&o->gathered);
    o->state = RESOLVING;
    loop_timer_at(o->timer, loop_now_ms(o->loop) + REQUEST_MS);
    if (!is_whole)
        drop_spans(o, "out of memory");
    else if (!o->resolve && resolve_start(o->loop, o->host, on_resolved, o, &o->resolve, &err) != FANMAP_OK)
        drop_spans(o, err.message);
}

static void on_timer(void *arg)
{
    otlp_t *o = arg;
    if (o->state != IDLE)
        drop_spans(o, "no answer in time");
    else if (o->gathered_n > 0)
        begin_request(o);
}

/* ---- gathering ---- */

void otlp_put(otlp_t *o, const worker_attempt_t *a, uint64_t span, fanmap_kind_t kind, const char *cut, uint64_t run_us)
{
    if (!o)
        return;
    if (o->gathered.len >= GATHERED_BYTES_MAX) {
        o->dropped_n++;
        return;
    }
    if (o->gathered_n++ == 0 && o->state == IDLE)
        loop_timer_at(o->timer, loop_now_ms(o->loop) + LINGER_MS);
    otlp_span(&o->gathered, a, span, o->queue, cut ? cut : fanmap_kind_name(kind), run_us);
}

bool otlp_flush(otlp_t *o)
{
    if (o->state == IDLE && o->gathered_n > 0)
        begin_request(o);
    return o->state != IDLE || o->gathered_n > 0;
}

void otlp_counts(const otlp_t *o, uint64_t *ret_sent, uint64_t *ret_dropped)
{
    *ret_sent = o->sent_n;
    *ret_dropped = o->dropped_n;
}

/* ---- life ---- */

/* HOST[:PORT][/PATH] or [V6][:PORT][/PATH]. */
static bool read_url(otlp_t *o, const char *url)
{
    unsigned port = 4318;
    char end = '\0';
    if (strncmp(url, "http://", 7) != 0)
        return false;
    const char *host = url + 7, *path = strchr(host, '/');
    size_t len = path ? (size_t)(path - host) : strlen(host);
    bool is_v6 = host[0] == '[';
    const char *host_end = memchr(host, is_v6 ? ']' : ':', len);
    size_t host_len = host_end ? (size_t)(host_end - host) - is_v6 : len;
    const char *colon = memchr(is_v6 && host_end ? host_end : host, ':', len - (is_v6 && host_end ? host_len + 1 : 0));
    if (host_len == 0 || host_len >= sizeof o->host || (is_v6 && !host_end) || (path && strlen(path) >= sizeof o->path))
        return false;
    if (colon && (sscanf(colon, ":%5u%c", &port, &end) < 1 || port == 0 || port > 65535 || (end && end != '/')))
        return false;
    memcpy(o->host, host + is_v6, host_len);
    o->host[host_len] = '\0';
    o->port = (uint16_t)port;
    snprintf(o->path, sizeof o->path, "%s", path && path[1] ? path : "/v1/traces");
    return strpbrk(o->path, " \r\n") == NULL;
}

int otlp_open(loop_t *loop, const char *url, const char *queue, const char *instance, fanmap_log_fn log, void *log_arg,
              otlp_t **ret, fanmap_error_t *err)
{
    otlp_t *o = calloc(1, sizeof *o);
    if (!o)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    *o = (otlp_t){.loop = loop, .log = log, .log_arg = log_arg, .queue = queue, .instance = instance, .fd = -1};
    int r = read_url(o, url) ? loop_timer_new(loop, on_timer, o, &o->timer, err)
                             : err_set(err, FANMAP_EUSAGE, "--otlp %.200s is no http://HOST[:PORT][/PATH]", url);
    if (r == FANMAP_OK)
        *ret = o;
    else
        free(o);
    return r;
}

void otlp_close(otlp_t *o)
{
    if (!o)
        return;
    if (o->resolve)
        resolve_forget(o->resolve);
    end_request(o);
    loop_timer_free(o->timer);
    buf_free(&o->gathered);
    buf_free(&o->request);
    free(o);
}
