/* The event loop: what it promises about order, removal, waking and its one descriptor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <unistd.h>

#include "io/loop/loop.h"

enum { PIPES = 3 };

typedef struct {
    loop_t *loop;
    int fds[PIPES][2];
    loop_watch_t *watches[PIPES];
    loop_timer_t *timers[PIPES];
    int calls, target;
    unsigned events;
    char order[32];
    size_t order_n;
} bed_t;

static int set_up(void **state)
{
    bed_t *bed = calloc(1, sizeof *bed);
    fanmap_error_t err;
    assert_int_equal(loop_new(&bed->loop, &err), FANMAP_OK);
    for (int i = 0; i < PIPES; i++)
        assert_int_equal(pipe(bed->fds[i]), 0);
    *state = bed;
    return 0;
}

static int tear_down(void **state)
{
    bed_t *bed = *state;
    loop_free(bed->loop);
    for (int i = 0; i < PIPES; i++) {
        close(bed->fds[i][0]);
        close(bed->fds[i][1]);
    }
    free(bed);
    return 0;
}

static bool is_readable(int fd, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, timeout_ms) == 1;
}

static void note(bed_t *bed, char what)
{
    assert_true(bed->order_n < sizeof bed->order - 1);
    bed->order[bed->order_n++] = what;
    bed->order[bed->order_n] = 0;
}

static void on_fd(void *arg, int fd, unsigned events)
{
    bed_t *bed = arg;
    (void)fd;
    bed->calls++;
    bed->events = events;
    note(bed, 'f');
}
static void on_timer(void *arg)
{
    note(arg, 't');
}
static void on_deferred(void *arg)
{
    note(arg, 'd');
}
static void on_wake(void *arg)
{
    note(arg, 'w');
}

static void add(bed_t *bed, int i, unsigned events, loop_fd_fn fn)
{
    fanmap_error_t err;
    int fd = events & LOOP_WRITE ? bed->fds[i][1] : bed->fds[i][0];
    assert_int_equal(loop_watch_add(bed->loop, fd, events, fn, bed, &bed->watches[i], &err), FANMAP_OK);
}

static void test_level_triggered(void **state)
{
    bed_t *bed = *state;
    add(bed, 0, LOOP_READ, on_fd);
    assert_int_equal(loop_run_once(bed->loop, 0), 0);
    assert_false(is_readable(loop_fd(bed->loop), 0));
    assert_int_equal(write(bed->fds[0][1], "ab", 2), 2);
    assert_true(is_readable(loop_fd(bed->loop), 0));
    assert_int_equal(loop_run_once(bed->loop, 0), 1);
    assert_int_equal(loop_run_once(bed->loop, -1), 1); /* nobody read it */
    assert_int_equal(bed->events, LOOP_READ);
    loop_watch_set(bed->watches[0], 0);
    assert_int_equal(loop_run_once(bed->loop, 0), 0);
    loop_watch_set(bed->watches[0], LOOP_READ);
    assert_int_equal(loop_run_once(bed->loop, 0), 1);
    loop_watch_remove(bed->watches[0]);
    assert_int_equal(loop_run_once(bed->loop, 0), 0);
}

static void test_write_and_hang_up(void **state)
{
    bed_t *bed = *state;
    add(bed, 0, LOOP_WRITE, on_fd);
    assert_int_equal(loop_run_once(bed->loop, 0), 1);
    assert_int_equal(bed->events, LOOP_WRITE);
    loop_watch_remove(bed->watches[0]);
    add(bed, 1, LOOP_READ, on_fd);
    close(bed->fds[1][1]);
    bed->fds[1][1] = dup(bed->fds[0][1]);
    assert_int_equal(loop_run_once(bed->loop, 0), 1);
    assert_int_equal(bed->events, LOOP_READ | LOOP_WRITE);
}

static void test_a_bad_descriptor_is_refused(void **state)
{
    bed_t *bed = *state;
    fanmap_error_t err = {0};
    loop_watch_t *watch = NULL;
    assert_int_equal(loop_watch_add(bed->loop, -1, LOOP_READ, on_fd, bed, &watch, &err), FANMAP_EIO);
    assert_null(watch);
    assert_non_null(strstr(err.message, "descriptor -1"));
}

static void remove_all(void *arg, int fd, unsigned events)
{
    bed_t *bed = arg;
    (void)fd, (void)events;
    bed->calls++;
    for (int i = 0; i < PIPES; i++)
        loop_watch_remove(bed->watches[i]);
}

static void test_removing_itself_and_the_others_of_the_batch(void **state)
{
    bed_t *bed = *state;
    for (int i = 0; i < PIPES; i++) {
        add(bed, i, LOOP_READ, remove_all);
        assert_int_equal(write(bed->fds[i][1], "x", 1), 1);
    }
    assert_int_equal(loop_run_once(bed->loop, 0), 1);
    assert_int_equal(loop_run_once(bed->loop, 0), 0);
    assert_int_equal(bed->calls, 1);
}

static void make_timers(bed_t *bed, loop_timer_fn fn)
{
    fanmap_error_t err;
    for (int i = 0; i < PIPES; i++)
        assert_int_equal(loop_timer_new(bed->loop, fn, bed, &bed->timers[i], &err), FANMAP_OK);
}

static void test_a_timer_fires_once_and_not_early(void **state)
{
    bed_t *bed = *state;
    make_timers(bed, on_timer);
    int64_t at_ms = loop_clock_ms() + 100000;
    loop_timer_at(bed->timers[0], at_ms);
    loop_timer_at(bed->timers[1], at_ms);
    assert_int_equal(loop_run_once(bed->loop, 0), 0);
    at_ms = loop_clock_ms() + 20;
    loop_timer_at(bed->timers[0], at_ms);
    assert_true(is_readable(loop_fd(bed->loop), 5000));
    assert_true(loop_clock_ms() >= at_ms);
    assert_int_equal(loop_run_once(bed->loop, 0), 1);
    assert_int_equal(loop_run_once(bed->loop, 0), 0);
    assert_string_equal(bed->order, "t");
    loop_timer_at(bed->timers[0], at_ms); /* in the past: at once */
    assert_int_equal(loop_run_once(bed->loop, -1), 1);
    loop_timer_at(bed->timers[0], INT64_MIN);
    assert_int_equal(loop_run_once(bed->loop, -1), 1);
}

static void test_set_again_replaces_and_stop_forgets(void **state)
{
    bed_t *bed = *state;
    make_timers(bed, on_timer);
    int64_t now_ms = loop_clock_ms();
    loop_timer_at(bed->timers[0], now_ms + 5);
    loop_timer_at(bed->timers[0], now_ms + 40); /* later: the descriptor is left as it is */
    loop_timer_at(bed->timers[1], now_ms + 10);
    loop_timer_stop(bed->timers[1]);
    loop_timer_stop(bed->timers[2]); /* never set */
    assert_int_equal(loop_run_once(bed->loop, 5000), 1);
    assert_true(loop_clock_ms() >= now_ms + 40);
    assert_string_equal(bed->order, "t");
}

static void free_all(void *arg)
{
    bed_t *bed = arg;
    bed->calls++;
    for (int i = 0; i < PIPES; i++)
        loop_timer_free(bed->timers[i]);
}

static void test_freeing_itself_and_the_others_that_are_due(void **state)
{
    bed_t *bed = *state;
    make_timers(bed, free_all);
    for (int i = 0; i < PIPES; i++)
        loop_timer_at(bed->timers[i], loop_clock_ms());
    assert_int_equal(loop_run_once(bed->loop, -1), 1);
    assert_int_equal(loop_run_once(bed->loop, 0), 0);
    assert_int_equal(bed->calls, 1);
}

static void again(void *arg)
{
    bed_t *bed = arg;
    note(bed, 't');
    loop_timer_at(bed->timers[0], loop_now_ms(bed->loop));
}

static void test_a_timer_that_sets_itself_lets_descriptors_in(void **state)
{
    bed_t *bed = *state;
    make_timers(bed, again);
    loop_timer_at(bed->timers[0], loop_clock_ms());
    add(bed, 0, LOOP_READ, on_fd);
    assert_int_equal(write(bed->fds[0][1], "x", 1), 1);
    while (bed->order_n < 6)
        assert_true(loop_run_once(bed->loop, -1) > 0);
    assert_non_null(strstr(bed->order, "ftf"));
}

static void defer_again(void *arg)
{
    bed_t *bed = arg;
    note(bed, 'd');
    if (bed->order_n < 3)
        loop_defer(bed->loop, defer_again, bed);
}

static void test_deferred_from_outside_runs_in_the_next_turn(void **state)
{
    bed_t *bed = *state;
    loop_defer(bed->loop, on_deferred, bed);
    loop_defer(bed->loop, on_deferred, bed);
    assert_true(is_readable(loop_fd(bed->loop), 0));
    assert_int_equal(loop_run_once(bed->loop, -1), 2);
    assert_false(is_readable(loop_fd(bed->loop), 0));
}

static void test_deferred_by_deferred_waits_a_turn(void **state)
{
    bed_t *bed = *state;
    loop_defer(bed->loop, defer_again, bed);
    assert_int_equal(loop_run_once(bed->loop, -1), 1);
    assert_true(is_readable(loop_fd(bed->loop), 0));
    assert_int_equal(loop_run_once(bed->loop, -1), 1);
    assert_int_equal(loop_run_once(bed->loop, -1), 1);
    assert_int_equal(loop_run_once(bed->loop, 0), 0);
    assert_string_equal(bed->order, "ddd");
}

static void cancel_other(void *arg)
{
    bed_t *bed = arg;
    note(bed, 'c');
    loop_defer_cancel(bed->loop, on_deferred, bed);
}

static void test_a_cancelled_deferred_call_does_not_run(void **state)
{
    bed_t *bed = *state;
    loop_defer(bed->loop, cancel_other, bed);
    loop_defer(bed->loop, on_deferred, bed);
    assert_int_equal(loop_run_once(bed->loop, -1), 1);
    assert_string_equal(bed->order, "c");
}

static void defer_from_fd(void *arg, int fd, unsigned events)
{
    on_fd(arg, fd, events);
    loop_defer(((bed_t *)arg)->loop, on_deferred, arg);
}

static void test_the_order_within_a_turn(void **state)
{
    bed_t *bed = *state;
    loop_on_wake(bed->loop, on_wake, bed);
    make_timers(bed, on_timer);
    add(bed, 0, LOOP_READ, defer_from_fd);
    assert_int_equal(write(bed->fds[0][1], "x", 1), 1);
    loop_timer_at(bed->timers[0], loop_clock_ms());
    loop_wake(bed->loop);
    loop_wake(bed->loop); /* two wakes, one call */
    assert_true(is_readable(loop_fd(bed->loop), 0));
    assert_int_equal(loop_run_once(bed->loop, -1), 4);
    assert_string_equal(bed->order, "fwtd");
}

static void *wake_later(void *arg)
{
    usleep(20000);
    loop_wake(arg);
    return NULL;
}

static void test_wake_from_another_thread(void **state)
{
    bed_t *bed = *state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wake_later, bed->loop), 0);
    assert_int_equal(loop_run_once(bed->loop, 30000), 0);
    pthread_join(thread, NULL);
    assert_int_equal(loop_run_once(bed->loop, 0), 0);
}

static void on_alarm(int signo)
{
    (void)signo;
}

static void test_a_signal_ends_the_wait(void **state)
{
    bed_t *bed = *state;
    struct sigaction action = {.sa_handler = on_alarm}, old;
    assert_int_equal(sigaction(SIGALRM, &action, &old), 0);
    struct itimerval timer = {.it_value.tv_usec = 20000, .it_interval.tv_usec = 20000};
    assert_int_equal(setitimer(ITIMER_REAL, &timer, NULL), 0);
    assert_int_equal(loop_run_once(bed->loop, 30000), 0);
    memset(&timer, 0, sizeof timer);
    setitimer(ITIMER_REAL, &timer, NULL);
    sigaction(SIGALRM, &old, NULL);
}

static void test_the_timeout_is_kept(void **state)
{
    bed_t *bed = *state;
    make_timers(bed, on_timer);
    int64_t begin_ms = loop_clock_ms();
    loop_timer_at(bed->timers[0], begin_ms + 5); /* wakes the wait for nothing */
    loop_timer_stop(bed->timers[0]);
    assert_int_equal(loop_run_once(bed->loop, 30), 0);
    assert_true(loop_clock_ms() - begin_ms >= 29);
}

static void run_inside(void *arg)
{
    bed_t *bed = arg;
    bed->target = loop_run_once(bed->loop, 0);
    bed->calls = errno;
}

static void test_no_turn_within_a_turn(void **state)
{
    bed_t *bed = *state;
    loop_defer(bed->loop, run_inside, bed);
    assert_int_equal(loop_run_once(bed->loop, -1), 1);
    assert_int_equal(bed->target, -1);
    assert_int_equal(bed->calls, EDEADLK);
}

static void test_a_recent_time_is_no_older_than_some_ticks(void **state)
{
    bed_t *bed = *state;
    int64_t last_ms = 0;
    for (int i = 0; i < 100000; i++) {
        int64_t before_ms = loop_clock_ms(), recent_ms = loop_recent_ms(bed->loop);
        assert_true(recent_ms >= before_ms - 100 && recent_ms >= last_ms);
        assert_true(recent_ms <= loop_clock_ms());
        last_ms = recent_ms;
        if (i % 1000 == 0)
            assert_true(loop_run_once(bed->loop, 0) >= 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_level_triggered),
        TEST(test_a_recent_time_is_no_older_than_some_ticks),
        TEST(test_write_and_hang_up),
        TEST(test_a_bad_descriptor_is_refused),
        TEST(test_removing_itself_and_the_others_of_the_batch),
        TEST(test_a_timer_fires_once_and_not_early),
        TEST(test_set_again_replaces_and_stop_forgets),
        TEST(test_freeing_itself_and_the_others_that_are_due),
        TEST(test_a_timer_that_sets_itself_lets_descriptors_in),
        TEST(test_deferred_from_outside_runs_in_the_next_turn),
        TEST(test_deferred_by_deferred_waits_a_turn),
        TEST(test_a_cancelled_deferred_call_does_not_run),
        TEST(test_the_order_within_a_turn),
        TEST(test_wake_from_another_thread),
        TEST(test_a_signal_ends_the_wait),
        TEST(test_the_timeout_is_kept),
        TEST(test_no_turn_within_a_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
