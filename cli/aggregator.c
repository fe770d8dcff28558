#include <signal.h>

#include "cli/commands.h"
#include "cli/liveness.h"
#include "cli/probes.h"

static volatile sig_atomic_t terms;
static fanmap_aggregator_t *to_drain;

static void on_signal(int signo)
{
    (void)signo;
    terms++;
    if (to_drain)
        fanmap_aggregator_drain(to_drain);
}

static int put_metrics(const void *service, fanmap_text_fn fn, void *arg, fanmap_error_t *err)
{
    return fanmap_aggregator_metrics(service, fn, arg, err);
}

static void put_health(const void *service, fanmap_health_t *ret)
{
    fanmap_aggregator_health(service, ret, sizeof *ret);
}

int run_aggregator(arguments_t *arguments)
{
    fanmap_aggregator_t *aggregator;
    fanmap_error_t err;
    liveness_t liveness;
    probes_t *probes;
    log_as_json(arguments);
    int status = probes_open(arguments, &probes);
    if (status != EXIT_ALL_WELL)
        return status;
    if ((status = liveness_open(&liveness, arguments)) != EXIT_ALL_WELL) {
        probes_close(probes);
        return status;
    }
    if (fanmap_aggregator_open(arguments->options, service_log, arguments, &aggregator, &err) != FANMAP_OK) {
        liveness_close(&liveness);
        probes_close(probes);
        return complain_error(&err);
    }
    probes_of(probes, &(probe_service_t){put_metrics, put_health, aggregator});
    to_drain = aggregator;
    stops_catch(on_signal);
    int r;
    do {
        int wait_ms = liveness_beat(&liveness, fanmap_aggregator_is_ready(aggregator), terms > 0);
        r = fanmap_aggregator_run(aggregator, probes_wait(probes, fanmap_aggregator_fd(aggregator), wait_ms), &err);
    } while (r == FANMAP_OK && terms < 3); /* the third signal does not wait */
    to_drain = NULL;
    fanmap_aggregator_close(aggregator);
    liveness_close(&liveness);
    probes_close(probes);
    return r < 0 ? complain_error(&err) : EXIT_ALL_WELL;
}
