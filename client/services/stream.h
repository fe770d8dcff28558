/* A stream as a service: the gatherer core on Kafka.
 *
 *   stream_service.c   open, run, drain, close
 *   stream_begin.c     the stream is found, or begun
 *   stream_topics.c    its topics, and the first positions of its groups
 *   stream_gather.c    the core's actions, transactions, and what is due between turns
 *   stream_stall.c     what Kafka does not store for long is said
 *   stream_keep.c      its log is shortened
 *   stream_workers.c   that nobody serves its task is said
 *   stream_progress.c  how far it is, in a line now and then
 *   stream_log.c       its log, by the group of its gatherers, as events of the core
 *   stream_options.c   what it does with single records; wherein two streams differ
 */
#ifndef CLIENT_SERVICES_STREAM_H
#define CLIENT_SERVICES_STREAM_H

#include "aggregator/gatherer.h"
#include "client/admin/query.h"
#include "client/gathering/plain_record.h"
#include "client/handle/handle.h"
#include "client/joblog/end_watch.h"
#include "client/joblog/why.h"

enum { STREAM_FROM_FIRST = -1, STREAM_FROM_LAST = -2 };

typedef enum { WRITER_CLOSED, WRITER_OPENS, WRITER_READY, WRITER_BUSY, WRITER_BROKEN } stream_writer_t;

/* stream_stall.c */
typedef struct {
    loop_timer_t *timer;
    bool is_asking; /* Kafka, about one topic after the other: */
    size_t asked_n;
    bool is_said; /* until something is stored again */
    char why[WHY_TEXT_MAX];
} stream_stall_t;

/* stream_progress.c: as it was when it was told last */
typedef struct {
    loop_timer_t *timer;
    int64_t at_ms;
    uint64_t handed_out, skipped, lag;
} stream_progress_t;

/* stream_workers.c */
typedef struct {
    loop_timer_t *timer;
    bus_topic_t *source; /* where Kafka is asked */
    uint64_t seen;       /* what had come of the stream */
    bool is_asked, is_said;
} stream_workers_t;

struct fanmap_stream {
    fanmap_t *f;
    fanmap_log_fn log;
    void *log_arg;
    spec_t spec;
    char log_name[TOPIC_NAME_MAX], group_name[TOPIC_NAME_MAX];
    bus_topic_t *log_topic;
    uint32_t log_n, lanes_n; /* partitions of the log: at the beginning; those there is room for */
    uint32_t source_n;       /* of the source now; spec.items_partitions: as it was begun */
    plain_out_t out;
    /* of opening */
    query_t query;
    queue_t *queue;
    int64_t start_ms; /* where a new stream begins: this time, or one of STREAM_FROM */
    /* of gathering */
    gatherer_t *gatherer;
    gatherer_actions_t actions;
    bus_group_t *group; /* NULL: not joined, or left */
    bool must_rejoin, is_leaving, wants;
    uint64_t generation;
    bus_writer_t *writer;
    stream_writer_t writer_state;
    bool commit_failed; /* it could not even be begun: the core is told at the end of the step */
    bus_position_t *positions;
    char (*texts)[GATHER_POSITION_MAX];
    size_t positions_n;
    int64_t *gathered; /* of each lane: the position that is stored */
    int64_t *deleted;  /* up to which the log was deleted */
    loop_timer_t *keep_timer;
    uint32_t keep_lane; /* that is looked at, of the present pass */
    loop_timer_t *timer;
    stream_stall_t stall;
    uint64_t handed_out, failed, lost, skipped; /* handed_out, and failed of these: what is stored */
    uint64_t put_n;                             /* handed out since, and out.errors counts those that failed, too */
    stream_progress_t progress;
    stream_workers_t workers;
    bool said_bad_record, said_undeletable;
    end_watch_t end;
    bool is_cancelled;
    bool is_dealt;            /* its partitions are known, and were not lost since */
    volatile int drain_asked; /* set by a signal handler */
    bool is_ended;
    fanmap_error_t error;
};

typedef struct stream_pack stream_pack_t;

/* What the core holds of one outcome. */
typedef struct {
    stream_pack_t *pack;
    stream_outcome_t outcome;
} stream_entry_t;

struct stream_pack {
    size_t refs;
    void *owner; /* the bus's bytes */
    uint32_t lane;
    stream_entry_t entries[];
};

/* stream_begin.c */
int stream_begin(fanmap_stream_t *s, const char *task, fanmap_error_t *err);
/* From here on it is known when it is cancelled. */
int stream_watch_end(fanmap_stream_t *s, fanmap_error_t *err);

/* stream_options.c: the terms are those of stream_terms_init. */
int stream_terms_from_options(const fanmap_options_t *options, stream_terms_t *terms, fanmap_error_t *err);
int stream_start_read(const char *text, int64_t *ret_ms, fanmap_error_t *err);
/* Wherein what is asked for is another stream (policy_differences); "": it is the same. */
void stream_differences(const spec_t *is, const spec_t *asked, char *ret, size_t cap);

/* The group that is to have a position has none for the partition of the topic. */
void stream_lacks_position(fanmap_error_t *err, const fanmap_stream_t *s, const char *group, uint32_t partition,
                           const char *topic);
/* stream_topics.c: they are there, or made; of a new stream also its groups. What fails is in s->query. */
void stream_topics(fanmap_stream_t *s, bool is_new);

/* stream_gather.c */
int stream_gather_open(fanmap_stream_t *s, fanmap_error_t *err);
/* There is room for so many lanes. False: out of memory. */
bool stream_has_lanes(fanmap_stream_t *s, uint32_t n);
/* What is due outside the loop. */
void stream_gather_turn(fanmap_stream_t *s);
void stream_gather_close(fanmap_stream_t *s);
/* One event into the core, and what follows from it. */
void stream_step(fanmap_stream_t *s, gatherer_event_t *event);
/* Tells the group whether packs are wanted. */
void stream_want(fanmap_stream_t *s);
void stream_fail(fanmap_stream_t *s, const fanmap_error_t *err);

/* stream_stall.c */
int stream_stall_open(fanmap_stream_t *s, fanmap_error_t *err);
void stream_stall_close(fanmap_stream_t *s);
/* The writer was given something to do; it has done it. */
void stream_stall_begin(fanmap_stream_t *s);
void stream_stall_end(fanmap_stream_t *s, bool is_stored);

/* stream_keep.c */
int stream_keep_open(fanmap_stream_t *s, fanmap_error_t *err);
void stream_keep_close(fanmap_stream_t *s);

/* stream_progress.c */
int stream_progress_open(fanmap_stream_t *s, fanmap_error_t *err);
void stream_progress_close(fanmap_stream_t *s);

/* stream_workers.c */
int stream_workers_open(fanmap_stream_t *s, fanmap_error_t *err);
void stream_workers_close(fanmap_stream_t *s);

/* stream_log.c */
void stream_join(fanmap_stream_t *s);

#endif
