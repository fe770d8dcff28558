/* A worker: the real core between the fakes. It turns what they say into events and carries the actions out, as
 * worker/shell does. */
#ifndef SIMULATION_NODE_H
#define SIMULATION_NODE_H

#include "client/joblog/missing.h"
#include "kafka.h"
#include "pool.h"
#include "worker/core/core.h"

enum { NODE_JOBS_MAX = 4, PACK_ITEMS_MAX = 16, NODE_QUERIES_MAX = 8, NODE_OFFER_EVERY_MS = 100 };

/* Outcomes of one job that leave together. */
typedef struct node_pack node_pack_t;
struct node_pack {
    node_pack_t *next;
    uint64_t cookie;
    worker_item_t *items[PACK_ITEMS_MAX];
    size_t n;
};

typedef struct payload payload_t;

/* Looks for items that Kafka lost: looker.c. */
typedef struct {
    missing_t before, now;
    bool is_running, again;
    unsigned ticks;
    int64_t due_ms, idle_since_ms, look_after_ms;
    size_t job; /* the one looked at, */
    list_t *list;
    int64_t log_offset; /* up to which its log was read, */
    uint64_t published;
    int32_t lane; /* and the lane of its task that is read next, for these: */
    bitset_t records;
} looker_t;

typedef struct {
    process_t process;
    size_t number;
    worker_t *worker;
    worker_actions_t actions;
    char incarnation[24];
    unsigned slots_n;
    unsigned tasks; /* those it serves, a bit each */
    pool_t *pool;
    consumer_t consumer;
    int64_t watched[PARTITIONS_MAX]; /* -1: not; else the next offset to look at for notes */
    bool is_watching;
    int64_t fetched[PARTITIONS_MAX]; /* -1: not; else the next offset to read again */
    bool is_fetching_again;
    bool is_settling; /* the end of its turn is on the way */
    bool wants, is_fetching, has_joined, is_draining, is_reading_jobs;
    int64_t jobs_position, jobs_start_end;
    int64_t broker_off_ms; /* the broker's clock less this one's, as far as it knows */
    bool knows_broker, has_asked_clock;
    int64_t jobs_asked[NODE_QUERIES_MAX]; /* ends to read up to, one answer each; INT64_MAX: not known yet */
    size_t jobs_asked_n;
    uint32_t takes[POOL_SLOTS_MAX * 4], take_n[POOL_SLOTS_MAX * 4]; /* taken back in this step */
    size_t takes_n;
    payload_t *payloads;
    size_t payloads_n;
    struct {
        node_pack_t *pack;
        buf_t body;
    } open[NODE_JOBS_MAX];
    node_pack_t *sent;
    uint64_t cookies;
    int64_t tick_ms;
    uint64_t limit_version[NODE_JOBS_MAX], lease_version[NODE_JOBS_MAX]; /* of N: as read, as its last lease knew it */
    uint64_t sync_seq[NODE_JOBS_MAX]; /* the request whose answer counts; 0: none is under way */
    int64_t stepped_ms, stopped_ms;
    bool is_in_touch;        /* with Kafka, behind the last event */
    int64_t out_of_touch_ms; /* until when it was not */
    bool is_losing;          /* in a step of WORKER_LOST or WORKER_REMADE, */
    bool is_remade;          /* the latter */
    bool closing_failed;     /* a closing commit of this step was not acknowledged */
    bool must_hear;          /* it was stopped for long: its partitions may be another's, until Kafka answers */
    uint64_t steps_at_ms;
    int64_t unheard_ms;         /* when it handed something on first without reaching Kafka; 0: it does */
    uint64_t offer_ms, said_ms; /* of what waits here, in a quiet fleet: what Redis has, and was told last */
    int64_t anew_ms;
    looker_t looker;
} node_t;

void node_begin(node_t *node, size_t number, unsigned slots_n, int64_t clock_off_ms);
void node_start(sim_t *sim, node_t *node);
extern const char *const sim_tasks[TASKS_MAX]; /* their names */
void node_kill(sim_t *sim, node_t *node);
void node_stop(sim_t *sim, node_t *node);
void node_continue(sim_t *sim, node_t *node);
void node_drain(sim_t *sim, node_t *node);
/* From then on Redis hears how much waits there. */
void node_offers(sim_t *sim, node_t *node, int64_t in_ms);
void node_end(node_t *node);
/* There may be something to read. */
void node_poke_items(sim_t *sim, node_t *node);
void node_poke_fetches(sim_t *sim, node_t *node);
void node_poke_notes(sim_t *sim, node_t *node);
void node_poke_jobs(sim_t *sim, node_t *node);

/* From the fakes, inside the node's process. */
void node_assigned(sim_t *sim, node_t *node);
void node_must_give_up(sim_t *sim, node_t *node); /* group_let_go() answers for each partition */
void node_revoked(sim_t *sim, node_t *node, bool lost);
void node_committed(sim_t *sim, node_t *node, int32_t partition, int64_t offset, uint64_t number, bool ok);
void node_members(sim_t *sim, node_t *node, const char (*ids)[MEMBER_ID_MAX], size_t n, uint64_t number, bool ok);
void node_wake(sim_t *sim, node_t *node, const char *job);
void node_slot(sim_t *sim, node_t *node, const slot_message_t *message);

#endif
