/* A listener and a few connections on an epoll descriptor of their own. Each connection brings one request and gets one reply.
 *
 * What can fail: whoever connects sends nothing, or does not read. There are PROBES_MAX places, and a newcomer takes that
 * of the oldest when all are taken, so that nobody keeps a probe out for longer than others ask. */
#include "cli/probes.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/commands.h"
#include "serve/listener.h"

enum { PROBES_MAX = 16, EVENTS_MAX = 32, READ_BYTES = 2048 };

typedef struct {
    int fd; /* -1: free */
    uint64_t number;
    buf_t in, out;
    size_t sent;
} probe_t;

struct probes {
    probe_service_t service;
    int epoll_fd, listen_fd;
    uint64_t last_number;
    probe_t at[PROBES_MAX];
};

static void probe_end(probe_t *probe)
{
    if (probe->fd >= 0)
        close(probe->fd);
    buf_free(&probe->in);
    buf_free(&probe->out);
    *probe = (probe_t){.fd = -1};
}

/* Ends it where nothing is left to send, or the other side is gone. */
static void send_on(probes_t *probes, probe_t *probe)
{
    while (probe->sent < probe->out.len) {
        ssize_t n = send(probe->fd, probe->out.data + probe->sent, probe->out.len - probe->sent, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            struct epoll_event event = {.events = EPOLLOUT, .data.ptr = probe};
            (void)epoll_ctl(probes->epoll_fd, EPOLL_CTL_MOD, probe->fd, &event);
            return;
        }
        if (n < 0)
            break;
        probe->sent += (size_t)n;
    }
    (void)shutdown(probe->fd, SHUT_WR);
    probe_end(probe);
}

static void read_on(probes_t *probes, probe_t *probe)
{
    void *to = buf_reserve(&probe->in, READ_BYTES);
    ssize_t n = to ? recv(probe->fd, to, READ_BYTES, 0) : 0;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        probe_end(probe);
        return;
    }
    probe->in.len += (size_t)n;
    if (!probe_answer((const char *)probe->in.data, probe->in.len, &probes->service, &probe->out))
        return;
    if (probe->out.failed)
        probe_end(probe);
    else
        send_on(probes, probe);
}

/* NULL: there is none. */
static probe_t *end_oldest(probes_t *probes)
{
    probe_t *oldest = NULL;
    for (int i = 0; i < PROBES_MAX; i++)
        if (probes->at[i].fd >= 0 && (!oldest || probes->at[i].number < oldest->number))
            oldest = &probes->at[i];
    if (oldest)
        probe_end(oldest);
    return oldest;
}

static probe_t *find_free_place(probes_t *probes)
{
    for (int i = 0; i < PROBES_MAX; i++)
        if (probes->at[i].fd < 0)
            return &probes->at[i];
    return end_oldest(probes);
}

static void take_in(probes_t *probes)
{
    int fd = accept4(probes->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE) &&
        end_oldest(probes)) /* else it would be asked again for ever */
        fd = accept4(probes->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    probe_t *probe = find_free_place(probes);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = probe};
    *probe = (probe_t){.fd = fd, .number = ++probes->last_number};
    if (epoll_ctl(probes->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        probe_end(probe);
}

/* One event a call: a place may be given to another in between. */
void probes_turn(void *arg)
{
    probes_t *probes = arg;
    struct epoll_event event;
    for (int i = 0; i < EVENTS_MAX && epoll_wait(probes->epoll_fd, &event, 1, 0) == 1; i++) {
        probe_t *probe = event.data.ptr;
        if (!probe)
            take_in(probes);
        else if (probe->out.len > 0)
            send_on(probes, probe);
        else
            read_on(probes, probe);
    }
}

int probes_wait(probes_t *probes, int service_fd, int timeout_ms)
{
    if (!probes)
        return timeout_ms;
    struct pollfd fds[2] = {{.fd = service_fd, .events = POLLIN}, {.fd = probes->epoll_fd, .events = POLLIN}};
    if (poll(fds, 2, timeout_ms) > 0 && fds[1].revents)
        probes_turn(probes);
    return 0;
}

int probes_fd(const probes_t *probes)
{
    return probes->epoll_fd;
}

static int listen_at(probes_t *probes, arguments_t *arguments, const char *host_port)
{
    char name[LISTENER_NAME_BYTES], line[LISTENER_NAME_BYTES + 32];
    fanmap_error_t err;
    struct epoll_event event = {.events = EPOLLIN};
    probes->listen_fd = listener_bind_tcp("metrics", host_port, name, sizeof name, &err);
    if (probes->listen_fd < 0)
        return complain_error(&err);
    probes->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (fcntl(probes->listen_fd, F_SETFL, O_NONBLOCK) != 0 || listen(probes->listen_fd, PROBES_MAX) != 0 ||
        probes->epoll_fd < 0 || epoll_ctl(probes->epoll_fd, EPOLL_CTL_ADD, probes->listen_fd, &event) != 0)
        return fail_with(EXIT_IO, "--metrics %s: %s", host_port, strerror(errno));
    (void)snprintf(line, sizeof line, "metrics at %s/metrics", name);
    service_log(arguments, FANMAP_LOG_INFO, line);
    return EXIT_ALL_WELL;
}

int probes_open(arguments_t *arguments, probes_t **ret)
{
    const char *host_port = option_text(arguments, "metrics");
    *ret = NULL;
    if (!host_port)
        return EXIT_ALL_WELL;
    probes_t *probes = malloc(sizeof *probes);
    if (!probes)
        return fail_with(EXIT_IO, "out of memory");
    *probes = (probes_t){.epoll_fd = -1, .listen_fd = -1};
    for (int i = 0; i < PROBES_MAX; i++)
        probes->at[i].fd = -1;
    int status = listen_at(probes, arguments, host_port);
    if (status == EXIT_ALL_WELL)
        *ret = probes;
    else
        probes_close(probes);
    return status;
}

void probes_of(probes_t *probes, const probe_service_t *service)
{
    if (probes)
        probes->service = *service;
}

void probes_close(probes_t *probes)
{
    if (!probes)
        return;
    for (int i = 0; i < PROBES_MAX; i++)
        probe_end(&probes->at[i]);
    if (probes->listen_fd >= 0)
        close(probes->listen_fd);
    if (probes->epoll_fd >= 0)
        close(probes->epoll_fd);
    free(probes);
}
