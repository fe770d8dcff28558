#include "cli/admin.h"

/* For all that is about the connection, such as a setting that librdkafka warns of. */
static void on_log(void *arg, fanmap_log_level_t level, const char *line)
{
    const arguments_t *arguments = arg;
    if (level == FANMAP_LOG_ERROR || (level == FANMAP_LOG_WARNING && !is_switch_set(arguments, "quiet")) ||
        is_switch_set(arguments, "verbose"))
        complain("%s", line);
}

int admin_open(arguments_t *arguments, fanmap_t **ret)
{
    fanmap_error_t err;
    if (fanmap_options_set(arguments->options, "create-topics", "false", &err) != FANMAP_OK ||
        fanmap_open(arguments->options, on_log, arguments, ret, &err) != FANMAP_OK)
        return complain_error(&err);
    return EXIT_ALL_WELL;
}

int admin_close(fanmap_t *f, int r, const fanmap_error_t *err)
{
    fanmap_close(f);
    return r == FANMAP_OK ? EXIT_ALL_WELL : complain_error(err);
}

int admin_ask(arguments_t *arguments, admin_question_fn ask)
{
    fanmap_t *f;
    fanmap_error_t err;
    int status = admin_open(arguments, &f);
    return status != EXIT_ALL_WELL ? status : admin_close(f, ask(f, arguments, &err), &err);
}

void print_view(buf_t *line)
{
    fwrite(line->data, 1, line->len, stdout);
    putchar('\n');
    buf_free(line);
}

void print_time(char *ret, size_t cap, int64_t unix_ms)
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm local;
    if (!localtime_r(&seconds, &local) || strftime(ret, cap, "%Y-%m-%d %H:%M:%S", &local) == 0)
        snprintf(ret, cap, "?");
}
