/* The last few messages of a fetcher, for readers that come a little late. */
#ifndef IO_KAFKA_RECENT_H
#define IO_KAFKA_RECENT_H

#include "io/kafka/kafka.h"

enum { KAFKA_RECENT_MAX = 256, KAFKA_RECENT_BYTES = 256 << 10 };

/* Begins as {.from = position}. */
typedef struct {
    rd_kafka_message_t *messages[KAFKA_RECENT_MAX]; /* a ring */
    size_t first, n, bytes;
    int64_t from; /* every message from here on is in it; below 0: not known */
} kafka_recent_t;

/* Takes the message over; the oldest go. */
void kafka_recent_add(kafka_recent_t *recent, rd_kafka_message_t *message);
/* i < n, the oldest first. */
const rd_kafka_message_t *kafka_recent_at(const kafka_recent_t *recent, size_t i);
void kafka_recent_clear(kafka_recent_t *recent);

#endif
