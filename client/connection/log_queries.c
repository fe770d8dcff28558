/* Each question is a record in a list of the connection's that names the job by number. An answer looks the job up
 * again. */
#include "client/connection/log_queries.h"

#include <stdlib.h>

#include "client/connection/client.h"

struct log_query {
    log_query_t *next;
    fanmap_t *f;
    uint32_t number; /* of the job */
    log_query_fn fn;
    int32_t tag;
};

static void query_free(log_query_t *query)
{
    log_query_t **at = &query->f->log_queries;
    while (*at != query)
        at = &(*at)->next;
    *at = query->next;
    free(query);
}

void log_queries_free(fanmap_t *f)
{
    while (f->log_queries)
        query_free(f->log_queries);
}

static void on_answer(void *arg, const bus_answer_t *answer)
{
    const log_query_t query = *(log_query_t *)arg;
    fanmap_job_t *job = job_by_number(query.f, query.number);
    query_free(arg);
    if (job)
        query.fn(job, query.tag, answer);
}

int log_query(fanmap_job_t *job, bus_topic_t *topic, const bus_request_t *request, log_query_fn fn, int32_t tag,
              fanmap_error_t *err)
{
    log_query_t *query = malloc(sizeof *query);
    if (!query)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    *query = (log_query_t){job->f->log_queries, job->f, job->number, fn, tag};
    job->f->log_queries = query;
    int r = bus_request(topic, request, on_answer, query, err);
    if (r != FANMAP_OK)
        query_free(query);
    return r;
}
