/* The line on stderr that says how far a job is. */
#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { TERMINAL_EVERY_MS = 200, PLAIN_EVERY_MS = 10000, LINE_BYTES = 256, COLUMNS_OTHERWISE = 80 };

/* The one terminal of this process, and the line of ours in which it ends. */
static struct {
    char line[LINE_BYTES];
    bool is_shown, is_line_open; /* is_line_open: what was printed last did not end its line */
} terminal;

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

/* As it is now: it may have been resized since the line was shown. */
static size_t columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : COLUMNS_OTHERWISE;
}

bool progress_shares_stdout(void)
{
    struct stat out, err;
    return is_terminal() && isatty(STDOUT_FILENO) && fstat(STDOUT_FILENO, &out) == 0 &&
           fstat(STDERR_FILENO, &err) == 0 && out.st_rdev == err.st_rdev;
}

/* A terminal that became narrower than the line has wrapped it: the rows above belong to it too. */
void progress_hide(void)
{
    if (!terminal.is_shown)
        return;
    fputs("\r\033[K", stderr);
    for (size_t rows = (strlen(terminal.line) - 1) / columns(); rows > 0; rows--)
        fputs("\033[A\033[K", stderr);
    terminal.is_shown = false;
}

static void draw_line(void)
{
    if (terminal.is_line_open || !terminal.line[0])
        return;
    fputs(terminal.line, stderr);
    terminal.is_shown = true;
}

void progress_again(bool is_line_open)
{
    terminal.is_line_open = is_line_open;
    if (!terminal.is_shown)
        draw_line();
}

void progress_show(progress_t *progress, const fanmap_stats_t *stats)
{
    char line[LINE_BYTES];
    int64_t now_ms = monotonic_ms();
    if (!progress->is_on || now_ms - progress->shown_ms < every_ms(progress))
        return;
    size_t room = progress->is_terminal ? columns() : sizeof line;
    progress_step(progress, stats, now_ms, line, room < sizeof line ? room : sizeof line);
    if (!progress->is_terminal) {
        fprintf(stderr, "fanmap: %s\n", line);
        return;
    }
    progress_hide();
    memcpy(terminal.line, line, sizeof line);
    draw_line();
}

void progress_end(void)
{
    progress_hide();
    terminal.line[0] = '\0';
}

void progress_close(progress_t *progress, const fanmap_stats_t *stats)
{
    progress_end();
    if (!progress->is_on || !progress->is_terminal)
        return;
    double seconds = (double)(monotonic_ms() - progress->began_ms) / 1000;
    fprintf(stderr, "%s%" PRIu64 " outcomes in %.1f s", terminal.is_line_open ? "\n" : "", stats->delivered, seconds);
    if (stats->failed)
        fprintf(stderr, ", %" PRIu64 " failed", stats->failed);
    fputc('\n', stderr);
}
