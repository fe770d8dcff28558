/* A log function that runs nothing of the caller's: lines go to a descriptor, and are read when the call is over. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "fanmap/fanmap.h"

enum { LINE_BYTES = 4096 /* a pipe takes as much whole or not at all */ };

void fanmap_log_to_fd(void *arg, fanmap_log_level_t level, const char *line)
{
    char text[LINE_BYTES + 1];
    int saved = errno, n = snprintf(text, sizeof text, "%d%s\n", (int)level, line);
    size_t len = n < LINE_BYTES ? (size_t)n : LINE_BYTES;
    text[len - 1] = '\n';
    while (write(*(const int *)arg, text, len) < 0 && errno == EINTR)
        ;
    errno = saved;
}
