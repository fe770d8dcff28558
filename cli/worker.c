#include <signal.h>
#include <sys/prctl.h>

#include "cli/commands.h"
#include "cli/liveness.h"
#include "cli/probes.h"

static volatile sig_atomic_t terms;
static fanmap_worker_t *to_drain;

static void on_signal(int signo)
{
    (void)signo;
    terms++;
    if (to_drain)
        fanmap_worker_drain(to_drain);
}

static int put_metrics(const void *service, fanmap_text_fn fn, void *arg, fanmap_error_t *err)
{
    return fanmap_worker_metrics(service, fn, arg, err);
}

static void put_health(const void *service, fanmap_health_t *ret)
{
    fanmap_worker_health(service, ret, sizeof *ret);
}

int run_worker(arguments_t *arguments)
{
    fanmap_worker_t *worker;
    fanmap_error_t err;
    liveness_t liveness;
    probes_t *probes;
    log_as_json(arguments);
    prctl(PR_SET_DUMPABLE, 0); /* no cores, and tasks of the same user cannot look into what holds the secrets */
    if (!option_text(arguments, "task-log") && set_option(arguments, "task-log", "true") != EXIT_ALL_WELL)
        return EXIT_USAGE;
    int status = probes_open(arguments, &probes);
    if (status != EXIT_ALL_WELL)
        return status;
    if ((status = liveness_open(&liveness, arguments)) != EXIT_ALL_WELL) {
        probes_close(probes);
        return status;
    }
    if (fanmap_worker_open(arguments->options, service_log, arguments, &worker, &err) != FANMAP_OK) {
        liveness_close(&liveness);
        probes_close(probes);
        return complain_error(&err);
    }
    probes_of(probes, &(probe_service_t){put_metrics, put_health, worker});
    to_drain = worker;
    stops_catch(on_signal);
    signal(SIGPIPE, SIG_IGN);
    int r;
    do {
        int wait_ms = liveness_beat(&liveness, fanmap_worker_is_ready(worker), terms > 0);
        r = fanmap_worker_run(worker, probes_wait(probes, fanmap_worker_fd(worker), wait_ms), &err);
    } while (r == FANMAP_OK && terms < 3); /* the third signal does not wait */
    to_drain = NULL;
    fanmap_worker_close(worker);
    liveness_close(&liveness);
    probes_close(probes);
    return r < 0 ? complain_error(&err) : EXIT_ALL_WELL;
}
