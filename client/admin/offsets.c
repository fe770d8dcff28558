#include "client/admin/offsets.h"

#include <stdlib.h>

enum { COMMITTED_TRIES = 5 };

int64_t query_first(query_t *query, bus_topic_t *topic, int32_t partition)
{
    const bus_request_t request = {.kind = BUS_FIND_BEGIN, .partition = partition};
    return query_bus(query, topic, &request, NULL);
}

void query_committed(query_t *query, bus_topic_t *topic, const char *group, uint32_t n, int64_t *ret)
{
    query_committed_with(query, topic, group, n, ret, NULL, NULL);
}

void query_committed_with(query_t *query, bus_topic_t *topic, const char *group, uint32_t n, int64_t *ret,
                          bus_answer_fn fn, void *arg)
{
    const bus_request_t request = {.kind = BUS_FIND_COMMITTED, .group = group, .n = n, .as_stands = true};
    fanmap_error_t why = {0}, *err = query->err;
    query->err = &why;
    for (int tries = 0; tries < COMMITTED_TRIES; tries++) {
        (void)query_bus_with(query, topic, &request, ret, fn, arg);
        if (query->result == FANMAP_OK || !why.retry_may_help || query->f->error.code || tries == COMMITTED_TRIES - 1)
            break;
        query_clear_error(query);
    }
    query->err = err;
    if (why.code && query->result != FANMAP_OK)
        err_copy(err, &why);
}

static int64_t lag_of(query_t *query, bus_topic_t *topic, int32_t partition, int64_t committed)
{
    int64_t end = query_end_of(query, topic, partition);
    int64_t from = committed < 0 ? query_first(query, topic, partition) : committed;
    return from >= 0 && end > from ? end - from : 0;
}

int64_t query_lag(query_t *query, const queue_t *queue)
{
    char group[TOPIC_NAME_MAX];
    int64_t lag = 0, *committed = malloc((queue->items_n + 1) * sizeof *committed);
    if (!committed)
        query_out_of_memory(query);
    name_of_id(group, query->f->namespace_name, NAME_WORKERS, queue->name);
    query_committed(query, queue->items, group, queue->items_n, committed);
    for (uint32_t p = 0; query->result == FANMAP_OK && p < queue->items_n; p++)
        lag += lag_of(query, queue->items, (int32_t)p, committed[p]);
    free(committed);
    return query->result == FANMAP_OK ? lag : -1;
}
