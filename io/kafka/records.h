/* Whose bytes a record's are. */
#ifndef IO_KAFKA_RECORDS_H
#define IO_KAFKA_RECORDS_H

#include "io/kafka/kafka.h"

/* Hands a message out as a record and destroys it, now or with kafka_release. True: with that, and the
 * handle must live as long. */
bool kafka_hand_out(kafka_bus_t *bus, rd_kafka_message_t *message, int32_t lane, bus_record_fn fn, void *arg);
void kafka_release(bus_t *bus, void *owner);

#endif
