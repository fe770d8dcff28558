#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "cli/commands.h"

static volatile sig_atomic_t terms;
static fanmap_worker_t *to_drain;

static void on_signal(int signo)
{
    (void)signo;
    terms++;
    if (to_drain)
        fanmap_worker_drain(to_drain);
}

/* The worker's log is stderr: one line an event, with the time. */
static void on_log(void *arg, fanmap_log_level_t level, const char *line)
{
    static const char *const words[] = {"error", "warning", "info", "debug"};
    const arguments_t *arguments = arg;
    if (level == FANMAP_LOG_DEBUG && !is_switch_set(arguments, "verbose"))
        return;
    if (level >= FANMAP_LOG_INFO && is_switch_set(arguments, "quiet"))
        return;
    char stamp[32];
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
    complain("%s.%03ldZ %s: %s", stamp, now.tv_nsec / 1000000, words[level], line);
}

int run_worker(arguments_t *arguments)
{
    fanmap_worker_t *worker;
    fanmap_error_t err;
    if (!option_text(arguments, "task-log") &&
        fanmap_options_set(arguments->options, "task-log", "true", &err) != FANMAP_OK)
        return complain_error(&err);
    if (fanmap_worker_open(arguments->options, on_log, arguments, &worker, &err) != FANMAP_OK)
        return complain_error(&err);
    struct sigaction action = {.sa_handler = on_signal};
    to_drain = worker;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    int r;
    do
        r = fanmap_worker_run(worker, -1, &err);
    while (r == FANMAP_OK && terms < 3); /* the third signal does not wait */
    to_drain = NULL;
    fanmap_worker_close(worker);
    return r < 0 ? complain_error(&err) : EXIT_ALL_WELL;
}
