/* The library from inside: one connection, its jobs, and how they meet the cores.
 *
 *   client.c    open, close; what the connection says of itself
 *   turn.c      turns of the loop, the descriptor's readiness, the end of closed jobs
 *   topics.c    the topics of a queue, and where their delivery reports go
 *   job.c       one handle: its life from map or gather to close
 *   map.c       how a map begins; its input
 *   resume.c    a job id that is submitted again after its producer is gone
 *   checks.c    questions about a partition that may outlive their job
 *   produce.c   carries out what the producer core says
 *   reports.c   delivery reports
 *   gather.c    feeds the job's log into list and order
 *   lookup.c    finds a job's spec and state on the jobs topic
 *   pull.c      next, next_any, dispatch
 *   callbacks.c the push style
 *   retry.c     a map that runs another job's failed items again; retry_collect.c their inputs
 *   pipe.c      a map whose items are the values of another job
 *   outcome.c   outcomes as the caller sees them
 *   item.c      items as the caller pushes them
 *   local.c     the embedded worker
 *   presence.c  says so when no worker serves the task
 *   ask.c       what the calls of admin.h share; list_jobs.c, show.c, list_workers.c: those calls
 *   tally.c     a job's log, counted; policy.c: a spec as options
 *   aggregator_service.c, aggregator_writer.c, result_file.c   a file for every finished job
 *
 * Who may free a job: only jobs_sweep, which runs outside the loop and spares what a caller's function is looking at.
 * So nothing inside a turn has to reckon with a job that goes away under it, and a handle may be closed anywhere.
 */
#ifndef CLIENT_CONNECTION_CLIENT_H
#define CLIENT_CONNECTION_CLIENT_H

#include "aggregator/arrival.h"
#include "aggregator/list.h"
#include "aggregator/order.h"
#include "client/connection/publisher.h"
#include "client/options/options.h"
#include "io/bus.h"
#include "producer/core.h"
#include "schemas/names.h"
#include "tokens/port.h"

/* The queue of the job is ready. */
typedef void (*queue_ready_fn)(fanmap_job_t *job);

typedef struct check check_t;
typedef struct resuming resuming_t;
typedef struct retry retry_t;

struct fanmap {
    loop_t *loop;
    fanmap_options_t *options;
    fanmap_log_fn log;
    void *log_arg;
    uint32_t fetch_kbytes; /* of a group's partition; 0: librdkafka's default */
    bus_t *bus;
    tokens_port_t *tokens;     /* NULL: --redis none */
    struct presence *presence; /* NULL: --redis none, or embedded */
    uint32_t asked_number;     /* the job that presence is asked for; 0: nothing is asked */
    int64_t asked_ms;
    bool is_local, is_connected;
    bool was_woken;             /* by fanmap_wake, and no call has returned for it yet */
    bool is_polled, is_marked;  /* the caller knows the descriptor; it is readable until the next turn */
    bool in_turn, in_callbacks; /* inside the loop; inside a function of the caller's */
    bool has_closed;            /* jobs_sweep has something to look at */
    check_t *checks;            /* questions about a partition that are not answered yet */
    loop_timer_t *connect_timer;
    fanmap_error_t error; /* code not 0: the connection failed for good; every job fails with it */
    queue_t *queues;
    fanmap_job_t *jobs; /* a list by `next`; who was served goes to its end */
    unsigned pipes_n, retries_n;
    uint32_t last_number, last_publisher;
    publisher_t *publishers;
    struct local *local;
    const char *namespace_name;
};

/* The topics of one queue. jobs and results are the same for every queue of a namespace. */
struct queue {
    queue_t *next;
    fanmap_t *f;
    char name[NAME_MAX_LEN + 1];
    bool is_ready;
    uint32_t items_n, results_n; /* partitions */
    bus_topic_t *items, *results, *jobs;
};

typedef struct stash_entry stash_entry_t;

/* What the bus had no room for; sent in order before anything newer. Bounded by the producer's window. */
typedef struct {
    stash_entry_t *first, **last;
} stash_t;

struct fanmap_job {
    fanmap_t *f;
    fanmap_job_t *next;
    uint32_t number; /* of its questions, which may be answered when it is gone; never 0 */
    unsigned pins;   /* calls of the caller's that still look at it */
    bool is_map;
    bool is_detached;  /* nothing is gathered for the caller */
    bool is_abandoned; /* the caller closed it, what is under way goes on */
    char id[JOB_ID_MAX + 1];
    fanmap_options_t *options;
    queue_t *queue;
    queue_ready_fn on_queue; /* NULL: it does not wait for the queue */

    /* producing */
    publisher_t publisher;
    spec_t spec;
    producer_t *producer;
    resuming_t *resuming; /* NULL: a new job */
    retry_t *retry;       /* NULL: the items are the caller's */
    producer_actions_t actions;
    stash_t stash;
    buf_t bound;       /* spec.bound points here */
    buf_t in, refusal; /* the item being pushed, as msgpack; or why it is not sent */
    loop_timer_t *timer;
    int64_t timer_ms;    /* what it is set to */
    int64_t deadline_ms; /* loop clock; INT64_MAX: none, or said */
    int64_t check_at_ms; /* when to ask for the end of the log again; INT64_MAX: not */
    bool input_ended, is_finished, was_full;
    bool is_paused;    /* as far as this connection has heard */
    bool is_giving_up; /* failed, but its cancel is still to be stored */
    char *source_error;
    uint64_t pushed, spill_bytes, told_waiting_bytes;
    fanmap_job_t *pipe_from; /* whose values are its items */

    /* gathering */
    struct lookup *lookup;
    list_t *list;
    order_t *order;
    arrival_t *arrival; /* NULL: in order */
    bus_reader_t *reader;
    uint64_t window_bytes;
    int64_t log_position;
    int64_t check_until; /* CHECK_LOG: answer when log_position has passed it; INT64_MAX: asked; -1: nothing asked */
    char announced[NONCE_MAX + 1]; /* what the producer was told last */
    bool is_unordered, is_decided, is_halting, is_cut, halt_told, knows_more, is_reader_held, has_end_copy;
    uint64_t list_n;
    list_state_t list_state;
    end_reason_t end_reason;
    loop_timer_t *presence_timer;
    loop_timer_t *asks_timer; /* asks_fleet.c */
    int64_t asks_until_ms;    /* 0: nothing was asked yet */
    bool asks_done;

    /* handing out */
    fanmap_format_t value_format;
    fanmap_outcome_t outcome;
    buf_t value, text, line;
    fanmap_job_t *pipe_to; /* the map that takes its outcomes */
    uint64_t delivered, cancelled;
    bool is_held, end_was_told;
    fanmap_outcome_fn on_outcome;
    fanmap_end_fn on_end;
    fanmap_writable_fn on_writable;
    void *callback_arg;
    fanmap_error_t error; /* code not 0: the job failed */
};

/* Hands an error on, whole. */
static inline int err_copy(fanmap_error_t *to, const fanmap_error_t *from)
{
    if (to)
        *to = *from;
    return from->code;
}

/* client.c */
void client_log(fanmap_t *f, fanmap_log_level_t level, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* fanmap_open, for a connection whose group prefetches no more than `fetch_kbytes` a partition. */
int client_open(const fanmap_options_t *options, uint32_t fetch_kbytes, fanmap_log_fn log, void *log_arg,
                fanmap_t **ret_f, fanmap_error_t *err);
/* The connection cannot be used any more: every job fails. */
void client_fail(fanmap_t *f, const fanmap_error_t *err);
/* Opens bus and token port as the options say; shared with the worker service. `on_error` gets the connection's errors.
 */
int connect_bus(loop_t *loop, const fanmap_options_t *options, uint32_t fetch_kbytes, bus_error_fn on_error,
                bus_log_fn log, void *arg, bus_t **ret, fanmap_error_t *err);
/* Both are NULL for --redis none. */
int connect_tokens(loop_t *loop, const fanmap_options_t *options, bus_error_fn on_refused, void *arg,
                   tokens_port_t **ret_tokens, struct presence **ret_presence, fanmap_error_t *err);

/* turn.c */
/* One turn of the loop, for up to `timeout_ms`; then frees closed jobs. 0, or a negative code: it cannot turn. */
int client_turn(fanmap_t *f, int timeout_ms, fanmap_error_t *err);
/* At the end of every call of the caller's that may have left something to do: the descriptor is then readable. Costs
 * nothing for who never asked for it. */
void client_mark(fanmap_t *f);
/* Frees the closed jobs of which nothing is under way. */
void jobs_sweep(fanmap_t *f);

/* topics.c */
/* The queue's topics (name NULL: only jobs and results, for a gather); is_ready once they are known to exist. */
int queue_get(fanmap_t *f, const char *name, queue_t **ret, fanmap_error_t *err);
/* Sets job->queue. `ready` is called once, from here or from a turn, unless the job fails or waits for another queue
 * before. */
int queue_wait(fanmap_job_t *job, const char *name, queue_ready_fn ready, fanmap_error_t *err);
void queues_free(fanmap_t *f);

/* job.c */
int job_new(fanmap_t *f, const fanmap_options_t *options, fanmap_job_t **ret, fanmap_error_t *err);
void job_free(fanmap_job_t *job);
/* Nothing more comes of it but this error. The first one stays. */
void job_fail(fanmap_job_t *job, const fanmap_error_t *err);
/* The same, and the items that are left must not run: cancels it first. Nothing is handed out any more. */
void job_give_up(fanmap_job_t *job, const fanmap_error_t *err);
/* True: Kafka has everything that the job had to say. */
bool job_is_over(const fanmap_job_t *job);
/* NULL: it is gone. */
fanmap_job_t *job_by_number(fanmap_t *f, uint32_t number);
/* Others come before it now. */
void job_rotate(fanmap_job_t *job);

/* map.c */
/* The topics are there: fixes the places in the spec and starts the producer. */
void map_begin(fanmap_job_t *job);
/* Begins to publish what job->spec and, of a job that is resumed, job->resuming say. */
void map_produce(fanmap_job_t *job);
bool map_writable(const fanmap_job_t *job);
/* What another job handed out, as the next item: a value as it is, an error as this map's outcome of the item. The map
 * is writable. */
int map_put_outcome(fanmap_job_t *job, const outcome_t *outcome, fanmap_error_t *err);
/* What was filled in (item.c) is the next item; `len`: its bytes, for a message. The map is writable. */
int map_put(fanmap_job_t *job, producer_event_t *event, size_t len, fanmap_error_t *err);
/* No more items. */
void map_end_input(fanmap_job_t *job);

/* produce.c */
void map_step(fanmap_job_t *job, producer_event_t *event);
void map_simple_step(fanmap_job_t *job, producer_event_type_t type);
/* The job's timer: what waits for the bus, the deadline, the producer's own. */
void map_on_timer(void *arg);
void stash_send(fanmap_job_t *job);
void stash_free(stash_t *stash);

/* checks.c */
/* Never called when the job is gone or has failed. `answer`: see bus_query_end, bus_query_time. */
typedef void (*check_fn)(fanmap_job_t *job, int32_t tag, int64_t answer);
int check_end(fanmap_job_t *job, bus_topic_t *topic, int32_t partition, check_fn fn, int32_t tag, fanmap_error_t *err);
int check_members(fanmap_job_t *job, bus_topic_t *topic, const char *group_id, check_fn fn, fanmap_error_t *err);
int check_time(fanmap_job_t *job, bus_topic_t *topic, int32_t partition, int64_t time_ms, check_fn fn, int32_t tag,
               fanmap_error_t *err);
void checks_free(fanmap_t *f);

/* reports.c */
/* The job's log is read from its start on, once it is known where that is. */
void map_read_log(fanmap_job_t *job);
/* A publisher_stored_fn; `arg` is the job. */
void map_stored(void *arg, queue_topic_t topic, uint64_t value, int32_t partition, int64_t offset,
                const fanmap_error_t *err);

/* gather.c */
/* Reads the job's log from its start offset on. */
int gather_begin(fanmap_job_t *job, fanmap_error_t *err);
void gather_end(fanmap_job_t *job);
/* The next outcome; FANMAP_AGAIN, FANMAP_END, or a negative code. Lets the reader and the producer go on when there is
 * room again. */
int gather_next(fanmap_job_t *job, outcome_t *ret, fanmap_error_t *err);
/* gather_next would not say FANMAP_AGAIN. */
bool gather_has_next(const fanmap_job_t *job);
/* Something that the reader may be held for has changed. */
void gather_relieve(fanmap_job_t *job);
/* The end of the log was found: the producer's CHECK_LOG is answered when we are there. */
void gather_check(fanmap_job_t *job, int64_t end);
/* Gathers a job whose log begins there, without looking it up. The topics must be known to exist. */
int gather_at(fanmap_t *f, const char *job_id, int32_t results_partition, int64_t start_offset,
              const fanmap_options_t *options, fanmap_job_t **ret_job, fanmap_error_t *err);
/* The topics are there: looks for the job that the caller wants to gather. */
void gather_lookup(fanmap_job_t *job);

/* lookup.c */
typedef struct {
    bool is_found;
    spec_t spec; /* with start_offset; bound stays behind */
    uint64_t concurrency_version, paused_version, concurrency;
    bool paused, has_end;
    end_reason_t end_reason;
} lookup_result_t;
typedef void (*lookup_fn)(void *arg, const lookup_result_t *result);
/* Reads the jobs topic to its present end and tells what it says of `job_id`. One answer; lookup_free before it: none.
 */
int lookup_begin(queue_t *queue, const char *job_id, lookup_fn fn, void *arg, struct lookup **ret, fanmap_error_t *err);
void lookup_free(struct lookup *lookup);

/* resume.c */
/* Finds out what the job has already, then starts its producer (map_produce) or fails the job. */
int resuming_begin(fanmap_job_t *job, const lookup_result_t *found, fanmap_error_t *err);
/* For the producer; NULL where nothing is resumed. */
resume_t *resuming_known(resuming_t *resuming);
/* PRODUCER_SCAN. */
void resuming_scan(resuming_t *resuming);
void resuming_free(resuming_t *resuming);

/* outcome.c */
/* Appends text for people and for the log: what is not UTF-8, and NUL, becomes U+FFFD. */
void put_utf8(buf_t *b, const char *text, size_t len);
/* Makes job->outcome from what order handed out: NUL-terminated texts, the value in the job's format. */
int outcome_fill(fanmap_job_t *job, const outcome_t *outcome, fanmap_error_t *err);

/* item.c */
/* The event by which the producer takes the item: as msgpack in job->in; or why it cannot be sent, in job->refusal.
 * JSON that stands for an error ({"$error":...}) is that error. */
void item_fill(fanmap_job_t *job, fanmap_format_t format, const void *item, size_t len, producer_event_t *ret);
/* The same of the parts of a zipped item. */
void item_fill_zipped(fanmap_job_t *job, fanmap_format_t format, const fanmap_part_t *parts, size_t n,
                      producer_event_t *ret);
/* An item that is an error already, or whose outcome is known in any other way. */
void item_fill_error(fanmap_job_t *job, const outcome_t *outcome, producer_event_t *ret);

/* error_json.c */
/* `mp` is what value_from_json made of `text`. False: it is no {"$error":...}. True: *ret borrows from `mp`, or, if
 * that is no sound error, *ret_why says so. */
/* The same of a msgpack map of the one key $error. */
bool error_from_msgpack(const void *mp, size_t len, outcome_t *ret, const char **ret_why);
/* msgpack.c: "$error", "$value" or "$binary" if that is the single key of the map, with its value; else NULL. */
const char *msgpack_single_key(const void *mp, size_t len, const uint8_t **ret_value, size_t *ret_len);
bool error_from_json(const char *text, size_t len, const buf_t *mp, outcome_t *ret, const char **ret_why);

/* retry.c */
/* job->options name a job whose failed items the new one runs again: it is found out what there is before the new job
 * begins. Sets job->queue. */
int retry_new(fanmap_job_t *job, const char *of, fanmap_error_t *err);
/* False: it goes on, and calls map_begin when it knows more, or fails the job. */
bool retry_begin(retry_t *retry);
bool retries_due(const fanmap_t *f);
/* Outside the loop, after a turn: gives the producers what they take. */
void retries_run(fanmap_t *f);
void retry_free(retry_t *retry);

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

/* pull.c */
/* How a job whose outcomes were all handed out has ended: FANMAP_END, or a negative code. */
int job_result(const fanmap_job_t *job, fanmap_error_t *err);
/* A call for the next outcome of this job would say something. */
bool job_has_news(const fanmap_job_t *job);
/* One outcome, or FANMAP_AGAIN, or how it ended. */
int job_take(fanmap_job_t *job, const fanmap_outcome_t **ret, fanmap_error_t *err);
/* True, once, when a push that was refused would now be taken. */
bool job_became_writable(fanmap_job_t *job);

/* callbacks.c */
bool callbacks_due(const fanmap_t *f);
/* FANMAP_AGAIN: more are due. Inside a callback it does nothing. */
int run_callbacks(fanmap_t *f, unsigned max);

/* local.c */
/* Starts the embedded worker at the first map, with that map's tasks; FANMAP_EUSAGE when it does not serve the
 * job's task, or allows less than the job asks for. */
int local_start(fanmap_t *f, const fanmap_options_t *options, const spec_t *spec, fanmap_error_t *err);
void local_stop(fanmap_t *f);
/* Attempts of the job that run in the embedded worker. */
uint64_t local_running(const fanmap_t *f, const char *job_id);

/* presence.c */
void presence_watch(fanmap_job_t *job);
void presence_stop(fanmap_job_t *job);

#endif
