/* Transactions: io/bus_writer.h has the contract. */
#ifndef IO_KAFKA_WRITER_H
#define IO_KAFKA_WRITER_H

#include "io/bus_writer.h"

int kafka_writer_open(bus_t *bus, const char *id, bus_writer_fn answered, void *arg, bus_writer_t **ret,
                      fanmap_error_t *err);
int kafka_writer_put(bus_writer_t *writer, const char *topic, int32_t partition, const void *key, size_t key_len,
                     const void *value, size_t value_len, const bus_header_t *headers, size_t headers_n,
                     int64_t timestamp_ms, fanmap_error_t *err);
int kafka_writer_commit(bus_writer_t *writer, bus_group_t *group, const char *topic, const bus_position_t *positions,
                        size_t n, fanmap_error_t *err);
void kafka_writer_abort(bus_writer_t *writer);
void kafka_writer_close(bus_writer_t *writer);

#endif
