#include "client/admin/offsets.h"

#include <stdlib.h>

enum { COMMITTED_TRIES = 5 };

int query_first(query_t *query, bus_topic_t *topic, int32_t partition, int64_t *ret, fanmap_error_t *err)
{
    const bus_request_t request = {.kind = BUS_FIND_BEGIN, .partition = partition};
    return query_bus(query, topic, &request, ret, err);
}

int query_committed(query_t *query, bus_topic_t *topic, const char *group, uint32_t n, int64_t *ret,
                    fanmap_error_t *err)
{
    const bus_request_t request = {.kind = BUS_FIND_COMMITTED, .group = group, .n = n};
    fanmap_error_t why = {0};
    int r = FANMAP_AGAIN;
    for (int tries = 0; r != FANMAP_OK && tries < COMMITTED_TRIES; tries++) {
        r = query_bus(query, topic, &request, ret, &why);
        if (r != FANMAP_OK && (!why.retry_may_help || query->f->error.code))
            break;
    }
    return r == FANMAP_OK ? r : err_copy(err, &why);
}

static int lag_of(query_t *query, bus_topic_t *topic, int32_t partition, int64_t committed, int64_t *ret,
                  fanmap_error_t *err)
{
    int64_t end, from = committed;
    int r = query_end(query, topic, partition, &end, err);
    if (r == FANMAP_OK && from < 0)
        r = query_first(query, topic, partition, &from, err);
    if (r == FANMAP_OK && from >= 0 && end > from)
        *ret += end - from;
    return r;
}

int query_lag(query_t *query, const queue_t *queue, int64_t *ret, fanmap_error_t *err)
{
    char group[TOPIC_NAME_MAX];
    int64_t lag = 0, *committed = malloc((queue->items_n + 1) * sizeof *committed);
    if (!committed)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    name_group(group, query->f->namespace_name, queue->name);
    int r = query_committed(query, queue->items, group, queue->items_n, committed, err);
    for (uint32_t p = 0; r == FANMAP_OK && p < queue->items_n; p++)
        r = lag_of(query, queue->items, (int32_t)p, committed[p], &lag, err);
    free(committed);
    if (r == FANMAP_OK)
        *ret = lag;
    return r;
}
