/* The recorder's sockets: see recorder.h for what it is.
 *
 *   recorder PATH      listens on a unix socket      recorder PORT      listens on 127.0.0.1:PORT (0: any)
 *
 * Prints `ready ADDRESS` once it listens; ends on `quit`, TERM, or when its standard input closes (-k: not then).
 *
 * What must not go wrong is the order. A worker starts an attempt because another one has ended, so that one's close
 * was there first; but one look at the sockets can show the new line and miss the close. So a line that was read waits
 * for one more look that began after it was read, and every close which that look shows is counted before it.
 */
#include "tests/lib/recorder.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { LOOK = 512, LINE = 256 };

typedef struct conn {
    int fd;
    bool control, waits, gone;
    recorder_item_t *item; /* the attempt that this connection holds */
    recorder_line_t line;
    size_t len;
    char text[LINE];
    struct conn *next; /* in one of the two lists of server_t */
} conn_t;

typedef struct {
    int epoll, listener;
    recorder_t *book;
    conn_t *waiting, **waiting_end; /* lines read, not counted yet, in order */
    conn_t *dead;                   /* closed during this look; freed after it */
    bool quit;
    conn_t listener_mark, stdin_mark;
} server_t;

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static bool watch(server_t *s, int fd, conn_t *c)
{
    struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = c};
    return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e) == 0;
}

static void accept_all(server_t *s)
{
    for (;;) {
        int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return;
        conn_t *c = calloc(1, sizeof *c);
        if (c == NULL || !watch(s, fd, c)) {
            free(c);
            close(fd);
            recorder_bad(s->book);
            continue;
        }
        c->fd = fd;
    }
}

static void unlist(server_t *s, conn_t *c)
{
    for (conn_t **p = &s->waiting; *p != NULL; p = &(*p)->next) {
        if (*p != c)
            continue;
        *p = c->next;
        if (s->waiting_end == &c->next)
            s->waiting_end = p;
        return;
    }
}

static void drop(server_t *s, conn_t *c)
{
    if (c->gone)
        return;
    if (c->item != NULL)
        recorder_close(s->book, c->item, c->line.where, now_us());
    if (c->waits)
        unlist(s, c); /* ended before it was let in: it never ran */
    close(c->fd);
    c->gone = true;
    c->next = s->dead;
    s->dead = c;
}

static void control(server_t *s, conn_t *c, const char *command)
{
    c->control = true;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL)
        return;
    if (strcmp(command, "report") == 0) {
        recorder_report(s->book, out);
    } else if (strcmp(command, "reset") == 0) {
        recorder_reset(s->book);
        fputs("{\"ok\":true}\n", out);
    } else if (strcmp(command, "quit") == 0) {
        s->quit = true;
        fputs("{\"ok\":true}\n", out);
    } else {
        recorder_bad(s->book);
        fputs("{\"ok\":false}\n", out);
    }
    fclose(out);
    fcntl(c->fd, F_SETFL, 0); /* a report may be longer than the socket's buffer */
    for (size_t at = 0; at < len;) {
        ssize_t n = send(c->fd, text + at, len - at, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        at += (size_t)n;
    }
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    free(text);
}

static void line_read(server_t *s, conn_t *c, const char *line)
{
    if (c->item != NULL || c->waits || c->control || !recorder_parse(line, &c->line)) {
        control(s, c, line);
        return;
    }
    c->waits = true;
    c->next = NULL;
    *s->waiting_end = c;
    s->waiting_end = &c->next;
}

static void read_some(server_t *s, conn_t *c)
{
    ssize_t n = recv(c->fd, c->text + c->len, LINE - 1 - c->len, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        drop(s, c);
        return;
    }
    c->len += (size_t)n;
    c->text[c->len] = '\0';
    for (char *end; (end = strchr(c->text, '\n')) != NULL && !c->gone;) {
        *end = '\0';
        line_read(s, c, c->text);
        c->len -= (size_t)(end + 1 - c->text);
        memmove(c->text, end + 1, c->len + 1);
    }
    if (c->len == LINE - 1) {
        recorder_bad(s->book);
        drop(s, c);
    }
}

/* Lines that were read before the look that has just ended. */
static void let_in(server_t *s)
{
    conn_t *c = s->waiting;
    s->waiting = NULL;
    s->waiting_end = &s->waiting;
    for (conn_t *next; c != NULL; c = next) {
        next = c->next;
        c->waits = false;
        c->item = recorder_open(s->book, &c->line, now_us());
        if (c->item == NULL)
            recorder_bad(s->book);
        if (send(c->fd, "g", 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
            drop(s, c);
    }
}

/* One look at every socket that has something, in two passes: ends first. */
static void look(server_t *s)
{
    struct epoll_event e[LOOK];
    int n, waited = s->waiting == NULL ? -1 : 0;
    do {
        n = epoll_wait(s->epoll, e, LOOK, waited);
        for (int i = 0; i < n; i++) {
            conn_t *c = e[i].data.ptr;
            if (c != &s->listener_mark && c != &s->stdin_mark && !c->control &&
                (e[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0 && (c->item != NULL || c->waits))
                drop(s, c);
        }
        if (n < LOOK) /* otherwise there may be ends that this look has not shown yet */
            let_in(s);
        for (int i = 0; i < n; i++) {
            conn_t *c = e[i].data.ptr;
            if (c == &s->listener_mark)
                accept_all(s);
            else if (c == &s->stdin_mark)
                s->quit = true;
            else if (!c->gone)
                read_some(s, c);
        }
        waited = 0;
        while (s->dead != NULL) {
            conn_t *c = s->dead;
            s->dead = c->next;
            free(c);
        }
    } while (n == LOOK);
}

static int listen_at(const char *where, char *ret_name, size_t name_size)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof in;
    bool path = strchr(where, '/') != NULL;
    int fd = socket(path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || strlen(where) >= sizeof un.sun_path)
        return -1;
    if (path) {
        snprintf(un.sun_path, sizeof un.sun_path, "%s", where);
        unlink(where);
        snprintf(ret_name, name_size, "%s", where);
        if (bind(fd, (const struct sockaddr *)&un, sizeof un) != 0)
            return -1;
    } else {
        in.sin_port = htons((uint16_t)strtoul(where, NULL, 10));
        if (bind(fd, (const struct sockaddr *)&in, sizeof in) != 0 ||
            getsockname(fd, (struct sockaddr *)&in, &size) != 0)
            return -1;
        snprintf(ret_name, name_size, "127.0.0.1:%u", (unsigned)ntohs(in.sin_port));
    }
    return listen(fd, 4096) == 0 ? fd : -1;
}

static void raise_file_limit(void)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
        l.rlim_cur = l.rlim_max;
        setrlimit(RLIMIT_NOFILE, &l);
    }
}

int main(int argc, char **argv)
{
    bool keep = argc > 2 && strcmp(argv[1], "-k") == 0;
    if (argc != 2 + keep) {
        fprintf(stderr, "usage: recorder [-k] PATH|PORT\n");
        return 2;
    }
    raise_file_limit();
    char name[256];
    server_t s = {.epoll = epoll_create1(EPOLL_CLOEXEC), .book = recorder_new()};
    s.listener = listen_at(argv[argc - 1], name, sizeof name);
    s.waiting_end = &s.waiting;
    if (s.epoll < 0 || s.listener < 0 || s.book == NULL || !watch(&s, s.listener, &s.listener_mark)) {
        fprintf(stderr, "recorder: %s: %s\n", argv[argc - 1], strerror(errno));
        return 1;
    }
    if (!keep)
        watch(&s, STDIN_FILENO, &s.stdin_mark);
    printf("ready %s\n", name);
    fflush(stdout);
    while (!s.quit)
        look(&s);
    fflush(stdout);
    _exit(0); /* attempts may still be connected, and that is nobody's leak */
}
