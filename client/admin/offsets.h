/* Where partitions begin, what a group has committed of them, and from both how much of a task's items is not finished.
 * As the calls of query.h: they turn the loop until the answer is there. */
#ifndef CLIENT_ADMIN_OFFSETS_H
#define CLIENT_ADMIN_OFFSETS_H

#include "client/admin/query.h"

/* The first offset that is there; -1: the broker does not say, now. */
int query_first(query_t *query, bus_topic_t *topic, int32_t partition, int64_t *ret, fanmap_error_t *err);
/* Of each of the topic's n partitions what the group has committed, -1: nothing. Asks again where the group has no
 * coordinator yet. */
int query_committed(query_t *query, bus_topic_t *topic, const char *group, uint32_t n, int64_t *ret,
                    fanmap_error_t *err);
/* Records of the task's items, or notes among them, from each partition's oldest unfinished one on. */
int query_lag(query_t *query, const queue_t *queue, int64_t *ret, fanmap_error_t *err);

#endif
