/* The settings of librdkafka, and handles that have them. */
#ifndef IO_KAFKA_CONFIG_H
#define IO_KAFKA_CONFIG_H

#include "io/kafka/kafka.h"

/* ONLOOKER: of a group, and waits for no transaction; WRITER: of transactions */
typedef enum { KAFKA_PRODUCER, KAFKA_READER, KAFKA_GROUP, KAFKA_ONLOOKER, KAFKA_WRITER } kafka_kind_t;
/* Copies the configuration; kafka_config_free gives it back. */
int kafka_config_copy(const bus_config_t *config, bus_config_t *ret, fanmap_error_t *err);
void kafka_config_free(bus_config_t *config);
/* Whether the library lacks fetch.queue.backoff.ms. */
bool kafka_needs_nudges(void);
/* A new handle of librdkafka whose events come to its main queue. `id`: of the group, or the transactional id. */
int kafka_handle_new(kafka_bus_t *bus, kafka_kind_t kind, const char *id, rd_kafka_t **ret, fanmap_error_t *err);

#endif
