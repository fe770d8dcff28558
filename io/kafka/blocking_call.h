/* Blocking calls in a thread of their own, in the order submitted. */
#ifndef IO_KAFKA_BLOCKING_CALL_H
#define IO_KAFKA_BLOCKING_CALL_H

#include "io/kafka/kafka.h"

struct kafka_call {
    kafka_call_t *next;
    bool must_run;     /* also while the bus closes */
    const void *asker; /* of kafka_call_ask; NULL: who asked has gone */
    kafka_call_t *asked_next;
    bool of_producer; /* rk is to be the producer's handle, whichever that is by then */
    rd_kafka_t *rk;
    void (*run)(kafka_call_t *call);  /* in the helper; bounded */
    void (*done)(kafka_call_t *call); /* in the loop; frees the call */
    void (*drop)(kafka_call_t *call); /* instead of done when the bus closed meanwhile, in either thread; frees it */
};

int kafka_helper_new(kafka_bus_t *bus, kafka_helper_t **ret, fanmap_error_t *err);
/* Takes the call over. */
void kafka_helper_submit(kafka_helper_t *helper, kafka_call_t *call);
/* Runs what must run of what was submitted and ends the thread; waits for that up to `timeout_ms` and leaves it to
 * itself then.
 */
void kafka_helper_close(kafka_helper_t *helper, int timeout_ms);

/* Hands the call to the helper; one that is of_producer waits for that handle. */
void kafka_call_submit(kafka_bus_t *bus, kafka_call_t *call);
/* The same in KAFKA_RETRY_MS. */
void kafka_call_submit_later(kafka_bus_t *bus, kafka_call_t *call);
/* kafka_call_submit of what `asker` is to be told of, as long as it is not forgotten (kafka_forget). */
void kafka_call_ask(kafka_bus_t *bus, kafka_call_t *call, const void *asker);
/* In `done`, once. False: nobody is to be told. */
bool kafka_call_answered(kafka_bus_t *bus, kafka_call_t *call);
/* The timer's function. */
void kafka_calls_resubmit(void *bus);
/* Drops what waits to be submitted. */
void kafka_calls_drop(kafka_bus_t *bus);

/* A call that destroys a handle, with what must go before it; runs after everything that was submitted before. */
typedef struct {
    kafka_call_t call;
    rd_kafka_queue_t *queue;       /* or NULL */
    rd_kafka_queue_t *close_queue; /* of a consumer that is being closed, or NULL */
    rd_kafka_topic_t **topics;     /* freed, too */
    size_t topics_n;
    kafka_record_t *records;  /* whose bytes the handle may still send; freed after it */
    void (*after)(void *arg); /* in the loop; or NULL */
    void *arg;
} kafka_destroy_t;
/* NULL: no memory. */
kafka_destroy_t *kafka_destroy_new(rd_kafka_t *rk, rd_kafka_queue_t *queue);
/* Calls by the handle that wait to be submitted again are dropped. Not for the producer's, whose calls find the next one. */
void kafka_destroy_submit(kafka_bus_t *bus, kafka_destroy_t *destroy);

#endif
