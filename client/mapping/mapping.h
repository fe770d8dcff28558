/* A map from inside.
 *
 *   map.c            how it begins and ends
 *   push.c, item.c   its input; early.c: what comes before the producer; error_json.c: items that stand for an error
 *   produce.c        carries out what the producer core says; delivered.c: what became of it
 *   gathered.c       what the job's own log says to the producer
 *   fleet_limits.c   what workers allow is asked before it begins; no_worker.c: whether there are any;
 *                    waiting.c: why nothing comes
 *   resubmit.c       a job id that is submitted again; retry_failed.c, retry_failed_collect.c: failed items run again;
 *                    item_scan.c: the items partitions, for both
 */
#ifndef CLIENT_MAPPING_MAPPING_H
#define CLIENT_MAPPING_MAPPING_H

#include "client/connection/client.h"
#include "client/gathering/gather.h"
#include "client/joblog/lookup.h"
#include "client/joblog/why.h"
#include "client/mapping/map.h"
#include "producer/core.h"

typedef struct item_scan item_scan_t;
typedef struct resubmit resubmit_t;
typedef struct retry_failed retry_failed_t;
typedef struct stash_entry stash_entry_t;

/* What the bus had no room for; sent in order before anything newer. Bounded by the producer's window. */
typedef struct {
    stash_entry_t *first, **last;
} stash_t;

typedef struct early_item early_item_t;
/* What was pushed before there is a producer. Zeroed is empty. */
typedef struct {
    early_item_t *first, **last;
    size_t n, bytes;
} early_t;

typedef struct {
    loop_timer_t *timer; /* NULL: not watched */
    int64_t since_ms, asked_ms;
    uint64_t known, position, published_before;
    why_cause_t found, said; /* by the last answer; what the log has */
} waiting_t;

struct mapping {
    producer_t *producer; /* NULL: not begun */
    producer_actions_t actions;
    publisher_t publisher;
    stash_t stash;
    early_t early;
    lookup_t *lookup;
    resubmit_t *resubmit;  /* NULL: a new job */
    item_scan_t *scan;     /* the last one */
    retry_failed_t *retry; /* NULL: the items are the caller's */
    fanmap_job_t *source;  /* whose values are its items */
    buf_t bound;           /* spec.bound points here */
    struct {
        buf_t in, refusal; /* the item being pushed, as msgpack; or why it is not sent */
    } item;
    loop_timer_t *timer, *no_worker_timer;
    int64_t timer_ms;    /* what it is set to */
    int64_t deadline_ms; /* loop clock; INT64_MAX: none, or said */
    struct {
        int64_t at_ms;   /* when to ask for the end of the log (again); INT64_MAX: not */
        int64_t until;   /* answer when the log was read so far; INT64_MAX: asked; -1: nothing asked */
        bool was_begun;  /* once before */
        bool by_reading; /* what is fetched may say where the log ends, ... */
        bool is_late;    /* ... but has not so far */
    } log_check;
    struct {
        loop_timer_t *timer;
        queue_ready_fn then;
        bool is_done;
    } limits; /* fleet_limits.c */
    struct {
        uint64_t known, waiting_bytes;
        char announced[NONCE_MAX + 1];
        bool is_halting, is_decided;
    } passed; /* what the producer knows of the log */
    waiting_t waiting;
    bool input_ended, is_finished, is_cut, was_full;
    bool is_giving_up; /* failed, but its cancel is still to be stored */
    char *source_error;
    uint64_t pushed, spill_bytes;
};

/* push.c */
/* What was filled in (item.c) is the next item; `len`: its bytes, for a message. The map is writable. */
int map_put(fanmap_job_t *job, producer_event_t *event, size_t len, fanmap_error_t *err);
/* No more items. */
void map_end_input(fanmap_job_t *job);
/* The producer hears that the input has ended. */
void map_step_end_input(fanmap_job_t *job);

/* early.c */
bool early_has_room(const early_t *early);
/* The event is copied with its bytes. */
int early_put(early_t *early, const producer_event_t *event, fanmap_error_t *err);
/* The producer has begun. */
void early_flush(fanmap_job_t *job);
void early_free(early_t *early);

/* item.c */
/* The event by which the producer takes the item: as msgpack in m->item.in; or why it cannot be sent, in
 * m->item.refusal. JSON that stands for an error ({"$error":...}) is that error. */
void item_fill(fanmap_job_t *job, fanmap_format_t format, const void *item, size_t len, producer_event_t *ret);
/* The same of the parts of a zipped item. */
/* An array of the parts, or, with names, a map. */
void item_fill_parts(fanmap_job_t *job, fanmap_format_t format, const char *const *names, const fanmap_part_t *parts,
                     size_t n, producer_event_t *ret);
/* An item that is an error already, or whose outcome is known in any other way. */
void item_fill_error(fanmap_job_t *job, const outcome_t *outcome, producer_event_t *ret);

/* error_json.c */
/* `mp` is what value_from_json made of `text`. False: it is no {"$error":...}. True: *ret borrows from `mp`, or, if
 * that is no sound error, *ret_why says so. */
bool error_from_json(const char *text, size_t len, const buf_t *mp, outcome_t *ret, const char **ret_why);
/* The same of a msgpack map of the one key $error. */
bool error_from_msgpack(const void *mp, size_t len, outcome_t *ret, const char **ret_why);

/* produce.c */
/* The job has failed, and not even its cancel is under way. */
bool map_has_failed(const fanmap_job_t *job);
/* Its producer is at work and its end is not decided. */
bool map_can_be_cancelled(const fanmap_job_t *job);
void map_step(fanmap_job_t *job, producer_event_t *event);
void map_simple_step(fanmap_job_t *job, producer_event_type_t type);
/* The job's timer: what waits for the bus, the deadline, the producer's own. */
void map_on_timer(void *arg);
/* Sets it to what is due next. */
void map_arm(fanmap_job_t *job);
void stash_send(fanmap_job_t *job);
void stash_free(stash_t *stash);

/* delivered.c: a publisher_stored_fn; `arg` is the job. */
void map_stored(void *arg, queue_topic_t topic, uint64_t value, int32_t partition, int64_t offset,
                const fanmap_error_t *err);

/* gathered.c */
/* A gather_changed_fn. */
void map_gathered(fanmap_job_t *job);
/* The job's log is read from its start on, once it is known where that is. */
void map_read_log(fanmap_job_t *job);
/* PRODUCER_CHECK_LOG: asks where the log ends; answered when it was read so far. */
void map_check_log(fanmap_job_t *job);
/* At log_check.at_ms. */
void map_check_log_due(fanmap_job_t *job);

/* resubmit.c */
/* Finds out what the job has already, then has its producer started (`produce`) or fails the job. */
int resubmit_begin(fanmap_job_t *job, const lookup_result_t *found, queue_ready_fn produce, fanmap_error_t *err);
/* For the producer; NULL where nothing is resubmitted. */
prior_t *resubmit_known(resubmit_t *resubmit);
/* How long ago the job began, by the broker's clock; 0 where that is not known, or nothing is resubmitted. */
int64_t resubmit_age_ms(const resubmit_t *resubmit);
/* A record of this job was stored, or never will be, before there was a producer: the broker's clock is known. */
void resubmit_clock_stored(resubmit_t *resubmit);
/* PRODUCER_SCAN. */
void resubmit_scan(resubmit_t *resubmit);
void resubmit_free(resubmit_t *resubmit);

/* fleet_limits.c */
/* True: the job may begin. False: `then` is called when it may, or the job has failed. Where Redis does not
 * answer in time, or no worker serves the task yet, it may begin. */
bool fleet_limits_may_begin(fanmap_job_t *job, queue_ready_fn then);
void fleet_limits_stop(fanmap_job_t *job);

/* no_worker.c */
void no_worker_watch(fanmap_job_t *job);
void no_worker_stop(fanmap_job_t *job);

/* waiting.c */
void waiting_watch(fanmap_job_t *job);
void waiting_stop(fanmap_job_t *job);
/* Records of its log were read. */
void waiting_gathered(fanmap_job_t *job);
/* The log has it already. */
void waiting_said(fanmap_job_t *job, why_cause_t cause);

#endif
