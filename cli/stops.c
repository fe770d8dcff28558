/* INT and TERM. One that was ignored when the program began stays ignored: that is how a shell keeps the terminal's INT
 * from what it has started in the background.
 *
 * Whoever ends a program often does it twice at once: timeout(1), and supervisors like it, signal the process and then its group. Those are
 * one wish, and not that of somebody who has lost patience with the first. */
#include <signal.h>
#include <stdint.h>

#include "cli/cli.h"
#include "cli/progress.h"

static const int stops[] = {SIGINT, SIGTERM};
enum { STOPS_N = sizeof stops / sizeof stops[0], AT_ONCE_MS = 200 };

static void (*volatile to_tell)(int signo); /* NULL: it ends the program */
static volatile int64_t heard_ms;           /* 0: none yet */

static void on_stop(int signo)
{
    int64_t now_ms = monotonic_ms(), before_ms = heard_ms;
    if (before_ms > 0 && now_ms - before_ms < AT_ONCE_MS)
        return;
    heard_ms = now_ms;
    if (to_tell) {
        to_tell(signo);
        return;
    }
    signal(signo, SIG_DFL);
    (void)raise(signo); /* when this returns */
}

void stops_catch(void (*handler)(int signo))
{
    struct sigaction action = {.sa_handler = on_stop}, now;
    to_tell = handler;
    for (int i = 0; i < STOPS_N; i++)
        if (sigaction(stops[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            sigaction(stops[i], &action, NULL);
}

void stops_release(void)
{
    to_tell = NULL;
}
