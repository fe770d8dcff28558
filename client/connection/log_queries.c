/* Each question is a record in a list of the connection's that names the job by number. An answer looks the job up
 * again. */
#include "client/connection/log_queries.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#include "client/connection/client.h"

enum { COMMITTED_TRIES = 5 };

struct log_query {
    log_query_t *next;
    fanmap_t *f;
    uint32_t number; /* of the job */
    log_query_fn fn;
    int32_t tag;
    /* of log_query_committed */
    unsigned tries_left;
    bus_topic_t *topic;
    char group[TOPIC_NAME_MAX];
    uint32_t n;
};

static void query_free(log_query_t *query)
{
    LL_DELETE(query->f->log_queries, query);
    free(query);
}

void log_queries_free(fanmap_t *f)
{
    while (f->log_queries)
        query_free(f->log_queries);
}

static void on_answer(void *arg, const bus_answer_t *answer);

static int query_committed(log_query_t *query, fanmap_error_t *err)
{
    const bus_request_t request = {.kind = BUS_FIND_COMMITTED, .group = query->group, .n = query->n};
    query->tries_left--;
    return bus_request(query->topic, &request, on_answer, query, err);
}

static void on_answer(void *arg, const bus_answer_t *answer)
{
    log_query_t *query = arg, copy = *query;
    fanmap_job_t *job = job_by_number(query->f, query->number);
    fanmap_error_t err;
    bool goes_on = query->tries_left > 0 && answer->err && answer->err->retry_may_help && job && !job->is_abandoned;
    if (goes_on && query_committed(query, &err) == FANMAP_OK)
        return;
    query_free(query);
    if (job)
        copy.fn(job, copy.tag, answer);
}

static log_query_t *query_new(fanmap_job_t *job, log_query_fn fn, int32_t tag, fanmap_error_t *err)
{
    log_query_t *query = calloc(1, sizeof *query);
    if (!query) {
        err_set(err, FANMAP_ENOMEM, "out of memory");
        return NULL;
    }
    *query = (log_query_t){.next = job->f->log_queries, .f = job->f, .number = job->number, .fn = fn, .tag = tag};
    job->f->log_queries = query;
    return query;
}

int log_query(fanmap_job_t *job, bus_topic_t *topic, const bus_request_t *request, log_query_fn fn, int32_t tag,
              fanmap_error_t *err)
{
    log_query_t *query = query_new(job, fn, tag, err);
    int r = query ? bus_request(topic, request, on_answer, query, err) : FANMAP_ENOMEM;
    if (query && r != FANMAP_OK)
        query_free(query);
    return r;
}

int log_query_committed(fanmap_job_t *job, bus_topic_t *topic, const char *group, uint32_t n, log_query_fn fn,
                        fanmap_error_t *err)
{
    log_query_t *query = query_new(job, fn, 0, err);
    if (!query)
        return FANMAP_ENOMEM;
    query->tries_left = COMMITTED_TRIES;
    query->topic = topic;
    query->n = n;
    (void)snprintf(query->group, sizeof query->group, "%s", group);
    int r = query_committed(query, err);
    if (r != FANMAP_OK)
        query_free(query);
    return r;
}
