/* The bus itself. */
#ifndef IO_KAFKA_BUS_H
#define IO_KAFKA_BUS_H

#include "base/spares.h"
#include "io/kafka/producer.h"

struct kafka_bus {
    bus_t base;
    loop_t *loop;
    bus_config_t config;
    bus_error_fn on_error;
    bus_log_fn log;
    void *arg;
    kafka_helper_t *helper;
    kafka_producer_t producer;
    kafka_call_t *asked;         /* whose askers wait */
    kafka_call_t *calls_waiting; /* to be submitted when `retry` fires */
    loop_timer_t *retry;
    kafka_topic_t *topics;
    kafka_client_t *clients;
    kafka_fetcher_t *fetchers; /* who was read last comes first */
    kafka_reader_t *readers;
    loop_timer_t *tidy; /* of the fetchers */
    kafka_group_t *groups;
    uint64_t call_number; /* numbers given to calls */
    unsigned nudges_n;    /* under way */
    int64_t nudge_next_ms;
    bool needs_nudges;
    loop_timer_t *remade;
    bool remade_looks; /* its call is under way */
    bool has_clock;
    int64_t clock_off_ms;        /* the broker's clock less the loop's, at least */
    uint32_t writer_batch_bytes; /* of the writer that is being opened */
    spares_t spares;             /* for records: records.c */
    loop_timer_t *aging;
    bool spares_age;       /* `aging` will fire */
    char reason[256];      /* why the last connection failed */
    char certificate[256]; /* what was wrong with the broker's, if anything */
};

#endif
