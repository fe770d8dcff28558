/* Topics: their handles, and what is asked about them. */
#ifndef IO_KAFKA_TOPICS_H
#define IO_KAFKA_TOPICS_H

#include "io/kafka/blocking_call.h"

struct kafka_topic {
    bus_topic_t base;
    kafka_bus_t *bus;
    kafka_topic_t *next;
    bus_delivered_fn delivered;
    void *arg;
    rd_kafka_topic_t *rkt; /* of the producer; NULL while there is none */
    bool is_input;         /* a group reads it: the producer knows it only once something is to be sent there */
    int64_t warmed_ms;
    struct kafka_lane **lanes; /* of the producer, by partition */
    size_t lanes_n;
    char name[];
};

/* In the helper. The topic has `partitions` from now on, or had as many already. */
rd_kafka_resp_err_t kafka_grow(rd_kafka_t *rk, const char *name, uint32_t partitions);
/* In the helper. LEADER_NOT_AVAILABLE: not every partition has a leader yet. */
rd_kafka_resp_err_t kafka_look_up(rd_kafka_t *rk, const char *name, uint32_t *ret_partitions);
/* Looks up again a topic that is not what it was, a few times a second at most. */
void kafka_topic_warm_soon(kafka_topic_t *topic);

/* A call that looks up the watermarks of one partition. */
typedef struct {
    kafka_call_t call;
    kafka_bus_t *bus;
    char *topic;
    int32_t partition;
    int32_t lane;      /* of a group that asks */
    int64_t low, high; /* -1: failed */
    bool failed_for_good;
    const void *of;  /* a reader or a group, if it still is there ... */
    uint64_t number; /* ... and asked for this */
} kafka_watermarks_t;
/* rk NULL: through the producer's handle. `done` ends with kafka_watermarks_free. NULL: no memory. */
kafka_watermarks_t *kafka_watermarks_new(const kafka_topic_t *topic, int32_t partition, rd_kafka_t *rk,
                                         void (*done)(kafka_call_t *call));
void kafka_watermarks_free(kafka_call_t *call);

#endif
