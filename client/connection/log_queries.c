/* Each question is a record in a list of the connection's that names the job by number. An answer looks the job up
 * again. */
#include "client/connection/log_queries.h"

#include <stdlib.h>

#include "client/connection/client.h"
#include "io/bus_admin.h"

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

static void on_answer(void *arg, int64_t answer)
{
    const log_query_t query = *(log_query_t *)arg;
    fanmap_job_t *job = job_by_number(query.f, query.number);
    query_free(arg);
    if (job)
        query.fn(job, query.tag, answer);
}

static log_query_t *query_new(fanmap_job_t *job, log_query_fn fn, int32_t tag)
{
    log_query_t *query = malloc(sizeof *query);
    if (!query)
        return NULL;
    *query = (log_query_t){job->f->log_queries, job->f, job->number, fn, tag};
    return job->f->log_queries = query;
}

/* The bus has taken the question, or has not. */
static int query_sent(log_query_t *query, int r, fanmap_error_t *err)
{
    if (!query)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    if (r != FANMAP_OK)
        query_free(query);
    return r;
}

int log_query_end(fanmap_job_t *job, bus_topic_t *topic, int32_t partition, log_query_fn fn, fanmap_error_t *err)
{
    log_query_t *query = query_new(job, fn, 0);
    return query_sent(query, query ? bus_query_end(topic, partition, on_answer, query, err) : 0, err);
}

int log_query_members(fanmap_job_t *job, bus_topic_t *topic, const char *group_id, log_query_fn fn, fanmap_error_t *err)
{
    log_query_t *query = query_new(job, fn, 0);
    return query_sent(query, query ? bus_query_members(topic, group_id, on_answer, query, err) : 0, err);
}

int log_query_time(fanmap_job_t *job, bus_topic_t *topic, int32_t partition, int64_t time_ms, log_query_fn fn,
                   int32_t tag, fanmap_error_t *err)
{
    log_query_t *query = query_new(job, fn, tag);
    return query_sent(query, query ? bus_query_time(topic, partition, time_ms, on_answer, query, err) : 0, err);
}
