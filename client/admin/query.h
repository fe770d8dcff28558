/* What the calls of admin.h share: they ask, and turn the loop until the answer is there. Blocking, for operators'
 * questions only; nothing of a map goes through here.
 *
 * A call is bounded by silence, not by length: it ends when nothing new was heard for its timeout. What it reads ends
 * where the log ended when it began, so that a busy topic does not hold it for ever. */
#ifndef CLIENT_ADMIN_QUERY_H
#define CLIENT_ADMIN_QUERY_H

#include "client/connection/client.h"
#include "client/joblog/lookup.h"
#include "tokens/inspect.h"

typedef struct {
    fanmap_t *f;
    int timeout_ms;
    int64_t until_ms;
    bool is_bounded; /* by timeout_ms as a whole, and fanmap_wake does not end it */
    uint64_t heard;  /* rises with everything that arrives */
    bool is_done;
    fanmap_error_t error; /* code not 0: the answer */
    publisher_t publisher;
    uint64_t unstored_n; /* of what ask_put wrote */
} ask_t;

/* Refuses what cannot be asked at all: an embedded connection, one that has failed. */
int ask_begin(ask_t *ask, fanmap_t *f, int timeout_ms, fanmap_error_t *err);
/* Until is_done, or an error, which may be the answer. FANMAP_EUNREACHABLE when nothing was heard for the timeout:
 * `what` did not answer; FANMAP_AGAIN if is_bounded. */
int ask_wait(ask_t *ask, const char *what, fanmap_error_t *err);
/* The topics of a queue's task (NULL: the jobs and the results topic), once they are known to exist. */
int ask_queue(ask_t *ask, const char *name, const char *task, queue_t **ret, fanmap_error_t *err);
/* What the jobs topic says of a job now. */
int ask_job(ask_t *ask, queue_t *queue, const char *job_id, lookup_result_t *ret, fanmap_error_t *err);

/* Writes a record, turning the loop while the bus is full. */
int ask_put(ask_t *ask, const queue_t *queue, queue_topic_t topic, int32_t partition, const void *key, size_t key_len,
            const void *value, size_t value_len, fanmap_error_t *err);
/* Until Kafka has stored all that was put. */
int ask_stored(ask_t *ask, fanmap_error_t *err);
/* Whoever used ask_put calls it at the end; of others it does nothing. */
void ask_finish(ask_t *ask);

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
