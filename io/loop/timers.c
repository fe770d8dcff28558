/* Timers: a heap, and one timerfd that is set to the earliest of them.
 *
 * The descriptor is only ever set earlier, never later: a timer that is pushed away again and again (a linger, a
 * heartbeat) costs no system call, and the turn that comes too early finds nothing due and sets it right.
 */
#include <stdlib.h>
#include <sys/timerfd.h>

#include "io/loop/internal.h"

int loop_timer_new(loop_t *loop, loop_timer_fn fn, void *arg, loop_timer_t **ret, fanmap_error_t *err)
{
    loop_timer_t *timer = calloc(1, sizeof *timer);
    /* Its place in the heap is allocated here, so that loop_timer_at cannot fail. */
    if (timer == NULL || !heap_put(&loop->timers, &timer->node, INT64_MAX)) {
        free(timer);
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    }
    timer->loop = loop;
    timer->fn = fn;
    timer->arg = arg;
    *ret = timer;
    return FANMAP_OK;
}

void loop_timer_at(loop_timer_t *timer, int64_t at_ms)
{
    loop_t *loop = timer->loop;
    /* What is overdue goes behind everything else that is due: no timer can starve the others. */
    int64_t now_ms = loop->running ? loop->now_ms : 0;
    int64_t key = at_ms < now_ms ? now_ms : at_ms < INT64_MAX ? at_ms : INT64_MAX - 1;
    (void)heap_put(&loop->timers, &timer->node, key);
    if (!loop->running)
        loop_timers_arm(loop);
}

void loop_timer_stop(loop_timer_t *timer)
{
    (void)heap_put(&timer->loop->timers, &timer->node, INT64_MAX);
}

void loop_timer_free(loop_timer_t *timer)
{
    if (timer == NULL)
        return;
    heap_remove(&timer->loop->timers, &timer->node);
    free(timer);
}

int loop_timers_run(loop_t *loop)
{
    int ran = 0;
    /* A timer that is set to now by a timer runs in the next turn: descriptors come in between. */
    uint64_t orders_before = loop->timers.order;
    for (;;) {
        heap_node_t *node = heap_min(&loop->timers);
        if (node == NULL || node->key > loop->now_ms || node->order >= orders_before)
            break;
        loop_timer_t *timer = heap_of(node, loop_timer_t, node);
        loop_timer_stop(timer);
        timer->fn(timer->arg);
        ran++;
    }
    return ran;
}

void loop_timers_arm(loop_t *loop)
{
    heap_node_t *first = heap_min(&loop->timers);
    if (first == NULL || first->key >= loop->armed_ms)
        return;
    int64_t at_ms = first->key < 1 ? 1 : first->key; /* zero would disarm it */
    struct itimerspec spec = {.it_value = {.tv_sec = at_ms / 1000, .tv_nsec = at_ms % 1000 * 1000000}};
    if (timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL) == 0)
        loop->armed_ms = first->key;
}

void loop_timers_free(loop_t *loop)
{
    heap_node_t *node;
    while ((node = heap_pop(&loop->timers)) != NULL)
        free(heap_of(node, loop_timer_t, node));
    heap_free(&loop->timers);
}
