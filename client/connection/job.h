/* One handle, as every room knows it: who it is, whether it failed, what it was asked for. The rest is in the rooms
 * that work on it: gathering/ (its log), mapping/ (its items), handle/ (its outcomes, for the caller).
 *
 * Who may free a job: only jobs_sweep (handle/handle.h), which runs outside the loop and spares what a caller's
 * function is looking at. So nothing inside a turn has to reckon with a job that goes away under it, and a handle may
 * be closed anywhere.
 */
#ifndef CLIENT_CONNECTION_JOB_H
#define CLIENT_CONNECTION_JOB_H

#include "client/options/options.h"
#include "schemas/spec.h"

typedef struct queue queue_t;
/* The queue of the job is ready. */
typedef void (*queue_ready_fn)(fanmap_job_t *job);

struct fanmap_job {
    fanmap_t *f;
    fanmap_job_t *next;
    uint32_t number; /* of its questions, which may be answered when it is gone; never 0 */
    char id[JOB_ID_MAX + 1];
    fanmap_options_t *options;
    spec_t spec;
    fanmap_error_t error; /* code not 0: the job failed */
    unsigned pins;        /* calls of the caller's that still look at it */
    bool is_detached;     /* nothing is gathered for the caller */
    bool is_abandoned;    /* the caller closed it, what is under way goes on */
    bool is_paused;       /* as far as this connection has heard */
    queue_t *queue;
    queue_ready_fn on_queue; /* NULL: it does not wait for the queue */
    struct gathering *gathering;
    struct mapping *mapping; /* NULL: a gather */
    struct handout *handout;
};

/* Hands an error on, whole. */
static inline int err_copy(fanmap_error_t *to, const fanmap_error_t *from)
{
    if (to)
        *to = *from;
    return from->code;
}

/* Into the connection's list, with a number. */
void job_link(fanmap_t *f, fanmap_job_t *job);
void job_unlink(fanmap_job_t *job);
/* Others come before it now. */
void job_rotate(fanmap_job_t *job);
/* NULL: it is gone. */
fanmap_job_t *job_by_number(const fanmap_t *f, uint32_t number);
/* Nothing more comes of it but this error. The first one stays. */
void job_fail(fanmap_job_t *job, const fanmap_error_t *err);

fanmap_error_t err_make(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* An error made where it is handed on: job_fail(job, err_of(FANMAP_EIO, "...")). It lives as long as the block around it. */
#define err_of(...) ((fanmap_error_t[]){err_make(__VA_ARGS__)})

#endif
