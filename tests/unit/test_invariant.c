/* A broken invariant ends the program here, and the cores that tests are linked with have theirs. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/invariant.h"
#include "producer/window.h"

/* The signal that ends a child that runs `fn`; 0: it ended by itself. */
static int signal_of(void (*fn)(void))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const struct rlimit no_core = {0};
        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)signal(SIGABRT, SIG_DFL);
        (void)close(STDERR_FILENO);
        fn();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void hold(void)
{
    int one = 1;
    invariant(one == 1);
}

static void break_one(void)
{
    int one = 1;
    invariant(one == 2);
}

static void add_to_a_full_window(void)
{
    window_t window;
    if (!window_init(&window, "job-1", 1, 1))
        return;
    (void)window_add(&window, "a", 1);
    (void)window_add(&window, "b", 1);
}

static void test_invariants(void **state)
{
    (void)state;
    assert_int_equal(signal_of(hold), 0);
    assert_int_equal(signal_of(break_one), SIGABRT);
}

static void test_cores_have_theirs(void **state)
{
    (void)state;
    assert_int_equal(signal_of(add_to_a_full_window), SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_invariants),
        cmocka_unit_test(test_cores_have_theirs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
