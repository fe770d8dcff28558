/* The kinds of fault, and the control commands: what a seed draws from, and what a script uses. */
#ifndef SIMULATION_FAULTS_H
#define SIMULATION_FAULTS_H

#include "sim.h"

typedef enum {
    FAULT_KILL,
    FAULT_STOP,
    FAULT_STOP_SHORT,
    FAULT_DRAIN,
    FAULT_CUT_KAFKA,
    FAULT_CUT_REDIS,
    FAULT_KAFKA_AWAY,
    FAULT_KAFKA_SLOW,
    FAULT_REDIS_DOWN,
    FAULT_REDIS_FLUSH,
    FAULT_REDIS_JUMP,
    FAULT_REDIS_NETWORK,
    FAULT_LIMIT,
    FAULT_LIMIT_AGAIN,
    FAULT_PAUSE,
    FAULT_FOREIGN,
    FAULT_REPLAY,
    FAULT_STOP_MAKER,
    FAULT_CANCEL,
    FAULT_KILL_MAKER,
    FAULT_TAKE_OVER,
    FAULT_REDIS_PASSWORD,
    FAULTS_N
} fault_t;

#define ROLL(sim, n)           dice(&(sim)->clock, n)
#define BETWEEN(sim, from, to) dice_between(&(sim)->clock, from, to)
#define CHANCE(sim, permille)  dice_chance(&(sim)->clock, permille)

/* A dead worker starts again in `delay_ms`; one that drains, as soon as it has left. */
void faults_back_later(sim_t *sim, const node_t *node, int64_t delay_ms);
/* Inflicts the scenario's faults until its time of chaos is over, then mends everything. */
void faults_begin(sim_t *sim);

#endif
