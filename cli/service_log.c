#include <stdio.h>
#include <time.h>

#include "cli/commands.h"

void service_log(void *arg, fanmap_log_level_t level, const char *line)
{
    static const char *const words[] = {"error", "warning", "info", "debug"};
    const arguments_t *arguments = arg;
    if (level == FANMAP_LOG_DEBUG && !is_switch_set(arguments, "verbose"))
        return;
    if (level >= FANMAP_LOG_INFO && is_switch_set(arguments, "quiet"))
        return;
    char stamp[32];
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
    complain("%s.%03ldZ %s: %s", stamp, now.tv_nsec / 1000000, words[level], line);
}
