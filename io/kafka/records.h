/* Whose bytes a record's are. */
#ifndef IO_KAFKA_RECORDS_H
#define IO_KAFKA_RECORDS_H

#include "io/kafka/kafka.h"

/* Hands a message out as a record and destroys it, now or with kafka_release. True: with that, and the
 * handle must live as long. */
bool kafka_hand_out(kafka_bus_t *bus, rd_kafka_message_t *message, int32_t lane, bool shows_headers, bus_record_fn fn,
                    void *arg);
/* The same in passing: whoever sees it keeps nothing, and the message stays the caller's. */
void kafka_show(kafka_bus_t *bus, const rd_kafka_message_t *message, int32_t lane, bool shows_headers, bus_record_fn fn,
                void *arg);
/* A record that was read or stored says how far the broker's clock is by now. */
void kafka_clock_heard(kafka_bus_t *bus, const rd_kafka_message_t *message);
bool kafka_clock(const bus_t *bus, int64_t *ret_ms);
void kafka_release(bus_t *bus, void *owner);
/* Gives back what nobody wanted since the last time, and comes again while there is something. */
void kafka_spares_age(void *bus);
/* A block of bus->spares serves again. */
void kafka_block_put(kafka_bus_t *bus, void *block);

#endif
