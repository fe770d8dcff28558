/* The server as a whole: its options, its loop, and the library's connection in that loop.
 *
 * A request comes in at connection.c, which finds its route (routes.c) and asks access.c. A handler (map.c, submit.c,
 * outcomes.c, jobs.c) takes it from there and answers by reply.c. The library calls its handlers from fanmap_dispatch,
 * which runs here when its descriptor says so. */
#include "serve/serve.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "serve/events.h"
#include "serve/internal.h"
#include "serve/listener.h"
#include "serve/queries.h"
#include "serve/token_file.h"
#include "serve/watch.h"

enum { CALLBACKS_A_TURN = 4096, PATH_BYTES = 4096 };

__attribute__((format(printf, 2, 3))) static void log_info(serve_t *serve, const char *format, ...)
{
    char line[600];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (serve->log)
        serve->log(serve->log_arg, FANMAP_LOG_INFO, line);
}

static bool is_set(const fanmap_options_t *options, const char *name)
{
    const char *value = fanmap_options_get(options, name, 0);
    return value && strcmp(value, "true") == 0;
}

/* ---- the library in the loop ---- */

static void on_fleet(evutil_socket_t fd, short what, void *arg)
{
    serve_t *serve = arg;
    (void)fd;
    (void)what;
    int r = fanmap_dispatch(serve->f, CALLBACKS_A_TURN, &serve->error);
    if (r == FANMAP_AGAIN)
        event_active(serve->fleet_ready, EV_READ, 0);
    else if (r < 0)
        event_base_loopbreak(serve->base);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
    serve_t *serve = arg;
    (void)fd;
    (void)what;
    event_base_loopbreak(serve->base);
}

/* ---- where it stands and who may come ---- */

static void allow(serve_t *serve, const char *host)
{
    if (serve->access.hosts_n < HOSTS_MAX)
        serve->access.hosts[serve->access.hosts_n++] = host;
}

static void allow_hosts(serve_t *serve)
{
    const char *host;
    allow(serve, "localhost");
    allow(serve, "127.0.0.1");
    allow(serve, "[::1]");
    for (size_t i = 0; (host = fanmap_options_get(serve->options, "allow-host", i)) != NULL; i++)
        allow(serve, host);
}

/* $XDG_STATE_HOME or ~/.local/state, fanmap/serve.token in it; its folders are made. */
static int standard_token_path(char *ret, size_t cap, fanmap_error_t *err)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (!(state && state[0]) && !(home && home[0]))
        return err_set(err, FANMAP_EUSAGE, "where is the token kept? --token-file FILE");
    int n = state && state[0] ? snprintf(ret, cap, "%s/fanmap/serve.token", state)
                              : snprintf(ret, cap, "%s/.local/state/fanmap/serve.token", home);
    if (n < 0 || (size_t)n >= cap)
        return err_set(err, FANMAP_EUSAGE, "the path of the token file is too long");
    for (char *slash = strchr(ret + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(ret, 0700);
        *slash = '/';
    }
    return FANMAP_OK;
}

static int read_tokens(serve_t *serve, fanmap_error_t *err)
{
    char standard[PATH_BYTES];
    bool is_new;
    const char *path = fanmap_options_get(serve->options, "token-file", 0);
    int r = FANMAP_OK;
    if (!path) {
        r = standard_token_path(standard, sizeof standard, err);
        path = standard;
    }
    if (r == FANMAP_OK)
        r = token_file_read(path, &serve->access, &is_new, err);
    if (r == FANMAP_OK)
        log_info(serve, "%s tokens: %s", is_new ? "made new" : "reads its", path);
    return r;
}

/* Loopback only, unless there is a token. */
static int open_tcp(serve_t *serve, const char *host_port, fanmap_error_t *err)
{
    char host[128], port[16];
    serve->access.needs_token = !fanmap_options_get(serve->options, "token", 0) || is_set(serve->options, "token");
    if (listener_split(host_port, host, sizeof host, port, sizeof port) && !listener_is_loopback(host) &&
        !serve->access.needs_token)
        return err_set(err, FANMAP_EUSAGE, "beyond loopback --no-token is refused: everyone there could run tasks");
    int r = serve->access.needs_token ? read_tokens(serve, err) : FANMAP_OK;
    return r == FANMAP_OK ? listener_open_tcp(serve, host_port, &serve->listener, err) : r;
}

static int open_listener(serve_t *serve, fanmap_error_t *err)
{
    char standard[PATH_BYTES];
    const char *path = fanmap_options_get(serve->options, "socket", 0), *runtime = getenv("XDG_RUNTIME_DIR");
    const char *tcp = fanmap_options_get(serve->options, "listen", 0);
    if (tcp && path)
        return err_set(err, FANMAP_EUSAGE, "--socket or --listen, not both");
    if (tcp)
        return open_tcp(serve, tcp, err);
    if (!path && !(runtime && runtime[0]))
        return err_set(err, FANMAP_EUSAGE, "where to listen? --socket PATH or --listen 127.0.0.1:PORT");
    if (!path) {
        snprintf(standard, sizeof standard, "%s/fanmap.sock", runtime);
        path = standard;
    }
    return listener_open_unix(serve, path, &serve->listener, err);
}

/* Each reader of a job fetches ahead: less than the library's own bound, since there may be many, and slow ones. */
static int bound_fetching(serve_t *serve, fanmap_error_t *err)
{
    static const char key[] = "queued.max.messages.kbytes", bound[] = "queued.max.messages.kbytes=1024";
    const char *set;
    for (size_t i = 0; (set = fanmap_options_get(serve->options, "property", i)) != NULL; i++)
        if (strncmp(set, key, sizeof key - 1) == 0)
            return FANMAP_OK;
    return fanmap_options_set(serve->options, "property", bound, err);
}

static int open_fleet(serve_t *serve, fanmap_error_t *err)
{
    if (bound_fetching(serve, err) != FANMAP_OK)
        return err->code;
    int r = fanmap_open(serve->options, serve->log, serve->log_arg, &serve->f, err);
    if (r != FANMAP_OK)
        return r;
    serve->fleet_ready = event_new(serve->base, fanmap_fd(serve->f), EV_READ | EV_PERSIST, on_fleet, serve);
    serve->stop = event_new(serve->base, serve->stop_fd, EV_READ | EV_PERSIST, on_stop, serve);
    bool is_local = is_set(serve->options, "local");
    if (!is_local) {
        serve->queries = queries_start(serve);
        serve->long_queries = queries_start(serve);
        serve->events = serve->queries ? events_start(serve) : NULL;
    }
    bool can_ask = is_local || (serve->queries && serve->long_queries && serve->events);
    if (!serve->fleet_ready || !serve->stop || !can_ask || event_add(serve->fleet_ready, NULL) != 0 ||
        event_add(serve->stop, NULL) != 0)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    return FANMAP_OK;
}

static void on_every(void *arg)
{
    serve_t *serve = arg;
    int after_ms = serve->on_every(serve->every_arg);
    if (after_ms >= 0)
        serve_timer_after(&serve->every, after_ms);
}

int serve_open(fanmap_options_t *options, fanmap_log_fn log, void *log_arg, serve_t **ret_serve, fanmap_error_t *err)
{
    serve_t *serve = calloc(1, sizeof *serve);
    if (!serve)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    *serve =
        (serve_t){.options = options, .log = log, .log_arg = log_arg, .find = route_find, .base = event_base_new()};
    serve->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int r = serve->base && serve->stop_fd >= 0 ? FANMAP_OK : err_set(err, FANMAP_EIO, "the loop: %s", strerror(errno));
    allow_hosts(serve);
    if (serve->base)
        serve_timer_init(&serve->every, serve->base, on_every, serve);
    if (r == FANMAP_OK)
        r = open_fleet(serve, err);
    if (r == FANMAP_OK)
        r = open_listener(serve, err);
    if (r != FANMAP_OK) {
        serve_close(serve);
        return r;
    }
    signal(SIGPIPE, SIG_IGN);
    log_info(serve, "serves at %s", listener_name(serve->listener));
    *ret_serve = serve;
    return FANMAP_OK;
}

static void on_watched_fd(evutil_socket_t fd, short what, void *arg)
{
    const serve_t *serve = arg;
    (void)fd;
    (void)what;
    serve->on_watched_fd(serve->watched_fd_arg);
}

int serve_watch(serve_t *serve, int fd, void (*fn)(void *arg), void *arg, fanmap_error_t *err)
{
    serve->on_watched_fd = fn;
    serve->watched_fd_arg = arg;
    serve->watched_fd = event_new(serve->base, fd, EV_READ | EV_PERSIST, on_watched_fd, serve);
    if (!serve->watched_fd || event_add(serve->watched_fd, NULL) != 0)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    return FANMAP_OK;
}

void serve_every(serve_t *serve, int (*fn)(void *arg), void *arg)
{
    serve->on_every = fn;
    serve->every_arg = arg;
    serve_timer_after(&serve->every, 0);
}

/* The library's text and ours behind it, as one. */
typedef struct {
    const serve_t *serve;
    fanmap_text_fn fn;
    void *arg;
} metrics_relay_t;

static void append_counts(void *arg, const char *text, size_t len)
{
    const metrics_relay_t *relay = arg;
    buf_t all = {0};
    buf_append(&all, text, len);
    counts_put(&relay->serve->counts, relay->serve->connections_n, &all);
    if (!all.failed)
        relay->fn(relay->arg, (const char *)all.data, all.len);
    buf_free(&all);
}

int serve_metrics(const serve_t *serve, fanmap_text_fn fn, void *arg, fanmap_error_t *err)
{
    metrics_relay_t relay = {serve, fn, arg};
    return fanmap_metrics(serve->f, append_counts, &relay, err);
}

void serve_health(const serve_t *serve, fanmap_health_t *ret)
{
    fanmap_health(serve->f, ret, sizeof *ret);
}

int serve_run(serve_t *serve, fanmap_error_t *err)
{
    (void)event_base_dispatch(serve->base);
    if (serve->error.code >= 0)
        return FANMAP_END;
    if (err)
        *err = serve->error;
    return serve->error.code;
}

void serve_stop(serve_t *serve)
{
    const uint64_t one = 1;
    int before = errno;
    (void)!write(serve->stop_fd, &one, sizeof one);
    errno = before;
}

void serve_close(serve_t *serve)
{
    if (!serve)
        return;
    listener_close(serve->listener);
    if (serve->base) {
        connection_close_all(serve);
        serve_timer_stop(&serve->every);
    }
    watch_close_all(serve);
    queries_stop(serve->queries);
    queries_stop(serve->long_queries);
    events_free(serve->events);
    if (serve->fleet_ready)
        event_free(serve->fleet_ready);
    if (serve->stop)
        event_free(serve->stop);
    if (serve->watched_fd)
        event_free(serve->watched_fd);
    fanmap_close(serve->f);
    if (serve->stop_fd >= 0)
        close(serve->stop_fd);
    if (serve->base)
        event_base_free(serve->base);
    free(serve);
}
