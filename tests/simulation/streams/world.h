/* Streams under a seed: real worker cores and real gatherer cores around a source, a log and an output of lists.
 *
 *   source ── group of workers ── nodes (worker/core, slots that are dice) ── log ── group of gatherers ── output
 *
 * Time is a row of steps; in each one thing happens, drawn from all that may: a record is read, a pack arrives, an answer comes,
 * an attempt ends, someone dies, a group is dealt out anew, a record is compacted away. So whatever can overtake, does. A
 * process that a group has thrown out goes on until it hears of it, and what it had sent arrives all the same.
 *
 * Some streams have calls of several records; a call dies whole, or fails whole, and is split.
 *
 * What must hold, looked at from outside: no commit is past a record without an outcome in the log; nothing is visible twice, or out
 * of order; nobody holds more than a few windows; losses are reported where there are some, and only there; a record fails by what it
 * did itself; and when all faults are mended, everything that is in the source has been handed out. */
#ifndef SIMULATION_STREAMS_WORLD_H
#define SIMULATION_STREAMS_WORLD_H

#include "aggregator/gatherer.h"
#include "base/random.h"
#include "worker/core/core.h"

enum {
    LANES_MAX = 3,
    RECORDS_MAX = 60,
    NODES_MAX = 3,
    SLOTS_MAX = 4,
    CALLS_MAX = 6,
    RETRIES = 3,
    GATHERERS_MAX = 2,
    WINDOW = 6,
    PACK_MAX = 8,
    LOG_MAX = 8000,
    TX_MAX = 4096,
    BOX_MAX = 256,
    KEYS = 3,
    SKIPPED_EVERY = 13 /* records that are stepped over */
};

typedef enum {
    RULE_NONE,
    RULE_COMMIT,     /* W2 */
    RULE_PREV,       /* W3 */
    RULE_FINISHES,   /* W4 */
    RULE_WINDOW,     /* W5 */
    RULE_WHOLE,      /* W6 */
    RULE_GAP,        /* W7 */
    RULE_KEEPS,      /* W8: nothing that has arrived is put off, so nothing of it can be gone */
    RULE_FORGET,     /* W9 */
    RULE_KEYS,       /* W10 */
    RULE_RELOAD,     /* G2 */
    RULE_LOWEST,     /* G3 */
    RULE_READY,      /* G3 */
    RULE_LOST,       /* G4 */
    RULE_SEEN,       /* G5 */
    RULE_OVERTAKEN,  /* G5 */
    RULE_REMEMBERED, /* G5 */
    RULE_NEEDED,     /* G3, G5: the position */
    RULE_FORGOT,     /* G6 */
    RULE_GENERATION, /* G1 */
    RULE_SPLIT,      /* what was in a call that failed whole is called in smaller ones */
    RULE_JOINS,      /* and nobody joins whom it would make too many */
    RULE_BLAME,      /* and is not charged */
    RULE_HALF,       /* and all of it runs again */
    RULE_WITHIN,     /* what waits for others waits no longer than it may */
    RULE_PRESENT     /* G1: positions go with the generation of their assignment, and not with the present one */
} rule_t;
/* What is taken out in this run: mutants.c. */
extern rule_t rule_off;

typedef struct {
    int64_t offset;
    int key; /* -1: none */
    bool is_there, is_logged, is_skipped,
        was_lost; /* lost: a copy of its outcome was deleted from the log before it was committed */
    int output_n;
    uint32_t failures; /* its own: attempts that failed, not those of a call which was split */
} record_t;

typedef struct {
    uint32_t lane;
    int64_t offset;
} payload_t; /* of a record: also its value */

typedef struct {
    int64_t whole;
    gather_outcome_t outcomes[PACK_MAX];
    size_t n;
} pack_t;

typedef struct {
    uint32_t lane;
    pack_t *pack;
    worker_item_t *items[PACK_MAX];
    bool is_stored; /* the answer is on its way */
} sent_t;

typedef struct {
    record_t records[RECORDS_MAX];
    size_t records_n;
    int64_t low, end; /* of the source */
    bool was_committed;
    int64_t committed;
    char metadata[4200];
    size_t metadata_len;
    int owner, gatherer; /* -1: nobody */
    pack_t *log[LOG_MAX];
    int64_t log_low, log_end;
    bool was_gathered;
    int64_t gathered;
    char position[GATHER_POSITION_MAX];
    int pending; /* the gatherer whose positions for it are sent and not decided; -1: none */
    int64_t last_output, last_of_key[KEYS];
    gather_loss_t losses[256];
    size_t losses_n;
} stream_lane_t;

/* A slot has one run, or those of a call, which a program claims and answers in their order. */
typedef struct {
    uint32_t n, lane, attempt;
    int64_t offset;
    uint64_t ownership;
} run_t;

typedef struct {
    run_t runs[CALLS_MAX];
    size_t runs_n, claimed;
    size_t call_n; /* so many were in it when it was sent */
    bool is_up, is_killing;
    bool is_failing; /* whole: whatever has no outcome yet */
    bool is_asked;   /* what is not claimed is taken back, and so many stay: */
    uint32_t kept_n;
} node_slot_t;

typedef struct {
    worker_t *worker; /* NULL: dead */
    worker_actions_t actions;
    char member[24];
    bool is_member, has_heard; /* has_heard: it knows of the generation it is in, or is out of */
    bool wants;
    uint64_t generation;
    bool owns[LANES_MAX], takes[LANES_MAX];
    uint64_t ownership[LANES_MAX];
    struct {
        uint64_t ownership;
        size_t most;
    } splits[LANES_MAX][RECORDS_MAX]; /* in how large a call a record may be, by the calls that failed with it */
    int64_t position[LANES_MAX];
    int64_t fetched[LANES_MAX]; /* without W8: the next offset to read again; -1: none */
    node_slot_t slots[SLOTS_MAX];
    struct {
        pack_t *pack;
        worker_item_t *items[PACK_MAX];
    } open[LANES_MAX];
    sent_t box[BOX_MAX];
    size_t box_n;
    struct {
        bool is_sent, is_decided, is_ok;
        int64_t offset;
        uint64_t number, generation;
        char metadata[4200];
        size_t metadata_len;
    } commits[LANES_MAX];
    uint64_t describe;
    size_t payloads_n;
    bool closing_failed, is_lost_due;
} node_t;

typedef struct {
    uint32_t lane;
    int64_t at;
    char text[GATHER_POSITION_MAX];
} position_t;

typedef struct {
    gatherer_t *core; /* NULL: dead */
    gatherer_actions_t actions;
    bool has_heard;
    uint64_t generation, commit_generation;
    bool owns[LANES_MAX], is_due[LANES_MAX]; /* due: what was committed is to be fetched */
    bool is_reading[LANES_MAX];
    int64_t at[LANES_MAX];
    struct {
        uint32_t lane;
        int64_t offset;
    } outputs[TX_MAX];
    size_t outputs_n;
    position_t positions[LANES_MAX];
    size_t positions_n;
    gatherer_action_t losses[64];
    size_t losses_n;
    enum { TX_NONE, TX_ASKED, TX_SENT } tx;
    size_t payloads_n;
} gatherer_node_t;

typedef struct world {
    random_t random;
    uint64_t seed, steps;
    int64_t now_ms;
    stream_order_t order;
    size_t lanes_n, nodes_n, slots_n, gatherers_n, records_n, items_max;
    size_t calls_max; /* in a call; 1: the stream has none */
    uint32_t within_ms;
    unsigned faults_permille, fails_permille, poison_permille, compacts_permille, deletes_permille, gaps_permille;
    bool loses_log, is_healed, speaks;
    bool is_plain; /* no transactions: records are visible at once, and again whenever positions are not stored */
    stream_lane_t lanes[LANES_MAX];
    node_t nodes[NODES_MAX];
    gatherer_node_t gatherers[GATHERERS_MAX];
    uint64_t generation, gather_generation, members_n, ownerships_n, deaths;
    sent_t orphans[BOX_MAX]; /* of the dead, on their way */
    size_t orphans_n;
    pack_t **packs;
    size_t packs_n, packs_cap;
    char broken[300];
} world_t;

#define say(x, ...)                                                                                                    \
    do {                                                                                                               \
        if ((x)->speaks) {                                                                                             \
            printf("%6llu  ", (unsigned long long)(x)->steps);                                                         \
            printf(__VA_ARGS__);                                                                                       \
            printf("\n");                                                                                              \
        }                                                                                                              \
    } while (0)
void fault(world_t *x, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline uint64_t roll(world_t *x, uint64_t n)
{
    return random_below(&x->random, n);
}
static inline bool chance(world_t *x, unsigned permille)
{
    return roll(x, 1000) < permille;
}

/* lanes.c: source, log, output. */
void source_write(world_t *x, uint32_t lane);
/* One record of the source is compacted away, or all before some offset is deleted. */
void source_compact(world_t *x, uint32_t lane);
void source_delete(world_t *x, uint32_t lane);
record_t *source_at(stream_lane_t *lane, int64_t offset); /* the first that is there, from the offset on; NULL: none */
record_t *record_at(stream_lane_t *lane, int64_t offset);
pack_t *pack_new(world_t *x);
void log_append(world_t *x, uint32_t lane, pack_t *pack);
void log_delete(world_t *x, uint32_t lane);
void output_append(world_t *x, uint32_t lane, int64_t offset);
void check_end(world_t *x);

/* nodes.c: workers. */
void node_start(world_t *x, size_t i);
void node_kill(world_t *x, size_t i);
void node_end(node_t *node);
bool node_act(world_t *x, size_t i); /* one of the things that may happen to it; false: none */
void nodes_deal(world_t *x, bool is_gentle);
void node_hear(world_t *x, size_t i);
void node_step(world_t *x, node_t *node, worker_event_t *event);
void orphan_act(world_t *x);

/* slots.c: what a node runs. */
void slot_run(world_t *x, node_t *node, const worker_action_t *a);
void slot_kill_run(node_t *node, uint32_t s, uint32_t n);
/* What is not claimed is taken back; slot_answer says so behind the step that asked. */
void slot_withdraw(world_t *x, node_t *node, uint32_t s);
void slot_answer(world_t *x, node_t *node);
bool slot_act(world_t *x, size_t i, uint32_t s);
void slot_check_outcome(world_t *x, const node_t *node, uint32_t l, const outcome_t *outcome);

/* gatherers.c */
void gatherer_start(world_t *x, size_t i);
void gatherer_kill(world_t *x, size_t i);
void gatherer_end(gatherer_node_t *node);
bool gatherer_act(world_t *x, size_t i);
void gatherers_deal(world_t *x, bool is_gentle);
void gatherer_hear(world_t *x, size_t i);

#endif
