/* One GET on a connection of its own, within ASK_MS. What can fail: nobody listens there, or who listens does not answer. */
#include "cli/ask_probe.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/progress.h"
#include "serve/listener.h"

enum { ASK_MS = 4000, HOST_BYTES = 256, PORT_BYTES = 16, PATH_BYTES = 256, REPLY_BYTES = 4096 };

static const char scheme[] = "http://", no_answer[] = "it does not answer";

typedef struct {
    char host_port[HOST_BYTES], host[HOST_BYTES], port[PORT_BYTES], path[PATH_BYTES];
    int64_t until_ms;
    int fd;
    char reply[REPLY_BYTES]; /* with a NUL behind it */
    size_t reply_len;
} ask_t;

bool is_probe_url(const char *text)
{
    return strncmp(text, scheme, sizeof scheme - 1) == 0;
}

static bool read_url(ask_t *ask, const char *url)
{
    const char *at = url + sizeof scheme - 1, *slash = strchr(at, '/');
    size_t len = slash ? (size_t)(slash - at) : strlen(at);
    if (len >= sizeof ask->host_port || strpbrk(url, " \r\n") || (slash && strlen(slash) >= sizeof ask->path))
        return false;
    memcpy(ask->host_port, at, len);
    ask->host_port[len] = '\0';
    (void)snprintf(ask->path, sizeof ask->path, "%s", slash && slash[1] ? slash : "/readyz");
    return listener_split(ask->host_port, ask->host, sizeof ask->host, ask->port, sizeof ask->port);
}

/* NULL: something happens on the socket; else why nothing does. */
static const char *wait_for(const ask_t *ask, short events)
{
    struct pollfd fd = {.fd = ask->fd, .events = events};
    int64_t left_ms = ask->until_ms - monotonic_ms();
    int n = left_ms > 0 ? poll(&fd, 1, (int)left_ms) : 0;
    return n > 0 ? NULL : n == 0 ? no_answer : strerror(errno);
}

static const char *connect_to(ask_t *ask, const struct addrinfo *to)
{
    int wrong = 0;
    socklen_t len = sizeof wrong;
    ask->fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (ask->fd < 0 || (connect(ask->fd, to->ai_addr, to->ai_addrlen) != 0 && errno != EINPROGRESS))
        return strerror(errno);
    const char *why = wait_for(ask, POLLOUT);
    if (!why && getsockopt(ask->fd, SOL_SOCKET, SO_ERROR, &wrong, &len) == 0 && wrong != 0)
        why = strerror(wrong);
    return why;
}

static const char *read_reply(ask_t *ask)
{
    const char *why = NULL;
    ssize_t n = 1;
    while (n != 0 && !why && ask->reply_len < sizeof ask->reply - 1) {
        why = wait_for(ask, POLLIN);
        n = why ? 0 : recv(ask->fd, ask->reply + ask->reply_len, sizeof ask->reply - 1 - ask->reply_len, 0);
        if (n > 0)
            ask->reply_len += (size_t)n;
        else if (n < 0 && errno != EAGAIN && errno != EINTR)
            why = strerror(errno);
    }
    return why;
}

static const char *exchange(ask_t *ask)
{
    char request[PATH_BYTES + HOST_BYTES + 64];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *found;
    int wrong = getaddrinfo(ask->host, ask->port, &hints, &found);
    if (wrong)
        return gai_strerror(wrong);
    const char *why = connect_to(ask, found);
    freeaddrinfo(found);
    int len = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", ask->path,
                       ask->host_port);
    if (!why && send(ask->fd, request, (size_t)len, MSG_NOSIGNAL) != len) /* a new socket takes as much at once */
        why = strerror(errno);
    return why ? why : read_reply(ask);
}

int ask_probe(const char *url)
{
    ask_t ask = {.fd = -1, .until_ms = monotonic_ms() + ASK_MS};
    int status = 0;
    if (!read_url(&ask, url))
        return fail_with(EXIT_USAGE, "%.200s is no http://HOST:PORT[/PATH]", url);
    const char *why = exchange(&ask);
    if (ask.fd >= 0)
        close(ask.fd);
    if (why)
        return fail_with(EXIT_UNREACHABLE, "%s: %s", url, why);
    const char *body = strstr(ask.reply, "\r\n\r\n");
    if (sscanf(ask.reply, "HTTP/1.%*1d %3d", &status) != 1 || !body)
        return fail_with(EXIT_UNREACHABLE, "%s: what answers there is no service of HTTP", url);
    body += 4;
    if (status < 200 || status > 299)
        return fail_with(EXIT_UNREACHABLE, "%s: %d %.*s", url, status, (int)strcspn(body, "\r\n"), body);
    fputs(body, stdout);
    return EXIT_ALL_WELL;
}
