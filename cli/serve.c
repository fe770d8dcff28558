#include "serve/serve.h"

#include <signal.h>

#include "cli/commands.h"

static serve_t *to_stop;

static void on_signal(int signo)
{
    (void)signo;
    if (to_stop)
        serve_stop(to_stop);
}

int run_serve(arguments_t *arguments)
{
    serve_t *serve;
    fanmap_error_t err;
    log_as_json(arguments);
    if (serve_open(arguments->options, service_log, arguments, &serve, &err) != FANMAP_OK)
        return complain_error(&err);
    struct sigaction action = {.sa_handler = on_signal};
    to_stop = serve;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    int r = serve_run(serve, &err);
    to_stop = NULL;
    serve_close(serve);
    return r < 0 ? complain_error(&err) : EXIT_ALL_WELL;
}
