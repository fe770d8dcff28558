/* What is asked of the cluster about topics, partitions and groups; ensure.c, topics.c, request.c and survey.c. */
#ifndef IO_KAFKA_REQUESTS_H
#define IO_KAFKA_REQUESTS_H

#include "io/kafka/kafka.h"

int kafka_ensure_topics(bus_t *bus, const bus_topic_config_t *topics, size_t topics_n, bool create, bus_topics_fn fn,
                        void *arg, fanmap_error_t *err);
int kafka_topic_open(bus_t *bus, const char *name, bus_delivered_fn delivered, void *arg, bus_topic_t **ret,
                     fanmap_error_t *err);
void kafka_forget(bus_t *bus, const void *arg);
int kafka_request(bus_topic_t *topic, const bus_request_t *what, bus_answer_fn fn, void *arg, fanmap_error_t *err);

#endif
