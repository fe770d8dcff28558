/* A command line that was read: what was given of it. */
#include <string.h>

#include "cli/cli.h"

bool arguments_have_command(const arguments_t *arguments)
{
    return arguments->argv_n > 0 || option_text(arguments, "sh");
}

bool is_switch_set(const arguments_t *arguments, const char *name)
{
    const char *value = option_text(arguments, name);
    return value && strcmp(value, "true") == 0;
}

const char *option_text(const arguments_t *arguments, const char *name)
{
    return fanmap_options_get(arguments->options, name, 0);
}

int set_option(arguments_t *arguments, const char *name, const char *value)
{
    fanmap_error_t err;
    int r = fanmap_options_set(arguments->options, name, value, &err);
    return r == FANMAP_OK ? EXIT_ALL_WELL : fail_with(EXIT_USAGE, "%s", err.message);
}
