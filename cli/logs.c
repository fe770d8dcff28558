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

int run_logs(arguments_t *arguments)
{
    fanmap_t *f;
    fanmap_error_t err;
    if (arguments->positionals_n < 1)
        return fail_with(EXIT_USAGE, "of which job? fanmap logs JOB [INDEX]");
    if (arguments->positionals_n > 1 &&
        fanmap_options_set(arguments->options, "index", arguments->positionals[1], &err) != FANMAP_OK)
        return complain_error(&err);
    int status = admin_open(arguments, &f);
    if (status != EXIT_ALL_WELL)
        return status;
    int r = fanmap_logs(f, arguments->positionals[0], arguments->options, ADMIN_TIMEOUT_MS,
                        is_switch_set(arguments, "json") ? print_json : print_line, NULL, &err);
    return admin_close(f, r, &err);
}
