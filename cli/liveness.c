#include "cli/liveness.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/ask_probe.h"
#include "cli/commands.h"
#include "views/views.h"

enum { BEAT_MS = 2000, SILENT_MS = 10000, STATE_MAX = 16 };

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* sd_notify(3): a datagram of NAME=VALUE; '@' begins an abstract name. */
static void open_notify(liveness_t *l)
{
    const char *path = getenv("NOTIFY_SOCKET"), *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    size_t len = path ? strlen(path) : 0;
    if (len > 1 && len < sizeof l->notify.sun_path && (*path == '/' || *path == '@')) {
        l->notify.sun_family = AF_UNIX;
        memcpy(l->notify.sun_path, path, len);
        if (*path == '@')
            l->notify.sun_path[0] = '\0';
        l->notify_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
        l->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    }
    long long half_ms = usec && (!pid || strtol(pid, NULL, 10) == (long)getpid()) ? strtoll(usec, NULL, 10) / 2000 : 0;
    if (half_ms > 0 && half_ms < l->every_ms)
        l->every_ms = half_ms;
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

int liveness_open(liveness_t *l, const arguments_t *arguments)
{
    *l = (liveness_t){.notify_fd = -1, .file_fd = -1, .path = option_text(arguments, "heartbeat"), .every_ms = BEAT_MS};
    open_notify(l);
    if (l->path)
        l->file_fd = open(l->path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (!l->path || l->file_fd >= 0)
        return EXIT_ALL_WELL;
    complain("--heartbeat %s: %s", l->path, strerror(errno));
    liveness_close(l);
    return EXIT_IO;
}

static void notify(const liveness_t *l, const char *text)
{
    if (l->notify_fd >= 0)
        (void)!sendto(l->notify_fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&l->notify,
                      l->notify_len);
}

/* In one piece and always as long: a reader never sees half of it. */
static void write_file(const liveness_t *l, int64_t at_ms)
{
    char line[64];
    int n = snprintf(line, sizeof line, "%-9s%20" PRId64 "\n", l->said, at_ms);
    if (l->file_fd >= 0)
        (void)!pwrite(l->file_fd, line, (size_t)n, 0);
}

/* Only what is new. */
static void tell_status(liveness_t *l)
{
    char text[sizeof l->health.why + 32];
    fanmap_health_t health;
    if (l->notify_fd < 0 || !l->service.health)
        return;
    l->service.health(l->service.service, &health);
    if (health.is_ready == l->health.is_ready && strcmp(health.why, l->health.why) == 0)
        return;
    l->health = health;
    (void)snprintf(text, sizeof text, "STATUS=%s%s%s", view_health_word(&health), health.why[0] ? ": " : "",
                   health.why);
    notify(l, text);
}

void liveness_of(liveness_t *l, const probe_service_t *service)
{
    l->service = *service;
}

int liveness_beat(liveness_t *l, bool is_ready, bool is_stopping)
{
    const char *state = is_stopping ? "stopping" : is_ready ? "ready" : "starting";
    int64_t at_ms = now_ms();
    if (l->notify_fd < 0 && l->file_fd < 0)
        return -1;
    bool is_news = !l->said || strcmp(l->said, state) != 0;
    if (is_news && is_stopping)
        notify(l, "STOPPING=1");
    else if (is_news && is_ready)
        notify(l, "READY=1");
    if (is_news || at_ms >= l->due_ms) {
        l->said = state;
        l->due_ms = at_ms + l->every_ms;
        notify(l, "WATCHDOG=1");
        tell_status(l);
        write_file(l, at_ms);
    }
    return (int)(l->due_ms - at_ms);
}

void liveness_close(liveness_t *l)
{
    if (l->notify_fd >= 0)
        close(l->notify_fd);
    if (l->file_fd >= 0) {
        close(l->file_fd);
        unlink(l->path);
    }
    l->notify_fd = l->file_fd = -1;
}

int run_health(arguments_t *arguments)
{
    char line[64] = "", state[STATE_MAX] = "";
    int64_t at_ms = 0;
    if (arguments->positionals_n < 1)
        return fail_with(EXIT_USAGE, "whose? fanmap health URL, of --metrics, or FILE, the one of --heartbeat");
    const char *path = arguments->positionals[0];
    if (is_probe_url(path))
        return ask_probe(path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, line, sizeof line - 1) < 0)
        return fail_with(EXIT_UNREACHABLE, "no service keeps %s: %s", path, strerror(errno));
    close(fd);
    int64_t age_ms = sscanf(line, "%15s %" SCNd64, state, &at_ms) == 2 ? now_ms() - at_ms : -1;
    if (age_ms < 0 || age_ms > SILENT_MS)
        return fail_with(EXIT_UNREACHABLE, "the service that keeps %s is silent", path);
    puts(state);
    return strcmp(state, "starting") == 0 ? EXIT_UNREACHABLE : EXIT_ALL_WELL;
}
