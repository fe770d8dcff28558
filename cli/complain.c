/* What goes wrong, on stderr, and the exit status that belongs to it. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/progress.h"

enum { LINE_BYTES = 2048 };

/* Control characters would let a message from elsewhere write to the terminal. In one write: programs that share a log do not
 * get into each other's lines. */
static void print_plain(const char *text)
{
    char line[LINE_BYTES + 16];
    int len = snprintf(line, sizeof line, "fanmap: %s\n", text);
    for (int i = 0; i < len - 1; i++)
        if ((unsigned char)line[i] < 32 || line[i] == 127)
            line[i] = '?';
    fwrite(line, 1, (size_t)len, stderr);
}

/* A service whose log is JSON complains in JSON, too. */
static bool is_json;

void log_as_json(const arguments_t *arguments)
{
    const char *format = option_text(arguments, "log-format");
    is_json = format && strcmp(format, "json") == 0;
}

bool is_json_logged(void)
{
    return is_json;
}

void complain(const char *format, ...)
{
    char line[LINE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (is_json) {
        json_log(FANMAP_LOG_ERROR, line);
        return;
    }
    progress_hide();
    print_plain(line);
    progress_again(false);
}

int exit_status(int code)
{
    switch (code) {
    case FANMAP_EREFUSED:
        return EXIT_REFUSED;
    case FANMAP_EUNREACHABLE:
        return EXIT_UNREACHABLE;
    case FANMAP_ESTOPPED:
        return EXIT_STOPPED;
    case FANMAP_EIO:
    case FANMAP_ENOMEM:
    case FANMAP_ELOST:
        return EXIT_IO;
    default:
        return EXIT_USAGE;
    }
}

int complain_error(const fanmap_error_t *err)
{
    return fail_with(exit_status(err->code), "%s", err->message);
}
