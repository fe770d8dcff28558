/* The task host of one slot: loads the worker's task libraries and runs their functions, one attempt after the other,
 * on its only thread. It speaks to the worker through its data socket (runs come in, the bell goes out) and its board
 * (claims, results).
 */
#ifndef SLOTS_HOST_HOST_H
#define SLOTS_HOST_HOST_H

#include "fanmap/fanmap.h"
#include "fanmap/task.h"
#include "schemas/streamlog.h"
#include "slots/shared/board.h"
#include "slots/shared/inlet.h"
#include "slots/shared/plan.h"
#include "slots/shared/ring.h"

enum { HOST_TYPE_MAX = 128, HOST_MESSAGE_MAX = 2048 };

/* One task of a loaded library. */
typedef struct {
    const slots_task_t *plan;
    const fanmap_task_t *task;
    uint32_t shape;   /* of the three alone */
    bool takes_calls; /* several at once */
    bool is_open;
    void *state;
} hosted_t;

/* The record of an item of a stream; the task sees the first member. */
typedef struct {
    fanmap_record_t api;
    fanmap_header_t headers[STREAMLOG_HEADERS_MAX];
    buf_t names; /* the topic's, then each header's, with their NULs */
} record_t;

/* One attempt; the task sees the first member. */
typedef struct {
    fanmap_attempt_t api;
    const slot_run_t *run;
    uint32_t shape;
    size_t value_bytes_max;
    buf_t in, out; /* the item in the task's shape; the value so far */
    buf_t *text;   /* a scalar in the task's shape, for a moment */
    record_t record;
    char traceparent[TRACE_MAX + 1];
    bool too_large, has_failed, is_final;
    char type[HOST_TYPE_MAX], message[HOST_MESSAGE_MAX];
} attempt_t;

/* A run of a call. */
typedef struct {
    attempt_t attempt;
    slot_run_t run;
    buf_t held;     /* what the run borrows: its frame is gone when the last one of the call has come */
    bool has_begun; /* the task has seen it */
} called_t;

typedef struct {
    called_t *runs;
    uint32_t cap, n, wanted; /* n: of those that are wanted have come */
    uint32_t claimed;        /* of these, from the first on */
    int result;              /* the task's, of the whole */
    uint64_t run_us;
} call_t;

typedef struct {
    uint32_t slot;
    pid_t supervisor;
    plan_t plan;
    board_t *board;
    inlet_t inlet;
    outlet_t outlet;
    hosted_t *tasks;
    size_t tasks_n;
    int output_fd; /* the pipe behind stdout and stderr, wherever the task puts those */

    /* the job that later runs belong to */
    hosted_t *current; /* NULL: no such task */
    char job[JOB_ID_MAX + 1];
    char traceparent[TRACE_MAX + 1]; /* of the job; "": none */
    uint64_t trace_salt;
    uint32_t attempts_max;
    size_t value_bytes_max;
    buf_t bound_raw, bound; /* as it came; in the task's shape */

    attempt_t attempt;  /* of a run that is alone */
    call_t call;        /* of those that are not */
    buf_t value, frame; /* reused from run to run */
    bool owes_marker;   /* the attempt before wrote something that may still be in the pipe */
    char ended_label[160];
    int64_t now_ns; /* as of the end of the last run; 0: to be read afresh */
} host_t;

/* ---- library.c ---- */

/* Prints the names of the tasks to descriptor 3, one a line, as `user` (NULL: who this is). The exit status. */
int library_list(const char *path, const char *user);
/* Loads every library of the plan. Returns false if it cannot, and `why` says so. */
bool library_load_all(host_t *h, char *why, size_t why_cap);

/* ---- attempt.c ---- */

/* Fills what is the same for all attempts. */
void attempt_init(attempt_t *a, const volatile int *cancelled);
/* Writes an msgpack object as bytes of a shape. Returns false if that shape cannot hold it. */
bool attempt_to_shape(buf_t *b, uint32_t shape, const void *mp, size_t len);
/* Makes one msgpack object of what `out` got. Returns false if it is not one sound object of the shape, and `why` says so. */
bool attempt_from_shape(buf_t *b, uint32_t shape, const buf_t *out, char *why, size_t why_cap);

/* ---- record.c ---- */

/* The record of a run; NULL: it is of no stream. Valid until the next call, and while the run's frame is. */
const fanmap_record_t *record_of_run(record_t *to, const slot_run_t *run);
/* Behind fanmap_attempt_t's get_header. */
int record_header(fanmap_attempt_t *attempt, const char *name, const void **ret, size_t *ret_len);

/* ---- run.c ---- */

void run_set_job(host_t *h, const slot_job_t *job);
/* The slot cannot be used: that is charged to no item. Does not return. */
void run_give_up(host_t *h, const char *what);
/* Says nothing, on the pipe that the supervisor reads. It may be another user's, to whom no signal can be sent. */
void run_wake_supervisor(const host_t *h);
/* Fills an attempt, and puts the item into the task's shape. Returns false if that shape cannot hold it. */
bool run_prepare(host_t *h, attempt_t *a, const slot_run_t *run);
/* Calls the task and returns what it returned; *ret_us: how long that took. */
int run_task(host_t *h, attempt_t *a, uint64_t *ret_us);
/* Before the board says that this run runs: output that nobody has read yet is the ended attempt's. True: a marker says so. */
bool run_put_marker(host_t *h, const slot_run_t *run);
/* What comes behind a marker was not written by the run that it says begins: the next one puts another. */
void run_owe_marker(host_t *h, const slot_run_t *run);
/* The `done` of an attempt, in h->frame. */
void run_put_outcome(host_t *h, const attempt_t *a, slot_done_t *done, int result);
void run_put_exception(host_t *h, const attempt_t *a, slot_done_t *done, int result);
void run_put_unshaped(host_t *h, slot_done_t *done);
/* One claimed run: calls the task and leaves the `done` in h->frame. Returns false if that is an error. */
bool run_attempt(host_t *h, const slot_run_t *run);

/* ---- call.c: several runs that the task gets at once ---- */

/* So many runs that follow are one call. Where the task takes one at a time, or memory is out, they are not. */
void call_begin(host_t *h, uint32_t n);
/* The next run belongs to it. */
bool call_wants(const host_t *h);
/* Returns true if that was the last of them. */
bool call_add(host_t *h, const slot_run_t *run);
/* Claims them. Returns false if the board is closed. */
bool call_claim(host_t *h, int64_t now_ms);
void call_run(host_t *h);
/* The `done` of one of those that were claimed, in h->frame. Returns false if that is an error. */
bool call_put_outcome(host_t *h, uint32_t i);

#endif
