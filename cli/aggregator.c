#include <signal.h>

#include "cli/commands.h"

static volatile sig_atomic_t terms;
static fanmap_aggregator_t *to_drain;

static void on_signal(int signo)
{
    (void)signo;
    terms++;
    if (to_drain)
        fanmap_aggregator_drain(to_drain);
}

int run_aggregator(arguments_t *arguments)
{
    fanmap_aggregator_t *aggregator;
    fanmap_error_t err;
    log_as_json(arguments);
    if (fanmap_aggregator_open(arguments->options, service_log, arguments, &aggregator, &err) != FANMAP_OK)
        return complain_error(&err);
    to_drain = aggregator;
    stops_catch(on_signal);
    int r;
    do
        r = fanmap_aggregator_run(aggregator, -1, &err);
    while (r == FANMAP_OK && terms < 3); /* the third signal does not wait */
    to_drain = NULL;
    fanmap_aggregator_close(aggregator);
    return r < 0 ? complain_error(&err) : EXIT_ALL_WELL;
}
