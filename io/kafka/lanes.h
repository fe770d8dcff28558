/* Lanes of the producer: what waits for one partition of one topic, and how much of it is under way.
 *
 * An idempotent producer of librdkafka sends nothing more to a partition while five records are under way there, and its broker
 * thread spins while something waits for that. So a lane hands its records over only while fewer are under way, and gathers
 * the others: batches grow with the load by themselves, and a record that is alone goes at once. The thread still spins for what
 * it did not find at its first look, until that has its report. And a broker that answers fast is sent many small
 * batches. So a lane that hands over many gathers for some milliseconds, the longer the more they were, before it hands over
 * again: such a lane is behind anyhow.
 */
#ifndef IO_KAFKA_LANES_H
#define IO_KAFKA_LANES_H

#include "io/kafka/producer.h"

enum {
    KAFKA_LANE_INFLIGHT_MAX = 5,
    KAFKA_LANE_FULL = 8192,       /* is not waited with */
    KAFKA_LANE_RECORDS_A_MS = 8,  /* handed over: it gathers for a millisecond, ... */
    KAFKA_LANE_GATHER_MAX_MS = 60 /* ... and no longer than this */
};

struct kafka_lane {
    kafka_topic_t *topic;
    int32_t partition;
    bool is_ready;  /* in the list of those that may hand something over */
    bool gathers;   /* in the list of those that do, until due_ms */
    bool is_broken; /* a record of it is to be sent again by a new producer, and with it all that come behind it */
    kafka_lane_t *ready_next, *gather_next;
    int64_t due_ms;
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
/* It hands over what it has, and gathers for a while if that is much. */
void kafka_lane_gather(kafka_producer_t *producer, kafka_lane_t *lane, int64_t now_ms);
/* Those that have gathered for long enough may hand over. */
void kafka_lanes_gathered(kafka_producer_t *producer, int64_t now_ms);
/* One of its records has a report. */
void kafka_lane_reported(kafka_producer_t *producer, kafka_lane_t *lane);
/* There is a new handle: everything in the outbox waits again. */
void kafka_lanes_restart(kafka_producer_t *producer);
void kafka_lanes_free(kafka_topic_t *topic);

#endif
