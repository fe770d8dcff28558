/* A server on an epoll loop that fans each request out and streams the answers back, in order, as they come.
 *
 *   ./epoll_server 7070 square &
 *   echo '1 2 3' | nc 127.0.0.1 7070
 *
 * A request is one line: items as JSON, between blanks. Each connection is one map; all of them share one fanmap_t,
 * whose descriptor stands in epoll beside the sockets. A client that reads slowly holds its own map and no other
 * (fanmap_hold); one that goes away before it is answered cancels its map (fanmap_job_close).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fanmap/fanmap.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_MAX_BYTES = 65536, OUT_MAX_BYTES = 65536 };

typedef struct {
    fanmap_t *f;
    fanmap_options_t *options;
    const char *task;
    int epoll, listener;
    fanmap_error_t err;
} server_t;

typedef struct {
    server_t *server;
    int fd;
    fanmap_job_t *job; /* NULL until the request is whole */
    char in[REQUEST_MAX_BYTES], out[OUT_MAX_BYTES];
    size_t in_len, in_at, out_len;
    bool is_answered;
} client_t;

static int watch(const server_t *s, int operation, int fd, uint32_t events, void *what)
{
    return epoll_ctl(s->epoll, operation, fd, &(struct epoll_event){.events = events, .data.ptr = what});
}

static void client_close(client_t *c)
{
    fanmap_job_close(c->job, false); /* cancels what has not ended; legal in a callback */
    close(c->fd);
    free(c);
}

/* Sends what it can. */
static void client_flush(client_t *c)
{
    ssize_t n = c->out_len ? send(c->fd, c->out, c->out_len, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
    if (n > 0)
        memmove(c->out, c->out + n, c->out_len -= (size_t)n);
    if ((c->out_len == 0 && c->is_answered) || (n < 0 && errno != EAGAIN)) {
        client_close(c);
        return;
    }
    watch(c->server, EPOLL_CTL_MOD, c->fd, c->out_len ? EPOLLIN | EPOLLOUT : EPOLLIN, c);
    fanmap_hold(c->job, c->out_len > OUT_MAX_BYTES / 2);
}

static void on_outcome(void *arg, fanmap_job_t *job, const fanmap_outcome_t *outcome)
{
    client_t *c = arg;
    const char *line;
    size_t len;
    if (fanmap_outcome_json(job, outcome, false, &line, &len, NULL) != FANMAP_OK || len >= OUT_MAX_BYTES - c->out_len) {
        client_close(c); /* a line that is longer than our buffer */
        return;
    }
    memcpy(c->out + c->out_len, line, len);
    c->out[c->out_len + len] = '\n';
    c->out_len += len + 1;
    client_flush(c);
}

static void on_end(void *arg, fanmap_job_t *job, int result, const fanmap_error_t *err)
{
    client_t *c = arg;
    (void)job;
    if (result != FANMAP_END)
        fprintf(stderr, "epoll_server: %s\n", err->message);
    c->is_answered = true;
    client_flush(c);
}

/* The items of the request, as many as the map takes; it says when it takes more. */
static void on_writable(void *arg, fanmap_job_t *job)
{
    client_t *c = arg;
    while (c->in_at < c->in_len) {
        size_t len = strcspn(c->in + c->in_at, " \r\n");
        if (len > 0 && fanmap_push(job, FANMAP_JSON, c->in + c->in_at, len, NULL) != FANMAP_OK)
            return;
        c->in_at += len + 1;
    }
    (void)fanmap_end_input(job, NULL, NULL);
}

static void begin_map(client_t *c)
{
    server_t *s = c->server;
    c->in[c->in_len] = '\0';
    if (fanmap_map(s->f, s->task, s->options, &c->job, &s->err) != FANMAP_OK) {
        client_close(c);
        return;
    }
    fanmap_on(c->job, on_outcome, on_end, on_writable, c);
    on_writable(c, c->job); /* refused at first: from then on it is called when there is room */
}

static void on_client(client_t *c)
{
    ssize_t n = recv(c->fd, c->in + c->in_len, sizeof c->in - 1 - c->in_len, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN)) /* gone, or a request without an end */
        client_close(c);
    else if (c->job)
        client_flush(c);
    else if (n > 0 && memchr(c->in, '\n', c->in_len += (size_t)n))
        begin_map(c);
}

static void on_connection(server_t *s)
{
    client_t *c = calloc(1, sizeof *c);
    if (!c)
        return;
    c->server = s;
    c->fd = accept(s->listener, NULL, NULL);
    if (watch(s, EPOLL_CTL_ADD, c->fd, EPOLLIN, c) != 0)
        client_close(c); /* it left again, or we are out of descriptors */
}

static int open_sockets(server_t *s, const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    snprintf(s->err.message, sizeof s->err.message, "port %s of 127.0.0.1 cannot be had", port);
    if (bind(s->listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(s->listener, 64) != 0)
        return -1;
    watch(s, EPOLL_CTL_ADD, fanmap_fd(s->f), EPOLLIN, s->f);
    return watch(s, EPOLL_CTL_ADD, s->listener, EPOLLIN, s);
}

static void check(int result, const server_t *s)
{
    if (result >= 0)
        return;
    fprintf(stderr, "epoll_server: %s\n", s->err.message);
    exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
    server_t s = {.task = argc > 2 ? argv[2] : "square", .err.message = "usage: epoll_server PORT [TASK]"};
    struct epoll_event event; /* one at a time: what it closes can then not be in hand as well */
    check(argc > 1 ? fanmap_options_new(&s.options) : FANMAP_EUSAGE, &s);
    check(fanmap_options_load(s.options, NULL, &s.err), &s);
    check(fanmap_options_set(s.options, "value-format", "json", &s.err), &s);
    check(fanmap_open(s.options, NULL, NULL, &s.f, &s.err), &s);
    check(open_sockets(&s, argv[1]), &s);
    while (epoll_wait(s.epoll, &event, 1, -1) == 1) {
        if (event.data.ptr == s.f)
            check(fanmap_dispatch(s.f, 64, &s.err), &s);
        else if (event.data.ptr == &s)
            on_connection(&s);
        else
            on_client(event.data.ptr);
    }
}
