/* Transactions: io/bus_writer.h has the contract. */
#ifndef IO_KAFKA_WRITER_H
#define IO_KAFKA_WRITER_H

#include "io/kafka/source.h"

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
    } of_positions; /* of a plain writer; else NULL */
    bool is_begun;
    bool has_failed;        /* a record was not stored, and never will be */
    fanmap_error_t refused; /* code not 0: a topic takes what is in the transaction no more than the next time */
    struct writing *calls;  /* with the helper */
};
typedef bus_writer_t kafka_writer_t;

/* A record was not stored for good: what a plain writer has under way must not be taken for stored. */
void kafka_writer_failed(kafka_writer_t *writer);

/* writer_refused.c */
/* Reports of records that were not stored, errors, log lines. Destroys the event. */
void kafka_writer_event(kafka_writer_t *writer, rd_kafka_event_t *event);
/* In place of what the library says of a transaction that failed with this code: what was refused, and to whom. */
void kafka_writer_explain(kafka_writer_t *writer, rd_kafka_resp_err_t code, fanmap_error_t *err);

#endif
