/* A small task library: what tasks in C look like, and what the tests and the README run.
 *
 *   cc -shared -fPIC -I include -o numbers.so examples/tasks/numbers.c
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fanmap/task.h"

static int square(fanmap_attempt_t *a)
{
    int64_t x, y;
    if (a->get_i64(a, &x) != 0)
        return a->fail(a, 1, "TypeError", "square wants an integer");
    if (__builtin_mul_overflow(x, x, &y))
        return a->fail(a, 1, "OverflowError", "the square does not fit 64 bits");
    return a->put_i64(a, y);
}

static int root(fanmap_attempt_t *a)
{
    double x;
    if (a->get_f64(a, &x) != 0 || x < 0)
        return a->fail(a, 1, "ValueError", "sqrt wants a number that is not negative");
    return a->put_f64(a, sqrt(x));
}

static int echo(fanmap_attempt_t *a)
{
    return a->out(a, a->in, a->in_len);
}

/* Sleeps so many milliseconds; stops early when it is told to. */
static int sleep_ms(fanmap_attempt_t *a)
{
    int64_t ms;
    if (a->get_i64(a, &ms) != 0 || ms < 0)
        return a->fail(a, 1, "TypeError", "sleep_ms wants a number of milliseconds");
    struct timespec left = {ms / 1000, (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        if (*a->cancelled)
            return a->fail(a, 0, "Cancelled", "told to stop");
    return a->put_i64(a, ms);
}

/* Fails every attempt at odd numbers but the last one that is allowed; -1 fails for good. */
static int flaky(fanmap_attempt_t *a)
{
    int64_t x;
    if (a->get_i64(a, &x) != 0 || x == -1)
        return a->fail(a, 1, "ValueError", "this item never works");
    if (x % 2 != 0 && a->attempt < a->attempts_max)
        return a->fail(a, 0, "TryAgain", "this attempt was meant to fail");
    return a->put_i64(a, x);
}

static int upper(fanmap_attempt_t *a)
{
    char *text = malloc(a->in_len + 1);
    if (!text)
        return a->fail(a, 0, "MemoryError", "no memory");
    for (size_t i = 0; i < a->in_len; i++) {
        char c = ((const char *)a->in)[i];
        text[i] = (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    }
    int result = a->out(a, text, a->in_len);
    free(text);
    return result;
}

static int noop(fanmap_attempt_t *a)
{
    return a->out(a, a->in, a->in_len);
}

FANMAP_TASKS({FANMAP_TASK_ABI, FANMAP_TASK_MSGPACK, "square", "x -> x*x", square, NULL, NULL},
             {FANMAP_TASK_ABI, FANMAP_TASK_BYTES, "square_line", "the same for lines of text", square, NULL, NULL},
             {FANMAP_TASK_ABI, FANMAP_TASK_MSGPACK, "sqrt", "x -> its square root", root, NULL, NULL},
             {FANMAP_TASK_ABI, FANMAP_TASK_MSGPACK, "echo", "x -> x", echo, NULL, NULL},
             {FANMAP_TASK_ABI, FANMAP_TASK_MSGPACK, "noop", "x -> x, for measuring", noop, NULL, NULL},
             {FANMAP_TASK_ABI, FANMAP_TASK_MSGPACK, "sleep_ms", "n -> n, after n milliseconds", sleep_ms, NULL, NULL},
             {FANMAP_TASK_ABI, FANMAP_TASK_MSGPACK, "flaky", "x -> x, odd ones on the last attempt", flaky, NULL, NULL},
             {FANMAP_TASK_ABI, FANMAP_TASK_BYTES, "upper", "text -> TEXT", upper, NULL, NULL});
