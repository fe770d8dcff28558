/* hiredis on our loop: the hooks that redisAsyncContext wants. */
#ifndef IO_REDIS_REDIS_LOOP_H
#define IO_REDIS_REDIS_LOOP_H

#include <hiredis/async.h>

#include "io/loop/loop.h"

/* Call right after redisAsyncConnect, before any command. The loop must outlive the context, which frees what this
 * made. hiredis writes without MSG_NOSIGNAL, so SIGPIPE is held back from the process here; and it opens sockets that
 * an exec would pass on, so the descriptor is made close-on-exec. On failure the context is unchanged and the caller's
 * to free. */
int redis_loop_attach(loop_t *loop, redisAsyncContext *context, fanmap_error_t *err);

#endif
