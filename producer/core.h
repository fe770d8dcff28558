/* Input to items (pure): what a producer says to Kafka, and when.
 *
 * The happy path: token table created under a nonce (limited jobs) -> `start` and the announcement in the job's log,
 * acknowledged -> J/spec on the jobs topic, acknowledged, and the log read once -> items, while the input is still
 * being read -> `progress` about once a second -> when every item is acknowledged, the last `progress` and `input` with
 * n. Once the list is decided (the gathering side says so): J/end on jobs. The caller cancels: `end` in the log, then
 * J/end.
 *
 * What can fail: a report that an item is too large for the broker becomes its `too_large` outcome, written to the log
 * here; an item that cannot be parsed becomes `bad_input` the same way. Both count as published once that record is
 * acknowledged. Before the first item, and after a pause of more than 5 s, the log is read up to its end: a newer
 * announcement stops this producer; a closed job gets nothing more. A pause is any stretch in which no `progress` of
 * ours was stored: while ours is young nobody else takes the job over.
 *
 * The hash chain of `progress` takes an item that was never sent (bad_input, too_large by the caller's word) as zero
 * bytes.
 *
 * One that resumes a job (config.prior) writes no `start`. It takes the input from item 0 and compares it with the
 * hash chain of each stored `progress`; nothing is said to Kafka before the newest of them was reached and matched.
 * Then it announces itself, reads the log, has the items partitions read from the offsets in `progress`, and goes on
 * from the prefix: what has a record (which must be the same input) or an outcome is not published again. Where the job
 * has its `input` already nothing is left but to compare the whole of it. At any time a newer announcement than its own
 * stops a producer. So does, where it resumes, an `input` of somebody else's that came since the log was first read:
 * what was published meanwhile was not compared.
 */
#ifndef PRODUCER_CORE_H
#define PRODUCER_CORE_H

#include "producer/prior.h"
#include "schemas/jobs.h"

typedef struct producer producer_t;

typedef enum {
    PRODUCER_CREATE_TABLE, /* ask the token port; answer PRODUCER_TABLE */
    PRODUCER_PUT_LOG,      /* a record of the job's log (key: job id); answer PRODUCER_LOG_STORED with the cookie */
    PRODUCER_PUT_JOBS,     /* a record of the jobs topic; answer PRODUCER_JOBS_STORED with the cookie */
    PRODUCER_PUT_ITEM,     /* an item record to `partition`; answer PRODUCER_ITEM_STORED with the index */
    PRODUCER_CHECK_LOG,    /* read the log up to its present end, then PRODUCER_LOG_CHECKED */
    PRODUCER_READ_LOG,     /* resuming: the input is that of the job: its outcomes may be handed out */
    PRODUCER_SCAN,         /* resuming: prior_record for all that the items partitions hold from prior->offsets up to
                              their present ends, then prior_sort and PRODUCER_SCANNED */
    PRODUCER_FINISHED,     /* nothing is left to say: the producer may be freed. Detached: `input` or J/end is stored */
    PRODUCER_FAILED        /* refused or superseded: `error` says why */
} producer_action_type_t;

typedef struct {
    producer_action_type_t type;
    uint64_t cookie;               /* PUT_LOG, PUT_JOBS: to be answered; PUT_ITEM: the index */
    int32_t partition;             /* PUT_ITEM */
    char key[JOB_ID_MAX + 16 + 1]; /* PUT_JOBS; the others' key is the job id */
    const uint8_t *value;          /* valid until the next step */
    size_t value_len;
    fanmap_error_t error; /* FAILED */
} producer_action_t;

typedef struct {
    producer_action_t *at;
    size_t n, cap;
    bool failed; /* out of memory */
} producer_actions_t;
void producer_actions_clear(producer_actions_t *actions);
void producer_actions_free(producer_actions_t *actions);

typedef enum {
    PRODUCER_BEGIN,        /* once */
    PRODUCER_TABLE,        /* the token table exists under our nonce (ok), or Redis could not be asked (not ok) */
    PRODUCER_LOG_STORED,   /* cookie, offset; below 0: the broker refuses the record for good */
    PRODUCER_JOBS_STORED,  /* cookie, offset: likewise */
    PRODUCER_ITEM,         /* one more input, copied: `in` is one msgpack object, or kind and message say why it
                              cannot be sent */
    PRODUCER_ITEM_STORED,  /* index, partition, offset */
    PRODUCER_ITEM_REFUSED, /* index: the broker finds it too large */
    PRODUCER_END_INPUT,    /* source_error or NULL */
    PRODUCER_LOG_CHECKED,  /* newest announcement (NULL: cannot tell), whether the job is closed, as the list sees it;
                              reason if so; whether its `input` is there */
    PRODUCER_SCANNED,
    PRODUCER_ANNOUNCED, /* the newest announcement that was read so far; asked for by nobody */
    PRODUCER_HALTED,    /* the gathering side: the condition of --halt soon holds. What was not published never is,
                           and `input` names what was */
    PRODUCER_DECIDED,   /* the gathering side: the list is decided, for this reason (END_COMPLETE, ...) */
    PRODUCER_CANCEL,    /* the caller's; `reason` END_DEADLINE: the deadline passed; 0 and END_CANCEL: a cancel */
    PRODUCER_KNOWN,     /* outcomes known so far, waiting bytes: opens the window again */
    PRODUCER_TICK
} producer_event_type_t;

typedef struct {
    producer_event_type_t type;
    int64_t now_ms;
    bool ok;
    uint64_t cookie, index, known, waiting_bytes;
    int64_t offset;
    int32_t partition;
    const uint8_t *in;
    size_t in_len;
    fanmap_kind_t kind;     /* ITEM: FANMAP_VALUE; BAD_INPUT or TOO_LARGE with `message`; any with `is_outcome` */
    bool is_outcome;        /* ITEM: its outcome is known from another map, a value or an error; `in` is an entry of a
                               pack (joblog.h), of any index */
    const char *message;    /* also END_INPUT's source error */
    const char *announced;  /* LOG_CHECKED, ANNOUNCED */
    bool closed, has_input; /* LOG_CHECKED */
    end_reason_t reason;    /* DECIDED, CANCEL, LOG_CHECKED */
    jobs_counts_t counts;   /* DECIDED: what the list comes to */
} producer_event_t;

typedef struct {
    spec_t spec;                  /* start_offset is filled in here; spec.bound must outlive the producer */
    char announce[NONCE_MAX + 1]; /* random, names this producer; not the nonce: it is the nonce that was never sent */
    uint64_t ahead_n;             /* published items without an outcome */
    uint64_t spill_bytes;         /* outcomes waiting to be handed out */
    bool attached;                /* false (submit): ahead and spill do not bind */
    uint64_t outbox_n;            /* items from the first unacknowledged one on; 16 bytes each */
    prior_t *prior; /* NULL: a new job. Else `spec` is the job's own with its start_offset; borrowed, to outlive the
                         producer */
} producer_config_t;

/* NULL: no memory. The config is copied, spec.bound borrowed. */
producer_t *producer_new(const producer_config_t *config);
void producer_free(producer_t *producer);
/* Appends to `actions`; the shell carries them out in order before the next step. */
void producer_step(producer_t *producer, const producer_event_t *event, producer_actions_t *actions);
/* True: another PRODUCER_ITEM may come now. Before the job is in Kafka a few items (at most 1024 and about 1 MiB) are
 * taken and wait. */
bool producer_writable(const producer_t *producer);
/* PRODUCER_HALTED has ended the input. */
bool producer_is_cut(const producer_t *producer);
/* Everything that was published is acknowledged, `input` too: a submit may leave. */
bool producer_settled(const producer_t *producer);
/* When to send PRODUCER_TICK at the latest; INT64_MAX: nothing is due. */
int64_t producer_next_ms(const producer_t *producer);
uint64_t producer_published(const producer_t *producer);    /* items 0..n-1 were said to Kafka, acknowledged or not */
uint64_t producer_acknowledged(const producer_t *producer); /* the prefix that is stored */
const spec_t *producer_spec(const producer_t *producer);
const char *producer_announcement(const producer_t *producer);

#endif
