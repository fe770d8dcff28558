/* fanmap logs: what attempts of a job wrote. */
#include <inttypes.h>

#include "cli/admin.h"
#include "cli/commands.h"

static void print_json(void *arg, const fanmap_log_line_t *line)
{
    buf_t out = {0};
    (void)arg;
    if (line->is_end)
        return;
    view_log_line(&out, line);
    print_view(&out);
    (void)fflush(stdout);
}

static void print_line(void *arg, const fanmap_log_line_t *line)
{
    (void)arg;
    if (line->is_end)
        return;
    if (line->dropped > 0)
        complain("%" PRIu64 " bytes of the job's output were dropped here", line->dropped);
    else
        printf("%" PRIu64 "/%" PRIu32 ": %.*s\n", line->index, line->attempt, (int)line->len, line->text);
    (void)fflush(stdout);
}

static int print_logs(fanmap_t *f, arguments_t *arguments, fanmap_error_t *err)
{
    return fanmap_logs(f, arguments->positionals[0], arguments->options, ADMIN_TIMEOUT_MS,
                       is_switch_set(arguments, "json") ? print_json : print_line, NULL, err);
}

int run_logs(arguments_t *arguments)
{
    if (arguments->positionals_n < 1)
        return fail_with(EXIT_USAGE, "of which job? fanmap logs JOB [INDEX]");
    if (arguments->positionals_n > 1 && set_option(arguments, "index", arguments->positionals[1]) != EXIT_ALL_WELL)
        return EXIT_USAGE;
    return admin_ask(arguments, print_logs);
}
