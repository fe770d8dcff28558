/* What user code does: a pure function of job, index and attempt, so that what the list must be is known beforehand,
 * whatever happens on the way. */
#ifndef SIMULATION_PLAN_H
#define SIMULATION_PLAN_H

#include "base/buf.h"
#include "clock.h"
#include "fanmap/fanmap.h"

enum { PLAN_EXIT_STATUS = 3 }; /* of those that end with FANMAP_EXIT */

typedef struct {
    int64_t run_ms;
    fanmap_kind_t kind;                    /* what the attempt says, unless it dies or times out */
    bool is_final, dies, times_out, kills; /* kills: the whole worker, */
    bool kills_guardian;                   /* or the guardian of its slots */
} plan_t;

plan_t plan_of(const sim_t *sim, size_t job, uint64_t index, uint32_t attempt);
/* The input of an index and its value, as msgpack. */
void plan_input(buf_t *b, uint64_t job_hash, uint64_t index);
void plan_value(buf_t *b, uint64_t job_hash, uint64_t index);
/* How the input stands at its source: FANMAP_VALUE, or BAD_INPUT (never sent), or TOO_LARGE (the broker refuses it). */
fanmap_kind_t plan_source(const sim_t *sim, size_t job, uint64_t index);
/* The one kind that the outcome must have when no worker dies, and how many attempts that takes. */
fanmap_kind_t plan_outcome(const sim_t *sim, size_t job, uint64_t index, uint32_t *ret_attempts);

#endif
