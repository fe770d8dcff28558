#include "cli/commands.h"
#include "cli/service.h"

SERVICE_CALLS(stream, NULL)

static int open_stream(arguments_t *arguments, void **ret_stream, fanmap_error_t *err)
{
    fanmap_stream_t *stream;
    int r = fanmap_stream_open(arguments->options, arguments->positionals[0], service_log, arguments, &stream, err);
    if (r == FANMAP_OK)
        *ret_stream = stream;
    return r;
}

int run_stream(arguments_t *arguments)
{
    if (arguments->positionals_n < 1)
        return fail_with(EXIT_USAGE, "which task? fanmap stream TASK --from TOPIC [--to TOPIC]");
    return service_run(arguments, open_stream, &stream_calls);
}
