/* A task of 1 ms: [1, v] -> v after a sleep without the slack of the kernel's timers, which is 50 us. */
#include "fanmap/task.h"

#include <sys/prctl.h>
#include <time.h>

static int sleep_1ms(fanmap_attempt_t *a)
{
    if (a->in_len < 3 || ((const unsigned char *)a->in)[0] != 0x92)
        return a->fail(a, 1, "type", "not [1, value]");
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    (void)nanosleep(&(struct timespec){0, 1000000}, NULL);
    return a->out(a, (const unsigned char *)a->in + 2, a->in_len - 2);
}

FANMAP_TASKS({FANMAP_TASK_ABI, FANMAP_TASK_MSGPACK, "sleep", "[1, v] -> v", sleep_1ms, NULL, NULL});
