/* A task's topic that is deleted and made anew under the fleet, and what follows from it. */
#ifndef SIMULATION_REMAKE_H
#define SIMULATION_REMAKE_H

#include "sim.h"

/* remake.c: at some moments of the chaos. */
void remake_begin(sim_t *sim);
/* What the bus of a worker does: every two seconds it looks whether its lanes are the logs that they were. */
void remake_look(sim_t *sim, node_t *node);

/* looker.c: what the service around a worker does: looks for items that Kafka lost, when it has noticed something, and when
 * it has had nothing to do for long and jobs of its tasks are open. Begins anew with each life. */
void looker_start(sim_t *sim, node_t *node);
void looker_forget(node_t *node);
void looker_look_soon(const sim_t *sim, node_t *node);

#endif
