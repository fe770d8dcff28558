/* Whoever writes records to the topics of a queue and is told when each of them is stored: a map, a call of admin.h. */
#ifndef CLIENT_CONNECTION_PUBLISHER_H
#define CLIENT_CONNECTION_PUBLISHER_H

#include "base/error.h"

typedef struct queue queue_t;
typedef struct publisher publisher_t;

typedef enum { TOPIC_ITEMS, TOPIC_RESULTS, TOPIC_JOBS } queue_topic_t;

/* A report carries number << COOKIE_VALUE_BITS | value, so that one for a publisher that is gone finds nobody. */
enum { COOKIE_VALUE_BITS = 44, PUBLISHER_NUMBER_BITS = 20 };

/* The record with this value was stored, or will never be (`err`, as of bus_delivered_fn). */
typedef void (*publisher_stored_fn)(void *arg, queue_topic_t topic, uint64_t value, int32_t partition, int64_t offset,
                                    const fanmap_error_t *err);

/* Zeroed: not open. Its memory is the caller's and stays where it is until publisher_close. */
struct publisher {
    fanmap_t *f;
    publisher_t *next;
    uint32_t number;
    publisher_stored_fn stored;
    void *arg;
};

void publisher_open(publisher_t *publisher, fanmap_t *f, publisher_stored_fn stored, void *arg);
/* Reports that come later are dropped. Also of one that is not open. */
void publisher_close(publisher_t *publisher);
/* bus_produce on one of the queue's topics: FANMAP_AGAIN while the bus is full. */
int publisher_put(publisher_t *publisher, const queue_t *queue, queue_topic_t topic, int32_t partition, const void *key,
                  size_t key_len, const void *value, size_t value_len, uint64_t cookie, fanmap_error_t *err);
/* Where the delivery reports of a topic go: the argument of publisher_delivered, a bus_delivered_fn. */
typedef struct {
    fanmap_t *f;
    queue_topic_t topic;
} publisher_reports_t;
void publisher_delivered(void *reports, uint64_t cookie, int32_t partition, int64_t offset, const fanmap_error_t *err);

#endif
