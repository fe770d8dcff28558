/* A consumer group: its membership, assignments, records and commits. */
#ifndef IO_KAFKA_GROUP_H
#define IO_KAFKA_GROUP_H

#include "io/kafka/fetch_nudge.h"
#include "io/kafka/source.h"

/* group_ahead.c: taken from the queue, handed out before the next ones are. */
typedef struct {
    rd_kafka_message_t **messages;
    size_t at, n, cap; /* the first one, behind the last one */
    size_t bytes;
} kafka_ahead_t;

typedef struct {
    int32_t lane, partition; /* of this topic: */
    kafka_topic_t *topic;
    rd_kafka_queue_t *queue;
    kafka_flag_t flag; /* of the queue */
    int64_t position;  /* the next record's offset */
    kafka_nudge_t nudge;
    int64_t witness, witness_ms; /* up to this offset everything was appended by then; 0 ms: not known */
    unsigned short_n;            /* how often in a row the log was found to be another one */
    uint64_t call_number;        /* the number of its call for where the log begins */
    bool is_held;                /* no more records of it until kafka_group_want_lane */
    bool commit_waits, commit_sent;
    int64_t commit_offset;
    uint64_t commit_cookie, sent_cookie;
    char *commit_metadata;
    size_t commit_metadata_len;
    kafka_ahead_t ahead;
} kafka_partition_t;

struct kafka_group {
    bus_group_t base;
    kafka_bus_t *bus;
    kafka_group_t *next;
    kafka_topic_t **topics;
    size_t topics_n;
    bus_group_callbacks_t callbacks;
    void *arg;
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;       /* the consumer's main queue */
    rd_kafka_queue_t *close_queue; /* takes its place while leaving */
    rd_kafka_queue_t *commit_queue;
    kafka_source_t source;
    loop_timer_t *poll, *leave, *look_up_again;
    kafka_partition_t *owned; /* sorted by lane */
    size_t owned_n, turn_from;
    size_t ahead_n, ahead_bytes;
    uint64_t describing;  /* the number of the last call for who is in it; answers to others are out of date */
    uint64_t call_number; /* of the call for where the assignment begins; another answer is out of date */
    rd_kafka_topic_partition_list_t *assigning; /* assigned by Kafka, not yet by us: see assignment.c */
    bool wanted, leaving, commit_deferred, commit_sent, revoked_announced;
    bool lacks_topics, looks_for_absent; /* absent.c */
    int64_t absent_ms;
    rd_kafka_consumer_group_metadata_t *metadata; /* of the present assignment; NULL: there was none yet */
    size_t found_n;                               /* of its topics, when it looked last */
    bool may_hold, is_holding;                    /* inside `revoked`; until kafka_group_let_go */
    char member[256];
    char id[256]; /* the group's name */
};

int kafka_group_join(bus_topic_t *const *topics, size_t topics_n, const char *group_id,
                     const bus_group_callbacks_t *callbacks, void *arg, bus_group_t **ret, fanmap_error_t *err);
void kafka_group_leave(bus_group_t *group);
int kafka_group_subscribe(kafka_group_t *group, fanmap_error_t *err);
/* absent.c: one of its topics is not there; looks whether they are, from time to time. */
void kafka_absent_heard(kafka_group_t *group);
void kafka_absent_look(kafka_group_t *group);
/* Destroys the event. */
void kafka_group_rebalance(kafka_group_t *group, rd_kafka_event_t *event);
void kafka_group_announce_revoked(kafka_group_t *group, bool lost);
void kafka_group_disown(kafka_group_t *group);
/* Forgets an assignment of Kafka's that is not announced yet. */
void kafka_assignment_forget(kafka_group_t *group);
bool kafka_group_hold(bus_group_t *group);
void kafka_group_let_go_deferred(void *group);
void kafka_group_let_go(bus_group_t *group);
const char *kafka_group_member(bus_group_t *group);
void kafka_groups_close(kafka_bus_t *bus);
/* For the answer to a call that was made for it; NULL: it is not there any more, or is being left. */
kafka_group_t *kafka_group_present(const kafka_bus_t *bus, const kafka_group_t *group);
/* NULL: not owned. */
kafka_partition_t *kafka_group_find(kafka_group_t *group, int32_t lane);
/* The lane of a partition; -1: none of this group's. */
int32_t kafka_group_lane(const kafka_group_t *group, const char *topic, int32_t partition);

/* Finds out where the partitions in group->assigning begin; kafka_assignment_take follows from the loop. */
void kafka_assignment_look_up(kafka_group_t *group);
void kafka_assignment_look_up_later(kafka_group_t *group);
void kafka_assignment_look_up_again(void *group);
/* The partitions in `list` have their offsets (and metadata; OFFSET_INVALID: none, see lows): take them. */
void kafka_assignment_take(kafka_group_t *group, rd_kafka_topic_partition_list_t *list, const int64_t *lows);

void kafka_group_witness(bus_group_t *group, int32_t lane, int64_t offset, int64_t ms);
/* The partition's topic is another one than it was: a gap that leads back. */
void kafka_group_remade(kafka_group_t *group, kafka_partition_t *partition);
void kafka_group_want(bus_group_t *group, bool want);
void kafka_group_want_lane(bus_group_t *group, int32_t lane, bool want);
bool kafka_group_extent(const bus_group_t *group, int32_t lane, int64_t *ret_position, int64_t *ret_end);
/* group_ahead.c. Takes what is in the partition's queue, as far as there is room for it. */
void kafka_ahead_fill(kafka_group_t *group, kafka_partition_t *partition);
/* The partition's next message; NULL: none is there. */
rd_kafka_message_t *kafka_ahead_next(kafka_group_t *group, kafka_partition_t *partition);
/* What was taken goes unseen. */
void kafka_ahead_drop(kafka_group_t *group, kafka_partition_t *partition);
/* Hands out records within the budget. True: more is there. */
bool kafka_group_records(kafka_group_t *group, kafka_budget_t *budget);

void kafka_group_commit(bus_group_t *group, int32_t lane, int64_t offset, const char *metadata, size_t metadata_len,
                        uint64_t cookie);
bool kafka_group_commit_now(bus_group_t *group, int32_t lane, int64_t offset, const char *metadata, size_t metadata_len,
                            int timeout_ms);
/* Blocking, for the helper: all of `list` by this handle. rd_kafka_commit takes it for stored where some partition was refused. */
rd_kafka_resp_err_t kafka_commit_whole(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *list);
/* A list that frees what stands in it; NULL: no memory. */
rd_kafka_topic_partition_list_t *kafka_positions_copy(const char *topic, const bus_position_t *positions, size_t n);
/* Serves the answers to commits. */
void kafka_group_committed(kafka_group_t *group);
/* describe.c has the story. */
void kafka_group_describe(bus_group_t *group, uint64_t cookie);
/* Forgets what waits to be committed of this partition. */
void kafka_commit_forget(kafka_partition_t *partition);
void kafka_commit_deferred(void *group);

#endif
