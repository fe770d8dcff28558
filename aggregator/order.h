/* Puts outcomes into input order: what cannot be handed out yet waits in memory up to a bound, then in an unlinked
 * file.
 *
 * Memory: `memory_bytes` of outcomes plus a fixed part of at most 9 MiB, taken as it is needed, plus 32 bytes for 64
 * KiB that wait in the file. The file holds outcomes and, for jobs wider than the window, 16 bytes an index, so that
 * endless input with a slow item 0 stays bounded. Blocks that were handed out are given back to the disk.
 *
 * Only spill.c does I/O. One thread.
 */
#ifndef AGGREGATOR_ORDER_H
#define AGGREGATOR_ORDER_H

#include "base/error.h"
#include "schemas/joblog.h"

typedef struct order order_t;

/* `dir` for the spill file (NULL: TMPDIR or /var/tmp); it is made at the first need and has no name. FANMAP_ENOMEM. */
int order_new(size_t memory_bytes, const char *dir, order_t **ret, fanmap_error_t *err);
void order_free(order_t *order);
/* Whether an outcome was put for this index. */
typedef bool (*order_known_fn)(const void *arg, uint64_t index);
/* Before anything is put: outcomes are handed out as they arrive, each with its index, and after the decision, when all
 * of those are out, the indexes that nothing was put for, of which `known` is asked then. */
void order_by_arrival(order_t *order, order_known_fn known, const void *arg);
/* Before anything is put: the list is handed out from `index` on (by arrival: of what is missing, nothing below it). */
void order_begin_at(order_t *order, uint64_t index);
/* Everything that is put from now on bears this mark, which is not 0. 1 before it is said. */
void order_mark(order_t *order, uint32_t mark);
/* The mark of what order_next gave last; 0: it was made here. */
uint32_t order_out_mark(const order_t *order);
/* An outcome that counts, in any order, each index once, none below the position, its value at least a byte; copied. FANMAP_EIO when the disk is
 * full or fails (this outcome is then not in, the others are), FANMAP_ENOMEM. */
int order_put(order_t *order, const outcome_t *outcome, fanmap_error_t *err);
/* The list is decided: n entries, the missing ones are of this kind, made here and never stored. Nothing is put
 * afterwards; what was put at or beyond n is not handed out. */
void order_decide(order_t *order, uint64_t n, fanmap_kind_t missing);
/* The next outcome in order, borrowed until the next order_next (puts in between are allowed). FANMAP_OK, FANMAP_AGAIN
 * (its outcome is not there yet), FANMAP_END, or FANMAP_EIO, FANMAP_ENOMEM. */
int order_next(order_t *order, outcome_t *ret, fanmap_error_t *err);
uint64_t order_position(const order_t *order);      /* index of the next one; by arrival: how many were out */
uint64_t order_waiting_n(const order_t *order);     /* put and not yet handed out */
uint64_t order_waiting_bytes(const order_t *order); /* put and not yet handed out, memory and file */
uint64_t order_spilled_bytes(const order_t *order); /* of them in the file: whole blocks, gaps included */

#endif
