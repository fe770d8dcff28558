/* The task that most rows measure: it gives null. Each task here is a library of its own, so that the worker reads one topic, as the raw loop does. */
#include "fanmap/task.h"

static int noop(fanmap_attempt_t *a)
{
    return a->out(a, "\xc0", 1);
}

FANMAP_TASKS({FANMAP_TASK_ABI, FANMAP_TASK_MSGPACK, "noop", "v -> null", noop, NULL, NULL});
