#include <signal.h>
#include <sys/prctl.h>

#include "cli/commands.h"
#include "cli/liveness.h"

static volatile sig_atomic_t terms;
static fanmap_worker_t *to_drain;

static void on_signal(int signo)
{
    (void)signo;
    terms++;
    if (to_drain)
        fanmap_worker_drain(to_drain);
}

int run_worker(arguments_t *arguments)
{
    fanmap_worker_t *worker;
    fanmap_error_t err;
    liveness_t liveness;
    log_as_json(arguments);
    prctl(PR_SET_DUMPABLE, 0); /* no cores, and tasks of the same user cannot look into what holds the secrets */
    if (!option_text(arguments, "task-log") &&
        fanmap_options_set(arguments->options, "task-log", "true", &err) != FANMAP_OK)
        return complain_error(&err);
    int status = liveness_open(&liveness, arguments);
    if (status != EXIT_ALL_WELL)
        return status;
    if (fanmap_worker_open(arguments->options, service_log, arguments, &worker, &err) != FANMAP_OK) {
        liveness_close(&liveness);
        return complain_error(&err);
    }
    to_drain = worker;
    stops_catch(on_signal);
    signal(SIGPIPE, SIG_IGN);
    int r;
    do
        r = fanmap_worker_run(worker, liveness_beat(&liveness, fanmap_worker_is_ready(worker), terms > 0), &err);
    while (r == FANMAP_OK && terms < 3); /* the third signal does not wait */
    to_drain = NULL;
    fanmap_worker_close(worker);
    liveness_close(&liveness);
    return r < 0 ? complain_error(&err) : EXIT_ALL_WELL;
}
