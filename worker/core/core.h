/* The worker (pure): what arrives, what runs, what is stored, what is committed.
 *
 * One item's life, the same words here, in the logs and in the docs:
 *
 *   RECEIVED -> QUEUED -> RUNNING -> PUBLISHING -> DONE -> COMMITTED
 *                 ^  ^______|  retry (DELAYED until its backoff is over), slot lost, token lapsed: back to QUEUED
 *
 * The shell (worker/shell/shell.c on Kafka, Redis and slots; tests/simulation on fakes) turns what happens into events and
 * carries the actions out. Time is CLOCK_BOOTTIME in ms. The core never reads a clock, a socket or the environment; its
 * only randomness is the seed (backoff jitter).
 */
#ifndef WORKER_CORE_CORE_H
#define WORKER_CORE_CORE_H

#include "schemas/commit.h"
#include "schemas/jobs.h"
#include "schemas/place.h"
#include "tokens/tokens.h"

/* Items come in lanes. A lane is a partition of the topic of one of the worker's tasks, as a number that the shell gives
 * out and never takes back. The core knows no topics: of a lane, only which task it is of and the partition's number.
 */
enum { WORKER_LANES_MAX = 65536 };

typedef struct worker worker_t;
typedef struct worker_item worker_item_t; /* one item in hand: worker/core/item.h */

typedef struct {
    const char *queue;
    const char *incarnation;
    uint32_t slots_n;
    const char *const *tasks; /* names served */
    size_t tasks_n;
    size_t budget_bytes;      /* payload bytes in hand before intake pauses; it stops at a third more (intake.c) */
    size_t items_max;         /* likewise items */
    size_t ample_n;           /* of one job alone, startable at once: intake pauses; 0: no such pause */
    uint32_t item_bytes_max;  /* a job's own bound counts, up to this */
    uint32_t commit_every_ms; /* 1000 */
    uint32_t session_ms;      /* of the group. After a gap of more than half of it between two events (the process was
                                 stopped) nothing starts until a commit sent after the gap was accepted, or a group
                                 description asked for after it lists us; 0: no such care */
    uint32_t drain_ms;        /* from WORKER_DRAIN on: what still runs then is killed and left to others */
    uint32_t revoke_ms;       /* how long a revocation waits for outcomes that are on their way to Kafka */
    uint32_t names_max;       /* names in a commit; 0: COMMIT_NAMES_MAX */
    uint32_t metadata_max;    /* bytes of a commit's metadata; 0: COMMIT_BYTES_MAX */
    uint32_t describe_ms;     /* between two questions who is in the group, while there are claims; 0: 1000 */
    uint32_t ahead_n;         /* runs that may wait unstarted in one slot, beside the one that runs */
    size_t ahead_bytes;       /* of their inputs; an empty slot always takes one */
    uint32_t publishing_max;  /* outcomes not yet acknowledged before nothing starts */
    uint32_t window_max;      /* records of a lane of a stream beyond its finished prefix */
    size_t window_bytes_max;  /* of these */
    bool can_fetch;           /* records can be read again beside the group (WORKER_FETCH) */
    bool has_handoff;         /* others can be asked for items, and ask us */
    bool has_tokens;          /* false: --redis none; jobs with a limit or a rate are not run here */
    bool is_alone;            /* no other worker runs its jobs: their rates are kept here (pace.h) */
    uint64_t seed;
} worker_config_t;

/* Where a copy of an item of a task reaches a worker that asks for some. */
typedef struct {
    uint32_t task;     /* its place in the config's tasks of the one who is asked */
    int32_t partition; /* that the asking worker holds */
} worker_seat_t;

typedef enum {
    WORKER_TICK,          /* nothing but time */
    WORKER_SETTLE,        /* nothing at all: the events before it have their conclusions drawn */
    WORKER_JOBS,          /* a decoded record of the jobs topic */
    WORKER_JOBS_POSITION, /* the jobs topic was read up to (not including) `offset`; at_end: that was its end as asked
                             for by the WORKER_QUERY_JOBS_END before it (one answer for each query, however long it
                             takes) */
    WORKER_ASSIGNED,      /* lane, offset, and what its commit said */
    WORKER_REBALANCED,    /* all WORKER_ASSIGNED of this rebalance were given */
    WORKER_REVOKED,       /* lane is being taken away. What runs there is claimed by the closing commit and stays here.
                             may_wait false: that commit is among the actions of this step. may_wait true: outcomes on
                             their way get up to revoke_ms; WORKER_LET_GO follows in a later step or in this one, right
                             after the closing WORKER_COMMIT, and until then the partition is still ours. A closing
                             commit that was not acknowledged is followed by WORKER_LOST. */
    WORKER_LOST,          /* the membership, or a closing commit: every partition and every claim may be someone else's.
                             Everything that runs is killed, nothing is committed, WORKER_JOIN_ANEW follows */
    WORKER_MEMBERS,       /* the answer to WORKER_DESCRIBE */
    WORKER_HEARD,         /* a record that WORKER_WATCH found: lane, offset, value */
    WORKER_ITEM,          /* a record of a lane; `payload` keeps its bytes alive until WORKER_RELEASE */
    WORKER_FETCHED,       /* a record that WORKER_FETCH asked for; the rest is as of WORKER_ITEM */
    WORKER_FETCH_OVER, /* gap.lane: Kafka has nothing below gap.to any more (-1: nobody knows), and nothing follows */
    WORKER_GAP,        /* retention took the lane's [from, to) unread */
    WORKER_REMADE, /* gap.lane's topic was deleted and made anew. The lane is committed to its beginning, the rest is
                             as after WORKER_LOST */
    WORKER_TOKENS, /* the answer to a sync (reply NULL: it failed) */
    WORKER_WAKE,   /* the job's table published a wake-up for us */
    WORKER_SLOT_UP,
    WORKER_ATTEMPT_DONE, /* slot, run n, what came out */
    WORKER_SLOT_DOWN,    /* slot; has_attempt and n: that attempt is over for `down`; runs from unstarted_from on never
                            started */
    WORKER_TAKEN_BACK,   /* the answer to WORKER_TAKE_BACK: runs from n on were never started */
    WORKER_GIVEN_BACK, /* slot: runs from `from` up to `to` (not included) were never started, although nobody asked for
                          them: a served program was told of them ahead, and what runs there lasts */
    WORKER_STORED, /* the outcomes (WORKER_PUBLISH) or dead letters of these items were acknowledged by Kafka; the item
                      pointers are invalid after this step */
    WORKER_HUNGRY, /* another worker has free slots and nothing to start */
    WORKER_NOT_HANDED, /* the copies of these items (WORKER_HAND_OFF) will never be stored; WORKER_STORED says that they
                          are */
    WORKER_COMMITTED,  /* lane, offset, the commit's number, ok */
    WORKER_END_STORED, /* J/end of job is stored (answers WORKER_COPY_END) */
    WORKER_END_WRITTEN, /* `end` is in the job's log (answers WORKER_WRITE_END); WORKER_COPY_END follows */
    WORKER_HOLD,        /* on or off: the machine has no room for more, and nothing starts meanwhile */
    WORKER_DRAIN        /* SIGTERM: take nothing new, finish or hand back */
} worker_event_type_t;

/* Who is to blame. DIED is charged as an attempt and a crash, TIMEOUT as an attempt. GUARDIAN_LOST: one of those that ran
 * took every slot down; each is charged as if a worker had died with it (worker/core/poison.c). The others cost the item
 * nothing. */
typedef enum {
    ATTEMPT_DIED,
    ATTEMPT_TIMEOUT,
    ATTEMPT_KILLED,
    ATTEMPT_LAPSED,
    ATTEMPT_UNUSABLE,
    ATTEMPT_GUARDIAN_LOST
} attempt_down_t;

typedef struct {
    worker_event_type_t type;
    bool more; /* another event of the same moment follows, WORKER_SETTLE if no other: what has to be drawn from all of
                  them (who starts next, what is committed, who is let go) is drawn then */
    int64_t now_ms;
    int64_t broker_ms;   /* unix time by the broker's clock, as far as it is known; 0: not at all */
    int64_t appended_ms; /* JOBS, ITEM: when the broker stored the record, by the same clock; 0: not known */
    union {
        const jobs_record_t *jobs;
        struct {
            int64_t offset;
            bool at_end;
        } position;
        struct {
            int32_t lane, partition; /* the partition's number in its topic, which notes name */
            uint32_t task;           /* its place in the config's tasks */
            int64_t offset;
            bool was_committed;
            const char *metadata;
            size_t metadata_len;
            const char *member; /* our group member id, or NULL */
            const char
                *stream;   /* NULL: items of jobs. Else the lane is a source of this stream, whose spec is known, */
            int64_t start; /* and begins there where nothing was committed */
        } assigned;
        struct {
            int32_t lane;
            bool may_wait;
        } revoked;
        struct {
            int32_t lane;
            int64_t offset;
            const char *key;
            size_t key_len;
            const void *value;
            size_t value_len;
            size_t beside_len; /* of a stream: bytes that are kept with it: key, headers, the record as it was */
            void *payload;
            const char *bad; /* of a stream: why it is no input (a constant text); NULL: it is one */
            bool is_skipped; /* of a stream: it is stepped over; without a payload */
        } item;
        struct {
            int32_t lane;
            int64_t from, to;
        } gap;
        struct {
            const char *job;
            uint64_t seq;
            const tokens_reply_t *reply;
        } tokens;
        struct {
            const char *job;
        } wake;
        struct {
            uint32_t slot;
        } slot;
        struct {
            uint32_t slot, n;
            fanmap_kind_t kind; /* FANMAP_VALUE or an error kind */
            bool final;
            bool is_whole;     /* an error of the whole call that the run was in */
            outcome_t outcome; /* value or error fields, borrowed; index and attempts are the core's to fill */
        } done;
        struct {
            uint32_t slot;
            attempt_down_t why;
            bool has_attempt;
            uint32_t n, unstarted_from;
            outcome_t outcome; /* the error fields, and with DIED and TIMEOUT the kind, that a charge would carry */
        } down;
        struct {
            uint32_t slot, n;
        } taken_back;
        struct {
            uint32_t slot, from, to;
        } given_back;
        struct {
            worker_item_t *const *items;
            size_t n;
        } stored; /* also NOT_HANDED */
        struct {
            const worker_seat_t *seats;
            size_t seats_n;
            uint32_t free_n; /* slots */
        } hungry;
        struct {
            int32_t lane;
            int64_t offset;
            uint64_t number;
            bool ok;
        } committed;
        struct {
            uint64_t number; /* of the WORKER_DESCRIBE */
            const char *const *at;
            size_t n;
            bool ok; /* false: nothing is known */
        } members;
        bool hold;          /* WORKER_HOLD */
        const char *member; /* WORKER_REBALANCED: our group member id, or NULL */
        struct {
            const char *job;
        } end_stored; /* also END_WRITTEN */
    };
} worker_event_t;

/* What the log of a stream must know beside an outcome, whose index is the record's offset. Of a record that is gone (its
 * kind is FANMAP_LOST) there is no payload. */
typedef struct {
    int32_t lane, partition;
    int64_t prev;                 /* the record before it in its partition, as it was read here */
    int64_t whole;                /* every record up to it has an outcome in the log, stored before this one */
    bool has_key;                 /* by key: */
    uint8_t key[PLACE_KEY_BYTES]; /* what stands for it */
    void *payload;                /* the record itself, until its WORKER_RELEASE */
} worker_source_t;

typedef enum {
    WORKER_RUN, /* start (or queue behind what runs) in slot; the shell calls worker_ran before it carries out the next
                   action. job_key differs from the slot's last run only when nothing is in the slot. `in` is valid as
                   long as the item's payload is (until its WORKER_RELEASE). */
    WORKER_TAKE_BACK, /* take unstarted runs of slot back; WORKER_TAKEN_BACK follows as the next event of that slot but
                         for dones */
    WORKER_KILL,     /* end run n of slot; hard: without grace. WORKER_SLOT_DOWN follows, unless n's WORKER_ATTEMPT_DONE
                       does. May come twice for one run: first soft, then hard. */
    WORKER_FREEZE,   /* slot; on or off */
    WORKER_LAPSE,    /* job_key's attempts are frozen by the guardian at at_ms */
    WORKER_HAND_OFF, /* copy this item to another partition of its task, whose holder has nothing to do; WORKER_STORED or
                        WORKER_NOT_HANDED follows. The bytes are valid during this step's actions */
    WORKER_BEG,      /* ask whoever has most waiting for some of it; WORKER_ITEM follows, or nothing */
    WORKER_PUBLISH, /* append this outcome to the pack of its job, of a stream to that of its lane; WORKER_STORED follows */
    WORKER_PASS,     /* of a lane of a stream: an empty pack that says only how far its log is whole */
    WORKER_LANE,     /* of a stream, on or off: take records of this lane from the group, or none for now; it is on when
                        it is assigned */
    WORKER_COMMIT,   /* lane, offset, metadata (valid during this step's actions); is_closing: send now, from inside
                        the revocation. WORKER_COMMITTED answers those that are not closing; of several that were not
                       sent yet the last may stand for all. */
    WORKER_DESCRIBE, /* ask who is in the group; WORKER_MEMBERS follows, or not at all */
    WORKER_WATCH,    /* on: hand over the notes of this lane from `from` on as WORKER_HEARD, beside the group
                        and however much lies between; until off */
    WORKER_FETCH, /* hand over the records of this lane from `from` on as WORKER_FETCHED, beside the group, until the next
                        WORKER_FETCH of the lane; -1: no more */
    WORKER_WITNESS, /* what stands in this lane up to `offset` was appended by `ms`: where the shell finds that it does not
                        hold, WORKER_REMADE follows */
    WORKER_TELL,    /* put a note about a claimed item on its lane; nothing follows */
    WORKER_JOIN_ANEW,   /* leave the group and join it as a new member */
    WORKER_LET_GO,      /* lane: its revocation (may_wait) may go on; nothing of it runs here */
    WORKER_SYNC,        /* one token sync; WORKER_TOKENS follows */
    WORKER_COPY_END,    /* publish J/end to jobs; WORKER_END_STORED follows */
    WORKER_WRITE_END,   /* a deadline passed, or a stored outcome closes the job: write `end` to the job's log */
    WORKER_DEAD_LETTER, /* a record that is not an item, of no known job or of a job of another task: lane, offset, value,
                           why; the bytes are valid during this step's actions; WORKER_STORED with `item` follows once it
                           is on the dead-letter topic */
    WORKER_RELEASE,     /* give the payload back (once for each WORKER_ITEM) */
    WORKER_INTAKE,      /* on or off: take items from the group, or stop */
    WORKER_QUERY_JOBS_END, /* ask for the end of the jobs topic; WORKER_JOBS_POSITION with at_end follows once it is
                              read that far */
    WORKER_NOTE,           /* one line for the operator's log */
    WORKER_DRAINED /* once, after WORKER_DRAIN: nothing runs and everything is committed (or the time for it is over):
                      leave */
} worker_action_type_t;

typedef struct {
    worker_action_type_t type;
    union {
        struct {
            uint32_t slot;
            worker_item_t *item;
            uint32_t job_key;
            const spec_t *spec;
            uint32_t attempt;
            uint64_t fence;
            int64_t deadline_ms;
            uint64_t index;
            const uint8_t *in;
            size_t in_len;
            uint32_t
                call_n; /* this one and those that follow it, so many in all, are one call; 0: none, or it was said */
            void *payload; /* the item's */
        } run;
        struct {
            uint32_t slot;
        } take_back;
        struct {
            uint32_t slot, n;
            bool hard;
        } kill;
        struct {
            uint32_t slot;
            bool on;
        } freeze;
        struct {
            uint32_t job_key;
            int64_t at_ms;
        } lapse;
        struct {
            worker_item_t *item;
            const spec_t *spec;
            outcome_t outcome;
            worker_source_t source; /* of a stream's */
        } publish;                  /* outcome's bytes: valid during this step's actions */
        struct {
            const spec_t *spec;
            int32_t lane, partition;
            int64_t whole;
        } pass;
        struct {
            int32_t lane;
            bool on;
        } lane;
        struct {
            worker_item_t *item;
            const char *job;
            int32_t lane, partition; /* its own lane, which says the topic; and where the copy goes */
            uint64_t index;
            const uint8_t *in;
            size_t in_len;
            uint32_t hops, attempts;
        } hand_off;
        struct {
            uint32_t free_n; /* slots */
        } beg;
        struct {
            int32_t lane;
            int64_t offset;
            const char *metadata;
            size_t metadata_len;
            uint64_t number;
            bool is_closing;
        } commit;
        struct {
            uint64_t number;
        } describe;
        struct {
            int32_t lane;
            int64_t from;
            bool on;
        } watch;
        struct {
            int32_t lane;
            int64_t from;
        } fetch;
        struct {
            int32_t lane;
            int64_t offset, ms;
        } witness;
        struct {
            int32_t lane, partition;
            int64_t offset;
            bool is_done; /* false: the claim is given up */
            uint32_t attempts, charges, log;
            char job[JOB_ID_MAX + 1]; /* for the record's key */
            char member[COMMIT_MEMBER_MAX + 1];
        } tell;
        struct {
            tokens_request_t request;
        } sync;
        struct {
            const spec_t *spec;
            end_reason_t reason;
        } end;
        struct {
            int32_t lane;
            int64_t offset;
            const char *key;
            size_t key_len;
            const void *value;
            size_t value_len;
            const char *why;
            worker_item_t *item;
        } dead;
        struct {
            int32_t lane;
        } let_go;
        struct {
            void *payload;
        } release;
        struct {
            bool on;
        } intake;
        struct {
            fanmap_log_level_t level;
            int32_t lane; /* that it is about; -1: none */
            char line[200];
        } note;
    };
} worker_action_t;

typedef struct {
    worker_action_t *at;
    size_t n, cap;
    bool failed; /* out of memory: the worker must stop */
} worker_actions_t;
void worker_actions_clear(worker_actions_t *actions);
void worker_actions_free(worker_actions_t *actions);

/* The config is copied. NULL: out of memory. */
worker_t *worker_new(const worker_config_t *config);
/* Appends a WORKER_RELEASE for every payload still held; only worker_free may follow. */
void worker_abandon(worker_t *worker, worker_actions_t *actions);
/* Frees everything at once, without actions. */
void worker_free(worker_t *worker);
/* Appends to `actions`; the shell carries them out in order before the next step. */
void worker_step(worker_t *worker, const worker_event_t *event, worker_actions_t *actions);
/* The run number that the slot gave to a WORKER_RUN. */
void worker_ran(worker_t *worker, worker_item_t *item, uint32_t n);
/* When to send WORKER_TICK at the latest. */
int64_t worker_next_ms(const worker_t *worker);

/* For `show`, the progress line and the tests. */
typedef struct {
    uint64_t handed;                   /* items that went to other workers */
    uint64_t queued, delayed, running; /* items; running counts slots, not what waits in them */
    uint64_t publishing, done, retried, killed, payload_bytes, dead_letters;
    uint64_t lost; /* offsets that retention took unread */
    uint32_t partitions, slots_up;
    bool wants_intake;
    bool is_dealt; /* a rebalance has said what it owns, and that was not lost since */
} worker_stats_t;
void worker_stats(const worker_t *worker, worker_stats_t *ret);
/* What runs, longest first, as of the last step: of each job the attempt that has run here for longest, then, as far as there is room,
 * the longest of the others. At most `max`; how many there are. */
typedef struct {
    char job[JOB_ID_MAX + 1];
    uint64_t index;
    uint32_t attempt;
    int64_t running_ms;
} worker_oldest_t;
/* The attempt that a slot runs under this number; false: none of ours. Valid until the next step. */
typedef struct {
    const char *job;
    uint64_t index;
    uint32_t attempt;
    const spec_t *spec;
    int64_t since_ms; /* as of the last step: when it, or what ran before it in its slot, began */
} worker_attempt_t;
bool worker_attempt(const worker_t *worker, uint32_t slot, uint32_t n, worker_attempt_t *ret);
/* Of each task of which a partition is owned one such partition, another each time. How many. */
size_t worker_seats(worker_t *worker, worker_seat_t *ret, size_t max);
/* It holds a partition of the task's topic. */
bool worker_has_partition(const worker_t *worker, uint32_t task);
/* Nothing is in hand here, and a job of its tasks is open that is not paused: its items are elsewhere, or lost. */
bool worker_is_stranded(const worker_t *worker);
/* When the last item of the task that waits here would start, in ms; 0: soon, or nothing waits. */
uint64_t worker_backlog_ms(const worker_t *worker, uint32_t task);
size_t worker_oldest(const worker_t *worker, worker_oldest_t *ret, size_t max);
/* Of each lane of a stream here whose first unfinished record has been in hand for HEAD_STUCK_MS or longer: that record, and what
 * it waits for. At most `max` lanes; how many there are. */
enum { HEAD_STUCK_MS = 3000 };
typedef enum { HEAD_WAITS, HEAD_DELAYED, HEAD_RUNS, HEAD_IS_STORED } worker_head_state_t;
typedef struct {
    int32_t partition;
    int64_t offset;
    uint32_t attempt;
    worker_head_state_t state;
    int64_t ms; /* DELAYED: until its next try; RUNS: for so long; else: in hand for so long */
} worker_head_t;
size_t worker_heads(const worker_t *worker, int64_t now_ms, worker_head_t *ret, size_t max);
/* Of each job with something here: how much of it waits for a start, for its next try, and runs. retry_ms: within so
 * much time the first of the latter has its next try (of many, some are looked at). At most `max` jobs; how many there
 * are. */
typedef struct {
    char job[JOB_ID_MAX + 1];
    uint64_t queued, delayed, running;
    int64_t retry_ms;
    bool is_paused;
} worker_waiting_t;
size_t worker_waiting(const worker_t *worker, worker_waiting_t *ret, size_t max);
/* Running attempts of one job: slots that hold at least one of its runs (the simulation's invariant). */
uint64_t worker_running(const worker_t *worker, const char *id);

#endif
