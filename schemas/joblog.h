/* The records of a job's log, as they stand on its partition of the results topic. The key of each is the job id.
 * The list of a job is a function of these records and of nothing else (aggregator/list.h). */
#ifndef SCHEMAS_JOBLOG_H
#define SCHEMAS_JOBLOG_H

#include "schemas/mp.h"
#include "schemas/spec.h"

typedef enum {
    JOBLOG_START = 1,
    JOBLOG_OUTCOMES = 2,
    JOBLOG_PROGRESS = 3,
    JOBLOG_INPUT = 4,
    JOBLOG_END = 5,
    JOBLOG_PRODUCER = 6
} joblog_type_t;

typedef enum {
    END_CANCEL = 1,
    END_DEADLINE = 2,
    END_COMPLETE = 3,
    END_FAIL_FAST = 4,
    END_HALT = 5,
    END_INPUT_ERROR = 6
} end_reason_t;

/* How far beyond the largest `progress` prefix stored before it a record of the log may reach: an outcome's index, the
 * next prefix, and n of `input`. A producer publishes no item beyond it (that would take 16 million items between two
 * records of progress), so that every reader may refuse a foreign index without asking anyone: no message makes a list,
 * a file or an allocation as long as it likes. */
enum { JOBLOG_AHEAD_MAX = 1 << 24 };

/* One outcome inside a pack. Everything is borrowed from the record. */
typedef struct {
    uint64_t index;
    uint32_t attempts;
    fanmap_kind_t kind;
    const uint8_t *value; /* FANMAP_VALUE: one msgpack object */
    size_t value_len;
    const char *type, *message, *stderr_tail, *stdout_tail; /* not NUL-terminated */
    size_t type_len, message_len, stderr_len, stdout_len;
    int32_t exit_status, signo;
    uint64_t run_us;
    const char *worker; /* that wrote its pack, HOST:PID; not NUL-terminated, len 0: it does not say */
    size_t worker_len;
    bool has_wait;        /* its pack says, or is to say: */
    uint64_t wait_ms;     /* from the storing of the item to the start of its first attempt */
    const uint8_t *entry; /* its own bytes in the pack, as joblog_entry says; NULL: it was not read from one */
    size_t entry_len;
} outcome_t;

/* The producer's word on how far it has come: what it needs to resume, what a closed list needs for its length. */
typedef struct {
    uint64_t prefix;              /* items 0..prefix-1 are acknowledged by Kafka */
    uint64_t chain;               /* hash chain over those inputs (place.h) */
    char producer[NONCE_MAX + 1]; /* which announcement wrote it */
    uint32_t partitions;          /* P */
    const uint8_t *offsets;       /* msgpack: P offsets, read with joblog_progress_offset */
    size_t offsets_len;
} progress_t;

typedef struct {
    joblog_type_t type;
    spec_t start;         /* JOBLOG_START */
    mp_reader_t outcomes; /* JOBLOG_OUTCOMES: `outcomes_left` entries, read with joblog_next_outcome */
    uint32_t outcomes_left;
    const char *worker; /* likewise, as outcome_t has it */
    size_t worker_len;
    mp_reader_t waits; /* of the outcomes that are left; of no more than waits_left */
    uint32_t waits_left;
    progress_t progress;     /* JOBLOG_PROGRESS */
    uint64_t input_n;        /* JOBLOG_INPUT: how many items there are */
    const char *input_error; /* JOBLOG_INPUT: not NUL-terminated; len 0: none */
    size_t input_error_len;
    end_reason_t end_reason;      /* JOBLOG_END */
    char producer[NONCE_MAX + 1]; /* JOBLOG_PRODUCER: a producer announces itself */
} joblog_record_t;

/* Fills *ret, which borrows from `value`. Returns false if it is not a sound record of a version we
 * know. */
bool joblog_decode(const void *value, size_t len, joblog_record_t *ret);
/* The next outcome of a pack. A bad entry ends the pack: returns false and sets record->outcomes.bad. */
bool joblog_next_outcome(joblog_record_t *record, outcome_t *ret);

void joblog_encode_start(buf_t *b, const spec_t *spec);
void joblog_encode_progress(buf_t *b, const progress_t *progress, const int64_t *offsets);
void joblog_encode_input(buf_t *b, uint64_t n, const char *error); /* error: NULL or text */
void joblog_encode_end(buf_t *b, end_reason_t reason);
void joblog_encode_producer(buf_t *b, const char *producer);
bool joblog_progress_offset(const progress_t *progress, uint32_t partition, int64_t *ret_offset);

/* A pack is built by appending entries to a body and, at its end, putting the head before it:
 * joblog_encode_pack(out, body.data, body.len, count). */
void joblog_put_outcome(buf_t *body, const outcome_t *outcome);
/* An outcome as one run of bytes, to be kept and read again: those that it has in its pack, or those that are made in
 * `scratch` for one that was not read from a pack. NULL: no memory. */
const void *joblog_entry(const outcome_t *outcome, buf_t *scratch, size_t *ret_len);
/* Reads what joblog_entry gave; *ret borrows from it. */
bool joblog_read_entry(const void *entry, size_t len, outcome_t *ret);
/* The same of an entry that others follow: steps over it. */
bool joblog_take_entry(mp_reader_t *r, outcome_t *ret);
void joblog_encode_pack(buf_t *b, const void *body, size_t body_len, uint32_t count);
/* The same of a worker that says who it is, with what joblog_put_wait appended of each entry. */
void joblog_put_wait(buf_t *waits, const outcome_t *outcome);
void joblog_encode_worker_pack(buf_t *b, const buf_t *body, uint32_t count, const char *worker, const buf_t *waits);

#endif
