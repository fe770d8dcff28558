#include "cli/commands.h"
#include "cli/service.h"

static bool is_ready(const void *aggregator)
{
    return fanmap_aggregator_is_ready(aggregator);
}

SERVICE_CALLS(aggregator, is_ready)

static int open_aggregator(arguments_t *arguments, void **ret_aggregator, fanmap_error_t *err)
{
    fanmap_aggregator_t *aggregator;
    int r = fanmap_aggregator_open(arguments->options, service_log, arguments, &aggregator, err);
    if (r == FANMAP_OK)
        *ret_aggregator = aggregator;
    return r;
}

int run_aggregator(arguments_t *arguments)
{
    log_as_json(arguments);
    return service_run(arguments, open_aggregator, &aggregator_calls);
}
