/* The slots of one life of a worker, with the guardian over them. A pool outlives its worker: what runs goes on until
 * the guardian's rules end it.
 *
 *   lapse     at the lapse of a limited job its attempts are frozen (a stalled guardian: up to stall_ms late)
 *   silence   a stopped worker: everything is killed after half a session
 *   EOF       a dead worker: everything is killed at once
 *
 * A slot runs one attempt; further runs wait in it, are begun by it without asking anyone, and can be taken back until
 * then. Some of them it may have told a program ahead: those it gives back by itself when what runs lasts. What an attempt does is fixed by job, index and attempt (plan.h). */
#ifndef SIMULATION_POOL_H
#define SIMULATION_POOL_H

#include "clock.h"

enum { POOL_SLOTS_MAX = 4, POOL_AHEAD_MAX = 8, POOL_LAPSES_MAX = 8 };

typedef struct {
    uint32_t n, attempt, job_key;
    size_t job; /* index into sim->jobs */
    uint64_t index, fence;
    int64_t left_ms;
    uint32_t call_n; /* of the first run of a call: how many are in it */
} run_t;

typedef struct {
    bool is_up, is_running; /* waiting[0] runs */
    bool is_up_told;        /* what the worker believes */
    unsigned downs_n;       /* of which the worker does not know yet: what it sends meanwhile goes nowhere */
    bool is_frozen_by_worker, is_frozen_by_guardian, is_ending;
    run_t waiting[POOL_AHEAD_MAX + 1];
    size_t n;
    size_t claimed; /* of these: begun, or told ahead to a program that may begin them */
    uint32_t next_n;
    int64_t since_ms, tell_ms; /* messages keep their order */
    uint64_t turn;             /* rises whenever the pending end event is void */
} slot_t;

typedef struct pool pool_t;
struct pool {
    pool_t *next;
    process_t *worker;
    uint64_t life;
    unsigned slots_n;
    slot_t slots[POOL_SLOTS_MAX];
    struct {
        uint32_t job_key;
        bool is_used;
        int64_t at_ms; /* of the worker's clock */
    } lapses[POOL_LAPSES_MAX];
    int64_t silent_since_ms; /* INT64_MAX: it beats */
};

typedef enum { SLOT_SAYS_UP, SLOT_SAYS_DONE, SLOT_SAYS_BACK, SLOT_SAYS_DOWN } slot_says_t;

/* What reaches node_slot(): one message of a slot. */
typedef struct {
    slot_says_t what;
    uint32_t slot, n, unstarted_from;
    bool has_attempt, is_whole;
    int down; /* attempt_down_t */
    run_t run;
} slot_message_t;

pool_t *pool_new(sim_t *sim, process_t *worker, unsigned slots_n);
void pools_free(sim_t *sim);
/* Returns the run's number; what it will do comes from the plan. */
uint32_t pool_run(sim_t *sim, pool_t *pool, uint32_t slot, const run_t *run);
/* Returns the first n taken back. */
uint32_t pool_take_back(pool_t *pool, uint32_t slot);
void pool_kill(sim_t *sim, pool_t *pool, uint32_t slot, uint32_t n, bool hard);
void pool_freeze(sim_t *sim, pool_t *pool, uint32_t slot, bool on);
void pool_lapse(sim_t *sim, pool_t *pool, uint32_t job_key, int64_t at_ms);
void pool_worker_stopped(sim_t *sim, pool_t *pool);
void pool_worker_continued(sim_t *sim, pool_t *pool);
void pool_worker_died(sim_t *sim, pool_t *pool);
bool pool_is_idle(const pool_t *pool);
/* Unfrozen running attempts, and all attempts begun, of one job. */
void pool_count(const pool_t *pool, size_t job, uint64_t *ret_running, uint64_t *ret_attempts);
/* For events that only borrow what they point to. */
void pool_keep(void *data);

#endif
