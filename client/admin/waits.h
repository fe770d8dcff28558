/* What a job waits for, asked of the fleet: for show, and in a word for the list of jobs. */
#ifndef CLIENT_ADMIN_WAITS_H
#define CLIENT_ADMIN_WAITS_H

#include "client/admin/query.h"
#include "client/joblog/why.h"

/* What the fleet says of the job, of which `info` is known: its names, state and limit. What cannot be asked is not known, and
 * no error of the query. *ret_items: the topics of its task; NULL: there are none (as of a stream), we may not see them, or
 * nobody needs them. */
void waits_ask(query_t *query, const fanmap_job_info_t *info, bool is_stream, queue_t **ret_items, fleet_t *ret);

typedef struct {
    const fleet_t *fleet;
    uint64_t published_before; /* the fleet was asked */
    int64_t producer_silent_ms;
    bool is_uncounted; /* a stream, or its log was not read: what is unfinished is `lag` */
    bool has_rate;
    int64_t lag; /* records that are not finished; -1: not known */
} waits_seen_t;
/* Why it does not go on, from that and its counts. */
void waits_explain(const query_t *query, const fanmap_job_info_t *info, const waits_seen_t *seen, why_t *ret);

#endif
