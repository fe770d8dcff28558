/* Readers of one partition, and the handles that they share. */
#ifndef IO_KAFKA_READER_H
#define IO_KAFKA_READER_H

#include "io/kafka/fetch_nudge.h"
#include "io/kafka/source.h"

/* A consumer handle that readers share, at most one of each partition. */
struct kafka_client {
    kafka_bus_t *bus;
    kafka_client_t *next;
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    kafka_source_t source;
    size_t readers_n;
    bool in_turn, must_stay; /* must_stay: someone keeps a message of it */
};

struct kafka_reader {
    bus_reader_t base;
    kafka_bus_t *bus;
    kafka_reader_t *next;
    kafka_client_t *client;
    kafka_topic_t *topic;
    rd_kafka_topic_t *rkt; /* of the client */
    rd_kafka_queue_t *queue;
    kafka_source_t source;
    kafka_nudge_t nudge;
    int32_t partition;
    bus_reader_callbacks_t callbacks;
    void *arg;
    bool held, over, closed, in_turn;
    int64_t position;     /* of the next record; below 0: not known */
    unsigned short_n;     /* how often in a row the log ended before that */
    uint64_t call_number; /* the number of its call for the low watermark */
};

int kafka_read(bus_topic_t *topic, int32_t partition, int64_t from, const bus_reader_callbacks_t *callbacks, void *arg,
               bus_reader_t **ret, fanmap_error_t *err);
/* The topic is another one than it was. */
void kafka_reader_remade(kafka_reader_t *reader);
void kafka_reader_hold(bus_reader_t *reader, bool hold);
void kafka_reader_close(bus_reader_t *reader);
/* All readers and their handles, in the loop's thread; the handles go to the helper. */
void kafka_readers_close(kafka_bus_t *bus);

#endif
