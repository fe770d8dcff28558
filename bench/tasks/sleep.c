/* A task of 1 ms: [1, v] -> v. A sleep lasts longer than it is asked to, on a busy machine by more, so each is asked for less by what
 * those before have taken too long: the tasks of a process last for 1 ms on average. */
#include "fanmap/task.h"

#include <sys/prctl.h>
#include <time.h>

#include "bench/program.h"

enum { TASK_NS = 1000000 };

static int sleep_1ms(fanmap_attempt_t *a)
{
    static long long late_ns; /* all before, together */
    long long began_ns = now_ns(), asked_ns = TASK_NS - late_ns > TASK_NS / 2 ? TASK_NS - late_ns : TASK_NS / 2;
    if (a->in_len < 3 || ((const unsigned char *)a->in)[0] != 0x92)
        return a->fail(a, 1, "type", "not [1, value]");
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL); /* it is 50 us */
    (void)nanosleep(&(struct timespec){0, asked_ns}, NULL);
    late_ns += now_ns() - began_ns - TASK_NS;
    return a->out(a, (const unsigned char *)a->in + 2, a->in_len - 2);
}

FANMAP_TASKS({FANMAP_TASK_ABI, FANMAP_TASK_MSGPACK, "sleep", "[1, v] -> v", sleep_1ms, NULL, NULL});
