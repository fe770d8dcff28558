/* INT and TERM. One that was ignored when the program began stays ignored: that is how a shell keeps the terminal's INT
 * from what it has started in the background. */
#include <signal.h>

#include "cli/cli.h"

static const int stops[] = {SIGINT, SIGTERM};
enum { STOPS_N = sizeof stops / sizeof stops[0] };

static void set_handlers(void (*handler)(int signo))
{
    struct sigaction action = {.sa_handler = handler}, now;
    for (int i = 0; i < STOPS_N; i++)
        if (sigaction(stops[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            sigaction(stops[i], &action, NULL);
}

void stops_catch(void (*handler)(int signo))
{
    set_handlers(handler);
}

void stops_release(void)
{
    set_handlers(SIG_DFL);
}
