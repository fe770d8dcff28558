/* The line on stderr that says how far a job is. */
#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TERMINAL_EVERY_MS = 200, PLAIN_EVERY_MS = 10000 };

static bool line_is_shown; /* the one stderr of this process ends in a line of ours */

/* One that can rewrite a line. */
static bool is_terminal(void)
{
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) == 1 && term && strcmp(term, "dumb") != 0;
}

int64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void progress_open(progress_t *progress, const arguments_t *arguments)
{
    *progress = (progress_t){.is_on = !is_switch_set(arguments, "quiet") && is_switch_set(arguments, "progress"),
                             .is_terminal = is_terminal(),
                             .began_ms = monotonic_ms()};
    progress->shown_ms = progress->moved_ms = progress->began_ms;
}

static int64_t every_ms(const progress_t *progress)
{
    return progress->is_terminal ? TERMINAL_EVERY_MS : PLAIN_EVERY_MS;
}

int64_t progress_next_ms(const progress_t *progress)
{
    return progress->is_on ? progress->shown_ms + every_ms(progress) : INT64_MAX;
}

void progress_show(progress_t *progress, const fanmap_stats_t *stats)
{
    char line[256];
    int64_t now_ms = monotonic_ms();
    if (!progress->is_on || now_ms - progress->shown_ms < every_ms(progress))
        return;
    progress_step(progress, stats, now_ms, line, sizeof line);
    fprintf(stderr, progress->is_terminal ? "\r\033[K%s" : "fanmap: %s\n", line);
    line_is_shown = progress->is_terminal;
}

void progress_hide(void)
{
    if (line_is_shown)
        fputs("\r\033[K", stderr);
    line_is_shown = false;
}

void progress_close(progress_t *progress, const fanmap_stats_t *stats)
{
    progress_hide();
    if (!progress->is_on || !progress->is_terminal)
        return;
    double seconds = (double)(monotonic_ms() - progress->began_ms) / 1000;
    fprintf(stderr, "%" PRIu64 " outcomes in %.1f s", stats->delivered, seconds);
    if (stats->failed)
        fprintf(stderr, ", %" PRIu64 " failed", stats->failed);
    fputc('\n', stderr);
}
