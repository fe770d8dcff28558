/* A job as this worker knows it: struct, table, what is known of it, and its end. */
#ifndef WORKER_CORE_JOB_H
#define WORKER_CORE_JOB_H

#include "base/table.h"
#include "schemas/jobs.h"
#include "tokens/tokens.h"
#include "worker/core/core.h"
#include "worker/core/lanes.h"
#include "worker/core/metrics.h"
#include "worker/core/pace.h"

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
    size_t id_len;
    uint32_t key;
    spec_t *spec;  /* NULL: not known */
    uint32_t task; /* its place among ours, once the spec is known: job_task */
    uint8_t *bound;
    int64_t appended_ms, heard_ms; /* of its spec: by the broker's clock (0: not known), and when it came here */
    uint64_t concurrency, concurrency_version, paused_version;
    uint64_t zero_version; /* the last version seen at which there was no limit */
    uint64_t zero_query;   /* that news does not count before this query of the jobs topic's end is answered; 0: none */
    bool paused, was_noted;
    bool lacks_tokens;           /* it has a limit, and there is no Redis here: its items are left to others */
    bool is_closing;             /* its end is known here and not yet stored on the jobs topic: nothing of it starts */
    bool is_ended;               /* its end is on the jobs topic */
    bool is_forgotten;           /* its spec was taken from there again: it is gone once nothing of it is in hand */
    bool halt_heard;             /* JOB/halt was there; it is obeyed by jobs with a rule "soon" and by no other */
    bool is_halting;             /* --halt soon: nothing more of it starts, what has not started is cancelled */
    end_reason_t end_reason;     /* end_written: which one */
    bool end_written;            /* WRITE_END went out */
    int64_t hold_until_ms;       /* an outcome from here closes or halts it: until then nothing starts; 0: none did */
    uint64_t failed_n, values_n; /* published by this worker */
    bool is_frozen, is_killing;
    lanes_t queue;       /* RECEIVED, QUEUED */
    item_list_t refence; /* QUEUED ones that wait for a new grant */
    item_list_t delayed; /* DELAYED */
    item_list_t closing; /* CLOSING */
    item_list_t unnamed; /* QUEUED ones that start only after a commit: worker/core/poison.c */
    bool is_wary;        /* some of `unnamed` may wait for more than the horizon */
    item_list_t claimed; /* CLAIMED */
    uint64_t items_n, running;
    size_t payload_bytes;   /* of its items */
    uint64_t deferred_n;    /* records that were put off, */
    bool is_refilled;       /* and are read again now */
    uint32_t names_n;       /* of its items, those whose name is asked for or held */
    uint64_t run_us;        /* moving average of an attempt; 0: not known */
    int64_t lacks_token_ms; /* since when its items wait for a token; 0: they do not */
    int64_t batch_due_ms;   /* its queue need not be full for a call from then on; 0: that has been said */
    tokens_t *tokens;
    pace_t pace; /* of a worker that is alone; else the tokens keep the rate */
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

/* job_table.c */
worker_job_t *job_get(worker_t *w, const char *id, size_t len); /* makes one; NULL: not a job id, or no memory */
worker_job_t *job_find(worker_t *w, const char *id);
void job_forget(worker_t *w, worker_job_t *job);
/* How many more of this worker's outcomes it takes at least to close or halt it; SIZE_MAX: only a reader of its log
 * can tell. */
size_t job_outcomes_left(const worker_job_t *job);
/* It has ended: only that is kept. */
void job_forget_spec(worker_job_t *job);
/* The place of its task among ours, by its spec; as many as there are: it is none of ours. */
uint32_t job_task(const worker_t *w, const worker_job_t *job);
void jobs_free(worker_t *w);
/* Nothing but tokens, slots and turns stands between its items and their start. */
bool job_may_start(const worker_job_t *job);
void job_activate(worker_t *w, worker_job_t *job);
void job_deactivate(worker_t *w, worker_job_t *job);
/* Its queue, policy, tokens or slots changed: jobs_settle draws the conclusions, once, at the end of the step. */
void job_mark(worker_t *w, worker_job_t *job);
/* The same, and what waits unstarted in slots or under a name is taken back: nothing of it may start any more, for now. */
void job_stop_starting(worker_t *w, worker_job_t *job);

/* settle.c */
void jobs_settle(worker_t *w);

/* jobs.c: what the jobs topic says, and what is due. */
void jobs_record(worker_t *w, const jobs_record_t *record, int64_t appended_ms);
void jobs_turn(worker_t *w);
int64_t jobs_next_ms(const worker_t *w);

/* policy.c */
void job_policy_changed(worker_t *w, worker_job_t *job);

/* left.c */
void job_leave(worker_t *w, worker_job_t *job, worker_part_t *part, int64_t offset);
/* It has ended: what was left to others needs nobody. */
void job_finish_left(worker_job_t *job);

/* closing.c: a job that ends before its items do. */
/* Writes `end` to the job's log, once; nothing of the job starts any more. */
void closing_write_end(worker_t *w, worker_job_t *job, end_reason_t reason);
/* On this worker's clock; INT64_MAX: it has none. */
int64_t job_deadline_ms(const worker_t *w, const worker_job_t *job);
void closing_check_deadline(worker_t *w, worker_job_t *job);
/* Takes unstarted items of a halting job out as `cancelled`, some a step. */
void closing_cancel_some(worker_t *w, worker_job_t *job);
void job_end(worker_t *w, worker_job_t *job);
/* Drops some of the items of a job that has ended. */
void closing_drop_some(worker_t *w, worker_job_t *job);

/* unlimited.c: changes of N. */
void unlimited_news(worker_t *w, worker_job_t *job, uint64_t n, uint64_t version);
void unlimited_answered(worker_t *w);

/* unknown_jobs.c: items of jobs that are not known, and how far the jobs topic was read. */
/* To the dead letters, under the key of its record: its job is not known, or is one of another task; or it has none. */
void item_bury(worker_t *w, worker_item_t *item, const char *key, size_t key_len, worker_dead_t reason,
               const char *why);
void jobs_position(worker_t *w, bool at_end);
/* jobs_query_end.c */
/* Asks for the end of the jobs topic; gives the number of the query whose answer holds for what was asked now. */
uint64_t jobs_request_end(worker_t *w);
void jobs_query_end(worker_t *w);

#endif
