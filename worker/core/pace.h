/* How soon after one start another may follow: the rate of a job that no other worker runs. Pure. */
#ifndef WORKER_CORE_PACE_H
#define WORKER_CORE_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed: at once. */
typedef struct {
    uint32_t delay_ms; /* between any two starts, at least */
    uint64_t every_us; /* on average; what came late by a clock's tick or two is made up for */
    int64_t free_ms, next_us;
} pace_t;

bool pace_may_start(const pace_t *pace, int64_t now_ms);
void pace_started(pace_t *pace, int64_t now_ms);
/* When something may start that may not now; INT64_MAX: it may. */
int64_t pace_next_ms(const pace_t *pace, int64_t now_ms);

#endif
