/* What streams are measured with: the record's value as it is. */
#include "fanmap/task.h"

static int echo(fanmap_attempt_t *a)
{
    return a->out(a, a->in, a->in_len);
}

FANMAP_TASKS({FANMAP_TASK_ABI, FANMAP_TASK_MSGPACK, "echo", "v -> v", echo, NULL, NULL});
