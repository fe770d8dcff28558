/* Between node.c (life and steps), node_events.c and node_read.c (events in) and node_actions.c (actions out). */
#ifndef SIMULATION_NODE_INTERNAL_H
#define SIMULATION_NODE_INTERNAL_H

#include "node.h"
#include "sim.h"

/* The bytes of a record while the core keeps them: an allocation of their own, so that a use behind the release shows.
 */
struct payload {
    payload_t *next, **at;
    uint8_t *key, *value;
    size_t key_len, value_len;
};
payload_t *payload_new(node_t *node, const record_t *record);
void payload_release(node_t *node, payload_t *payload);

/* One step of the core, its actions carried out. */
void node_step(sim_t *sim, node_t *node, worker_event_t *event);
void node_carry_out(sim_t *sim, node_t *node, const worker_action_t *action);
int64_t node_now_ms(const sim_t *sim, const node_t *node);
void node_forget_packs(node_t *node);
/* The core may act on what it holds: pack what is open. */
void node_send_pack(sim_t *sim, node_t *node, size_t job);

/* A task among those that the worker serves. */
uint32_t node_place_of(const node_t *node, uint32_t task);

/* node_handoff.c */
void node_hand_off(sim_t *sim, node_t *node, const worker_action_t *action);
void node_beg(sim_t *sim, node_t *node, uint32_t free_n);

void node_on_left(sim_t *sim, event_t *event);

#endif
