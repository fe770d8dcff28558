/* Libraries without fetch.queue.backoff.ms are slow to fetch again. */
#ifndef IO_KAFKA_FETCH_NUDGE_H
#define IO_KAFKA_FETCH_NUDGE_H

#include "io/kafka/kafka.h"

typedef struct {
    size_t records, bytes; /* handed out since the last nudge */
    size_t records_max, bytes_max;
} kafka_nudge_t;
kafka_nudge_t kafka_nudge_new(rd_kafka_t *rk);
/* Counts a record that is handed out and wakes the fetcher of its partition now and then. */
void kafka_fetch_nudge(kafka_nudge_t *nudge, const kafka_topic_t *topic, rd_kafka_t *rk,
                       const rd_kafka_message_t *message);

#endif
