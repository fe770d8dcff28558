/* Which items of a job are lost: its log shows them as published, they have no outcome there, and no record stands on the
 * topic of their task. Pure; who reads what, and in which order, is client/admin/lost.c's. */
#ifndef CLIENT_JOBLOG_MISSING_H
#define CLIENT_JOBLOG_MISSING_H

#include "aggregator/list.h"
#include "base/bitset.h"
#include "schemas/spec.h"

enum { MISSING_SEEN_MAX = 64 };

/* What one look found missing. Zeroed at first. */
typedef struct {
    struct {
        char job[JOB_ID_MAX + 1];
        uint64_t known, missing;
    } seen[MISSING_SEEN_MAX];
    size_t seen_n;
} missing_t;

/* How far the log says that items were published. */
uint64_t missing_published(const list_t *list);
/* The first from `i` on without an outcome and without a record; `end`: there is none. */
uint64_t missing_next(const list_t *list, const bitset_t *records, uint64_t i, uint64_t end);
/* How many there are below `end`. */
uint64_t missing_count(const list_t *list, const bitset_t *records, uint64_t end);
/* True: the look before found the same number of them, and the job had no outcome more since: they are lost. False: it is
 * noted for the next look. */
bool missing_confirm(const missing_t *before, missing_t *now, const char *job, uint64_t known, uint64_t missing);

#endif
