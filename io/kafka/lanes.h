/* Lanes of the producer: what waits for one partition of one topic, and how much of it is under way.
 *
 * An idempotent producer of librdkafka sends nothing more to a partition while five records are under way there, and its broker
 * thread spins while something waits for that. So a lane hands its records over only while fewer are under way, and gathers
 * the others: batches grow with the load by themselves, a record that is alone goes at once, and nothing waits by the clock.
 */
#ifndef IO_KAFKA_LANES_H
#define IO_KAFKA_LANES_H

#include "io/kafka/producer.h"

enum { KAFKA_LANE_INFLIGHT_MAX = 5 };

struct kafka_lane {
    kafka_topic_t *topic;
    int32_t partition;
    bool is_ready;  /* in the list of those that may hand something over */
    bool is_broken; /* a record of it is to be sent again by a new producer, and with it all that come behind it */
    kafka_lane_t *ready_next;
    kafka_record_t *first, *last; /* that librdkafka does not have, in the order of bus_produce */
    size_t unsent_n, inflight_n;
};

/* NULL: out of memory. Lives as long as its topic. */
kafka_lane_t *kafka_lane_get(kafka_topic_t *topic, int32_t partition);
/* Behind the others that wait. */
void kafka_lane_append(kafka_producer_t *producer, kafka_lane_t *lane, kafka_record_t *record);
/* The next that may hand something over, out of the list; NULL: none. */
kafka_lane_t *kafka_lane_next(kafka_producer_t *producer);
/* `n` of the first ones are librdkafka's now; `rest` is the first that is not. Back into the list if some are left and may go. */
void kafka_lane_sent(kafka_producer_t *producer, kafka_lane_t *lane, kafka_record_t *rest, size_t n);
/* One of its records has a report. */
void kafka_lane_reported(kafka_producer_t *producer, kafka_lane_t *lane);
/* There is a new handle: everything in the outbox waits again. */
void kafka_lanes_restart(kafka_producer_t *producer);
void kafka_lanes_free(kafka_topic_t *topic);

#endif
