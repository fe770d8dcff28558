/* Records out, and the handle that sends them. */
#ifndef IO_KAFKA_PRODUCER_H
#define IO_KAFKA_PRODUCER_H

#include "io/kafka/blocking_call.h"
#include "io/kafka/source.h"

/* One record that is not acknowledged yet. librdkafka sends the value from here. */
typedef struct kafka_lane kafka_lane_t;

struct kafka_record {
    kafka_record_t *prev, *next; /* in the outbox */
    kafka_lane_t *lane;
    kafka_record_t *lane_next; /* while it waits there */
    kafka_topic_t *topic;
    uint64_t cookie;
    int32_t partition;
    bool has_key, has_value;
    rd_kafka_resp_err_t failed; /* final; to be reported */
    uint32_t key_len;
    rd_kafka_headers_t *headers; /* or NULL */
    size_t value_len;
    uint8_t bytes[]; /* key, then value */
};

typedef struct {
    rd_kafka_t *rk; /* NULL: the old one is being destroyed */
    rd_kafka_queue_t *queue;
    kafka_source_t source;
    kafka_record_t *first, *last;                 /* all, in the order of bus_produce */
    kafka_lane_t *ready, *ready_last;             /* that may hand something over */
    kafka_lane_t *gathering;                      /* first due first */
    size_t n, bytes, unsent_n, ready_n, failed_n; /* unsent: that librdkafka has not; ready: of these, in ready lanes */
    size_t batch_bytes, must_shrink_to;
    bool send_deferred, must_recover, queue_full;
    bool is_refused; /* may write nowhere: the handle is good for looking things up only */
    loop_timer_t *retry, *gathered;
} kafka_producer_t;

int kafka_producer_open(kafka_bus_t *bus, fanmap_error_t *err);
void kafka_producer_close(kafka_bus_t *bus);
/* A group reads these. If nothing is under way, the producer forgets them until something is to be sent there. */
void kafka_producer_leave_out(kafka_bus_t *bus, kafka_topic_t *const *topics, size_t n);
int kafka_produce(bus_topic_t *topic, int32_t partition, const void *key, size_t key_len, const void *value,
                  size_t value_len, const bus_header_t *headers, size_t headers_n, uint64_t cookie,
                  fanmap_error_t *err);
size_t kafka_outbox_n(const bus_t *bus);
void kafka_flush_soon(bus_t *bus);
/* Hands to librdkafka what it has not. */
void kafka_send(kafka_bus_t *bus);
/* Timer: lanes have gathered. */
void kafka_send_gathered(void *bus);
void kafka_send_cancel(kafka_bus_t *bus);
size_t kafka_record_bytes(const kafka_record_t *record);
/* Its memory serves a later record. */
void kafka_record_give_back(kafka_record_t *record);
/* From any thread. */
void kafka_record_free(kafka_record_t *record);

#endif
