/* One epoll descriptor with timers in it: the descriptor that fanmap_fd() hands out. (libevent hides its descriptor,
 * and a library that promises one level-triggered descriptor needs it; see ARCHITECTURE.md.) One thread. */
#ifndef IO_LOOP_LOOP_H
#define IO_LOOP_LOOP_H

#include "base/error.h"

typedef struct loop loop_t;
typedef struct loop_watch loop_watch_t;
typedef struct loop_timer loop_timer_t;

enum { LOOP_READ = 1, LOOP_WRITE = 2 };
typedef void (*loop_fd_fn)(void *arg, int fd,
                           unsigned events); /* LOOP_READ | LOOP_WRITE; errors and hang-ups set both */
typedef void (*loop_timer_fn)(void *arg);

int loop_new(loop_t **ret, fanmap_error_t *err);
void loop_free(loop_t *loop);
int loop_fd(const loop_t *loop);
/* Runs what is ready, waiting up to `timeout_ms` (-1: without end) for the first. Returns how many callbacks ran, or -1
 * with errno. Signals (EINTR) count as 0. */
int loop_run_once(loop_t *loop, int timeout_ms);
/* CLOCK_BOOTTIME in ms, as of the current turn of the loop, and afresh. */
int64_t loop_now_ms(const loop_t *loop);
int64_t loop_clock_ms(void);
/* As loop_now_ms, and outside a turn some milliseconds old at most (a tick of the kernel's): for what is done often there. */
int64_t loop_recent_ms(loop_t *loop);
/* Makes loop_run_once return. Any thread, async-signal-safe. */
void loop_wake(loop_t *loop);
/* Called for every loop_wake, once a turn; may be NULL. */
void loop_on_wake(loop_t *loop, loop_timer_fn fn, void *arg);

/* Removing a watch or a timer is legal at any point, also inside its own callback and for one that is about to run. */
int loop_watch_add(loop_t *loop, int fd, unsigned events, loop_fd_fn fn, void *arg, loop_watch_t **ret,
                   fanmap_error_t *err);
void loop_watch_set(loop_watch_t *watch, unsigned events);
void loop_watch_remove(loop_watch_t *watch);

int loop_timer_new(loop_t *loop, loop_timer_fn fn, void *arg, loop_timer_t **ret, fanmap_error_t *err);
/* Fires once, at `at_ms` (loop_now_ms clock); set again replaces; loop_timer_stop forgets. */
void loop_timer_at(loop_timer_t *timer, int64_t at_ms);
void loop_timer_stop(loop_timer_t *timer);
void loop_timer_free(loop_timer_t *timer);

/* Runs `fn` once at the end of the current turn (or of the next, when called from outside one). */
void loop_defer(loop_t *loop, loop_timer_fn fn, void *arg);
/* Forgets every loop_defer of this function and argument that has not run yet. */
void loop_defer_cancel(loop_t *loop, loop_timer_fn fn, void *arg);

#endif
