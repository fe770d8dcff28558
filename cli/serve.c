#include "serve/serve.h"

#include <signal.h>

#include "cli/commands.h"
#include "cli/liveness.h"
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

/* What the server tells its surroundings while its loop turns. */
typedef struct {
    probes_t *probes;
    liveness_t liveness;
    serve_t *serve;
} told_t;

static int beat(void *arg)
{
    told_t *told = arg;
    fanmap_health_t health;
    serve_health(told->serve, &health);
    return liveness_beat(&told->liveness, health.is_ready, false);
}

static int open_told(arguments_t *arguments, told_t *told)
{
    int status = probes_open(arguments, &told->probes);
    if (status == EXIT_ALL_WELL && (status = liveness_open(&told->liveness, arguments)) != EXIT_ALL_WELL)
        probes_close(told->probes);
    return status;
}

static void close_told(told_t *told)
{
    liveness_close(&told->liveness);
    probes_close(told->probes);
}

static int open_server(arguments_t *arguments, told_t *told, fanmap_error_t *err)
{
    int r = serve_open(arguments->options, service_log, arguments, &told->serve, err);
    if (r != FANMAP_OK)
        return r;
    probe_service_t service = {put_metrics, put_health, told->serve};
    probes_of(told->probes, &service);
    liveness_of(&told->liveness, &service);
    if (told->probes)
        r = serve_watch(told->serve, probes_fd(told->probes), probes_turn, told->probes, err);
    if (r == FANMAP_OK)
        serve_every(told->serve, beat, told);
    else
        serve_close(told->serve);
    return r;
}

int run_serve(arguments_t *arguments)
{
    told_t told;
    fanmap_error_t err;
    log_as_json(arguments);
    int status = open_told(arguments, &told);
    if (status != EXIT_ALL_WELL)
        return status;
    if (open_server(arguments, &told, &err) != FANMAP_OK) {
        close_told(&told);
        return complain_error(&err);
    }
    struct sigaction action = {.sa_handler = on_signal};
    to_stop = told.serve;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    int r = serve_run(told.serve, &err);
    to_stop = NULL;
    action.sa_handler = SIG_DFL; /* the second one does not wait for what is being stored */
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    (void)liveness_beat(&told.liveness, false, true);
    serve_close(told.serve);
    close_told(&told);
    return r < 0 ? complain_error(&err) : EXIT_ALL_WELL;
}
