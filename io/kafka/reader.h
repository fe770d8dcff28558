/* Readers of one partition, on a fetcher that they may share. */
#ifndef IO_KAFKA_READER_H
#define IO_KAFKA_READER_H

#include "io/kafka/fetcher.h"

struct kafka_reader {
    bus_reader_t base;
    kafka_bus_t *bus;
    kafka_reader_t *next, *peer; /* of the bus; of the fetcher */
    kafka_fetcher_t *fetcher;
    kafka_topic_t *topic;
    int32_t partition;
    bus_reader_callbacks_t callbacks;
    void *arg;
    bool held, over, closed;
    bool is_guest;        /* its fetcher was there before */
    unsigned short_n;     /* how often in a row the log ended before the position */
    bool is_late;         /* what its fetcher has by now must be looked through for it first */
    int64_t position;     /* of the next record */
    uint64_t call_number; /* the number of its call for the low watermark */
};

int kafka_read(bus_topic_t *topic, int32_t partition, int64_t from, const bus_reader_callbacks_t *callbacks, void *arg,
               bus_reader_t **ret, fanmap_error_t *err);
/* Its fetcher has stopped: it is told why. */
void kafka_reader_fault(kafka_reader_t *reader, rd_kafka_resp_err_t fault);
void kafka_reader_hold(bus_reader_t *reader, bool hold);
void kafka_reader_close(bus_reader_t *reader);
int64_t kafka_reader_told_end(const bus_reader_t *reader);
/* It is closed, and of no fetcher any more. */
void kafka_reader_free(kafka_reader_t *reader);
/* All readers, fetchers and handles, in the loop's thread; the handles go to the helper. */
void kafka_readers_close(kafka_bus_t *bus);

#endif
