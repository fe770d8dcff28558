/* What the calls of admin.h share: they ask, and turn the loop until the answer is there. Blocking, for operators'
 * questions only; nothing of a map goes through here.
 *
 * A query keeps its first failure, and whatever is asked after it does nothing: a call looks at `result` where it has to
 * know, and returns it at its end.
 *
 * A call is bounded by silence, not by length: it ends when nothing new arrived for its timeout. What it reads ends
 * where the log ended when it began, so that a busy topic does not hold it for ever. */
#ifndef CLIENT_ADMIN_QUERY_H
#define CLIENT_ADMIN_QUERY_H

#include "client/connection/client.h"
#include "client/joblog/lookup.h"
#include "io/bus_admin.h"
#include "tokens/presence.h"

typedef struct {
    fanmap_t *f;
    int timeout_ms;
    int64_t until_ms;
    bool is_bounded;    /* by timeout_ms as a whole, and fanmap_wake does not end it */
    bool is_of_redis;   /* what becomes of Kafka meanwhile is no answer */
    uint64_t answers_n; /* rises with everything that arrives */
    bool is_done;
    fanmap_error_t error; /* code not 0: the answer */
    publisher_t publisher;
    uint64_t unstored_n; /* of what query_put wrote */
    int result;          /* FANMAP_OK, or the code of *err */
    fanmap_error_t *err; /* the caller's */
} query_t;

/* Refuses what cannot be asked at all: an embedded connection, one that has failed. */
void query_begin(query_t *query, fanmap_t *f, int timeout_ms, fanmap_error_t *err);
/* The end of every call. Returns the result. */
int query_end(query_t *query);
void query_out_of_memory(query_t *query);
/* What failed does not matter: it goes on. */
void query_clear_error(query_t *query);

/* Until is_done, or an error, which may be the answer. FANMAP_EUNREACHABLE when nothing arrived for the timeout:
 * `what` did not answer; FANMAP_AGAIN if is_bounded. */
void query_wait(query_t *query, const char *what);
/* For callbacks: the answer is there, or an error instead. */
void query_answered(query_t *query, const fanmap_error_t *err);
/* What bus_request answers: the value, or the request's `n` offsets in *ret. A failed one leaves -1. */
int64_t query_bus(query_t *query, bus_topic_t *topic, const bus_request_t *request, int64_t *ret);
/* The same, and `fn` gets the answer whole. */
int64_t query_bus_with(query_t *query, bus_topic_t *topic, const bus_request_t *request, int64_t *ret, bus_answer_fn fn,
                       void *arg);
/* The topics of a queue's task (NULL: the jobs and the results topic), once they are known to exist; NULL: failed. */
queue_t *query_queue(query_t *query, const char *name, const char *task);
/* queue->results_n as it is now. */
void query_results_n(query_t *query, queue_t *queue);
/* What the jobs topic says of a job now. */
void query_job(query_t *query, queue_t *queue, const char *job_id, lookup_result_t *ret);
/* The same; FANMAP_ENOJOB: it knows no such job. */
void query_known_job(query_t *query, queue_t *queue, const char *job_id, lookup_result_t *ret);

/* Writes a record, turning the loop while the bus is full. */
void query_put(query_t *query, const queue_t *queue, queue_topic_t topic, int32_t partition, const void *key,
               size_t key_len, const void *value, size_t value_len);
/* Until Kafka has stored all that was put. */
void query_wait_stored(query_t *query);

/* How many partitions a topic has that must be there, or is made; 0: failed. */
uint32_t query_ensure(query_t *query, const bus_topic_config_t *config, bool create);
/* As bus_topic_open; NULL: failed. */
bus_topic_t *query_open(query_t *query, const char *name, bus_delivered_fn delivered, void *arg);
/* NS.dead, which is made if it may be; NULL: failed. */
bus_topic_t *query_dead(query_t *query);
/* NS.logs, likewise, with its partitions. */
bus_topic_t *query_logs(query_t *query, uint32_t *ret_partitions_n);
/* Where a partition ends now. */
int64_t query_end_of(query_t *query, bus_topic_t *topic, int32_t partition);

/* Borrowed until it returns. It may set query->is_done: enough was read. */
typedef void (*query_record_fn)(void *arg, const bus_record_t *record);
/* Every record from `from` (BUS_BEGIN: the first) to `end`, not included (-1: as it is now). Returns -1; the offset at
 * which the log begins when that is behind `from`, and nothing was read. FANMAP_ELOST: it is not known where. */
int64_t query_read(query_t *query, bus_topic_t *topic, int32_t partition, int64_t from, int64_t end, query_record_fn fn,
                   void *arg);
/* The same, from where the log begins when that is behind `from`: what is gone is not missed. */
void query_read_on(query_t *query, bus_topic_t *topic, int32_t partition, int64_t from, int64_t end, query_record_fn fn,
                   void *arg);
/* One question to Redis (tokens/presence.h) about the whole namespace. `fn` is called once, with what came.
 * FANMAP_EUSAGE without Redis. */
void query_redis(query_t *query, presence_what_t what, presence_fn fn, void *arg);

#endif
