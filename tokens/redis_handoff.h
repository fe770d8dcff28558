/* Hand-off in Redis: who offers items of a task, and how a request reaches the one who offers most.
 *
 * For each task a sorted set NAMESPACE.offers.QUEUE.TASK of incarnations, scored by how long the last item that waits there
 * would wait, in ms. A request is published on the channel of the one with the highest score, which listens for nothing
 * else; who does not listen any more is taken out, and the score of who was asked is halved until it offers anew. No clock
 * is compared, and nothing depends on it but who is asked. */
#ifndef TOKENS_REDIS_HANDOFF_H
#define TOKENS_REDIS_HANDOFF_H

#include <stddef.h>
#include <stdint.h>

#include <hiredis/async.h>

enum { HANDOFF_TASKS_MAX = 64 }; /* of one request */

/* Both do nothing without a connection (context NULL). backlog_ms 0: nothing is offered any more. */
void redis_handoff_offer(redisAsyncContext *context, const char *name_space, const char *queue, const char *task,
                         const char *incarnation, uint64_t backlog_ms);
void redis_handoff_beg(redisAsyncContext *context, const char *name_space, const char *queue, const char *const *tasks,
                       size_t tasks_n, const char *incarnation, const char *text);
/* The channel on which requests reach an incarnation. */
void redis_handoff_channel(char *ret, size_t cap, const char *name_space, const char *incarnation);

#endif
