/* One run of the simulation: a whole fleet in this process, and what must hold of it.
 *
 *   jobs and their programs (maker.c) ── fake Kafka (kafka.c, kafka_group.c) ── workers (node.c) ── fake slots (pool.c)
 *                                        fake Redis (redis.c) ──────────────────┘
 *
 * The cores in it are the real ones: producer/core.h, worker/core/core.h with tokens/, aggregator/list.h and order.h, and
 * sync.lua. scenario.c draws a fleet, its jobs and its faults from the seed; check.c looks after every step and at the
 * end. */
#ifndef SIMULATION_SIM_H
#define SIMULATION_SIM_H

#include "aggregator/list.h"
#include "aggregator/order.h"
#include "clock.h"
#include "kafka.h"
#include "node.h"
#include "plan.h"
#include "pool.h"
#include "producer/core.h"
#include "redis.h"

enum { JOBS_MAX = NODE_JOBS_MAX, NODES_MAX = 8, ITEMS_MAX = 400, LINE_MAX_LEN = 200, MAKERS_MAX = 64, HANDS_MAX = 8 };

/* What can be taken out, to show that the simulation notices. Those of the table are other texts of sync.lua. */
typedef enum {
    PROTECTION_NONE,
    PROTECTION_SCRIPT,      /* mutant_t.rule is replaced in sync.lua */
    PROTECTION_FREEZE,      /* nobody freezes at the lapse */
    PROTECTION_ALLOW_FALLS, /* allow stays where it is while a request is on its way */
    PROTECTION_PREFIX,      /* commits stop at unfinished work */
    PROTECTION_STORED,      /* an outcome counts as stored only when Kafka says so */
    PROTECTION_PARKED,      /* items of unknown jobs wait until `jobs` was read */
    PROTECTION_FIRST,       /* of several outcomes of an index the first counts */
    PROTECTION_CHAIN,       /* an input that is read again is compared with the chain of `progress` */
    PROTECTION_OFFSETS,     /* who resumes reads the items partitions from the offsets of `progress` */
    PROTECTION_ANNOUNCED,   /* a newer announcement stops a producer */
    PROTECTION_NAMES,       /* commits name what runs */
    PROTECTION_CLAIMS,      /* closing commits do */
    PROTECTION_NOTES,       /* what was claimed is said to be over */
    PROTECTION_MARKS,       /* what may have run unnamed where a worker died is named before it runs again */
    PROTECTION_CHARGES,     /* charges are handed over */
    PROTECTION_LOSS,        /* a lost worker kills what it runs */
    PROTECTION_CONTROL,     /* a worker reads `jobs` as it grows */
    PROTECTION_BACK,        /* what was told a slot ahead comes back when what runs lasts */
    PROTECTION_WITNESS,     /* a log that is younger than what was read of it is another one */
    PROTECTION_LOG,         /* so is one of another number */
    PROTECTION_NOTE_LOG,    /* a note says of which log it is */
    PROTECTION_BEGINNING,   /* who finds a topic made anew commits it to its beginning */
    PROTECTION_IDLE_LOOK,   /* who has nothing to do looks whether items were lost */
    PROTECTION_VOID,        /* a place for a start is void at a time that the question's leaving sets */
    PROTECTION_SPLIT,       /* a call that failed whole is split */
    PROTECTION_HANDED,      /* what is handed to another worker is done here only when the copy is stored */
    PROTECTION_LAST_WORD,   /* no commit that was asked for before the closing one goes out behind it */
    PROTECTION_FETCH        /* what was put off is read again */
} protection_t;

typedef struct {
    const char *name;
    protection_t what;
    const char *rule, *without; /* PROTECTION_SCRIPT */
    const char *breaks;         /* what the invariant says that must notice it; other failures do not count */
    bool is_about_rates;        /* every job has one */
    bool is_rare; /* seldom decisive here, where others cover for it: not among --mutants (tests/unit/test_token_sim has
                     it, of log-number and note-log tests/unit/golden/worker/remade.txt) */
} mutant_t;

typedef struct {
    bool is_golden;   /* scripted, with fixed latencies, */
    bool has_handoff; /* which then has to be asked for */
    unsigned workers_n, slots_n, jobs_n, tasks_n;
    uint32_t items_partitions, results_partitions; /* of each task; of all jobs */
    uint32_t lease_ms, ahead_n;
    uint32_t revoke_ms; /* how long a worker waits for attempts of a partition it gives up */
    bool revoke_waits;
    bool is_gentle;                   /* workers come and go, nothing breaks */
    bool is_poisoned;                 /* items kill their worker; nothing else does */
    bool is_alone;                    /* whoever lives reaches Kafka: then no item may run twice at once */
    uint32_t names_max, metadata_max; /* of a commit; 0: as it is */
    bool has_jumps;       /* of TIME: fences may go back; or replayed items, whose attempts are another line */
    bool is_about_makers; /* slow inputs, and producers that die or stop */
    bool is_remade;       /* the topics of tasks are deleted and made anew */
    bool is_about_tokens; /* long attempts under small limits, and the faults that concern them */
    int64_t guardian_stall_ms, grace_ms;
    int64_t chaos_ms, fault_every_ms, end_ms;
    unsigned faults[32]; /* the kinds of fault that this run has */
    size_t faults_n;
    size_t items_max; /* a worker's bound */
    size_t order_memory;
    unsigned foreign_permille;
} scenario_t;

typedef struct job job_t;

/* A program that maps: the first one of a job, or one that was started again with the same job id. */
typedef struct {
    job_t *job;
    size_t number;
    char announce[32];
    process_t process;
    producer_t *producer;
    void *reader_arg;
    list_t *list;
    order_t *order;
    buf_t output; /* what it handed out, in order */
    uint64_t next_input, known_told;
    int64_t read_offset, tick_ms, check_end, decided_ms;
    bool input_told, halt_told, is_decided, decided_told, is_finished, is_reading, is_checking, cancel_told;
    end_reason_t reason;
    list_state_t state;
    uint64_t n; /* entries of the decided list */
    /* resuming */
    bool is_resumed, has_read; /* has_read: it may read the log for its caller */
    bool has_said_input;
    prior_t known;
    uint64_t wrong_at;    /* its input differs at this index; UINT64_MAX: nowhere */
    uint64_t announced_n; /* the place of its announcement in the job's log; 0: not stored */
    int64_t announced_ms;
    char told[32];                      /* the announcement that it was told last */
    bool was_there[ITEMS_MAX];          /* had a record when the partitions were read for it */
    uint64_t scan;                      /* of the job's scans the how-manieth was its own; 0: none yet */
    int64_t scanned_to[PARTITIONS_MAX]; /* the partitions' ends then */
} maker_t;

/* One handing on of an item: who gave it, in which of its lives, under which membership. */
typedef struct {
    const process_t *giver;
    uint64_t life, joins;
} sim_hand_t;

struct job {
    char id[16];
    uint64_t hash, plan_seed;
    size_t number;
    int32_t lanes_from; /* the first of its task's */
    uint64_t items_n;
    spec_t spec; /* as configured; producer_spec() has the offset */
    int64_t begin_ms;
    /* the plan */
    int64_t run_ms_min, run_ms_max, run_ms_long;
    int64_t durations_ms[ITEMS_MAX]; /* 0: by the plan */
    unsigned long_permille, fails_permille, fails_for_ever_permille, final_permille, dies_permille, poison_permille,
        kills_permille, bad_permille;
    bool has_source_error, will_cancel, cancels_from_outside, is_create_held;
    /* live control */
    uint64_t limit, limit_version, paused, paused_version;
    uint64_t limit_stored, paused_stored;  /* the highest versions on `jobs` */
    int64_t limit_ms, paused_ms, ended_ms; /* when those, and its end, were stored; 0: not, or not paused */
    uint64_t table_version;                /* the highest the table was told since it last lost its data */
    /* the invariants' own view */
    list_t *truth; /* fed at the moment a record is stored */
    bool is_ended; /* J/end is on `jobs` */
    uint64_t cap, running, attempts;

    int64_t next_start_us, last_start_us, jumps_us; /* of a job with a rate: rate.c */
    uint64_t begun_n;
    bool was_wiped[ITEMS_MAX];  /* its record went before it had an outcome */
    bool was_misled[ITEMS_MAX]; /* it was tried by a worker that took another log's commit for this one's */
    uint64_t fences[ITEMS_MAX]; /* by index: of its last attempt under a limit */
    uint32_t fence_attempts[ITEMS_MAX];
    const pool_t *fence_pools[ITEMS_MAX];
    sim_hand_t hands[ITEMS_MAX][HANDS_MAX]; /* by index: who handed it to another, in this order; NULL: nobody */
    /* the programs that map; the one that was started last is `maker` */
    maker_t *maker, *makers[MAKERS_MAX];
    size_t makers_n;
    int64_t input_every_ms;
    bool is_second_try;       /* of another job, whose outcomes it takes over: */
    buf_t carried[ITEMS_MAX]; /* entries of a pack; len 0: to be run */
    fanmap_kind_t carried_kind[ITEMS_MAX];
    int64_t start_offset; /* of the J/spec that is stored; -1: none */
    int64_t spec_ms;      /* when the first J/spec was stored, by the simulation's time */
    uint64_t announcements_n, scans_n;
    bool was_announced_again; /* a replayed announcement: whoever had the job stops */
    int64_t heard_ms;         /* when a record of a producer was stored last */
};

struct sim {
    uint64_t seed;
    const mutant_t *mutant;
    bool speaks; /* --timeline */
    char (*lines)[LINE_MAX_LEN];
    size_t lines_n;
    char broken[400];
    sim_clock_t clock;
    int64_t wall_ms; /* of the simulation's time 0 */
    scenario_t scenario;
    bool healed;
    kafka_t kafka;
    redis_t redis;
    job_t jobs[JOBS_MAX];
    size_t jobs_n;
    node_t nodes[NODES_MAX];
    size_t nodes_n;
    pool_t *pools;
    uint64_t lost_lives; /* workers that died, stopped or were cut off */
};

/* One line of the timeline. Costs nothing unless the run speaks. */
#define sim_say(sim, ...)                                                                                              \
    do {                                                                                                               \
        if ((sim)->speaks)                                                                                             \
            sim_line(sim, __VA_ARGS__);                                                                                \
    } while (0)
const char *kind_name(fanmap_kind_t kind);
void sim_line(sim_t *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* An invariant does not hold: the first one is kept, and the run ends. */
void sim_break(sim_t *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool sim_protects(const sim_t *sim, protection_t what); /* false: it was taken out */

/* scenario.c */
extern const list_callbacks_t sim_deaf; /* for a list that is asked, and tells nobody */
void scenario_draw(sim_t *sim);
bool scenario_golden(sim_t *sim, const char *name); /* false: no such scenario */
bool scenario_uneven(sim_t *sim, const char *name);
/* 0: no more than `target` times list scheduling; it is said. */
int uneven_measure(double target);
void job_begin(sim_t *sim, job_t *job, size_t number, uint32_t task);
void sim_set_limit(sim_t *sim, job_t *job, uint64_t n);
void sim_pause(sim_t *sim, job_t *job, bool pause);
/* `fanmap cancel` of another program. */
void sim_cancel(sim_t *sim, job_t *job);

uint32_t draw_task(sim_t *sim);
uint32_t sim_task_of(const sim_t *sim, int32_t lane);

/* maker.c */
void maker_start(sim_t *sim, job_t *job);
/* One more program for the job; it begins in delay_ms. prior_init was done in maker->known where it resumes. */
maker_t *maker_new(sim_t *sim, job_t *job);
void maker_launch(sim_t *sim, maker_t *maker, int64_t delay_ms);
void maker_end(job_t *job);
void maker_poke(sim_t *sim, int32_t results_partition);
void maker_cancel(sim_t *sim, job_t *job);
void maker_die(sim_t *sim, maker_t *maker);

/* retry.c: a job more, which runs again what had no value in a job that has ended. */
void retry_job(sim_t *sim, const job_t *old);

/* resubmit.c: programs that are started again */
void resubmit_later(sim_t *sim, const job_t *job, int64_t delay_ms, bool may_be_wrong);
void resubmit_scan(sim_t *sim, maker_t *maker);
/* Looks at what a program is about to say. */
void resubmit_check_put(sim_t *sim, const maker_t *maker, int topic, const producer_action_t *action);
void resubmit_read_log(sim_t *sim, maker_t *maker);
/* A record of the job's log was stored. */
void resubmit_heard(sim_t *sim, job_t *job, const record_t *record);
void resubmit_finished(sim_t *sim, const maker_t *maker);
void resubmit_failed(sim_t *sim, maker_t *maker, const fanmap_error_t *err);
/* The input of an index as this program has it. */
void resubmit_input(buf_t *b, const maker_t *maker, uint64_t index);
void output_put(buf_t *b, const outcome_t *outcome);

/* check.c */
extern const kafka_hooks_t check_hooks;
void sim_attempt_began(sim_t *sim, pool_t *pool, const run_t *run);
void sim_attempt_ended(sim_t *sim, pool_t *pool, const run_t *run, const char *how);
void sim_count(sim_t *sim); /* running attempts against N */
void sim_table_lost(sim_t *sim);
uint64_t sim_table_told(sim_t *sim, const tokens_request_t *request);
bool sim_refuses(const sim_t *sim, const void *key, size_t key_len, const void *value, size_t value_len);
/* The worker takes the commit of another log for that of one of the job's lanes. */
bool check_is_misled(const sim_t *sim, const process_t *worker, size_t j);
/* An item goes to another worker by a copy. */
void sim_handed(sim_t *sim, const process_t *giver, size_t job, uint64_t index);
size_t sim_job(const sim_t *sim, const char *id, size_t len); /* jobs_n: none of ours */
bool sim_is_done(sim_t *sim);
void sim_check_end(sim_t *sim);

/* rate.c */
void rate_draw(const sim_t *sim, job_t *job);
/* Redis's clock jumped. */
void rate_jumped(sim_t *sim);
void rate_started(sim_t *sim, const process_t *worker, size_t j, uint64_t index);

/* control.c */
void control_look(sim_t *sim); /* after every event: who is in touch with Kafka? */
void control_stored(sim_t *sim, job_t *job, const jobs_record_t *record);
void control_began(sim_t *sim, const pool_t *pool, const run_t *run);
/* Whether a worker has had to obey by now what was stored then. */
bool control_has_had_time(const sim_t *sim, const node_t *node, int64_t stored_ms);

/* Runs one seed (or one scripted scenario) to its end. True: every invariant held. */
typedef struct {
    uint64_t seed;
    const char *golden; /* NULL: drawn from the seed */
    const mutant_t *mutant;
    bool speaks;
} sim_config_t;
sim_t *sim_run(const sim_config_t *config);
void sim_free(sim_t *sim);

#endif
