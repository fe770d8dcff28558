/* The embedded mode's bus: what its files share. bus.c has the turn, produce.c, log.c and topics.c
 * the records, read.c, group.c and share.c the consumers.
 *
 * Everything happens in memory_bus_turn, which bus_* calls ask the loop to run later (memory_bus_schedule) and which
 * stops after MEMORY_TURN_RECORDS records or MEMORY_TURN_MS, so that timers and descriptors stay live. What is freed
 * inside a turn is only marked; the end of the turn frees it.
 */
#ifndef IO_MEMORY_BUS_H
#define IO_MEMORY_BUS_H

#include "io/bus_ops.h"
#include "io/memory/log.h"

enum {
    MEMORY_TURN_RECORDS = 2000,
    MEMORY_TURN_MS = 5,
    MEMORY_LOG_BYTES_MAX = 64 << 20,   /* a topic: what its logs hold */
    MEMORY_OUTBOX_BYTES_MAX = 8 << 20, /* a topic: taken by bus_produce and not yet in a log */
    MEMORY_NAME_MAX = 255
};

typedef struct memory_bus memory_bus_t;
typedef struct memory_topic memory_topic_t;
typedef struct memory_handle memory_handle_t;
typedef struct memory_reader memory_reader_t;
typedef struct memory_group memory_group_t;
typedef struct memory_share memory_share_t;
typedef struct memory_answer memory_answer_t;

/* The topic itself. It appears with the first bus_topic_open or bus_ensure_topics; without partitions until the latter.
 */
struct memory_topic {
    memory_bus_t *bus;
    memory_topic_t *next;
    char name[MEMORY_NAME_MAX + 1];
    bool compacted;
    size_t message_bytes_max; /* 0: any */
    uint32_t partitions_n;
    memory_log_t *logs;
    memory_record_t *outbox, **outbox_end;
    size_t outbox_n, outbox_bytes;
    memory_handle_t *handles;
    memory_reader_t *readers;
    memory_share_t *shares;
};

/* What bus_topic_open gives out. */
struct memory_handle {
    bus_topic_t base;
    memory_topic_t *topic;
    memory_handle_t *next;
    bus_delivered_fn delivered;
    void *arg;
};

struct memory_reader {
    bus_reader_t base;
    memory_topic_t *topic;
    memory_reader_t *next;
    int32_t partition;
    int64_t position;
    bus_reader_callbacks_t callbacks;
    void *arg;
    bool held, closed;
    bool over;     /* after `gone` */
    bool owes_end; /* at_end is due once position reaches the end */
};

typedef struct {
    int64_t position;  /* of the member */
    int64_t committed; /* -1: never */
    char *metadata;
    size_t metadata_len;
    uint64_t cookie;
    bool owes_committed;
} memory_group_partition_t;

typedef struct {
    memory_share_t *share;
    uint32_t partition;
} memory_lane_t;

/* What a group has of one topic. */
struct memory_share {
    memory_group_t *group;
    memory_topic_t *topic;
    memory_share_t *next;    /* of the topic */
    memory_share_t *sibling; /* of the group */
    int32_t place;           /* of the topic among the member's; -1: it does not subscribe to it */
    uint32_t partitions_n;   /* known to the group */
    memory_group_partition_t *partitions;
};

/* A group outlives its member: its commits stay. */
struct memory_group {
    bus_group_t base;
    memory_bus_t *bus;
    memory_group_t *next;
    char id[MEMORY_NAME_MAX + 1], member[32];
    bus_group_callbacks_t callbacks;
    void *arg;
    bool joined, leaving, assigned, wanted;
    bool owes_described;
    uint64_t described_cookie;
    memory_share_t *shares;    /* by sibling */
    memory_lane_t *lanes;      /* of the member, once it is assigned */
    size_t lanes_n, turn_from; /* the lane that is served first in the next turn */
};

/* An answer that is due in the next turn: to bus_ensure_topics (topics_fn), or to bus_request about the end of a topic or
 * (NULL) a time. */
struct memory_answer {
    memory_answer_t *next;
    bus_topics_fn topics_fn;
    bus_answer_fn answer_fn;
    void *arg;
    memory_topic_t *topic;
    int32_t partition;
    fanmap_error_t err; /* code 0: fine */
    size_t partitions_n;
    uint32_t partitions[];
};

struct memory_bus {
    bus_t base;
    loop_t *loop;
    bool scheduled, in_turn;
    bool more; /* this turn stopped early */
    size_t turn_left;
    int64_t turn_until_ms;
    uint32_t members; /* given out so far, for member ids */
    memory_topic_t *topics;
    memory_group_t *groups;
    memory_answer_t *answers, **answers_end;
};

void memory_bus_schedule(memory_bus_t *bus);
/* Counts one record of this turn; false (and bus->more): the turn is over. */
bool memory_bus_spend(memory_bus_t *bus);
/* NULL: no such partition. */
memory_log_t *memory_topic_log(const memory_topic_t *topic, int32_t partition);
/* The record as a callback sees it. */
bus_record_t memory_record_view(memory_record_t *record, int64_t offset);
/* Returns true if someone reads the topic or did so as a group, so its records wait for them. */
bool memory_topic_is_read(const memory_topic_t *topic);

/* topics.c */
int memory_ensure_topics(bus_t *bus, const bus_topic_config_t *topics, size_t topics_n, bool create, bus_topics_fn fn,
                         void *arg, fanmap_error_t *err);
int memory_topic_open(bus_t *bus, const char *name, bus_delivered_fn delivered, void *arg, bus_topic_t **ret,
                      fanmap_error_t *err);
void memory_forget(bus_t *bus, const void *arg);
/* BUS_FIND_TIME is always BUS_BEGIN: what lies in this memory is soon read. */
int memory_request(bus_topic_t *topic, const bus_request_t *request, bus_answer_fn fn, void *arg, fanmap_error_t *err);
void memory_answers_run(memory_bus_t *bus);

/* produce.c */
int memory_produce(bus_topic_t *topic, int32_t partition, const void *key, size_t key_len, const void *value,
                   size_t value_len, const bus_header_t *headers, size_t headers_n, uint64_t cookie,
                   fanmap_error_t *err);
size_t memory_outbox_n(const bus_t *bus);
void memory_flush_soon(bus_t *bus);
/* Moves what there is room for into the logs and reports it. */
void memory_outbox_run(memory_topic_t *topic);
/* The outbox must not be empty. */
memory_record_t *memory_outbox_pop(memory_topic_t *topic);
/* Drops what nobody needs any more. */
void memory_topic_trim(memory_topic_t *topic);

/* read.c */
int memory_read(bus_topic_t *topic, int32_t partition, int64_t from, const bus_reader_callbacks_t *callbacks, void *arg,
                bus_reader_t **ret, fanmap_error_t *err);
void memory_reader_hold(bus_reader_t *reader, bool hold);
void memory_reader_close(bus_reader_t *reader);
void memory_readers_run(memory_topic_t *topic);
/* The lowest position that an open reader of the partition stands at, or `none`. */
int64_t memory_readers_floor(const memory_topic_t *topic, int32_t partition, int64_t none);
void memory_readers_sweep(memory_topic_t *topic, bool all);

/* group.c */
int memory_group_join(bus_topic_t *const *topics, size_t topics_n, const char *group_id,
                      const bus_group_callbacks_t *callbacks, void *arg, bus_group_t **ret, fanmap_error_t *err);
void memory_group_commit(bus_group_t *group, int32_t lane, int64_t offset, const char *metadata, size_t metadata_len,
                         uint64_t cookie);
void memory_group_describe(bus_group_t *group, uint64_t cookie);
bool memory_group_commit_now(bus_group_t *group, int32_t lane, int64_t offset, const char *metadata,
                             size_t metadata_len, int timeout_ms);
void memory_group_want(bus_group_t *group, bool want);
const char *memory_group_member(bus_group_t *group);
void memory_group_leave(bus_group_t *group);
void memory_groups_run(memory_bus_t *bus);
void memory_groups_free(memory_bus_t *bus); /* before the topics */

#endif
