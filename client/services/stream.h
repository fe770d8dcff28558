/* A stream as a service: the gatherer core on Kafka.
 *
 *   stream_service.c   open, run, drain, close
 *   stream_begin.c     the stream is found, or begun; its topics
 *   stream_gather.c    the core's actions, transactions, and what is due between turns
 *   stream_log.c       its log, by the group of its gatherers, as events of the core
 *   stream_output.c    an outcome as the record that others read
 */
#ifndef CLIENT_SERVICES_STREAM_H
#define CLIENT_SERVICES_STREAM_H

#include "aggregator/gatherer.h"
#include "client/admin/query.h"
#include "client/handle/handle.h"
#include "io/bus_writer.h"
#include "schemas/streamlog.h"

enum { STREAM_LANES_MAX = 10000 };

typedef enum { WRITER_CLOSED, WRITER_OPENS, WRITER_READY, WRITER_BUSY, WRITER_BROKEN } stream_writer_t;

struct fanmap_stream {
    fanmap_t *f;
    fanmap_log_fn log;
    void *log_arg;
    spec_t spec;
    char log_name[TOPIC_NAME_MAX], group_name[TOPIC_NAME_MAX];
    bus_topic_t *log_topic;
    uint32_t lanes_n;
    /* of opening */
    query_t query;
    queue_t *queue;
    uint32_t counted[3];
    /* of gathering */
    gatherer_t *gatherer;
    gatherer_actions_t actions;
    bus_group_t *group; /* NULL: not joined, or left */
    bool must_rejoin, is_leaving, wants;
    uint64_t generation;
    bus_writer_t *writer;
    stream_writer_t writer_state;
    bool has_put;       /* something is in a transaction */
    bool commit_failed; /* it could not even be begun: the core is told at the end of the step */
    bus_position_t *positions;
    char (*texts)[GATHER_POSITION_MAX];
    size_t positions_n;
    int64_t *gathered; /* of each lane: the position that is stored */
    int64_t *deleted;  /* up to which the log was deleted */
    int64_t delete_next_ms;
    loop_timer_t *timer;
    buf_t value, text; /* of stream_output.c */
    uint64_t handed_out, errors, lost;
    bool said_bad_record;
    volatile int drain_asked; /* set by a signal handler */
    bool is_ended;
    fanmap_error_t error;
};

typedef struct {
    size_t refs;
    void *owner; /* the bus's bytes */
} stream_pack_t;

/* What the core holds of one outcome. */
typedef struct {
    stream_pack_t *pack;
    uint32_t lane;
    stream_outcome_t outcome;
} stream_entry_t;

/* stream_begin.c */
int stream_begin(fanmap_stream_t *s, const char *task, fanmap_error_t *err);

/* stream_gather.c */
int stream_gather_open(fanmap_stream_t *s, fanmap_error_t *err);
/* What is due outside the loop. */
void stream_gather_turn(fanmap_stream_t *s);
void stream_gather_close(fanmap_stream_t *s);
/* One event into the core, and what follows from it. */
void stream_step(fanmap_stream_t *s, gatherer_event_t *event);
/* Tells the group whether packs are wanted. */
void stream_want(fanmap_stream_t *s);
void stream_fail(fanmap_stream_t *s, const fanmap_error_t *err);

/* stream_log.c */
void stream_join(fanmap_stream_t *s);

/* stream_output.c */
/* Puts the record that stands for the outcome into the transaction, or none where none is asked for. */
int stream_put(fanmap_stream_t *s, stream_entry_t *entry, fanmap_error_t *err);

#endif
