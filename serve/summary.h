/* What a page shows of a job, summed up from its outcomes as they come, in whatever order: counts, which items are done, failures in
 * groups (schemas/failure_groups.h), durations. Pure and bounded: two bits an item, and so many groups. The same outcomes give the same summary. */
#ifndef SERVE_SUMMARY_H
#define SERVE_SUMMARY_H

#include "base/buf.h"
#include "fanmap/fanmap.h"

enum { SUMMARY_BINS_MAX = 4096 };

typedef struct summary summary_t;

/* NULL: no memory. */
summary_t *summary_new(void);
void summary_free(summary_t *summary);
/* Each index once. */
void summary_add(summary_t *summary, const fanmap_outcome_t *outcome);
/* How many were added: what has changed since a number that was kept. */
uint64_t summary_known(const summary_t *summary);
/* Behind the last item that is known. */
uint64_t summary_items_end(const summary_t *summary);
/* The members of a JSON object, without its brackets. The grid has `bins` cells over the items [from, to). */
void summary_json(const summary_t *summary, uint64_t from, uint64_t to, unsigned bins, buf_t *out);

#endif
