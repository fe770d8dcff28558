/* The processor time of the attempt that runs in the slot: all of its processes, those that have ended included. Looked
 * at again and again, as late as it can be without missing the limit. */
#ifndef SLOTS_SUPERVISOR_METER_H
#define SLOTS_SUPERVISOR_METER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct {
    bool is_running;
    uint32_t n;      /* the run that is measured */
    int64_t base_us; /* what its processes had used when it began */
    int64_t next_ms; /* when it cannot have reached the limit before */
} meter_t;

/* Whose time is measured. */
typedef struct {
    pid_t root;
    bool is_command; /* everything below `root` but `except`, and what `root` has reaped; else `root` and what is below
                      */
    const pid_t *except; /* other engines of the slot */
    size_t except_n;
} meter_whose_t;

/* Run `n` goes on. Returns true if it has used more than `limit_ms`. Otherwise *ret_wait_ms says when to look again. */
bool meter_step(meter_t *m, uint32_t n, const meter_whose_t *whose, uint32_t limit_ms, int *ret_wait_ms);
/* Nothing runs. Returns when something may have begun that has to be looked at, in ms. */
int meter_idle(meter_t *m, uint32_t limit_ms);

#endif
