/* A line for whoever has asked for log lines. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "fanmap/fanmap.h"

/* Does nothing where `log` is NULL. A line of more than 1,023 bytes is cut. */
void log_to(fanmap_log_fn log, void *arg, fanmap_log_level_t level, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
