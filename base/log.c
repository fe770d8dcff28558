#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

void log_to(fanmap_log_fn log, void *arg, fanmap_log_level_t level, const char *format, ...)
{
    char line[1024];
    va_list args;
    if (!log)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    log(arg, level, line);
}
