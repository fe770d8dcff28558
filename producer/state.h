/* What the parts of the producer's core share: its state, and the words it has for saying things. Included by core.c,
 * start.c, compare.c, publish.c, close.c and actions.c only. */
#ifndef PRODUCER_STATE_H
#define PRODUCER_STATE_H

#include "base/error.h"
#include "producer/core.h"
#include "producer/queue.h"
#include "producer/refused.h"
#include "producer/window.h"

typedef enum {
    PHASE_NEW,
    PHASE_TABLE,      /* waits for the token table */
    PHASE_COMPARING,  /* resuming: the input is compared, nothing was said */
    PHASE_PUBLISHING, /* `start` was said; `unmet` says what items still wait for */
    PHASE_CLOSED,     /* the log says that the job is closed: waits for the gathering side's word */
    PHASE_CANCELLING, /* `end` was said */
    PHASE_ENDING,     /* J/end was said */
    PHASE_OVER
} phase_t;

/* What must be acknowledged before an item may be published. */
enum { UNMET_START = 1, UNMET_ANNOUNCED = 2, UNMET_SPEC = 4, UNMET_CHECK = 8, UNMET_SCAN = 16 };

/* The low bits of a cookie of PUT_LOG and PUT_JOBS say what it was; the rest numbers the packs and the records of
 * progress. */
typedef enum {
    RECORD_START,
    RECORD_ANNOUNCE,
    RECORD_PROGRESS,
    RECORD_REFUSED,
    RECORD_INPUT,
    RECORD_END,
    RECORD_SPEC,
    RECORD_JOBS_END
} record_kind_t;
enum { RECORD_BITS = 3, RECORD_MASK = 7 };

enum {
    PROGRESS_EVERY_MS = 1000,
    PROGRESS_IDLE_MS = 3000, /* nothing new to say: it only shows that we are alive */
    PAUSE_MS = 5000
};

typedef struct {
    bool in_flight;
    uint64_t n;                /* records said */
    uint64_t prefix, stored;   /* said last, and acknowledged */
    int64_t put_ms, stored_ms; /* stored_ms: when the record that was acknowledged last was said */
    int64_t *offsets;          /* room for one record */
} producer_progress_t;

struct producer {
    producer_config_t config;
    phase_t phase;
    unsigned unmet;
    bool check_requested, scan_requested;
    bool announcement_seen; /* ours, by who reads the log */
    int64_t now_ms, requested_ms,
        owner_ms; /* requested_ms: when the log was asked for; owner_ms: when this producer last knew
                                           that the job is its own */
    queue_t queue;
    window_t window;
    refused_t refused;
    producer_progress_t progress;
    uint64_t compared, compared_chain; /* COMPARING */
    bool deadline_passed;              /* COMPARING: to be said when that is over */
    uint64_t known, waiting_bytes;
    bool input_ended, input_put, settled;
    bool was_halted; /* the input ends where it was published, also by the producer before this one */
    char *source_error;
    end_reason_t end_reason;
    jobs_counts_t counts; /* of the decided list */
    uint64_t ends_unstored;
    bool spec_put;
    fanmap_error_t verdict; /* code 0: the producer finishes; else how it fails once J/end is stored */
    bool out_of_memory;
    producer_actions_t *actions;
    size_t actions_before;
    buf_t values;       /* of the actions of this step, one behind the other */
    size_t values_used; /* how much of it belongs to actions */
};

/* ---- actions.c: saying things ---- */

/* Before the first and after the last action of a step. */
void actions_begin(producer_t *p, producer_actions_t *actions);
void actions_end(producer_t *p);
/* One action whose value is what was appended to p->values since the last action. NULL: no memory. */
producer_action_t *actions_add(producer_t *p, producer_action_type_t type);
/* A record of the job's log, or of the jobs topic, likewise. */
void actions_put_log(producer_t *p, record_kind_t what, uint64_t number);
void actions_put_jobs(producer_t *p, record_kind_t what, jobs_field_t field);
void actions_fail(producer_t *p, const fanmap_error_t *error);

/* ---- start.c: from BEGIN to the first item, and again after a pause ---- */

void start_begin(producer_t *p);
void start_table(producer_t *p, bool created);
void start_stored(producer_t *p, record_kind_t what, int64_t offset);
void start_checked(producer_t *p, const producer_event_t *event);
void start_announced(producer_t *p, const char *announced);
/* Nothing may be said yet, or until the log was read again. */
bool start_waits(const producer_t *p);
/* The log as it is now shows no other producer: `progress` may be said, also while the partitions are read. False: it
 * is being read. */
bool start_is_owner(producer_t *p);
/* False: items must wait (the job is not in Kafka yet, or there was a pause and the log is being read). */
bool start_clear_to_publish(producer_t *p);

/* ---- compare.c: an input that is read again ---- */

void compare_begin(producer_t *p);
void compare_item(producer_t *p, const producer_event_t *event);
void compare_end_input(producer_t *p);
/* The job has another input than what is read now. */
void compare_differs(producer_t *p, uint64_t from, uint64_t to);
/* As compare_differs, for an input that ends too early: item `index` was published. */
void compare_too_short(producer_t *p, uint64_t n, uint64_t index);

/* ---- publish.c: items, refused items, progress, input ---- */

bool publish_open(const producer_t *p); /* the windows have room for an item */
void publish_item(producer_t *p, const producer_event_t *event);
void publish_refused(producer_t *p, uint64_t index);
/* What is due: queued items, packs, progress, `input`. */
void publish_due(producer_t *p);
void publish_progress_stored(producer_t *p, uint64_t number);

/* ---- close.c: the ends ---- */

void close_cancel(producer_t *p, end_reason_t reason);
void close_decided(producer_t *p, const producer_event_t *event);
/* The log has an `input`. True: it is somebody else's, said since this producer, which resumes, read the log: what was
 * published by then was not compared. */
bool close_is_elsewhere(const producer_t *p);
void close_elsewhere(producer_t *p); /* fails for that reason */
/* The log shows that the job is closed. */
void close_found_closed(producer_t *p, end_reason_t reason);
void close_stored(producer_t *p, record_kind_t what);
void close_finish(producer_t *p);

#endif
