#include "serve/listener.h"

#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "serve/internal.h"

/* Descriptors that are left for Kafka, Redis and files when connections take the rest. */
enum { DESCRIPTORS_KEPT = 256, BACKLOG = 4096, REST_MS = 100 };

struct listener {
    serve_t *serve;
    struct evconnlistener *ev;
    serve_timer_t retry; /* accepting again, after descriptors ran out */
    size_t connections_max;
    bool is_unix;
    char name[LISTENER_NAME_BYTES];
};

/* The kernel keeps who comes meanwhile in its backlog. */
static void rest(listener_t *l)
{
    (void)evconnlistener_disable(l->ev);
    serve_timer_after(&l->retry, REST_MS);
}

static void accept_again(void *arg)
{
    listener_t *l = arg;
    if (l->serve->connections_n >= l->connections_max)
        rest(l);
    else
        (void)evconnlistener_enable(l->ev);
}

static void on_accept(struct evconnlistener *ev, evutil_socket_t fd, struct sockaddr *from, int from_len, void *arg)
{
    listener_t *l = arg;
    const int on = 1;
    (void)ev;
    (void)from;
    (void)from_len;
    if (!l->is_unix) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    }
    struct bufferevent *bev = bufferevent_socket_new(l->serve->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!bev) {
        evutil_closesocket(fd);
        return;
    }
    connection_begin(l->serve, bev, &l->serve->access);
    if (l->serve->connections_n >= l->connections_max)
        rest(l);
}

static void on_accept_error(struct evconnlistener *ev, void *arg)
{
    (void)ev;
    rest(arg);
}

/* All descriptors that this process may have, but for some. */
static size_t raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return DESCRIPTORS_KEPT;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur > 2 * DESCRIPTORS_KEPT ? (size_t)limit.rlim_cur - DESCRIPTORS_KEPT : DESCRIPTORS_KEPT;
}

/* Takes over a bound socket. */
static int listen_on(serve_t *serve, int fd, bool is_unix, listener_t **ret, fanmap_error_t *err)
{
    listener_t *l = calloc(1, sizeof *l);
    if (l) {
        *l = (listener_t){.serve = serve, .is_unix = is_unix, .connections_max = raise_descriptors()};
        serve_timer_init(&l->retry, serve->base, accept_again, l);
        (void)evutil_make_socket_nonblocking(fd);
        l->ev =
            evconnlistener_new(serve->base, on_accept, l, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, BACKLOG, fd);
    }
    if (!l || !l->ev) {
        int wrong = errno;
        close(fd);
        listener_close(l);
        return err_set(err, FANMAP_EIO, "listening: %s", strerror(wrong));
    }
    evconnlistener_set_error_cb(l->ev, on_accept_error);
    *ret = l;
    return FANMAP_OK;
}

/* ---- a Unix socket ---- */

static bool answers(const struct sockaddr_un *at)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_there = fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof *at) == 0;
    if (fd >= 0)
        close(fd);
    return is_there;
}

static bool is_socket(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

static int bind_unix(const struct sockaddr_un *at, fanmap_error_t *err)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    mode_t before = umask(0177);
    int r = fd < 0 ? -1 : bind(fd, (const struct sockaddr *)at, sizeof *at);
    if (r != 0 && fd >= 0 && errno == EADDRINUSE && is_socket(at->sun_path) && !answers(at) &&
        unlink(at->sun_path) == 0)
        r = bind(fd, (const struct sockaddr *)at, sizeof *at);
    int wrong = errno;
    (void)umask(before);
    if (r == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return err_set(err, FANMAP_EIO, "%s: %s", at->sun_path, strerror(wrong));
}

int listener_open_unix(serve_t *serve, const char *path, listener_t **ret, fanmap_error_t *err)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof at.sun_path)
        return err_set(err, FANMAP_EUSAGE, "the path of a socket has at most %zu bytes", sizeof at.sun_path - 1);
    memcpy(at.sun_path, path, strlen(path) + 1);
    int fd = bind_unix(&at, err);
    if (fd < 0)
        return fd;
    int r = listen_on(serve, fd, true, ret, err);
    if (r == FANMAP_OK)
        snprintf((*ret)->name, sizeof(*ret)->name, "%s", path);
    return r;
}

/* ---- TCP ---- */

bool listener_split(const char *host_port, char *ret_host, size_t host_cap, char *ret_port, size_t port_cap)
{
    const char *colon = strrchr(host_port, ':'), *host = host_port;
    if (!colon || colon == host_port || !colon[1] || strlen(colon + 1) >= port_cap)
        return false;
    size_t len = (size_t)(colon - host);
    if (host[0] == '[') {
        if (len < 3 || host[len - 1] != ']')
            return false;
        host++;
        len -= 2;
    } else if (memchr(host, ':', len)) {
        return false;
    }
    if (len >= host_cap)
        return false;
    memcpy(ret_host, host, len);
    ret_host[len] = '\0';
    memcpy(ret_port, colon + 1, strlen(colon + 1) + 1);
    return true;
}

bool listener_is_loopback(const char *host)
{
    return strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

static int bind_to(const char *option, const char *host_port, const char *host, const char *port, fanmap_error_t *err)
{
    const int on = 1;
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found;
    int wrong = getaddrinfo(host, port, &hints, &found);
    if (wrong)
        return err_set(err, FANMAP_EUSAGE, "--%s %s: %s", option, host_port, gai_strerror(wrong));
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) != 0) {
        wrong = errno;
        if (fd >= 0)
            close(fd);
        fd = err_set(err, FANMAP_EIO, "--%s %s: %s", option, host_port, strerror(wrong));
    }
    freeaddrinfo(found);
    return fd;
}

static void name_it(int fd, const char *host, char *ret, size_t cap)
{
    struct sockaddr_storage at = {0};
    socklen_t len = sizeof at;
    unsigned port = 0;
    if (getsockname(fd, (struct sockaddr *)&at, &len) == 0)
        port = ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port
                                              : ((struct sockaddr_in *)&at)->sin_port);
    bool is_v6 = strchr(host, ':') != NULL;
    snprintf(ret, cap, "http://%s%.100s%s:%u", is_v6 ? "[" : "", host, is_v6 ? "]" : "", port);
}

int listener_bind_tcp(const char *option, const char *host_port, char *ret_name, size_t cap, fanmap_error_t *err)
{
    char host[128], port[16];
    if (!listener_split(host_port, host, sizeof host, port, sizeof port))
        return err_set(err, FANMAP_EUSAGE, "--%s %s is no HOST:PORT", option, host_port);
    int fd = bind_to(option, host_port, host, port, err);
    if (fd >= 0)
        name_it(fd, host, ret_name, cap);
    return fd;
}

int listener_open_tcp(serve_t *serve, const char *host_port, listener_t **ret, fanmap_error_t *err)
{
    char name[LISTENER_NAME_BYTES];
    int fd = listener_bind_tcp("listen", host_port, name, sizeof name, err);
    if (fd < 0)
        return fd;
    int r = listen_on(serve, fd, false, ret, err);
    if (r == FANMAP_OK)
        memcpy((*ret)->name, name, sizeof name);
    return r;
}

const char *listener_name(const listener_t *listener)
{
    return listener->name;
}

void listener_close(listener_t *listener)
{
    if (!listener)
        return;
    if (listener->is_unix && listener->name[0])
        (void)unlink(listener->name);
    if (listener->ev)
        evconnlistener_free(listener->ev);
    serve_timer_stop(&listener->retry);
    free(listener);
}
