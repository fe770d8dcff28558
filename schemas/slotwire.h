/* Frames between a worker and the process in a slot: a 4-byte little-endian length, then one msgpack array.
 * worker -> slot: job, call, run, cancel, bye. slot -> worker: hello, ready, done, call_failed, back. */
#ifndef SCHEMAS_SLOTWIRE_H
#define SCHEMAS_SLOTWIRE_H

#include "schemas/mp.h"
#include "schemas/spec.h"

typedef enum {
    SLOT_HELLO = 1,
    SLOT_READY = 2,
    SLOT_DONE = 3,
    SLOT_JOB = 4,
    SLOT_RUN = 5,
    SLOT_CANCEL = 6,
    SLOT_BYE = 7,
    SLOT_RUN_BATCH = 8, /* to a served program: served.h */
    SLOT_BACK = 9,
    SLOT_CALL = 10,       /* worker: so many runs that follow are one call */
    SLOT_CALL_FAILED = 11 /* a done whose error is the whole call's */
} slot_frame_type_t;

typedef struct {
    uint32_t n; /* of this slot, rising by one a run */
    uint64_t index, fence;
    uint32_t attempt;
    int64_t deadline_ms; /* BOOTTIME; -1: none */
    const uint8_t *in;   /* one msgpack object */
    size_t in_len;
    const uint8_t *context; /* of a stream: the record that the item is (record.h); len 0: it is none */
    size_t context_len;
    const char *traceparent; /* to a served program: the attempt's own span; len 0: who submitted has no trace */
    size_t traceparent_len;
} slot_run_t;

typedef struct {
    uint32_t n;
    bool final, is_whole; /* is_whole: of the call that the run was in */
    fanmap_kind_t kind;   /* FANMAP_VALUE, FANMAP_EXCEPTION, or what a supervisor of commands saw */
    const uint8_t *value;
    size_t value_len;                                       /* one msgpack object */
    const char *type, *message, *stderr_tail, *stdout_tail; /* stdout_tail: a failed command's */
    size_t type_len, message_len, stderr_len, stdout_len;
    int32_t exit_status, signo;
    uint64_t run_us;
} slot_done_t;

typedef struct {
    uint32_t id; /* of this slot; later runs belong to the job sent last */
    const char *job, *task;
    size_t job_len, task_len;
    uint32_t attempts_max, value_bytes_max;
    const uint8_t *bound;
    size_t bound_len;
    uint32_t parts;          /* of zipped items: how many each, an array, has; 0: not zipped */
    const char *traceparent; /* of whoever submitted it; len 0: none, and no salt */
    size_t traceparent_len;
    uint64_t trace_salt; /* of trace_span, for the runs of this slot */
} slot_job_t;

typedef struct {
    slot_frame_type_t type;
    union {
        slot_run_t run;
        slot_done_t done;
        slot_job_t job;
        uint32_t cancel_n, call_n;
        struct {
            uint32_t version;
        } hello;
        struct {
            uint32_t from, to; /* these runs, `to` not included, were claimed ahead or granted and never begun */
        } back;
    };
} slot_frame_t;

/* The frame at the start of `bytes`: 1 and its whole length, 0 when more bytes are needed, -1 when it is bad or longer
 * than `frame_max`. Everything is borrowed from `bytes`. */
int slot_frame_decode(const void *bytes, size_t len, size_t frame_max, slot_frame_t *ret, size_t *ret_used);
void slot_put_job(buf_t *b, const slot_job_t *job);
/* What a run has behind its type: six fields, and slot_run_more: its context if it has one, and with a trace both. */
uint32_t slot_run_more(const slot_run_t *run);
void slot_put_run_fields(buf_t *b, const slot_run_t *run);
void slot_put_run(buf_t *b, const slot_run_t *run);
void slot_put_bye(buf_t *b);
/* SLOT_CANCEL of run n, SLOT_CALL of n runs. */
void slot_put_number(buf_t *b, slot_frame_type_t type, uint32_t n);
void slot_put_back(buf_t *b, uint32_t from, uint32_t to);
void slot_put_done(buf_t *b, const slot_done_t *done);

#endif
