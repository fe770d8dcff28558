/* Puts outcomes into input order: what cannot be handed out yet waits in memory up to a bound, then in an unlinked file.
 *
 * Memory: `memory_bytes` of payload in the window plus a fixed part; the file holds the outcomes and, in a second region, 16 bytes
 * an index, so that endless input with a slow item 0 stays bounded. Blocks already handed out are given back to the disk.
 */
#ifndef AGGREGATOR_ORDER_H
#define AGGREGATOR_ORDER_H

#include "base/error.h"
#include "schemas/joblog.h"

typedef struct order order_t;

/* `dir` for the spill file (NULL: TMPDIR or /var/tmp); it is made at the first need and unlinked at once. */
int order_new(size_t memory_bytes, const char *dir, order_t **ret, fanmap_error_t *err);
void order_free(order_t *order);
/* An outcome that counts; copied. Each index once. FANMAP_EIO when the disk is full or fails. */
int order_put(order_t *order, const outcome_t *outcome, fanmap_error_t *err);
/* The list is decided: n entries, the missing ones are of this kind, made here and never stored. */
void order_decide(order_t *order, uint64_t n, fanmap_kind_t missing);
/* The next outcome in order, borrowed until the next call. FANMAP_OK, FANMAP_AGAIN (its outcome is not there yet), FANMAP_END. */
int order_next(order_t *order, outcome_t *ret, fanmap_error_t *err);
uint64_t order_position(const order_t *order);      /* index of the next one */
uint64_t order_waiting_bytes(const order_t *order); /* put and not yet handed out, memory and file */

#endif
