#include <stdio.h>
#include <unistd.h>

#include "cli/commands.h"

/* The lines are those of the Test Anything Protocol, for people and for test harnesses alike. */
static void report(void *arg, bool is_ok, const char *what)
{
    unsigned *n = arg;
    printf("%s %u - %s\n", is_ok ? "ok" : "not ok", ++*n, what);
    fflush(stdout);
}

int run_check_task(arguments_t *arguments)
{
    const char *const *argv = (const char *const *)arguments->argv;
    fanmap_error_t err;
    unsigned n = 0, wrong = 0;
    const char *bound = option_text(arguments, "start-timeout");
    if (arguments->argv_n == 0)
        return fail_with(EXIT_USAGE, "which program? fanmap check-task -- CMD ARG...");
    printf("# waiting for hello, up to %s (--start-timeout)\n", bound ? bound : "10s");
    fflush(stdout);
    if (fanmap_check_task(arguments->options, argv, STDERR_FILENO, report, &n, &wrong, &err) != FANMAP_OK)
        return complain_error(&err);
    printf("1..%u\n", n);
    if (fflush(stdout) != 0)
        return EXIT_IO;
    return wrong > 0 ? EXIT_SOME_FAILED : EXIT_ALL_WELL;
}
