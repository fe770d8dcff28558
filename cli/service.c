#include "cli/service.h"

#include <signal.h>

#include "cli/liveness.h"
#include "cli/probes.h"

enum { SIGNALS_TO_QUIT = 3 }; /* the first one drains; this one does not wait */

static volatile sig_atomic_t signals_n;
static void *running;
static void (*drain_running)(void *service);

static void on_signal(int signo)
{
    (void)signo;
    signals_n++;
    if (running)
        drain_running(running);
}

static int run_until_stopped(void *service, const service_calls_t *calls, probes_t *probes, liveness_t *liveness,
                             fanmap_error_t *err)
{
    probe_service_t probed = {calls->metrics, calls->health, service};
    probes_of(probes, &probed);
    if (calls->is_ready)
        liveness_of(liveness, &probed);
    drain_running = calls->drain;
    running = service;
    stops_catch(on_signal);
    int r;
    do {
        int wait_ms = calls->is_ready ? liveness_beat(liveness, calls->is_ready(service), signals_n > 0) : -1;
        r = calls->run(service, probes_wait(probes, calls->fd(service), wait_ms), err);
    } while (r == FANMAP_OK && signals_n < SIGNALS_TO_QUIT);
    running = NULL;
    calls->close(service);
    return r;
}

int service_run(arguments_t *arguments, service_open_fn open, const service_calls_t *calls)
{
    void *service;
    fanmap_error_t err;
    liveness_t liveness;
    probes_t *probes;
    int status = probes_open(arguments, &probes);
    if (status != EXIT_ALL_WELL)
        return status;
    if (calls->is_ready && (status = liveness_open(&liveness, arguments)) != EXIT_ALL_WELL) {
        probes_close(probes);
        return status;
    }
    int r = open(arguments, &service, &err);
    if (r == FANMAP_OK)
        r = run_until_stopped(service, calls, probes, &liveness, &err);
    if (calls->is_ready)
        liveness_close(&liveness);
    probes_close(probes);
    return r < 0 ? complain_error(&err) : EXIT_ALL_WELL;
}
