/* Slots, and which job gets one. */
#ifndef WORKER_CORE_SLOT_H
#define WORKER_CORE_SLOT_H

#include "worker/core/part.h"

enum {
    TAKE_BACK_AFTER_MS = 5, /* the running one outlasts this: what waits behind it goes back to the queue */
    SOFT_KILL_MS = 500      /* cancelled attempts have so long before they are killed without grace */
};

typedef struct {
    bool is_up, is_idle, is_taking, is_frozen;
    bool has_unstarted; /* perhaps: a run was put behind another since the last answer to a TAKE_BACK */
    worker_job_t *job;
    item_list_t runs; /* head: what runs */
    uint32_t call_n;  /* the call in it began with so many; 0: its job has no calls */
    size_t bytes;     /* of the inputs behind the head */
    int64_t head_since_ms;
    bool is_killing, is_killed_hard; /* of the head */
    int64_t kill_hard_at_ms;
} worker_slot_t;

/* slots.c */
void slot_up(worker_t *w, uint32_t number);
void slot_leave_idle(worker_t *w, uint32_t number);
worker_item_t *slot_find(worker_t *w, uint32_t number, uint32_t n);
void slot_take_out(worker_t *w, uint32_t number, worker_item_t *item);
void slot_emptied(worker_t *w, uint32_t number); /* when nothing is left in it: the token is free, and so is the slot */
void slot_taken_back(worker_t *w, uint32_t number, uint32_t n);
void slot_given_back(worker_t *w, uint32_t number, uint32_t from, uint32_t to);
/* What waits unstarted in a slot of at least so many runs: 2 where the first one surely runs. */
void slot_take_back(worker_t *w, uint32_t number, size_t least);
void slot_kill(worker_t *w, uint32_t number, bool hard);
/* After a change of heads: kills what must not run (its job ended, its partition gone). */
void slot_review(worker_t *w, uint32_t number);
void slots_review(worker_t *w);
/* Unstarted runs are taken back: in slots that hold items of the partition (NULL: in all), or that run the job. */
void slots_withdraw(worker_t *w, const worker_part_t *part);
void slots_withdraw_job(worker_t *w, const worker_job_t *job);
void slots_tick(worker_t *w);
int64_t slots_next_ms(const worker_t *w);

/* dispatch.c */
void dispatch_enlist(worker_t *w, worker_job_t *job); /* its queue, policy or tokens changed: in the ring, or out */
void dispatch_turn(worker_t *w);                      /* gives idle slots work */
void dispatch_refill(worker_t *w, uint32_t number);   /* more of the same job behind what runs */

#endif
