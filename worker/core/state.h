/* The worker as its core sees it. The nouns have headers of their own: item, job, part (with claims and names), slot.
 *
 * Counting: job->running and the token demand count slots that hold at least one run of the job. What waits unstarted in a slot
 * uses no token, because the slot runs one at a time.
 */
#ifndef WORKER_CORE_STATE_H
#define WORKER_CORE_STATE_H

#include "base/invariant.h"
#include "base/random.h"
#include "worker/core/batch.h"
#include "worker/core/claims.h"
#include "worker/core/handoff.h"
#include "worker/core/names.h"
#include "worker/core/slot.h"

enum { BUDGET_MOST = 8 /* sixths of what intake pauses at */ };

struct worker {
    worker_config_t config;
    char **tasks;
    char incarnation[TOKENS_INCARNATION_MAX + 1];
    size_t member_len;
    char member[COMMIT_MEMBER_MAX + 1], lost_member[COMMIT_MEMBER_MAX + 1]; /* ours now, and before the last loss */
    uint32_t lost_n;
    random_t random, log_random; /* of backoff; of the numbers of logs */
    int64_t now_ms, broker_ms;
    uint64_t steps;
    worker_actions_t *actions; /* of the present step */
    bool failed;

    item_pool_t pool;
    worker_part_t **parts; /* by lane */
    uint32_t parts_n;      /* highest lane + 1 */
    worker_job_t *jobs;    /* table by id */
    worker_job_t *recent;  /* of the last record */
    worker_job_t *active;
    size_t active_n;
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
    item_list_t keys_due;        /* RECEIVED ones of streams whose turn among those of their key has come */
    worker_item_t *suspect;      /* the one that is named or runs */
    worker_part_t *suspect_part; /* its end is to be committed: by a commit later than ... */
    uint64_t suspect_number;
    bool is_window_full; /* of some partition, perhaps */
    bool intake_on, is_draining, is_drained;
    int64_t paused_ms; /* since when intake pauses for what is in hand; 0: it does not */
    bool is_deferring; /* it has paused for long: what comes of a job that has its share is put off */
    struct {
        size_t items, bytes;
    } bounds[BUDGET_MOST + 1];
    size_t deferred_n;      /* runs of records that were put off */
    bool must_fetch;        /* what is read again may be something else now */
    int64_t fetch_again_ms; /* a reader has failed; 0: none */
    uint32_t fetch_next;    /* whose turn it is */
    bool is_held;           /* nothing starts */
    bool is_committing;     /* draining: the last commits are under way */
    int64_t drain_end_ms, drain_over_ms, commit_next_ms;
    int64_t beg_at_ms, beg_wait_ms; /* handoff.c; 0: not hungry */
    uint64_t copies_n;              /* under way to other workers, */
    int64_t copies_since_ms;        /* and since when none of them has arrived */
    worker_stats_t stats;
    worker_counts_t *counts; /* of each task */
};

/* actions.c: room for more; false: there is no memory. */
bool actions_grow(worker_t *w);
/* Appends an action; NULL when memory ran out (the worker has failed). */
static inline worker_action_t *act(worker_t *w, worker_action_type_t type)
{
    worker_actions_t *a = w->actions;
    if (a->n == a->cap && !actions_grow(w))
        return NULL;
    worker_action_t *action = &a->at[a->n++];
    action->type = type;
    return action;
}
void note(worker_t *w, fanmap_log_level_t level, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same about a lane, which the shell names. */
void note_part(worker_t *w, fanmap_log_level_t level, const worker_part_t *part, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* intake.c: records of the lanes, and whether more are wanted. */
void intake_item(worker_t *w, const worker_event_t *event);
void intake_gap(worker_t *w, int32_t lane, int64_t from, int64_t to);
void intake_fetched(worker_t *w, const worker_event_t *event);
void intake_fetch_over(worker_t *w, int32_t lane, int64_t low);
void intake_turn(worker_t *w);
int64_t intake_next_ms(const worker_t *w);

/* budget.c */
void budget_begin(worker_t *w);
/* So many sixths of what intake pauses at are in hand, by bytes or by items. */
bool budget_holds(const worker_t *w, size_t sixths);
/* One more may be in hand. */
bool budget_has_room(const worker_t *w);

/* filing.c */
/* A soundly decoded item whose claim, if it had one, is over: published as crashed, left, dropped, or enqueued. */
void item_file(worker_t *w, worker_item_t *item);

/* backoff.c */
void backoff_delay(worker_t *w, worker_item_t *item, int64_t wait_ms);
int64_t backoff_wait_ms(worker_t *w, const spec_t *spec, uint32_t attempts);
void backoff_turn(worker_t *w);

/* limits.c: tokens, and how soon after one start another may follow. */
bool limits_has_rate(const worker_job_t *job);
/* It has a limit or a rate that workers share. */
bool limits_need_tokens(const worker_t *w, const worker_job_t *job);
/* Its spec has just come. */
void limits_take_rate(const worker_t *w, worker_job_t *job);
void limits_started(worker_t *w, worker_job_t *job);
/* The rate lets one more start now. */
bool limits_paced(const worker_t *w, const worker_job_t *job);
void limits_begin(worker_t *w, worker_job_t *job);
void limits_turn(worker_t *w, worker_job_t *job); /* demand, verdict, excess, lapse, request */
void limits_end(worker_t *w, worker_job_t *job);
bool limits_room(const worker_t *w, const worker_job_t *job); /* one more slot may run it */
bool limits_over(const worker_t *w, const worker_job_t *job); /* more run than may */
void limits_reply(worker_t *w, const char *id, uint64_t seq, const tokens_reply_t *reply);
void limits_wake(worker_t *w, const char *id);

/* publish.c */
/* The item's terminal outcome goes out; its payload is given back. */
void outcome_publish(worker_t *w, worker_item_t *item, const outcome_t *outcome);
/* It is no input: its outcome is said without an attempt. */
void outcome_bad_input(worker_t *w, worker_item_t *item);
/* It killed too many: its outcome is said without another attempt. */
void outcome_crashed(worker_t *w, worker_item_t *item);
/* False: it is not. */
bool outcome_too_large(worker_t *w, worker_item_t *item);

/* outcomes.c: what attempts say, and what is stored. */
void outcome_done(worker_t *w, const worker_event_t *event);
void outcome_down(worker_t *w, const worker_event_t *event);
void outcome_stored(worker_t *w, worker_item_t *const *items, size_t n);
void outcome_end_written(worker_t *w, const char *id);
void outcome_end_stored(worker_t *w, const char *id);

#endif
