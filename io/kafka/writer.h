/* Transactions: io/bus_writer.h has the contract. */
#ifndef IO_KAFKA_WRITER_H
#define IO_KAFKA_WRITER_H

#include <stdatomic.h>

#include "io/kafka/blocking_call.h"
#include "io/kafka/source.h"

typedef struct writing writing_t;

/* Most write to two: outcomes, and errors. */
enum { KAFKA_WRITER_TOPICS = 2 };

struct bus_writer {
    kafka_bus_t *bus;
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    kafka_source_t source;
    bus_writer_fn answered;
    void *arg;
    char id[512];
    struct {
        rd_kafka_t *rk;
        rd_kafka_queue_t *queue;
    } of_positions;                                /* of a plain writer; else NULL */
    rd_kafka_topic_t *topics[KAFKA_WRITER_TOPICS]; /* of the last records; NULL: none yet */
    size_t topics_next;
    bool is_begun;
    bool has_failed;        /* a record was not stored, and never will be */
    fanmap_error_t refused; /* code not 0: a topic takes what is in the transaction no more than the next time */
    writing_t *calls;       /* with the helper */
};
typedef bus_writer_t kafka_writer_t;

/* One call of the helper. */
typedef enum { WRITING_INIT, WRITING_COMMIT, WRITING_ABORT } writing_what_t;
struct writing {
    kafka_call_t call;
    writing_t *next;
    kafka_writer_t *writer; /* NULL: it was closed */
    writing_what_t what;
    rd_kafka_t *records;     /* of a plain writer: the handle of its records; call.rk is that of its positions */
    atomic_bool has_refused; /* a record of a plain writer will never be stored */
    rd_kafka_topic_partition_list_t *positions;
    rd_kafka_consumer_group_metadata_t *group;
    bool has_stored, has_sent; /* the records of a plain writer; the positions */
    int waited_ms;
    bool goes_on; /* it was given a part of its time: others that wait for the helper come between */
    bus_written_t result;
    rd_kafka_resp_err_t code;
    fanmap_error_t error;
};

/* transaction.c: the call, in the helper; and its end without an answer. */
void kafka_writing_run(kafka_call_t *call);
void kafka_writing_drop(kafka_call_t *call);

/* A record was not stored for good: what a plain writer has under way must not be taken for stored. */
void kafka_writer_failed(kafka_writer_t *writer);

/* writer_refused.c */
/* Reports of records that were not stored, errors, log lines. Destroys the event. */
void kafka_writer_event(kafka_writer_t *writer, rd_kafka_event_t *event);
/* In place of what the library says of a transaction that failed with this code: what was refused, and to whom. */
void kafka_writer_explain(kafka_writer_t *writer, rd_kafka_resp_err_t code, fanmap_error_t *err);

#endif
