/* What the calls of admin.h share: they ask, and turn the loop until the answer is there. Blocking, for operators'
 * questions only; nothing of a map goes through here.
 *
 * A call is bounded by silence, not by length: it ends when nothing new was heard for its timeout. What it reads ends
 * where the log ended when it began, so that a busy topic does not hold it for ever. */
#ifndef CLIENT_ADMIN_QUERY_H
#define CLIENT_ADMIN_QUERY_H

#include "client/connection/client.h"
#include "tokens/inspect.h"

typedef struct {
    fanmap_t *f;
    int timeout_ms;
    uint64_t heard; /* rises with everything that arrives */
    bool is_done;
    fanmap_error_t error; /* code not 0: the answer */
} ask_t;

/* Refuses what cannot be asked at all: an embedded connection, one that has failed. */
int ask_begin(ask_t *ask, fanmap_t *f, int timeout_ms, fanmap_error_t *err);
/* Until is_done, or an error. FANMAP_EUNREACHABLE when nothing was heard for the timeout: `what` did not answer. */
int ask_wait(ask_t *ask, const char *what, fanmap_error_t *err);
/* f->was_woken: somebody used fanmap_wake to end the call. */
int ask_stopped(fanmap_t *f, fanmap_error_t *err);
/* The jobs and the results topic, once they are known to exist. */
int ask_topics(ask_t *ask, queue_t **ret, fanmap_error_t *err);

/* NS.dead, which is made if it may be. */
int ask_dead(ask_t *ask, bus_topic_t **ret, fanmap_error_t *err);
/* Where a partition ends now. */
int ask_end(ask_t *ask, bus_topic_t *topic, int32_t partition, int64_t *ret, fanmap_error_t *err);

/* Borrowed until it returns. It may set ask->is_done: enough was read. */
typedef void (*ask_record_fn)(void *arg, const bus_record_t *record);
/* Every record from `from` (BUS_BEGIN: the first) to `end`, not included (-1: as it is now). FANMAP_ELOST with
 * *ret_low, if not NULL: the log begins only there, and nothing was read. */
int ask_read(ask_t *ask, bus_topic_t *topic, int32_t partition, int64_t from, int64_t end, ask_record_fn fn, void *arg,
             int64_t *ret_low, fanmap_error_t *err);
/* One question to Redis (tokens/inspect.h), on a connection of its own. `fn` is called once, with what came.
 * FANMAP_EUSAGE without Redis. */
int ask_redis(ask_t *ask, inspect_what_t what, const char *name, inspect_fn fn, void *arg, fanmap_error_t *err);
/* Every worker that Redis heard of in the last minute, told to `fn` before it returns; as ask_redis otherwise. */
int ask_workers(ask_t *ask, fanmap_worker_info_fn fn, void *arg, fanmap_error_t *err);

#endif
