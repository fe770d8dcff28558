#include <signal.h>

#include "cli/commands.h"
#include "cli/liveness.h"

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
    liveness_t liveness;
    log_as_json(arguments);
    int status = liveness_open(&liveness, arguments);
    if (status != EXIT_ALL_WELL)
        return status;
    if (fanmap_aggregator_open(arguments->options, service_log, arguments, &aggregator, &err) != FANMAP_OK) {
        liveness_close(&liveness);
        return complain_error(&err);
    }
    to_drain = aggregator;
    stops_catch(on_signal);
    int r;
    do
        r = fanmap_aggregator_run(aggregator,
                                  liveness_beat(&liveness, fanmap_aggregator_is_ready(aggregator), terms > 0), &err);
    while (r == FANMAP_OK && terms < 3); /* the third signal does not wait */
    to_drain = NULL;
    fanmap_aggregator_close(aggregator);
    liveness_close(&liveness);
    return r < 0 ? complain_error(&err) : EXIT_ALL_WELL;
}
