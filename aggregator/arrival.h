/* Outcomes as they arrive (pure): what is put first is handed out first, with its index. After the decision, when all
 * of those are out, come the indexes of the list that nothing was put for.
 *
 * Order costs a disk when an early item is slow; this costs no more memory than what the caller has not taken yet, so
 * the caller stops putting (holds its source) while arrival_waiting_bytes is over its bound.
 */
#ifndef AGGREGATOR_ARRIVAL_H
#define AGGREGATOR_ARRIVAL_H

#include "base/error.h"
#include "schemas/joblog.h"

typedef struct arrival arrival_t;

/* Whether an outcome was put for this index; asked after the decision only, for the missing ones. */
typedef bool (*arrival_known_fn)(const void *arg, uint64_t index);

/* NULL: no memory. */
arrival_t *arrival_new(arrival_known_fn known, const void *arg);
void arrival_free(arrival_t *arrival);
/* An outcome that counts, each index once, its value at least a byte; copied. FANMAP_ENOMEM: it is not in, the others are. */
int arrival_put(arrival_t *arrival, const outcome_t *outcome, fanmap_error_t *err);
/* As order_decide: what still waits at or beyond n is not handed out. */
void arrival_decide(arrival_t *arrival, uint64_t n, fanmap_kind_t missing);
/* Borrowed until the next arrival_next; puts in between are allowed. FANMAP_OK, FANMAP_AGAIN (nothing has arrived),
 * FANMAP_END, or FANMAP_EIO (it is not what was put). */
int arrival_next(arrival_t *arrival, outcome_t *ret, fanmap_error_t *err);
/* arrival_next would not say FANMAP_AGAIN. */
bool arrival_has_next(const arrival_t *arrival);
/* Put and not yet handed out. */
uint64_t arrival_waiting_bytes(const arrival_t *arrival);

#endif
