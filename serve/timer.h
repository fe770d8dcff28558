/* A timer of the server's loop. It lies within what it belongs to, and is stopped before that is freed. */
#ifndef SERVE_TIMER_H
#define SERVE_TIMER_H

#include <event2/event.h>
#include <event2/event_struct.h>

typedef struct {
    struct event event;
    void (*fn)(void *arg);
    void *arg;
} serve_timer_t;

static inline void serve_timer_fire(evutil_socket_t fd, short what, void *arg)
{
    const serve_timer_t *timer = arg;
    (void)fd;
    (void)what;
    timer->fn(timer->arg);
}

static inline void serve_timer_init(serve_timer_t *timer, struct event_base *base, void (*fn)(void *arg), void *arg)
{
    timer->fn = fn;
    timer->arg = arg;
    (void)evtimer_assign(&timer->event, base, serve_timer_fire, timer);
}

/* Calls fn once, after so long; a time that was set before is forgotten. */
static inline void serve_timer_after(serve_timer_t *timer, int64_t ms)
{
    struct timeval after = {ms / 1000, ms % 1000 * 1000};
    (void)event_add(&timer->event, &after);
}

/* Calls fn when the loop comes round. */
static inline void serve_timer_soon(serve_timer_t *timer)
{
    event_active(&timer->event, 0, 0);
}

static inline void serve_timer_stop(serve_timer_t *timer)
{
    (void)event_del(&timer->event);
}

#endif
