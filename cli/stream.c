#include <signal.h>

#include "cli/commands.h"

static volatile sig_atomic_t terms;
static fanmap_stream_t *to_drain;

static void on_signal(int signo)
{
    (void)signo;
    terms++;
    if (to_drain)
        fanmap_stream_drain(to_drain);
}

int run_stream(arguments_t *arguments)
{
    fanmap_stream_t *stream;
    fanmap_error_t err;
    if (arguments->positionals_n < 1) {
        complain("which task? fanmap stream TASK --from TOPIC [--to TOPIC]");
        return EXIT_USAGE;
    }
    if (fanmap_stream_open(arguments->options, arguments->positionals[0], service_log, arguments, &stream, &err) !=
        FANMAP_OK)
        return complain_error(&err);
    to_drain = stream;
    stops_catch(on_signal);
    int r;
    do
        r = fanmap_stream_run(stream, -1, &err);
    while (r == FANMAP_OK && terms < 3); /* the third signal does not wait */
    to_drain = NULL;
    fanmap_stream_close(stream);
    return r < 0 ? complain_error(&err) : EXIT_ALL_WELL;
}
