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
    buf_t *out, *text; /* the value so far; the item or its scalar in the task's shape */
    bool too_large, has_failed, is_final;
    char type[HOST_TYPE_MAX], message[HOST_MESSAGE_MAX];
} attempt_t;

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

    attempt_t attempt;
    record_t record;
    buf_t in, out, value, frame; /* reused from run to run */
    bool owes_marker;            /* the attempt before wrote something that may still be in the pipe */
    char ended_label[160];
    int64_t now_ns; /* as of the end of the last run; 0: to be read afresh */
} host_t;

/* ---- library.c ---- */

/* Prints the names of the tasks to descriptor 3, one a line, as `user` (NULL: who this is). The exit status. */
int library_list(const char *path, const char *user);
/* Loads every library of the plan. False: `why`. */
bool library_load_all(host_t *h, char *why, size_t why_cap);

/* ---- attempt.c ---- */

/* Fills what is the same for all attempts. */
void attempt_init(attempt_t *a, const volatile int *cancelled);
/* Writes an msgpack object as bytes of a shape. False: that shape cannot hold it. */
bool attempt_to_shape(buf_t *b, uint32_t shape, const void *mp, size_t len);
/* Makes one msgpack object of what `out` got. False: it is not one sound object of the shape; `why`. */
bool attempt_from_shape(buf_t *b, uint32_t shape, const buf_t *out, char *why, size_t why_cap);

/* ---- record.c ---- */

/* The record of a run; NULL: it is of no stream. Valid until the next call, and while the run's frame is. */
const fanmap_record_t *record_of_run(record_t *to, const slot_run_t *run);
/* Behind fanmap_attempt_t's get_header. */
int record_header(fanmap_attempt_t *attempt, const char *name, const void **ret, size_t *ret_len);

/* ---- run.c ---- */

void run_set_job(host_t *h, const slot_job_t *job);
/* Says nothing, on the pipe that the supervisor reads. It may be another user's, to whom no signal can be sent. */
void run_wake_supervisor(const host_t *h);
/* One claimed run: calls the task and leaves the `done` in h->frame. */
bool run_attempt(host_t *h, const slot_run_t *run);

#endif
