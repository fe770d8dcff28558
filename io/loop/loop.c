/* One turn of the loop: wait on epoll; then what is ready, in this order: descriptors, the wake callback, timers,
 * deferred calls.
 *
 * What can go wrong is removal. A callback may remove any watch, also one whose event lies in the same batch: a removed
 * watch loses its function at once and its memory at the end of the turn. Timers are taken from the heap one at a time,
 * so a freed one is simply not there any more. Deferred calls that come in while deferred calls run belong to the next
 * turn; until then the wake descriptor is kept readable, so that the descriptor of the loop tells whoever polls it from
 * outside that there is work.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"
#include "io/loop/internal.h"

enum { EVENTS_MAX = 64 };

struct loop_watch {
    loop_t *loop;
    int fd;
    unsigned events;
    loop_fd_fn fn; /* NULL: removed */
    void *arg;
    loop_watch_t *prev, *next;
};

int64_t loop_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t loop_now_ms(const loop_t *loop)
{
    return loop->running ? loop->now_ms : loop_clock_ms();
}

int64_t loop_recent_ms(loop_t *loop)
{
    struct timespec tick;
    if (loop->running)
        return loop->now_ms;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &tick); /* costs a tenth of the other */
    int64_t tick_ns = (int64_t)tick.tv_sec * 1000000000 + tick.tv_nsec;
    if (tick_ns != loop->tick_ns)
        loop->now_ms = loop_clock_ms();
    loop->tick_ns = tick_ns;
    return loop->now_ms;
}

static int epoll_add(loop_t *loop, int fd, void *data)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = data};
    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

int loop_new(loop_t **ret, fanmap_error_t *err)
{
    loop_t *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    loop->armed_ms = INT64_MAX;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->epoll_fd < 0 || loop->timer_fd < 0 || loop->wake_fd < 0 ||
        epoll_add(loop, loop->timer_fd, &loop->timer_fd) < 0 || epoll_add(loop, loop->wake_fd, &loop->wake_fd) < 0) {
        int code = err_set(err, FANMAP_EIO, "cannot make an event loop: %s", strerror(errno));
        loop_free(loop);
        return code;
    }
    *ret = loop;
    return FANMAP_OK;
}

static void free_dead_watches(loop_t *loop)
{
    while (loop->watches_dead != NULL) {
        loop_watch_t *next = loop->watches_dead->next;
        free(loop->watches_dead);
        loop->watches_dead = next;
    }
}

void loop_free(loop_t *loop)
{
    if (loop == NULL)
        return;
    while (loop->watches != NULL)
        loop_watch_remove(loop->watches);
    free_dead_watches(loop);
    loop_timers_free(loop);
    free(loop->deferred.at);
    free(loop->deferred_now.at);
    const int fds[] = {loop->epoll_fd, loop->timer_fd, loop->wake_fd};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    free(loop);
}

int loop_fd(const loop_t *loop)
{
    return loop->epoll_fd;
}

/* ---- watches ---- */

static uint32_t epoll_bits(unsigned events)
{
    return (events & LOOP_READ ? (uint32_t)EPOLLIN : 0u) | (events & LOOP_WRITE ? (uint32_t)EPOLLOUT : 0u);
}

static unsigned loop_bits(uint32_t bits)
{
    if (bits & (uint32_t)(EPOLLERR | EPOLLHUP))
        return LOOP_READ | LOOP_WRITE;
    return (bits & EPOLLIN ? LOOP_READ : 0u) | (bits & EPOLLOUT ? LOOP_WRITE : 0u);
}

int loop_watch_add(loop_t *loop, int fd, unsigned events, loop_fd_fn fn, void *arg, loop_watch_t **ret,
                   fanmap_error_t *err)
{
    loop_watch_t *watch = calloc(1, sizeof *watch);
    if (watch == NULL)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    struct epoll_event event = {.events = epoll_bits(events), .data.ptr = watch};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        free(watch);
        return err_set(err, FANMAP_EIO, "cannot watch descriptor %d: %s", fd, strerror(errno));
    }
    *watch = (loop_watch_t){.loop = loop, .fd = fd, .events = events, .fn = fn, .arg = arg, .next = loop->watches};
    if (loop->watches != NULL)
        loop->watches->prev = watch;
    loop->watches = watch;
    *ret = watch;
    return FANMAP_OK;
}

void loop_watch_set(loop_watch_t *watch, unsigned events)
{
    struct epoll_event event = {.events = epoll_bits(events), .data.ptr = watch};
    if (events == watch->events)
        return;
    watch->events = events;
    (void)epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event);
}

void loop_watch_remove(loop_watch_t *watch)
{
    if (watch == NULL)
        return;
    loop_t *loop = watch->loop;
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    if (watch->prev != NULL)
        watch->prev->next = watch->next;
    else
        loop->watches = watch->next;
    if (watch->next != NULL)
        watch->next->prev = watch->prev;
    watch->fn = NULL;
    watch->next = loop->watches_dead;
    loop->watches_dead = watch;
    if (!loop->running)
        free_dead_watches(loop);
}

/* ---- waking and deferring ---- */

static void make_readable(loop_t *loop)
{
    uint64_t one = 1;
    (void)!write(loop->wake_fd, &one, sizeof one); /* full means that it is readable already */
}

void loop_wake(loop_t *loop)
{
    int saved = errno; /* a signal handler must not change it */
    __atomic_store_n(&loop->woken, true, __ATOMIC_SEQ_CST);
    make_readable(loop);
    errno = saved;
}

void loop_on_wake(loop_t *loop, loop_timer_fn fn, void *arg)
{
    loop->on_wake = fn;
    loop->on_wake_arg = arg;
}

void loop_defer(loop_t *loop, loop_timer_fn fn, void *arg)
{
    loop_deferreds_t *list = &loop->deferred;
    if (!array_has_room(list->at, list->n, list->cap, 32)) {
        loop->no_memory = true;
        return;
    }
    list->at[list->n++] = (loop_deferred_t){fn, arg};
    if (!loop->running && list->n == 1)
        make_readable(loop);
}

void loop_defer_cancel(loop_t *loop, loop_timer_fn fn, void *arg)
{
    loop_deferreds_t *lists[] = {&loop->deferred, &loop->deferred_now};
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < lists[i]->n; j++)
            if (lists[i]->at[j].fn == fn && lists[i]->at[j].arg == arg)
                lists[i]->at[j].fn = NULL;
}

static int run_deferred(loop_t *loop)
{
    int ran = 0;
    loop_deferreds_t now = loop->deferred;
    loop->deferred = loop->deferred_now; /* the emptied one of the last turn */
    loop->deferred_now = now;
    for (size_t i = 0; i < loop->deferred_now.n; i++) {
        loop_deferred_t call = loop->deferred_now.at[i];
        if (call.fn == NULL)
            continue;
        call.fn(call.arg);
        ran++;
    }
    loop->deferred_now.n = 0;
    return ran;
}

/* ---- turns ---- */

static int run_events(loop_t *loop, const struct epoll_event *events, int n)
{
    int ran = 0;
    for (int i = 0; i < n; i++) {
        void *data = events[i].data.ptr;
        if (data == &loop->timer_fd || data == &loop->wake_fd) {
            uint64_t count;
            (void)!read(*(int *)data, &count, sizeof count);
            if (data == &loop->timer_fd)
                loop->armed_ms = INT64_MAX;
            continue;
        }
        loop_watch_t *watch = data;
        if (watch->fn == NULL)
            continue;
        watch->fn(watch->arg, watch->fd, loop_bits(events[i].events));
        ran++;
    }
    return ran;
}

static int run_turn(loop_t *loop, const struct epoll_event *events, int n, bool *ret_woken)
{
    int ran = run_events(loop, events, n);
    *ret_woken = __atomic_exchange_n(&loop->woken, false, __ATOMIC_SEQ_CST);
    if (*ret_woken && loop->on_wake != NULL) {
        loop->on_wake(loop->on_wake_arg);
        ran++;
    }
    ran += loop_timers_run(loop);
    ran += run_deferred(loop);
    free_dead_watches(loop);
    loop_timers_arm(loop);
    if (loop->deferred.n > 0)
        make_readable(loop);
    return ran;
}

static int wait_and_run(loop_t *loop, int timeout_ms, bool *ret_woken)
{
    struct epoll_event events[EVENTS_MAX];
    int n = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, timeout_ms);
    if (n < 0 && errno != EINTR)
        return -1;
    *ret_woken = n < 0; /* a signal ends the wait */
    if (n <= 0)
        return 0;
    loop->now_ms = loop_clock_ms();
    loop->tick_ns = 0;
    loop->running = true;
    int ran = run_turn(loop, events, n, ret_woken);
    loop->running = false;
    return ran;
}

int loop_run_once(loop_t *loop, int timeout_ms)
{
    if (loop->running || loop->no_memory) {
        errno = loop->running ? EDEADLK : ENOMEM;
        return -1;
    }
    int64_t until_ms = timeout_ms > 0 ? loop_clock_ms() + timeout_ms : 0;
    for (int left_ms = timeout_ms;;) {
        bool woken = false;
        int ran = wait_and_run(loop, left_ms, &woken);
        if (ran != 0 || woken || timeout_ms == 0)
            return ran;
        /* A timer descriptor that was set too early is no reason to return. */
        int64_t rest_ms = timeout_ms < 0 ? -1 : until_ms - loop_clock_ms();
        if (timeout_ms > 0 && rest_ms <= 0)
            return 0;
        left_ms = (int)rest_ms;
    }
}
