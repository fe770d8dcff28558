/* A Kafka of lists: topics, idempotent producers, a consumer group with its coordinator, commits. As a client sees it:
 *
 *   produce   in order per producer and partition, stored once; the report may come seconds late. While the broker is
 * away, or the process is stopped or cut off, requests wait. A process that dies leaves a random part of what it had
 * sent. group     eager: a rebalance takes everything away and deals it out anew, the lanes of each task in ranges of those
 * who serve it. A member not heard of for a
 * session is out; its commits, and those of an older generation, are refused. commit    one under way a partition; the
 * answer can be late, and can be missing although the commit was stored.
 *
 * kafka_hooks_t is how the invariants see each record and each commit at the moment it becomes true. */
#ifndef SIMULATION_KAFKA_H
#define SIMULATION_KAFKA_H

#include "clock.h"

enum { TOPIC_ITEMS, TOPIC_RESULTS, TOPIC_JOBS, TOPICS_N };
/* The items of a task stand on partitions of their own, its lanes: those of task t are t * P to t * P + P - 1. */
enum { TASKS_MAX = 3, TASK_PARTITIONS_MAX = 6, PARTITIONS_MAX = 32 };
enum { MEMBERS_MAX = 10, MEMBER_ID_MAX = 40, PRODUCERS_MAX = 200 };

typedef struct {
    uint32_t key_len, value_len;
    uint8_t *key, *value; /* one allocation, at key */
    int64_t at_ms;        /* by the broker's clock */
    const process_t *by;  /* NULL: nobody of ours */
} record_t;

typedef struct {
    record_t *at;
    size_t n, cap;
    bool was_committed; /* by the one group */
    bool is_misleading; /* its commit is of an earlier log */
    int64_t committed;
    char *metadata;
    size_t metadata_len;
} partition_t;

typedef struct request request_t;
typedef struct {
    request_t *first, **end;
    int64_t report_ms; /* reports keep their order */
} outbox_t;

/* One producing process' requests on their way. */
typedef struct {
    process_t *process;
    outbox_t boxes[TOPICS_N][PARTITIONS_MAX];
} kafka_producer_t;

typedef struct {
    process_t *process;
    uint64_t life;
    char id[MEMBER_ID_MAX];
    int64_t seen_ms;
    bool joined;
} member_t;

typedef struct {
    member_t members[MEMBERS_MAX];
    size_t n;
    uint64_t generation, members_made;
    bool preparing;
    int64_t deadline_ms;
    int owner[PARTITIONS_MAX]; /* index into members, -1: nobody's */
} group_t;

typedef struct {
    void (*appended)(sim_t *sim, int topic, int32_t partition, int64_t offset, const record_t *record);
    void (*committed)(sim_t *sim, process_t *who, int32_t partition, int64_t from, int64_t to);
} kafka_hooks_t;

/* The client's half of a group: what librdkafka keeps in a worker. */
typedef struct {
    char id[MEMBER_ID_MAX]; /* "": must join */
    uint64_t generation;
    bool is_member;    /* assigned, reads and commits */
    bool is_leaving;   /* will not join again */
    bool is_giving_up; /* a revocation waits for running attempts */
    int64_t heard_ms;
    uint64_t join_n;
    bool owns[PARTITIONS_MAX];
    int64_t position[PARTITIONS_MAX];
    bool is_misled[PARTITIONS_MAX]; /* by the commit it found */
    unsigned made[PARTITIONS_MAX],
        short_n[PARTITIONS_MAX]; /* as assigned; how often in a row it was found another log */
    int64_t witness[PARTITIONS_MAX], witness_ms[PARTITIONS_MAX]; /* 0 ms: there is none */
    struct {
        bool under_way, waits;
        int64_t offset;
        uint64_t number;
        char *metadata;
        size_t metadata_len;
    } commits[PARTITIONS_MAX];
    uint64_t commit_epoch; /* a closing commit overtakes none on the wire: those before it are void */
} consumer_t;

typedef struct {
    partition_t topics[TOPICS_N][PARTITIONS_MAX];
    uint32_t partitions_n[TOPICS_N];
    unsigned made[PARTITIONS_MAX]; /* how often the lanes of items were made anew, */
    bool is_gone[PARTITIONS_MAX];  /* and whether they are away just now */
    bool away;
    unsigned slow_permille, lost_commit_permille; /* how often an answer takes seconds, or misses */
    int64_t session_ms, rebalance_ms;
    group_t group;
    kafka_producer_t producers[PRODUCERS_MAX];
    size_t producers_n;
    kafka_hooks_t hooks;
} kafka_t;

void kafka_begin(kafka_t *kafka, uint32_t tasks_n, uint32_t items_partitions, uint32_t results_partitions,
                 const kafka_hooks_t *hooks);
void kafka_end(kafka_t *kafka);
int64_t kafka_latency_ms(sim_t *sim);
bool kafka_reaches(const sim_t *sim, const process_t *process);
int64_t kafka_log_end(const sim_t *sim, int topic, int32_t partition);
const record_t *kafka_record(const sim_t *sim, int topic, int32_t partition, int64_t offset); /* NULL: beyond the end */
/* What its owner has of it is of another log, and it has not noticed. */
bool kafka_is_misled(const sim_t *sim, const consumer_t *consumer, int32_t partition);
/* Without records and commits, as after its topic was deleted and made anew. */
void kafka_make_anew(sim_t *sim, int topic, int32_t partition);
/* At once and by nobody: foreign records, and the control commands. Returns the offset. */
int64_t kafka_append(sim_t *sim, int topic, int32_t partition, const void *key, size_t key_len, const void *value,
                     size_t value_len);

/* `report` runs in the process: a cookie, b partition, x offset (-1: the broker finds the record too large). */
void kafka_produce(sim_t *sim, process_t *process, int topic, int32_t partition, const void *key, size_t key_len,
                   const void *value, size_t value_len, uint64_t cookie, event_fn report);
bool kafka_outbox_is_empty(sim_t *sim, process_t *process);
void kafka_process_died(sim_t *sim, process_t *process);

/* The group (kafka_group.c). The callbacks are node.c's. */
void group_begin(sim_t *sim);
void group_join(sim_t *sim, process_t *process, consumer_t *consumer);
void group_leave(sim_t *sim, process_t *process, consumer_t *consumer);
/* The worker has let go of a partition of a revocation that waits. */
void group_let_go(sim_t *sim, process_t *process, consumer_t *consumer, int32_t partition);
/* A new member id, at once; the old one is gone, now if Kafka can be reached, else with its session. */
void group_join_anew(sim_t *sim, process_t *process, consumer_t *consumer);
/* Who is in the group; node_members() gets the answer. */
void group_describe(sim_t *sim, process_t *process, uint64_t number);
bool group_accepts(const sim_t *sim, const consumer_t *consumer);
/* Asynchronous commit; node_committed() gets the answer. */
void kafka_commit(sim_t *sim, process_t *process, consumer_t *consumer, int32_t partition, int64_t offset,
                  const char *metadata, size_t metadata_len, uint64_t number);
/* The closing commit, inside a revocation. */
bool kafka_commit_now(sim_t *sim, process_t *process, consumer_t *consumer, int32_t partition, int64_t offset,
                      const char *metadata, size_t metadata_len);
void consumer_forget(consumer_t *consumer);

#endif
