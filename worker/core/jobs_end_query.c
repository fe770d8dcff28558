/* Questions for the end of the jobs topic: an answer holds for what was asked before the question went out. */
#include "worker/core/state.h"

void jobs_query_end(worker_t *w)
{
    w->queries_sent++;
    w->query_wanted = false;
    act(w, WORKER_QUERY_JOBS_END);
}

/* The query that is under way may have been answered by the broker before the question came up: the next one decides.
 */
uint64_t jobs_request_end(worker_t *w)
{
    uint64_t decides = w->queries_sent + 1;
    w->query_wanted = true;
    if (w->queries_sent == w->queries_answered)
        jobs_query_end(w);
    return decides;
}
