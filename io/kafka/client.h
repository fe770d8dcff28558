/* Consumer handles that fetchers share, at most one fetcher of each partition in each. */
#ifndef IO_KAFKA_CLIENT_H
#define IO_KAFKA_CLIENT_H

#include "io/kafka/source.h"

struct kafka_client {
    kafka_bus_t *bus;
    kafka_client_t *next;
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    kafka_source_t source;
    size_t fetchers_n;
    bool in_turn, must_stay; /* must_stay: someone keeps a message of it */
};

/* One that does not read this partition. It is entered with fetchers_n. */
int kafka_client_get(kafka_bus_t *bus, const kafka_topic_t *topic, int32_t partition, kafka_client_t **ret,
                     fanmap_error_t *err);
/* A fetcher of it has gone. */
void kafka_client_leave(kafka_client_t *client);
/* Without fetchers; the handles go to the helper. */
void kafka_clients_close(kafka_bus_t *bus);

#endif
