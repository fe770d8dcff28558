/* Tasks for the tests, most of them counted by the recorder (RECORDER_AT; see recorder.h). Where it is named and
 * cannot be reached the attempt fails: an attempt that nobody counted would prove nothing. */
#include "fanmap/task.h"
#include "tests/lib/recorder_client.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>

/* 0: counted, or nobody counts. */
static int begin(fanmap_attempt_t *a, int *ret_fd)
{
    *ret_fd = -1;
    if (getenv("RECORDER_AT") == NULL)
        return 0;
    *ret_fd = recorder_begin(a->job, a->index, a->attempt);
    return *ret_fd >= 0 ? 0 : a->fail(a, 1, "recorder", "the recorder cannot be reached");
}

static int64_t squared(int64_t x)
{
    return (int64_t)((uint64_t)x * (uint64_t)x);
}

static int recorded(fanmap_attempt_t *a)
{
    int64_t x;
    if (a->get_i64(a, &x) != 0)
        return a->fail(a, 1, "type", "not an integer");
    if (getenv("RECORDER_AT") == NULL)
        return a->fail(a, 1, "recorder", "RECORDER_AT is not set");
    int fd;
    if (begin(a, &fd) != 0)
        return -1;
    int rc = a->put_i64(a, squared(x));
    recorder_end(fd);
    return rc;
}

/* Of a msgpack array of two, [integer from 0, anything]: the integer and the bytes of the rest. */
static bool read_pair(const fanmap_attempt_t *a, uint64_t *ret_n, const unsigned char **ret_rest, size_t *ret_len)
{
    const unsigned char *p = a->in;
    if (a->in_len < 3 || p[0] != 0x92)
        return false;
    size_t size = p[1] < 0x80 ? 0 : p[1] >= 0xcc && p[1] <= 0xcf ? (size_t)1 << (p[1] - 0xcc) : 99;
    if (size == 99 || a->in_len < 3 + size)
        return false;
    uint64_t n = size == 0 ? p[1] : 0;
    for (size_t i = 0; i < size; i++)
        n = n << 8 | p[2 + i];
    *ret_n = n;
    *ret_rest = p + 2 + size;
    *ret_len = a->in_len - 2 - size;
    return true;
}

/* Without the slack of the kernel's timers, which is 50 us: a task of 1 ms is to last one. */
static void sleep_ms(uint64_t ms)
{
    struct timespec t = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    while (nanosleep(&t, &t) != 0) {
    }
}

static int recorded_sleep(fanmap_attempt_t *a)
{
    uint64_t ms;
    const unsigned char *rest;
    size_t len;
    int fd;
    if (!read_pair(a, &ms, &rest, &len))
        return a->fail(a, 1, "type", "not [ms, value]");
    if (begin(a, &fd) != 0)
        return -1;
    sleep_ms(ms);
    int rc = a->out(a, rest, len);
    recorder_end(fd);
    return rc;
}

static int record_fail_n(fanmap_attempt_t *a)
{
    uint64_t fails;
    const unsigned char *rest;
    size_t len;
    int fd;
    if (!read_pair(a, &fails, &rest, &len))
        return a->fail(a, 1, "type", "not [fails, value]");
    if (begin(a, &fd) != 0)
        return -1;
    int rc = a->attempt <= fails ? a->fail(a, 0, "planned", "one of the first attempts") : a->out(a, rest, len);
    recorder_end(fd);
    return rc;
}

static int echo(fanmap_attempt_t *a)
{
    return a->out(a, a->in, a->in_len);
}

/* v -> [v, the bound arguments or null]. */
static int bound(fanmap_attempt_t *a)
{
    int rc = a->out(a, "\x92", 1);
    if (rc == 0)
        rc = a->out(a, a->in, a->in_len);
    if (rc == 0)
        rc = a->bound_len > 0 ? a->out(a, a->bound, a->bound_len) : a->out(a, "\xc0", 1);
    return rc;
}

static int noop(fanmap_attempt_t *a)
{
    return a->out(a, "\xc0", 1);
}

/* n fails for good, as one of fifty: what stands in its message besides words is no part of that. */
static int fail_as(fanmap_attempt_t *a)
{
    int64_t n;
    char message[80];
    if (a->get_i64(a, &n) != 0 || n < 0)
        return a->fail(a, 1, "type", "not a number");
    snprintf(message, sizeof message, "cannot reach host %c%c: try %d of 7", 'a' + (int)(n % 50 / 10),
             'a' + (int)(n % 10), (int)n);
    return a->fail(a, 1, "Unreachable", message);
}

/* n -> a string of n bytes. */
static int big(fanmap_attempt_t *a)
{
    int64_t n;
    if (a->get_i64(a, &n) != 0 || n < 0)
        return a->fail(a, 1, "type", "not a length");
    char *text = malloc((size_t)n + 1);
    if (text == NULL)
        return a->fail(a, 1, "memory", "too long");
    memset(text, 'x', (size_t)n);
    int rc = a->put_text(a, text, (size_t)n);
    free(text);
    return rc;
}

/* n -> n squared, except: -1 dies by SIGSEGV, -2 exits, -3 fails for good, -4 fails, -5 loops for ever. */
static int trouble(fanmap_attempt_t *a)
{
    int64_t x;
    int fd;
    if (a->get_i64(a, &x) != 0)
        return a->fail(a, 1, "type", "not an integer");
    if (begin(a, &fd) != 0)
        return -1;
    int rc = 0;
    if (x == -1)
        raise(SIGSEGV);
    else if (x == -2)
        _exit(3);
    else if (x == -3 || x == -4)
        rc = a->fail(a, x == -3, "trouble", "asked for");
    else if (x == -5)
        for (volatile int spin = 1; spin != 0;) {
        }
    else
        rc = a->put_i64(a, squared(x));
    recorder_end(fd);
    return rc;
}

FANMAP_TASKS({FANMAP_TASK_ABI, FANMAP_TASK_MSGPACK, "recorded", "x -> x*x, counted", recorded, NULL, NULL},
             {FANMAP_TASK_ABI, FANMAP_TASK_MSGPACK, "recorded_sleep", "[ms, v] -> v after ms", recorded_sleep, NULL,
              NULL},
             {FANMAP_TASK_ABI, FANMAP_TASK_MSGPACK, "record_fail_n", "[n, v] -> v, failing n times first",
              record_fail_n, NULL, NULL},
             {FANMAP_TASK_ABI, FANMAP_TASK_MSGPACK, "echo", "v -> v", echo, NULL, NULL},
             {FANMAP_TASK_ABI, FANMAP_TASK_MSGPACK, "bound", "v -> [v, bound]", bound, NULL, NULL},
             {FANMAP_TASK_ABI, FANMAP_TASK_MSGPACK, "noop", "v -> null", noop, NULL, NULL},
             {FANMAP_TASK_ABI, FANMAP_TASK_MSGPACK, "fail_as", "n fails, as one of fifty", fail_as, NULL, NULL},
             {FANMAP_TASK_ABI, FANMAP_TASK_MSGPACK, "big", "n -> n bytes", big, NULL, NULL},
             {FANMAP_TASK_ABI, FANMAP_TASK_MSGPACK, "trouble", "n -> n*n, or what its sign says", trouble, NULL, NULL});
