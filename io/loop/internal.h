/* The parts of the loop that its two files share: loop.c (descriptors, turns) and timers.c. */
#ifndef IO_LOOP_INTERNAL_H
#define IO_LOOP_INTERNAL_H

#include "base/heap.h"
#include "io/loop/loop.h"

typedef struct {
    loop_timer_fn fn;
    void *arg;
} loop_deferred_t;

typedef struct {
    loop_deferred_t *at;
    size_t n, cap;
} loop_deferreds_t;

struct loop {
    int epoll_fd, timer_fd, wake_fd;
    int64_t now_ms;
    int64_t tick_ns; /* the kernel's coarse clock when now_ms was looked up last; 0: in a turn */
    bool running;    /* inside loop_run_once */
    bool no_memory;  /* a deferred call was lost: the next turn fails */
    /* Set by loop_wake in any thread; the descriptor alone could also mean deferred work. */
    bool woken;
    loop_timer_fn on_wake;
    void *on_wake_arg;
    heap_t timers;
    int64_t armed_ms; /* what timer_fd is set to; INT64_MAX: to nothing */
    loop_deferreds_t deferred, deferred_now;
    loop_watch_t *watches;      /* all of them */
    loop_watch_t *watches_dead; /* removed during this turn, freed at its end */
};

struct loop_timer {
    heap_node_t node; /* first: the key is the time */
    loop_t *loop;
    loop_timer_fn fn;
    void *arg;
};

/* Runs the timers that are due, each at most once. Returns how many ran. */
int loop_timers_run(loop_t *loop);
/* Sets the timer descriptor when the earliest timer asks for it. */
void loop_timers_arm(loop_t *loop);
void loop_timers_free(loop_t *loop);

#endif
