#include <signal.h>

#include "cli/commands.h"
#include "cli/probes.h"

static volatile sig_atomic_t terms;
static fanmap_stream_t *to_drain;

static void on_signal(int signo)
{
    (void)signo;
    terms++;
    if (to_drain)
        fanmap_stream_drain(to_drain);
}

static int put_metrics(const void *service, fanmap_text_fn fn, void *arg, fanmap_error_t *err)
{
    return fanmap_stream_metrics(service, fn, arg, err);
}

static void put_health(const void *service, fanmap_health_t *ret)
{
    fanmap_stream_health(service, ret, sizeof *ret);
}

int run_stream(arguments_t *arguments)
{
    fanmap_stream_t *stream;
    fanmap_error_t err;
    probes_t *probes;
    if (arguments->positionals_n < 1)
        return fail_with(EXIT_USAGE, "which task? fanmap stream TASK --from TOPIC [--to TOPIC]");
    int status = probes_open(arguments, &probes);
    if (status != EXIT_ALL_WELL)
        return status;
    if (fanmap_stream_open(arguments->options, arguments->positionals[0], service_log, arguments, &stream, &err) !=
        FANMAP_OK) {
        probes_close(probes);
        return complain_error(&err);
    }
    probes_of(probes, &(probe_service_t){put_metrics, put_health, stream});
    to_drain = stream;
    stops_catch(on_signal);
    int r;
    do
        r = fanmap_stream_run(stream, probes_wait(probes, fanmap_stream_fd(stream), -1), &err);
    while (r == FANMAP_OK && terms < 3); /* the third signal does not wait */
    to_drain = NULL;
    fanmap_stream_close(stream);
    probes_close(probes);
    return r < 0 ? complain_error(&err) : EXIT_ALL_WELL;
}
