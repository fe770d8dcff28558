/* What librdkafka says: errors and log lines. */
#ifndef IO_KAFKA_EVENTS_H
#define IO_KAFKA_EVENTS_H

#include "base/log.h"
#include "io/kafka/kafka.h"

/* Errors and log lines, which come to every handle's main queue. Destroys the event. */
void kafka_event(kafka_bus_t *bus, rd_kafka_event_t *event);
/* Tells the operator or the error callback what it means. `what` may be NULL. */
void kafka_error(kafka_bus_t *bus, rd_kafka_resp_err_t code, const char *what);
#define kafka_log(bus, level, ...) log_to((bus)->log, (bus)->arg, (level), __VA_ARGS__)
/* FANMAP_EREFUSED or FANMAP_EUNREACHABLE for what concerns the connection or our rights, else 0. */
int kafka_error_class(rd_kafka_resp_err_t code);

#endif
