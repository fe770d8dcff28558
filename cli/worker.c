#include <signal.h>
#include <sys/prctl.h>

#include "cli/commands.h"
#include "cli/service.h"

static bool is_ready(const void *worker)
{
    return fanmap_worker_is_ready(worker);
}

SERVICE_CALLS(worker, is_ready)

static int open_worker(arguments_t *arguments, void **ret_worker, fanmap_error_t *err)
{
    fanmap_worker_t *worker;
    int r = fanmap_worker_open(arguments->options, service_log, arguments, &worker, err);
    if (r != FANMAP_OK)
        return r;
    signal(SIGPIPE, SIG_IGN);
    *ret_worker = worker;
    return FANMAP_OK;
}

int run_worker(arguments_t *arguments)
{
    log_as_json(arguments);
    prctl(PR_SET_DUMPABLE, 0); /* no cores, and tasks of the same user cannot look into what holds the secrets */
    if (!option_text(arguments, "task-log") && set_option(arguments, "task-log", "true") != EXIT_ALL_WELL)
        return EXIT_USAGE;
    return service_run(arguments, open_worker, &worker_calls);
}
