/* What the worker's core consists of, for the files of the core alone (core, intake, partitions, jobs, schedule, retry,
 * limits, outcomes, closing). Which file answers for what is said at the functions below.
 *
 * Counting: job->running and the token demand count slots that hold at least one run of the job. What waits unstarted
 * in a slot uses no token, because the slot runs one at a time.
 */
#ifndef WORKER_CORE_STATE_H
#define WORKER_CORE_STATE_H

#include "base/random.h"
#include "base/table.h"
#include "schemas/item.h"
#include "worker/core/core.h"
#include "worker/core/item.h"
#include "worker/core/lanes.h"
#include "worker/core/tracker.h"

enum {
    TAKE_BACK_AFTER_MS = 5, /* the running one outlasts this: what waits behind it goes back to the queue */
    AHEAD_TARGET_US = 2000, /* how much work may wait unstarted in a slot */
    SOFT_KILL_MS = 500,     /* cancelled attempts have so long before they are killed without grace */
    UNUSABLE_WAIT_MS = 1000,
    DROP_STEP = 1024, /* queued items of an ended job that one step drops */
};

typedef struct worker_job worker_job_t;
typedef struct worker_part worker_part_t;

/* Offsets that this worker leaves alone: items of a job with a limit where there are no tokens. */
typedef struct {
    worker_part_t *part;
    uint32_t ownership;
    int64_t from, to;
} left_range_t;

struct worker_job {
    char id[JOB_ID_MAX + 1];
    uint32_t key;
    spec_t *spec; /* NULL: not known */
    uint8_t *bound;
    uint64_t concurrency, concurrency_version, paused_version;
    uint64_t zero_version; /* the last version seen at which there was no limit */
    uint64_t zero_query;   /* that news does not count before this query of the jobs topic's end is answered; 0: none */
    bool paused, was_noted;
    bool lacks_tokens;       /* it has a limit, and there is no Redis here: its items are left to others */
    bool is_closing;         /* its end is known here and not yet stored on the jobs topic: nothing of it starts */
    bool is_ended;           /* its end is on the jobs topic */
    bool halt_heard;         /* JOB/halt was there; it is obeyed by jobs with a rule "soon" and by no other */
    bool is_halting;         /* --halt soon: nothing more of it starts, what has not started is cancelled */
    end_reason_t end_reason; /* end_written: which one */
    bool end_written;        /* WRITE_END went out */
    bool is_frozen, is_killing;
    lanes_t queue;       /* RECEIVED, QUEUED */
    item_list_t refence; /* QUEUED ones that wait for a new grant */
    item_list_t delayed; /* DELAYED */
    item_list_t closing; /* CLOSING */
    item_list_t unnamed; /* QUEUED ones that start only after a commit: worker/core/poison.c */
    bool is_wary;        /* some of `unnamed` may wait for more than the horizon */
    item_list_t claimed; /* CLAIMED */
    uint64_t items_n, running;
    uint32_t names_n; /* of its items, those whose name is asked for or held */
    uint64_t run_us;  /* moving average of an attempt; 0: not known */
    tokens_t *tokens;
    int64_t lapse_sent;
    uint64_t keep_sent, want_sent, asked_fence;
    left_range_t *left;
    size_t left_n, left_cap;
    worker_job_t *turn_prev, *turn_next; /* the ring of those that can start something */
    bool in_turn;
    worker_job_t *active_prev, *active_next; /* with items, attempts or tokens */
    bool is_active;
    worker_job_t *marked_next; /* those that jobs_settle looks at */
    bool is_marked, must_withdraw;
    UT_hash_handle hh;
};

/* What a commit says of an item that runs, or ran, at another member. */
typedef struct {
    int64_t offset;
    unsigned missed; /* how often in a row the member was missing from the group */
    char member[COMMIT_MEMBER_MAX + 1];
} claim_t;

typedef struct {
    uint64_t number; /* of the first commit that says it */
    int64_t offset;
} horizon_t;
enum { HORIZONS_MAX = 4 };

/* What commits say runs here, until the item is finished or a commit without it is accepted. */
typedef struct {
    commit_count_t counts; /* as far as it was dropped with any; begins with the offset */
    uint64_t number;       /* of the last commit that says it */
} said_t;

/* An item that outlived a revocation, to be matched when its record comes again. */
typedef struct {
    int64_t offset;
    worker_item_t *item; /* NULL: it is over */
} survivor_t;

struct worker_part {
    int32_t number;                       /* its lane */
    int32_t partition;                    /* its number in its topic */
    uint32_t task;                        /* whose items it has */
    bool is_owned, is_revoking, is_dirty; /* dirty: a commit would say something new */
    uint32_t ownership;
    int64_t revoke_end_ms;
    tracker_t tracker;
    worker_item_t *items;          /* by part_next */
    uint64_t runs_n, publishing_n; /* RUNNING; PUBLISHING and CLOSING */
    int64_t committed;
    int64_t mark;         /* items below it start only after a commit that names them; -1: none */
    int64_t horizon;      /* items below it may start: an accepted commit of this ownership said so */
    int64_t horizon_sent; /* what the last commit says */
    horizon_t horizons[HORIZONS_MAX];
    uint32_t horizons_n;
    bool must_commit;                                     /* as soon as the commit before is answered */
    uint64_t first_number, asked_number, answered_number; /* of commits of this ownership */
    claim_t *claims;                                      /* of others, ascending */
    uint32_t claims_n;
    bool is_watched;       /* for notes about them */
    size_t members_bytes;  /* what their members' ids take in a commit */
    uint32_t kept_n;       /* items claimed by us */
    uint32_t names_n;      /* items with a name asked for or held */
    buf_t metadata;        /* of the last commit, */
    uint64_t commit_step;  /* which is of this step */
    bool has_tried;        /* some of `items` may be tried: commits look for their counts */
    buf_t counts;          /* commit_count_t of items that were dropped while it is revoked */
    buf_t said;            /* said_t: what the next owner charges if we are lost now and do not release it */
    survivor_t *survivors; /* ascending */
    size_t survivors_n;
};

typedef struct {
    bool is_up, is_idle, is_taking, is_frozen;
    bool has_unstarted; /* perhaps: a run was put behind another since the last answer to a TAKE_BACK */
    worker_job_t *job;
    item_list_t runs; /* head: what runs */
    size_t bytes;     /* of the inputs behind the head */
    int64_t head_since_ms;
    bool is_killing, is_killed_hard; /* of the head */
    int64_t kill_hard_at_ms;
} worker_slot_t;

struct worker {
    worker_config_t config;
    char **tasks;
    char incarnation[TOKENS_INCARNATION_MAX + 1];
    char member[COMMIT_MEMBER_MAX + 1], lost_member[COMMIT_MEMBER_MAX + 1]; /* ours now, and before the last loss */
    uint32_t lost_n;
    random_t random;
    int64_t now_ms, wall_ms;
    uint64_t steps;
    worker_actions_t *actions; /* of the present step */
    bool failed;

    item_pool_t pool;
    worker_part_t **parts; /* by lane */
    uint32_t parts_n;      /* highest lane + 1 */
    worker_job_t *jobs;    /* table by id */
    worker_job_t *recent;  /* of the last record */
    worker_job_t *active;
    worker_job_t *marked;
    worker_job_t *turn;
    size_t turn_n;
    uint32_t job_keys;
    worker_slot_t *slots;
    uint32_t *idle; /* stack of slot numbers */
    uint32_t idle_n;
    heap_t delayed;
    uint64_t queries_sent, queries_answered;
    bool query_wanted;
    bool has_zeros;                        /* some job has a zero_query */
    uint64_t commits_n;                    /* their numbers */
    bool is_doubtful;                      /* it was stopped for so long that its partitions may be someone else's */
    uint64_t doubt_commit, doubt_describe; /* only later commits and descriptions end the doubt */
    struct {
        uint64_t number, void_up_to; /* of questions; answers to those up to void_up_to came too late */
        bool is_asked;
        int64_t asked_ms, next_ms, listed_ms; /* listed: when the last question was asked that found us a member */
    } describe;
    uint32_t claims_n, kept_n; /* over all partitions */
    bool has_unnamed;          /* some job's `unnamed` may not be empty */
    uint32_t names_n;
    worker_item_t *suspect;      /* the one that is named or runs */
    worker_part_t *suspect_part; /* its end is to be committed: by a commit later than ... */
    uint64_t suspect_number;
    bool is_window_full; /* of some partition, perhaps */
    bool intake_on, is_draining, is_drained;
    bool is_committing; /* draining: the last commits are under way */
    int64_t drain_end_ms, drain_over_ms, commit_next_ms;
    worker_stats_t stats;
};

/* core.c: appends an action; NULL when memory ran out (the worker has failed). */
worker_action_t *act(worker_t *w, worker_action_type_t type);
void note(worker_t *w, fanmap_log_level_t level, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same about a lane, which the shell names. */
void note_part(worker_t *w, fanmap_log_level_t level, const worker_part_t *part, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* intake.c: records of the items topic, and whether more are wanted. */
void intake_item(worker_t *w, const worker_event_t *event);
void intake_gap(worker_t *w, int32_t lane, int64_t from, int64_t to);
void intake_turn(worker_t *w);
/* Gives the payload back; the item stays. */
void item_release(worker_t *w, worker_item_t *item);
/* The item is over: out of everything that knows it. */
void item_discard(worker_t *w, worker_item_t *item);
/* The same, and its offset needs nothing more. */
void item_finish(worker_t *w, worker_item_t *item);
/* False: its partition went, or came back without it. */
bool item_is_ours(const worker_item_t *item);
/* True: ours, or claimed by us: an attempt of it may run here. */
bool item_is_kept(const worker_item_t *item);
/* True: it may go (back) into its job's queue. */
bool item_may_run(const worker_item_t *item);
void item_set_state(worker_item_t *item, item_state_t state);
bool item_is_published(const worker_item_t *item);
/* Commits say what it has used: attempts while there is one to come, charges in any case. */
bool item_is_tried(const worker_item_t *item);
/* One that was claimed by us and is given up. */
void item_hand_back(worker_t *w, worker_item_t *item);
/* An item that was in a slot and is not over: back into its queue, or away. */
void item_requeue(worker_t *w, worker_item_t *item);

/* partitions.c: ownership. */
worker_part_t *part_get(worker_t *w, int32_t lane); /* NULL: impossible number or no memory */
void part_assigned(worker_t *w, const worker_event_t *event);
void parts_rebalanced(worker_t *w, const char *member);
void part_revoked(worker_t *w, int32_t lane, bool may_wait);
void part_let_go(worker_t *w, worker_part_t *part); /* closes it, at the end of a revocation */
void parts_lost(worker_t *w);
/* The survivor at this offset, adopted into the present ownership; NULL: none. */
worker_item_t *part_adopt(worker_t *w, worker_part_t *part, int64_t offset);
void part_forget_survivor(worker_part_t *part, const worker_item_t *item);
void parts_free(worker_t *w);

/* commits.c: what is committed, and what that proves. */
void part_commit(worker_t *w, worker_part_t *part, bool is_closing);
void part_committed(worker_t *w, const worker_event_t *event);
void parts_turn(worker_t *w);
/* After a gap: nothing starts until the group has shown that it still knows us. */
void parts_doubt(worker_t *w);
/* Commits everything, clean, because nothing runs any more. */
void parts_commit_all(worker_t *w);
bool parts_are_committed(const worker_t *w);
int64_t parts_next_ms(const worker_t *w);
/* The attempts that an item of a partition under revocation has used go into the closing commit. */
void part_note_counts(worker_t *w, worker_part_t *part, const worker_item_t *item);
/* How many names fit into a commit of this partition. */
uint32_t part_names_max(const worker_t *w, const worker_part_t *part);
int by_offset(const void *a, const void *b); /* for structs that begin with the offset, or offsets */

/* said.c: what commits of this ownership say runs here. */
void said_add(worker_t *w, worker_part_t *part, int64_t offset, uint64_t number);
/* Forgets what is finished, and what no commit from `number` on says. */
void said_prune(worker_part_t *part, uint64_t number);
/* The item is dropped: the word about it needs its counts. */
void said_note_counts(worker_part_t *part, const worker_item_t *item);
/* We are lost: what is in hand no more is released; of what is, a word is due when it ends. */
void said_release(worker_t *w, worker_part_t *part);

/* claims.c: what stays with whom after a partition changed hands. */
void claims_found(worker_t *w, worker_part_t *part, const commit_meta_t *meta);
void claims_forget(worker_t *w, worker_part_t *part);
void claims_prune(worker_t *w, worker_part_t *part); /* of what is finished */
const claim_t *claim_find(const worker_part_t *part, int64_t offset);
void claims_note(worker_t *w, worker_part_t *part, const item_t *note);
void claims_heard(worker_t *w, const worker_event_t *event);
void claims_members(worker_t *w, const worker_event_t *event);
void claims_turn(worker_t *w);
int64_t claims_next_ms(const worker_t *w);
/* Sets or takes away our claim. */
void item_claim(worker_t *w, worker_item_t *item, bool on);
/* True: it ran here under a member id that is given up. */
bool item_is_lost(const worker_t *w, const worker_item_t *item);
/* The word about an item that was claimed or lost by us: it is done, or given up. */
void item_tell(worker_t *w, worker_item_t *item, bool is_done);
/* The next question counts only if it is asked from now on. */
void claims_void_answers(worker_t *w);

/* poison.c: names before starts. */
/* Into its job's queue, or to where it must wait: for a commit, or for another's claim. */
void item_enqueue(worker_t *w, worker_item_t *item, bool at_front); /* at_front: of those that wait for a commit */
/* Into its job's queue. */
void item_queue(worker_t *w, worker_item_t *item);
/* A soundly decoded item whose claim, if it had one, is over: published as crashed, left, dropped, or enqueued. */
void item_file(worker_t *w, worker_item_t *item);
void item_drop_name(worker_t *w, worker_item_t *item);
/* It runs, its claim is over and its partition is ours again: commits go on naming it, and no suspect starts beside it.
 */
void item_hold_name(worker_t *w, worker_item_t *item);
void item_end_suspect(worker_t *w, worker_item_t *item);
bool item_has_room(const worker_t *w, const worker_item_t *item); /* its name fits if it starts in a slot of its own */
bool part_has_ample_room(const worker_t *w, const worker_part_t *part);
void names_turn(worker_t *w);
void names_accepted(worker_t *w, worker_part_t *part, uint64_t number);
void names_withdraw(worker_t *w, worker_job_t *job); /* it may not start any more */
/* What ran took the guardian of all slots down: from here on it is as after the death of a worker. */
void names_guardian_lost(worker_t *w);

/* unknown.c: items of jobs that are not known, and how far the jobs topic was read. */
void jobs_position(worker_t *w, bool at_end);
/* The item goes to the dead letters. */
void item_bury(worker_t *w, worker_item_t *item, const char *why);
/* Asks for the end of the jobs topic; gives the number of the query whose answer holds for what was asked now. */
uint64_t jobs_ask_end(worker_t *w);

/* jobs.c: the table of jobs, and items of jobs that are ended or cannot be run here. */
worker_job_t *job_get(worker_t *w, const char *id, size_t len); /* makes one; NULL: not a job id, or no memory */
worker_job_t *job_find(worker_t *w, const char *id);
void jobs_record(worker_t *w, const jobs_record_t *record);
void job_end(worker_t *w, worker_job_t *job);
void job_leave(worker_t *w, worker_job_t *job, worker_part_t *part, int64_t offset);
void jobs_turn(worker_t *w);
int64_t jobs_next_ms(const worker_t *w);
void job_policy_changed(worker_t *w, worker_job_t *job);
void job_activate(worker_t *w, worker_job_t *job);
void jobs_free(worker_t *w);
/* Nothing but tokens, slots and turns stands between its items and their start. */
bool job_may_start(const worker_job_t *job);

/* settle.c: what follows from changes. */
/* Its queue, policy, tokens or slots changed: jobs_settle draws the conclusions, once, at the end of the step. */
void job_mark(worker_t *w, worker_job_t *job);
/* The same, and what waits unstarted in slots or under a name is taken back: nothing of it may start any more, for now. */
void job_stop_starting(worker_t *w, worker_job_t *job);
/* It is about to be freed. */
void job_unmark(worker_t *w, const worker_job_t *job);
void jobs_settle(worker_t *w);

/* schedule.c: which job's items go to which slot. */
void schedule_job(worker_t *w, worker_job_t *job);  /* its queue, policy or tokens changed: in the ring, or out */
void schedule_turn(worker_t *w);                    /* gives idle slots work */
void schedule_refill(worker_t *w, uint32_t number); /* more of the same job behind what runs */
int64_t schedule_next_ms(const worker_t *w);
void schedule_tick(worker_t *w);
void slot_up(worker_t *w, uint32_t number);
void slot_leave_idle(worker_t *w, uint32_t number);
worker_item_t *slot_find(worker_t *w, uint32_t number, uint32_t n);
void slot_take_out(worker_t *w, uint32_t number, worker_item_t *item);
void slot_emptied(worker_t *w, uint32_t number); /* when nothing is left in it: the token is free, and so is the slot */
void slot_taken_back(worker_t *w, uint32_t number, uint32_t n);
void slot_take_back(worker_t *w, uint32_t number);
void slot_kill(worker_t *w, uint32_t number, bool hard);
/* After a change of heads: kills what must not run (its job ended, its partition gone). */
void slot_review(worker_t *w, uint32_t number);
/* Unstarted runs are taken back: in slots that hold items of the partition (NULL: in all), or that run the job. */
void slots_withdraw(worker_t *w, const worker_part_t *part);
void slots_withdraw_job(worker_t *w, const worker_job_t *job);

/* retry.c: backoff. */
void retry_later(worker_t *w, worker_item_t *item, int64_t wait_ms);
int64_t retry_backoff_ms(worker_t *w, const spec_t *spec, uint32_t attempts);
void retry_turn(worker_t *w);

/* unlimited.c: changes of N. */
void unlimited_news(worker_t *w, worker_job_t *job, uint64_t n, uint64_t version);
void unlimited_answered(worker_t *w);

/* limits.c: tokens. */
void limits_begin(worker_t *w, worker_job_t *job);
void limits_turn(worker_t *w, worker_job_t *job); /* demand, verdict, excess, lapse, request */
void limits_end(worker_t *w, worker_job_t *job);
bool limits_room(const worker_t *w, const worker_job_t *job); /* one more slot may run it */
bool limits_over(const worker_t *w, const worker_job_t *job); /* more run than may */
void limits_reply(worker_t *w, const char *id, uint64_t seq, const tokens_reply_t *reply);
void limits_wake(worker_t *w, const char *id);

/* outcomes.c: what attempts say, and what is stored. */
void outcome_done(worker_t *w, const worker_event_t *event);
void outcome_down(worker_t *w, const worker_event_t *event);
/* It killed too many: its outcome is said without another attempt. */
void outcome_crashed(worker_t *w, worker_item_t *item);
void outcome_stored(worker_t *w, worker_item_t *const *items, size_t n);
void outcome_end_written(worker_t *w, const char *id);
void outcome_end_stored(worker_t *w, const char *id);
/* The item's terminal outcome goes out; its payload is given back. */
void outcome_publish(worker_t *w, worker_item_t *item, const outcome_t *outcome);

/* closing.c: a job that ends before its items do. */
/* Writes `end` to the job's log, once; nothing of the job starts any more. */
void closing_write_end(worker_t *w, worker_job_t *job, end_reason_t reason);
void closing_check_deadline(worker_t *w, worker_job_t *job);
/* Takes unstarted items of a halting job out as `cancelled`, some a step. */
void closing_cancel_some(worker_t *w, worker_job_t *job);

#endif
