/* The hooks that hiredis calls when it wants to read or write, and the calls back into it when it may.
 *
 * What can fail: hiredis ends the context inside such a call. Then the adapter is only marked, and freed once the call is
 * over. */
#include "io/redis/redis_loop.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

typedef struct {
    redisAsyncContext *context; /* NULL: it is gone */
    loop_watch_t *watch;
    unsigned events;
    bool busy; /* inside hiredis, which may end the context there */
} adapter_t;

static void set_events(adapter_t *a, unsigned events)
{
    if (a->events == events || a->context == NULL)
        return;
    a->events = events;
    loop_watch_set(a->watch, events);
}

static void add_read(void *arg)
{
    adapter_t *a = arg;
    set_events(a, a->events | LOOP_READ);
}

static void del_read(void *arg)
{
    adapter_t *a = arg;
    set_events(a, a->events & ~(unsigned)LOOP_READ);
}

static void add_write(void *arg)
{
    adapter_t *a = arg;
    set_events(a, a->events | LOOP_WRITE);
}

static void del_write(void *arg)
{
    adapter_t *a = arg;
    set_events(a, a->events & ~(unsigned)LOOP_WRITE);
}

/* The context is about to be freed and its descriptor closed. */
static void cleanup(void *arg)
{
    adapter_t *a = arg;
    loop_watch_remove(a->watch);
    a->context = NULL;
    if (!a->busy)
        free(a);
}

/* SIGPIPE is blocked meanwhile, and taken back if it is ours. */
static void write_quietly(redisAsyncContext *context)
{
    sigset_t pipe_only, before, pending;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    sigpending(&pending);
    bool was_pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    redisAsyncHandleWrite(context);
    const struct timespec at_once = {0};
    while (!was_pending && sigtimedwait(&pipe_only, NULL, &at_once) > 0)
        continue;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void on_events(void *arg, int fd, unsigned events)
{
    (void)fd;
    adapter_t *a = arg;
    a->busy = true;
    if ((events & LOOP_READ) != 0)
        redisAsyncHandleRead(a->context);
    if ((events & LOOP_WRITE) != 0 && (a->events & LOOP_WRITE) != 0 && a->context != NULL)
        write_quietly(a->context);
    a->busy = false;
    if (a->context == NULL)
        free(a);
}

int redis_loop_attach(loop_t *loop, redisAsyncContext *context, fanmap_error_t *err)
{
    adapter_t *a = calloc(1, sizeof *a);
    if (a == NULL)
        return err_set(err, FANMAP_ENOMEM, "no memory for a connection to Redis");
    a->context = context;
    a->events = LOOP_WRITE; /* the connect */
    int code = loop_watch_add(loop, context->c.fd, a->events, on_events, a, &a->watch, err);
    if (code != FANMAP_OK) {
        free(a);
        return code;
    }
    fcntl(context->c.fd, F_SETFD, FD_CLOEXEC);
    context->ev.data = a;
    context->ev.addRead = add_read;
    context->ev.delRead = del_read;
    context->ev.addWrite = add_write;
    context->ev.delWrite = del_write;
    context->ev.cleanup = cleanup;
    return FANMAP_OK;
}
