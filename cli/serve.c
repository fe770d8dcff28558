#include "serve/serve.h"

#include <signal.h>

#include "cli/commands.h"
#include "cli/probes.h"

static serve_t *to_stop;

static void on_signal(int signo)
{
    (void)signo;
    if (to_stop)
        serve_stop(to_stop);
}

static int put_metrics(const void *service, fanmap_text_fn fn, void *arg, fanmap_error_t *err)
{
    return serve_metrics(service, fn, arg, err);
}

static void put_health(const void *service, fanmap_health_t *ret)
{
    serve_health(service, ret);
}

static int open_with_probes(arguments_t *arguments, probes_t *probes, serve_t **ret, fanmap_error_t *err)
{
    int r = serve_open(arguments->options, service_log, arguments, ret, err);
    if (r != FANMAP_OK || !probes)
        return r;
    probes_of(probes, &(probe_service_t){put_metrics, put_health, *ret});
    r = serve_watch(*ret, probes_fd(probes), probes_turn, probes, err);
    if (r != FANMAP_OK)
        serve_close(*ret);
    return r;
}

int run_serve(arguments_t *arguments)
{
    serve_t *serve;
    fanmap_error_t err;
    probes_t *probes;
    log_as_json(arguments);
    int status = probes_open(arguments, &probes);
    if (status != EXIT_ALL_WELL)
        return status;
    if (open_with_probes(arguments, probes, &serve, &err) != FANMAP_OK) {
        probes_close(probes);
        return complain_error(&err);
    }
    struct sigaction action = {.sa_handler = on_signal};
    to_stop = serve;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    int r = serve_run(serve, &err);
    to_stop = NULL;
    action.sa_handler = SIG_DFL; /* the second one does not wait for what is being stored */
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    serve_close(serve);
    probes_close(probes);
    return r < 0 ? complain_error(&err) : EXIT_ALL_WELL;
}
