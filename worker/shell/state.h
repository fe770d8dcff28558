/* The shell's state, and what its files do for each other: shell.c (life), carry_out.c (what actions mean), step.c (events into the core), news.c (what the caller
 * hears), topics.c (jobs topic, what is opened), group.c, lanes.c, fetch.c and notes.c (whose items, and what was noted about
 * them), packs.c and records.c (what is published, by way of inflight.c and held.c), burial.c (records nobody can use), slots.c (attempts). */
#ifndef WORKER_SHELL_STATE_H
#define WORKER_SHELL_STATE_H

#include "base/log.h"
#include "base/spares.h"
#include "schemas/names.h"
#include "slots/slots.h"
#include "worker/shell/room.h"
#include "worker/shell/shell.h"

enum { TOLD_JOBS = 64, TROUBLE_EVERY_MS = 1000, TROUBLE_BYTES = 560, START_TRIES = 3, START_TRIES_MS = 5000 };
enum {
    PACK_BYTES = 64 * 1024,
    AHEAD_N = 256,
    AHEAD_BYTES = 128 * 1024,
    ITEMS_MAX = 37500, /* with the third that the core adds 50,000 */
    PUBLISHING_MAX = 50000,
    QUERIES_MAX = 64,
    NOTE_BYTES_MAX = 256,
    CLOSING_COMMIT_MS = 2000,
    REVOKE_MS = 1000 /* what a rebalance waits for outcomes on their way */
};

typedef struct inflight inflight_t;
typedef struct shell_burial shell_burial_t;

/* The lanes of one topic, by partition; -1: not seen yet. */
typedef struct {
    int32_t *lanes;
    uint32_t n;
} lanes_of_t;

/* What the group's callbacks get: it outlives the shell until the group is left. */
typedef struct {
    worker_shell_t *shell; /* NULL: closed */
    bool is_left;          /* its next `revoked` is the last */
} group_link_t;

struct worker_shell {
    loop_t *loop;
    bus_t *bus;
    tokens_port_t *tokens;
    worker_shell_config_t config;
    worker_shell_callbacks_t callbacks;
    void *arg;
    char name_space[NAME_MAX_LEN + 1], queue[NAME_MAX_LEN + 1], incarnation[TOKENS_INCARNATION_MAX + 1];
    const char **task_names;

    worker_t *core;
    worker_actions_t actions;
    void (*carry_out)(worker_shell_t *shell, const worker_action_t *action);
    loop_timer_fn end_of_turn;
    bool is_dirty, owes_settling;     /* end_of_turn is due; and the core has not drawn its conclusions yet */
    bool has_asked_clock, has_traced; /* the latter: some job here had a trace */
    uint32_t *takes, *take_n; /* slots whose TAKEN_BACK is to be told after the present step, and of which run */
    size_t takes_n;
    room_t room;
    loop_timer_t *timer;
    loop_timer_t *leaving; /* runs once it is drained: a Kafka that is away does not hold it */

    bus_topic_t **items; /* of each task */
    bus_topic_t *results, *jobs, *dead;
    lanes_of_t *lanes_of; /* of each task */
    int32_t *lanes;       /* of the bus, by ours */
    size_t lanes_n, lanes_cap;
    bus_group_t *group; /* NULL: not joined, or left */
    group_link_t *link;
    bus_reader_t *jobs_reader;
    struct beside *watches, *fetches;   /* beside.h */
    spec_t *stream;                     /* NULL: it serves jobs; else of this task's place, and with this log: */
    uint32_t stream_task, stream_log_n; /* log_n: its partitions, or as many as it was asked to have */
    bus_topic_t *stream_log;
    struct kept_positions *positions;                             /* of a stream */
    spares_t stream_spares;                                       /* stream_record.h */
    buf_t stream_in, stream_headers, stream_text, stream_context; /* of the record, outcome or run at hand */
    int64_t jobs_position, told_ms, told_broker_ms;               /* told: what the clocks said at the last event */
    shell_burial_t *burial;                                       /* of records of the jobs topic that nobody can use */
    int64_t queries[QUERIES_MAX]; /* ends asked for, in order; INT64_MAX: the answer is not there yet */
    size_t queries_n;
    bool is_caught_up, has_items;

    slots_t *slots;
    bool told_abilities;
    int64_t trouble_next_ms; /* when trouble with slots may be said again */
    unsigned trouble_unsaid;
    uint32_t told_jobs[TOLD_JOBS], told_at; /* jobs whose limits were told last */
    uint32_t *slot_job;                     /* job_key that the slot was last set to; 0: none */
    size_t *slot_task;                      /* the task of that job, by its place in the catalogue */
    struct start_trouble *start_troubles;   /* of each task */

    inflight_t *open;   /* packs being filled, the last used first */
    inflight_t *unsent; /* what the bus had no room for, in order */
    inflight_t **unsent_last;
    struct {
        inflight_t *first, **last; /* what Kafka did not take, to be sent again */
        loop_timer_t *timer;
        int64_t wait_ms, say_ms;
        bool is_waiting, was_said;
    } held;
    inflight_t *spare;
    inflight_t *made;        /* every one that there is */
    size_t under_way;        /* packs sent and not yet reported */
    size_t publishing_bytes; /* of packs made and not yet reported; over half the budget nothing is taken in */
    bool core_wants, group_wants;
    bool tokens_are_away; /* the last call for tokens had no answer */
    loop_timer_t *linger;
    loop_timer_t *offer_timer;  /* handoff.c; NULL: there are no tokens, and nobody to hand anything to */
    uint64_t *offered;          /* of each task, in ms, as Redis was told last */
    uint32_t *items_partitions; /* of each task's topic */
    int64_t offer_anew_ms;
    bool is_offering;

    bool is_draining, is_drained, is_leaving, was_ended;
    uint64_t describe_number; /* 0: nothing is to be asked */
    size_t held_n;            /* partitions that are revoked and not let go */
    bool closing_failed;      /* a closing commit of this revocation was not acknowledged: the others do not wait */
    bool joins_anew;          /* the group is being left to be joined again */
    bool was_ready, is_dealt; /* dealt: the group's partitions are, and are not about to be dealt anew */
    fanmap_error_t error;
};

/* carry_out.c */
void shell_carry_out(worker_shell_t *shell, const worker_action_t *action);
/* news.c */
/* Deferred: tells the caller once that the shell has ended. */
void shell_tell_ended(void *shell);
void shell_tell_lost(const worker_shell_t *shell);
void shell_fail(worker_shell_t *shell, const fanmap_error_t *err);
#define shell_log(shell, level, ...) log_to((shell)->callbacks.log, (shell)->arg, (level), __VA_ARGS__)
/* step.c */
/* One event into the core, and everything that follows from it; of those that say that more follow, at the turn's end: settle. */
void shell_step(worker_shell_t *shell, worker_event_t *event);
void shell_settle(worker_shell_t *shell);
/* A record of a lane, whose bytes the core keeps. */
void shell_step_record(worker_shell_t *shell, worker_event_type_t type, int32_t lane, const bus_record_t *record);
/* The group is left: after a drain, the end. */
void shell_left(worker_shell_t *shell);
/* Something is to be flushed at the end of this turn of the loop. */
void shell_dirty(worker_shell_t *shell);
/* Tells the group whether records are wanted: by the core, and while what is published is not over its bound. */
void shell_intake(worker_shell_t *shell);

/* lanes.c */
void shell_too_many_lanes(worker_shell_t *shell);
/* Our number of a lane of the bus; -1: there are too many, or no memory. */
int32_t shell_lane(worker_shell_t *shell, int32_t bus_lane);
int32_t shell_bus_lane(const worker_shell_t *shell, int32_t lane);
bus_topic_t *shell_items_of(const worker_shell_t *shell, int32_t lane);
int32_t shell_partition_of(const worker_shell_t *shell, int32_t lane);
/* Of the topic; `ret` has TOPIC_NAME_MAX bytes. */
char *shell_items_name(const worker_shell_t *shell, int32_t lane, char *ret);
/* Kafka no longer has [from, to) of the lane. to < from: its topic was deleted and made anew; all that is in hand is given
 * up, and the group joined anew. */
void shell_gap(worker_shell_t *shell, int32_t bus_lane, int64_t from, int64_t to);
void shell_lanes_free(worker_shell_t *shell);

/* topics.c */
int shell_open_topics(worker_shell_t *shell, fanmap_error_t *err);
void shell_query_jobs_end(worker_shell_t *shell);
/* group.c */
/* Leaves the group; its last `revoked` follows from inside the loop, and then shell_left. */
void shell_leave(worker_shell_t *shell);
void shell_commit(worker_shell_t *shell, const worker_action_t *action);
/* The partition is closed. */
void shell_let_go(worker_shell_t *shell, const worker_action_t *action);
void shell_join(worker_shell_t *shell);
/* Leaves the group, and joins it as a new member once that is done. */
void shell_join_anew(worker_shell_t *shell, const worker_action_t *action);
/* Each lane of a rebalance makes the core ask anew, and only the last answer counts: one question is sent at the end of the turn. */
void shell_describe(worker_shell_t *shell, const worker_action_t *action);
void shell_describe_now(worker_shell_t *shell);
/* Nothing is deferred any more. */
void shell_group_close(worker_shell_t *shell);

/* burial.c */
int shell_burial_open(worker_shell_t *shell, shell_burial_t **ret, fanmap_error_t *err);
void shell_burial_close(shell_burial_t *burial);
/* A record of the jobs topic that is none of a job. */
void shell_burial_record(shell_burial_t *burial, const bus_record_t *record);
/* The jobs topic was read to where it ended when the worker began. */
void shell_burial_caught_up(shell_burial_t *burial);

/* handoff.c */
int shell_open_handoff(worker_shell_t *shell, fanmap_error_t *err);
void shell_close_handoff(worker_shell_t *shell);
/* Something may wait here. */
void shell_offer_soon(worker_shell_t *shell);
void shell_beg(worker_shell_t *shell, const worker_action_t *action);
void shell_hand_off(worker_shell_t *shell, const worker_action_t *action);

/* slots.c */
int shell_open_slots(worker_shell_t *shell, fanmap_error_t *err);
void shell_run(worker_shell_t *shell, const worker_action_t *action);
void shell_take_back(worker_shell_t *shell, const worker_action_t *action);

#endif
