/* A job as its caller holds it: the room above gathering and mapping that puts them together.
 *
 *   open.c      a connection with all rooms in it, and how it ends
 *   job.c       one handle: its life from map or gather to close
 *   next.c      next, next_any, dispatch; callbacks.c: the push style
 *   pipe.c      a map whose items are the values of another job
 *   batch.c     many items, many outcomes in one call
 *   outcome_json.c, outcome_msgpack.c   an outcome as a line or an object
 */
#ifndef CLIENT_HANDLE_HANDLE_H
#define CLIENT_HANDLE_HANDLE_H

#include "client/connection/client.h"
#include "client/gathering/gather.h"
#include "client/gathering/outcome.h"

/* What fanmap_next_batch handed out last, and the memory of it. */
typedef struct {
    fanmap_batch_t out;
    buf_t indexes, attempts, kinds, lens, objects, partitions;
} batch_t;

struct handout {
    outcome_view_t view; /* what was handed out last */
    batch_t batch;
    buf_t line, position;
    char deadline_text[64]; /* the message of what the deadline took */
    fanmap_job_t *pipe_to;  /* the map that takes its outcomes */
    uint64_t delivered, cancelled;
    bool is_held, end_was_told;
    fanmap_outcome_fn on_outcome;
    fanmap_end_fn on_end;
    fanmap_writable_fn on_writable;
    void *callback_arg;
};

/* open.c */
/* fanmap_open, for a connection whose group prefetches no more than `fetch_kbytes` a partition. */
int client_open(const fanmap_options_t *options, uint32_t fetch_kbytes, fanmap_log_fn log, void *log_arg,
                fanmap_t **ret_f, fanmap_error_t *err);

/* job.c */
/* Gathers a job whose log begins there, without looking it up. The topics must be known to exist. */
int gather_at(fanmap_t *f, const char *job_id, int32_t results_partition, int64_t start_offset,
              const fanmap_options_t *options, fanmap_job_t **ret_job, fanmap_error_t *err);
void job_free(fanmap_job_t *job);
/* Frees the closed jobs of which nothing is under way. */
void jobs_sweep(fanmap_t *f);

/* next.c */
/* The next outcome for a reader of any kind, counted; as gather_next. */
int job_next(fanmap_job_t *job, outcome_t *ret, fanmap_error_t *err);
/* How a job whose outcomes were all handed out has ended: FANMAP_END, or a negative code. */
int job_result(const fanmap_job_t *job, fanmap_error_t *err);
/* A call for the next outcome of this job would say something. */
bool job_has_news(const fanmap_job_t *job);
/* One outcome, or FANMAP_AGAIN, or how it ended. */
int job_poll(fanmap_job_t *job, const fanmap_outcome_t **ret, fanmap_error_t *err);

/* batch.c */
void batch_free(batch_t *batch);

/* outcome_json.c */
/* Appends it as fanmap_outcome_json has it; its value is JSON. */
void outcome_put_json(buf_t *b, const fanmap_outcome_t *outcome, bool as_record);

/* outcome_msgpack.c */
/* Appends the map of an error. */
void outcome_put_error(buf_t *b, const fanmap_outcome_t *outcome, bool with_attempts);

/* callbacks.c */
bool callbacks_due(const fanmap_t *f);
/* FANMAP_AGAIN: more are due. Inside a callback it does nothing. */
int run_callbacks(fanmap_t *f, unsigned max);

/* pipe.c */
bool pipes_due(const fanmap_t *f);
/* Outside the loop, after a turn: moves what can be moved, a bounded number of items a pipe. */
void pipes_run(fanmap_t *f);
/* Of this job's outcomes. */
bool pipe_due(const fanmap_job_t *from);
/* The caller closes the job: what it feeds ends, what feeds it is cancelled or, with `detach`, let go. */
void pipe_closed(fanmap_job_t *job, bool detach);
/* It is freed. */
void pipe_forget(fanmap_job_t *job);

#endif
