/* Names before starts: what must stand in a commit before it runs. */
#ifndef WORKER_CORE_NAMES_H
#define WORKER_CORE_NAMES_H

#include "worker/core/part.h"

/* names.c: one name, and room for it. */
/* How many names fit into a commit of this partition. */
uint32_t names_max(const worker_t *w, const worker_part_t *part);
bool names_have_ample_room(const worker_t *w, const worker_part_t *part);
bool names_have_room(const worker_t *w, const worker_part_t *part);
bool name_has_room(const worker_t *w, const worker_item_t *item); /* its name fits if it starts in a slot of its own */
/* Its start waits for a commit that names it. */
bool name_is_needed(const worker_item_t *item);
/* It may not start yet: the horizon has not passed it, or its name is not held. */
bool name_must_wait(const worker_item_t *item);
/* It may take a whole worker down, and runs alone among its like. */
bool name_is_suspect(const worker_item_t *item);
void name_set(worker_t *w, worker_item_t *item, item_name_t name);
void name_drop(worker_t *w, worker_item_t *item);
/* It runs, its claim is over and its partition is ours again: commits go on naming it, and no suspect starts beside it.
 */
void name_hold(worker_t *w, worker_item_t *item);
void suspect_end(worker_t *w, worker_item_t *item);

/* poison.c: who asks for a name, and when. */
void names_turn(worker_t *w);
void names_accepted(worker_t *w, worker_part_t *part, uint64_t number);
void names_withdraw(worker_t *w, worker_job_t *job); /* it may not start any more */
/* What ran took the guardian of all slots down: from here on it is as after the death of a worker. */
void names_guardian_lost(worker_t *w);

#endif
