#include <string.h>

#include "cli/commands.h"

enum { CONTROL_TIMEOUT_MS = 15000 };

/* cancel, pause, resume, and set --concurrency. */
static int choose_verb(const arguments_t *arguments, const char **ret_verb, const char **ret_arg)
{
    *ret_verb = arguments->command->name;
    *ret_arg = NULL;
    if (strcmp(*ret_verb, "set") != 0)
        return EXIT_ALL_WELL;
    *ret_verb = "concurrency";
    if (!arguments->has_also)
        return fail_with(EXIT_USAGE, "set what? fanmap set JOB --concurrency N");
    *ret_arg = option_text(arguments, "concurrency");
    return EXIT_ALL_WELL;
}

int run_control(arguments_t *arguments)
{
    const char *verb, *arg;
    fanmap_t *f;
    fanmap_error_t err;
    if (arguments->positionals_n < 1)
        return fail_with(EXIT_USAGE, "which job? fanmap %s JOB", arguments->command->name);
    int status = choose_verb(arguments, &verb, &arg);
    if (status != EXIT_ALL_WELL)
        return status;
    if (fanmap_open(arguments->options, NULL, NULL, &f, &err) != FANMAP_OK)
        return complain_error(&err);
    int r = fanmap_control(f, arguments->positionals[0], verb, arg, CONTROL_TIMEOUT_MS, &err);
    fanmap_close(f);
    if (r == FANMAP_AGAIN)
        return fail_with(EXIT_UNREACHABLE, "not stored within %d s; try again", CONTROL_TIMEOUT_MS / 1000);
    return r == FANMAP_OK ? EXIT_ALL_WELL : complain_error(&err);
}
