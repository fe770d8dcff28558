/* Where partitions begin, what a group has committed of them, and from both how much of a task's items is not finished.
 * As the calls of query.h: they turn the loop until the answer is there. */
#ifndef CLIENT_ADMIN_OFFSETS_H
#define CLIENT_ADMIN_OFFSETS_H

#include "client/admin/query.h"

/* The first offset that is there; -1: the broker does not say, now. */
int64_t query_first(query_t *query, bus_topic_t *topic, int32_t partition);
/* Of each of the topic's n partitions what the group has committed, -1: nothing. Asks again where the group has no
 * coordinator yet. query_committed_with: `fn` gets each answer whole. */
void query_committed(query_t *query, bus_topic_t *topic, const char *group, uint32_t n, int64_t *ret);
void query_committed_with(query_t *query, bus_topic_t *topic, const char *group, uint32_t n, int64_t *ret,
                          bus_answer_fn fn, void *arg);
/* Records of the task's items, or notes among them, from each partition's oldest unfinished one on; -1: failed. */
int64_t query_lag(query_t *query, const queue_t *queue);

#endif
