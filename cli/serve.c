#include "serve/serve.h"

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
} server_t;

static int beat(void *arg)
{
    server_t *server = arg;
    fanmap_health_t health;
    serve_health(server->serve, &health);
    return liveness_beat(&server->liveness, health.is_ready, false);
}

static int open_probes(arguments_t *arguments, server_t *server)
{
    int status = probes_open(arguments, &server->probes);
    if (status == EXIT_ALL_WELL && (status = liveness_open(&server->liveness, arguments)) != EXIT_ALL_WELL)
        probes_close(server->probes);
    return status;
}

static void close_probes(server_t *server)
{
    liveness_close(&server->liveness);
    probes_close(server->probes);
}

static int open_server(arguments_t *arguments, server_t *server, fanmap_error_t *err)
{
    int r = serve_open(arguments->options, service_log, arguments, &server->serve, err);
    if (r != FANMAP_OK)
        return r;
    probe_service_t service = {put_metrics, put_health, server->serve};
    probes_of(server->probes, &service);
    liveness_of(&server->liveness, &service);
    if (server->probes)
        r = serve_watch(server->serve, probes_fd(server->probes), probes_turn, server->probes, err);
    if (r == FANMAP_OK)
        serve_every(server->serve, beat, server);
    else
        serve_close(server->serve);
    return r;
}

int run_serve(arguments_t *arguments)
{
    server_t server;
    fanmap_error_t err;
    log_as_json(arguments);
    int status = open_probes(arguments, &server);
    if (status != EXIT_ALL_WELL)
        return status;
    if (open_server(arguments, &server, &err) != FANMAP_OK) {
        close_probes(&server);
        return complain_error(&err);
    }
    to_stop = server.serve;
    stops_catch(on_signal);
    int r = serve_run(server.serve, &err);
    to_stop = NULL;
    stops_release(); /* the second one does not wait for what is being stored */
    (void)liveness_beat(&server.liveness, false, true);
    serve_close(server.serve);
    close_probes(&server);
    return r < 0 ? complain_error(&err) : EXIT_ALL_WELL;
}
