/* fanmap for operators: the option table, workers and aggregators as services, control of running
 * jobs.
 *
 * The command line uses this header and fanmap.h and nothing else. Threads, ownership and failure are as in fanmap.h.
 */
#ifndef FANMAP_ADMIN_H
#define FANMAP_ADMIN_H

#include "fanmap/fanmap.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the option table: one table behind fanmap_options_set, the command line's parser and --help ---- */

/* Where an option means something; the bits of `scope`. */
enum {
    FANMAP_SCOPE_CONNECT = 1, /* all that connect */
    FANMAP_SCOPE_MAP = 2,     /* map and submit */
    FANMAP_SCOPE_GATHER = 4,
    FANMAP_SCOPE_WORKER = 8,  /* worker, and map --local */
    FANMAP_SCOPE_INPUT = 16,  /* reading items on the command line */
    FANMAP_SCOPE_OUTPUT = 32, /* writing outcomes on the command line */
    FANMAP_SCOPE_CLI = 64,    /* every subcommand */
    FANMAP_SCOPE_AGGREGATOR = 128,
    FANMAP_SCOPE_CHECK = 1 << 11, /* check-task */
    /* Of what operators ask: */
    FANMAP_SCOPE_LIST = 1 << 12,   /* all that print a list */
    FANMAP_SCOPE_JOBS = 1 << 13,   /* which jobs are listed */
    FANMAP_SCOPE_TOPICS = 1 << 14, /* the topics of a namespace */
    FANMAP_SCOPE_DEAD = 1 << 15,   /* dead letters */
    FANMAP_SCOPE_SHELL = 1 << 16,  /* map alone, as a program of the shell */
    FANMAP_SCOPE_SERVE = 1 << 17,  /* serve */
    FANMAP_SCOPE_STREAM = 1 << 18, /* stream */
    FANMAP_SCOPE_LOGS = 1 << 19    /* logs */
};

typedef struct {
    const char *name;     /* long name without dashes; the key of fanmap_options_set */
    char letter;          /* short flag, or 0 */
    const char *alias;    /* a second long name, or NULL */
    const char *metavar;  /* NULL: a switch, whose value is "true" or "false" */
    const char *standard; /* the default as text, or NULL */
    unsigned scope;
    bool repeats;     /* every value counts, in order */
    const char *help; /* one line */
} fanmap_option_info_t;

/* The whole table, for ever valid. */
FANMAP_API const fanmap_option_info_t *fanmap_option_table(size_t *ret_n);
/* What was set (also by file, environment or default), or NULL. `nth` counts the values of one that repeats. Borrowed
 * until the options change. */
FANMAP_API const char *fanmap_options_get(const fanmap_options_t *options, const char *key, size_t nth);

/* A count, a size in bytes, or a duration in ms; 0 when unset or of another type. */
FANMAP_API uint64_t fanmap_options_number(const fanmap_options_t *options, const char *key);

/* Whether this value of an option is a secret: a password or key of Kafka's ("X.sasl.password", "property"), a URL of Redis
 * with its password. It belongs into a file, not into argv. */
FANMAP_API bool fanmap_option_is_secret(const char *key, const char *value);

/* ---- what commands print ---- */

/* With the option "command-copy" commands of an embedded map write what they print into the descriptor "task-log-fd", a
 * pipe, while they run ("beside": it is the value as well; "instead": the value is empty). There each piece is this head
 * and `len` bytes, written whole and at most 4096 bytes in all; an attempt's last one has stream 0 and no bytes, and
 * stands there before its outcome comes. */
typedef struct {
    uint32_t len, stream; /* 0: the end, 1: stdout, 2: stderr */
    uint64_t index;
    uint32_t attempt, unused;
} fanmap_copied_t;

/* ---- the words of a command ---- */

typedef struct fanmap_filler fanmap_filler_t;

/* For the words (NULL-terminated) of a command in which placeholders stand, or of the command that "argv" or "sh" is
 * where `words` is NULL; further options: "replace" and "bind". The options must outlive it. */
FANMAP_API int fanmap_filler_open(const fanmap_options_t *options, const char *const *words,
                                  fanmap_filler_t **ret_filler, fanmap_error_t *err) FANMAP_MUST_CHECK;
/* The words as item `index`, of `n` parts in `format`, makes them; borrowed until the next call. One part is the item
 * itself. FANMAP_EUSAGE: it cannot be put in. */
FANMAP_API int fanmap_filler_fill(fanmap_filler_t *filler, fanmap_format_t format, const fanmap_part_t *parts, size_t n,
                                  uint64_t index, const char *const **ret_words, fanmap_error_t *err) FANMAP_MUST_CHECK;
/* The whole command as a text for sh that does the same: words in quotes where they need them, and before it what brings
 * the item on stdin, where that is how it comes. No part: of whatever comes there. Otherwise as fanmap_filler_fill. */
FANMAP_API int fanmap_filler_command(fanmap_filler_t *filler, fanmap_format_t format, const fanmap_part_t *parts,
                                     size_t n, uint64_t index, const char **ret_text, size_t *ret_len,
                                     fanmap_error_t *err) FANMAP_MUST_CHECK;
/* NULL is allowed. */
FANMAP_API void fanmap_filler_close(fanmap_filler_t *filler);

/* ---- a stream of msgpack ---- */

/* Where the end of the object that begins at `bytes` is looked for; zeroed before the first call. */
typedef struct {
    uint64_t at, objects; /* at: how far it was read; may lie beyond what is there */
    bool is_begun;
} fanmap_scan_t;
/* FANMAP_OK: the object is whole and has scan->at bytes. FANMAP_AGAIN: call again with more of it; who drops bytes from
 * its front, at most scan->at, takes them off scan->at too. FANMAP_EUSAGE: the byte at scan->at is none of msgpack's.
 */
FANMAP_API int fanmap_msgpack_scan(fanmap_scan_t *scan, const void *bytes, size_t len) FANMAP_MUST_CHECK;

/* ---- a service seen from outside ---- */

/* Grows only at its end. */
typedef struct {
    bool
        is_ready; /* it knows what it works on: partitions were dealt out to it; of a connection: Kafka is not being waited for */
    char why[256]; /* not ready: why; ready: what it lacks all the same, such as Redis; "": nothing */
} fanmap_health_t;

/* A text that Prometheus reads (text format 0.0.4), whole; borrowed until it returns. docs/metrics.md says what stands in it.
 * The calls that give it reckon it there and then, on the thread that runs the service, between two calls of its run. */
typedef void (*fanmap_text_fn)(void *arg, const char *text, size_t len);

/* Of a connection: its gathers, and the process. */
FANMAP_API int fanmap_metrics(const fanmap_t *f, fanmap_text_fn fn, void *arg, fanmap_error_t *err) FANMAP_MUST_CHECK;
/* Fills the first `sizeof_ret` bytes, here and below. */
FANMAP_API void fanmap_health(const fanmap_t *f, fanmap_health_t *ret, size_t sizeof_ret);

/* ---- a worker in this process ---- */

typedef struct fanmap_worker fanmap_worker_t;

/* Loads the table of every task library in a helper process, connects, starts its slots. Options: "brokers", "redis",
 * "namespace", "queue", "tasks" (repeats), "exec" and "serve" (NAME=CMD ARG..., repeat), "slots", "budget", "drain",
 * "lease" and more. */
FANMAP_API int fanmap_worker_open(const fanmap_options_t *options, fanmap_log_fn log, void *log_arg,
                                  fanmap_worker_t **ret_worker, fanmap_error_t *err) FANMAP_MUST_CHECK;
/* As fanmap_fd: poll it, never read it. */
FANMAP_API int fanmap_worker_fd(const fanmap_worker_t *worker);
/* Works for up to `timeout_ms` (-1: until woken by an error or the end of a drain). FANMAP_OK: call again. FANMAP_END:
 * drained. A negative code: the worker cannot go on (refused, or not reachable within the connect timeout). */
FANMAP_API int fanmap_worker_run(fanmap_worker_t *worker, int timeout_ms, fanmap_error_t *err) FANMAP_MUST_CHECK;
/* Takes nothing new, finishes or hands back what runs within the drain time; fanmap_worker_run then says FANMAP_END.
 * Async-signal-safe. */
FANMAP_API void fanmap_worker_drain(fanmap_worker_t *worker);
/* It is in its group, and takes items. */
FANMAP_API bool fanmap_worker_is_ready(const fanmap_worker_t *worker);
FANMAP_API int fanmap_worker_metrics(const fanmap_worker_t *worker, fanmap_text_fn fn, void *arg,
                                     fanmap_error_t *err) FANMAP_MUST_CHECK;
FANMAP_API void fanmap_worker_health(const fanmap_worker_t *worker, fanmap_health_t *ret, size_t sizeof_ret);
FANMAP_API void fanmap_worker_close(fanmap_worker_t *worker);

/* ---- programs that speak the slot protocol ---- */

/* One thing that was looked at; `what` is a line of text, borrowed. */
typedef void (*fanmap_check_fn)(void *arg, bool is_ok, const char *what);

/* Starts the program `argv` (NULL-terminated) several times and tells it everything that a worker may tell a served
 * program: hello, items of every kind for each of its tasks, cancel, bye, a broken line. Each finding is reported.
 * Blocks until it is through; every wait is bounded. Option: "start-timeout" (10 s when not set). What the program
 * itself prints goes to `log_fd` (-1: nowhere). *ret_wrong: how many findings were bad. FANMAP_EUSAGE: it cannot be
 * started. */
FANMAP_API int fanmap_check_task(const fanmap_options_t *options, const char *const *argv, int log_fd,
                                 fanmap_check_fn report, void *arg, unsigned *ret_wrong,
                                 fanmap_error_t *err) FANMAP_MUST_CHECK;

/* ---- an aggregator in this process ---- */

typedef struct fanmap_aggregator fanmap_aggregator_t;

/* Writes DIR/JOB.jsonl (option "out") for every job of the namespace that ends: the lines of `fanmap gather JOB`, put
 * beside the final path and renamed, so that what has that name is whole. Aggregators with the same "group" share the
 * jobs, and should share DIR; one that comes back writes what is missing. A disk that is full or read-only is said
 * (log) and tried again. Other options: "records", "window", "drain", "brokers", "namespace" and more; Redis plays no
 * part. FANMAP_EIO: DIR is no directory. */
FANMAP_API int fanmap_aggregator_open(const fanmap_options_t *options, fanmap_log_fn log, void *log_arg,
                                      fanmap_aggregator_t **ret_aggregator, fanmap_error_t *err) FANMAP_MUST_CHECK;
/* As fanmap_fd: poll it, never read it. */
FANMAP_API int fanmap_aggregator_fd(const fanmap_aggregator_t *aggregator);
/* Works for up to `timeout_ms` (-1: until something happened), and for as long as the disk takes with what is written
 * meanwhile. FANMAP_OK: call again. FANMAP_END: drained. A negative code: it cannot go on (refused, or Kafka not
 * reachable within the connect timeout). */
FANMAP_API int fanmap_aggregator_run(fanmap_aggregator_t *aggregator, int timeout_ms,
                                     fanmap_error_t *err) FANMAP_MUST_CHECK;
/* Begins no further file, ends those under way within the drain time, and hands its jobs to others;
 * fanmap_aggregator_run then says FANMAP_END. Async-signal-safe. */
FANMAP_API void fanmap_aggregator_drain(fanmap_aggregator_t *aggregator);
/* It is in its group, and takes logs. */
FANMAP_API bool fanmap_aggregator_is_ready(const fanmap_aggregator_t *aggregator);
FANMAP_API int fanmap_aggregator_metrics(const fanmap_aggregator_t *aggregator, fanmap_text_fn fn, void *arg,
                                         fanmap_error_t *err) FANMAP_MUST_CHECK;
FANMAP_API void fanmap_aggregator_health(const fanmap_aggregator_t *aggregator, fanmap_health_t *ret,
                                         size_t sizeof_ret);
FANMAP_API void fanmap_aggregator_close(fanmap_aggregator_t *aggregator);

/* ---- a stream, gathered in this process ---- */

typedef struct fanmap_stream fanmap_stream_t;

/* Begins the stream named by option "job-id" (the task's name where there is none), or joins it: the records of topic "from" are
 * items of the task, run by the workers of the queue that serve it, and their outcomes become records of topic "to", errors those
 * of "errors-to". This process writes them; several of the same stream share its partitions. What is written and how far the
 * outcomes are read is one Kafka transaction, at most "commit-every" apart: a reader with isolation.level=read_committed sees each
 * outcome once. The policies ("concurrency", "retries", "timeout"...) are those of the stream's beginning; fanmap_control changes
 * them. Blocks until Kafka has answered. With "detach" that is all: fanmap_stream_run says FANMAP_END, and others write the
 * outcomes. FANMAP_EUSAGE: a topic is not there, or the stream is another. FANMAP_ESTOPPED: it was
 * cancelled. */
FANMAP_API int fanmap_stream_open(const fanmap_options_t *options, const char *task, fanmap_log_fn log, void *log_arg,
                                  fanmap_stream_t **ret_stream, fanmap_error_t *err) FANMAP_MUST_CHECK;
/* As fanmap_fd: poll it, never read it. */
FANMAP_API int fanmap_stream_fd(const fanmap_stream_t *stream);
/* Works for up to `timeout_ms` (-1: until something happened). FANMAP_OK: call again. FANMAP_END: drained. FANMAP_ESTOPPED: it
 * was cancelled. Another negative code: it cannot go on; nothing is lost. */
FANMAP_API int fanmap_stream_run(fanmap_stream_t *stream, int timeout_ms, fanmap_error_t *err) FANMAP_MUST_CHECK;
/* Stores what is in hand and leaves the rest to others; fanmap_stream_run then says FANMAP_END. The stream itself goes on.
 * Async-signal-safe. */
FANMAP_API void fanmap_stream_drain(fanmap_stream_t *stream);
FANMAP_API int fanmap_stream_metrics(const fanmap_stream_t *stream, fanmap_text_fn fn, void *arg,
                                     fanmap_error_t *err) FANMAP_MUST_CHECK;
FANMAP_API void fanmap_stream_health(const fanmap_stream_t *stream, fanmap_health_t *ret, size_t sizeof_ret);
FANMAP_API void fanmap_stream_close(fanmap_stream_t *stream);

/* ---- a running job ---- */

/* verb: "cancel", "pause", "resume" or "concurrency" (arg: the new limit, 0 for none). Waits up to `timeout_ms` until
 * Kafka has stored it. FANMAP_OK: stored; FANMAP_AGAIN: not yet; ENOJOB: no such job; ESTOPPED: it has ended already.
 */
FANMAP_API int fanmap_control(fanmap_t *f, const char *job_id, const char *verb, const char *arg, int timeout_ms,
                              fanmap_error_t *err) FANMAP_MUST_CHECK;

/* ---- what a namespace holds ----
 *
 * Each call blocks until it has its answer; `timeout_ms` bounds how long it waits without hearing anything new, not how
 * much it reads. What it reads has an end that was fixed when it began. The callbacks run inside the call, must not use
 * `f`, and what they are given is borrowed until they return. Not for an embedded connection. */

typedef enum { FANMAP_JOB_RUNNING = 0, FANMAP_JOB_PAUSED = 1, FANMAP_JOB_ENDED = 2 } fanmap_job_state_t;

/* Grows only at its end. */
typedef struct {
    const char *job, *task, *queue;
    fanmap_job_state_t state;
    const char
        *reason; /* how it ended: "complete", "cancel", "deadline", "fail-fast", "halt", "input error". Of a job that
                           is not over, in a word or two what it waits for ("no worker"); "": nothing is known to hold it */
    uint64_t concurrency; /* as it is now; 0: no limit */
    int64_t submitted_ms; /* unix time */
    bool has_counts;      /* its log was read, or whoever said its end had counted; else the counts below are 0 */
    bool is_log_gone;     /* retention took the beginning of its log: it cannot be gathered any more */
    bool is_stream;       /* a map without end over a topic: it has no counts, and ends when it is cancelled only */
    uint64_t known, failed, retried;
    uint64_t published; /* at least so many items are stored; as of the producer's last word */
    int64_t total;      /* of an ended job the length of its list; -1: not known yet */
} fanmap_job_info_t;

typedef void (*fanmap_job_info_fn)(void *arg, const fanmap_job_info_t *job);
/* Every job that the jobs topic knows, oldest first. Reads that topic, and the logs of jobs without an end (option
 * "counts" false: not): about as many bytes as their outcomes have. Memory: some 700 bytes a job, a bit or two an
 * outcome of jobs without an end. Options in `filter` (NULL: none): "state", "task", "queue", "since", "counts". */
FANMAP_API int fanmap_jobs(fanmap_t *f, const fanmap_options_t *filter, int timeout_ms, fanmap_job_info_fn fn,
                           void *arg, fanmap_error_t *err) FANMAP_MUST_CHECK;

enum { FANMAP_KINDS = 14, FANMAP_POLICY_MAX = 32, FANMAP_WAITS_MAX = 8, FANMAP_WAITED_PLACES = 32 };

/* Failures of which the same is said: kind, type, and message but for numbers, quoted words and hexadecimal digits. */
typedef struct {
    const char *group; /* its name, for the option "retry-group" */
    fanmap_kind_t kind;
    const char *type, *message; /* the message as it is the same for all */
    uint64_t count, first, last;
} fanmap_failures_t;

/* A partition of a stream's source, and of its log. Grows only at its end. */
typedef struct {
    uint32_t partition;
    int64_t lag;         /* records of it from the oldest unfinished one on */
    int64_t head;        /* the offset of that one; -1: nothing waits */
    int64_t head_age_ms; /* since it was written, by its own timestamp; -1: not known */
    int64_t ungathered;  /* records of the log, of many outcomes each, that no fanmap_stream has handed out */
} fanmap_lane_info_t;

/* What was asked of a job, or came of it. An element of an array: it does not grow. */
typedef struct {
    int64_t at_ms;        /* unix time at which Kafka stored it */
    const char *what;     /* "submitted", "limit", "paused", "resumed" or "ended" */
    const char *reason;   /* of its end, as in fanmap_job_info_t; else "" */
    uint64_t concurrency; /* of a limit; 0: none */
} fanmap_change_t;

/* Grows only at its end. */
typedef struct {
    fanmap_job_info_t summary;
    size_t policy_n; /* what it was submitted with, as options of fanmap_map; only what is not the default */
    const char *policy_names[FANMAP_POLICY_MAX], *policy_values[FANMAP_POLICY_MAX];
    uint64_t kinds[FANMAP_KINDS]; /* outcomes by fanmap_kind_t */
    double rate;                /* outcomes a second: over the last minute, or of an ended job over its life; 0: none */
    int64_t last_outcome_ms;    /* unix time; 0: none yet */
    int64_t producer_silent_ms; /* since the producer last wrote to the log; -1: the input has ended */
    int64_t oldest_index;       /* the first item without an outcome; -1: none */
    int workers_n;              /* that serve its task on its queue; -1: not known */
    int64_t tokens_held;        /* over the fleet; -1: no table, no limit, or it has ended */
    uint64_t bad_records;       /* of the log, which do not count */
    size_t waits_n;             /* why it does not go on, one sentence each */
    const char *waits[FANMAP_WAITS_MAX];
    /* The attempt that has run for longest, by its worker's last word, which is at most some seconds old. */
    int64_t running_index; /* -1: none, or Redis does not say */
    int64_t running_attempt, running_ms;
    const char *running_worker; /* HOST:PID; "": none */
    int64_t lag; /* records on the topic of its task, of all its jobs, from the oldest unfinished one of each partition
                    on; -1: the job has ended, or Kafka does not say */
    size_t failures_n; /* its failures in groups, the largest first */
    const fanmap_failures_t *failures;
    uint64_t failures_more; /* of further groups */
    const char *holders;    /* some of the workers that hold its tokens: HOST:PID N, ...; "": none, or not known */
    /* By the last word of the workers that serve its task: of the job what runs, waits in a worker, and waits there for its
     * next try; of all jobs their slots, and how many are busy. -1: not known. */
    int64_t attempts_running, attempts_queued, attempts_delayed, slots, slots_busy;
    const char *from, *to,
        *errors_to; /* of a stream its topics, "": none; from is "" of a job. A stream has no counts. */
    size_t lanes_n;
    const fanmap_lane_info_t *lanes;
    int gatherers_n; /* who run fanmap_stream for it; -1: a job, or Kafka does not say */
    /* Outcomes by how long their item had waited, from its storing to the start of its first attempt, as far as workers say: place i
     * counts those of 2^i up to 2^(i+1) ms, the first also those of 0. */
    uint64_t waited[FANMAP_WAITED_PLACES];
    /* Of the partition in which its log lies: from its beginning on, and not read yet (fanmap_show_soon). While any is not,
     * nothing is said that only the log tells: no counts but those that were stored at its end, no rate, no failures. */
    int64_t log_records, log_unread;
    uint64_t skipped; /* records of a stream that its rules stepped over, of those that are handed out */
    size_t changes_n; /* oldest first, the newest 64, as far as the jobs topic still has them: it is compacted */
    const fanmap_change_t *changes;
} fanmap_show_t;

typedef void (*fanmap_show_fn)(void *arg, const fanmap_show_t *show);
/* One job; `fn` is called once. Reads the whole log of the job; of the jobs that this connection was asked about last, only what came
 * since. FANMAP_ENOJOB: there is none. */
FANMAP_API int fanmap_show(fanmap_t *f, const char *job_id, int timeout_ms, fanmap_show_fn fn, void *arg,
                           fanmap_error_t *err) FANMAP_MUST_CHECK;

/* The same, but its log is read for no longer than about `read_ms` (0: not at all). The next call of this connection about that job
 * goes on from there. */
FANMAP_API int fanmap_show_soon(fanmap_t *f, const char *job_id, int read_ms, int timeout_ms, fanmap_show_fn fn,
                                void *arg, fanmap_error_t *err) FANMAP_MUST_CHECK;

/* An attempt of an item that gave no value and was not its last. An element of an array: it does not grow. */
typedef struct {
    uint32_t attempt; /* from 1 */
    fanmap_kind_t kind;
    int64_t ended_ms; /* unix time, by the clock of its worker */
    uint64_t run_us;
    const char *worker, *type, *message; /* HOST:PID; the texts may have been cut */
    int exit_status, signo;
} fanmap_ended_t;

/* Grows only at its end. */
typedef struct {
    uint64_t index;
    const char *outcome; /* as fanmap_outcome_json writes a record; NULL: none yet, and the next four say nothing */
    int64_t stored_ms;   /* unix time at which Kafka stored it */
    uint64_t run_us;     /* how long its last attempt ran, and where: HOST:PID, "": nobody says */
    const char *worker;
    int64_t wait_ms;       /* until the first attempt began; -1: nobody says */
    const char *input;     /* as JSON; NULL: it cannot be had, ... */
    const char *input_why; /* ... and why */
    size_t ended_n;        /* earlier attempts, as far as their workers kept logs and these are still there */
    const fanmap_ended_t *ended;
} fanmap_item_info_t;

typedef void (*fanmap_item_fn)(void *arg, const fanmap_item_info_t *item);
/* One item of a job; `fn` is called once. Reads the log of the job, of the topic of its items the stretch where the item lies, and what
 * is kept of the logs of attempts. An item that is not there yet has no outcome and no input. FANMAP_ENOJOB: there is no such job;
 * FANMAP_EUSAGE: it is a stream. */
FANMAP_API int fanmap_item(fanmap_t *f, const char *job_id, uint64_t index, int timeout_ms, fanmap_item_fn fn,
                           void *arg, fanmap_error_t *err) FANMAP_MUST_CHECK;

/* Grows only at its end. */
typedef struct {
    /* As fanmap_outcome_json has it: JSON, the index of a record being its offset; not NUL-terminated. */
    const char *line;
    size_t len;
    const char *position; /* behind it; sorts as text */
    bool is_end;          /* no outcome: it was read up to `position`, and is the last that is told */
    bool is_over;         /* of the end: nothing follows, the stream was cancelled */
} fanmap_lane_outcome_t;

typedef void (*fanmap_lane_outcome_fn)(void *arg, const fanmap_lane_outcome_t *outcome);
/* Outcomes of one partition of a stream's source, from its log: each once, in the stream's order, from a position that was given here
 * (NULL: the first that is there), at most `limit`. It reads beside fanmap_stream and moves nothing; but what that has handed out is
 * deleted from the log soon, so it is for streams that nobody else gathers. FANMAP_ELOST: what lies behind the position is not all
 * there any more; FANMAP_EUSAGE: no stream, no such partition, or no position of ours. */
FANMAP_API int fanmap_lane(fanmap_t *f, const char *stream_id, uint32_t lane, const char *from, uint64_t limit,
                           bool as_records, int timeout_ms, fanmap_lane_outcome_fn fn, void *arg,
                           fanmap_error_t *err) FANMAP_MUST_CHECK;

/* Grows only at its end. */
typedef struct {
    const char *id, *host, *queue, *tasks; /* tasks: separated by commas */
    uint64_t pid, slots, running, queued, partitions;
    int64_t started_ms, silent_ms; /* unix time; since it was last heard of */
    const char *
        oldest; /* what runs, JOB/INDEX/ATTEMPT/MS,..., longest first: of `running` up to 32, one of each job before all others */
    const char *version; /* of fanmap; "": it does not say */
    const char *
        runnable; /* of each task what only a slot is missing for, and since when the oldest of it waits: TASK/ITEMS/MS,... */
} fanmap_worker_info_t;

typedef void (*fanmap_worker_info_fn)(void *arg, const fanmap_worker_info_t *worker);
/* The workers that Redis heard of within the last minute. FANMAP_EUSAGE without Redis. */
FANMAP_API int fanmap_workers(fanmap_t *f, int timeout_ms, fanmap_worker_info_fn fn, void *arg,
                              fanmap_error_t *err) FANMAP_MUST_CHECK;

/* Grows only at its end. A `wanted_` of 0: anything. */
typedef struct {
    const char *name;
    const char *group; /* the consumer group that reads it; "": none */
    bool exists;
    bool has_config; /* false: this principal may not see its settings (DescribeConfigs) */
    bool compacted, wanted_compacted;
    uint32_t partitions, wanted_partitions;
    int64_t retention_ms, wanted_retention_ms; /* -1: for ever */
    uint32_t message_bytes_max, wanted_message_bytes_max;
    const char *problem; /* what is wrong with it, one sentence; "": nothing */
} fanmap_topic_info_t;

typedef void (*fanmap_topic_info_fn)(void *arg, const fanmap_topic_info_t *topic);
/* The topics of the namespace: those that there must be, among them the items of each "task" on "queue", and all other
 * topics of items that exist. */
FANMAP_API int fanmap_topics(fanmap_t *f, const fanmap_options_t *options, int timeout_ms, fanmap_topic_info_fn fn,
                             void *arg, fanmap_error_t *err) FANMAP_MUST_CHECK;
/* Makes what is missing of the topics that there must be, with "partitions", "retention" and "item-max". */
FANMAP_API int fanmap_topics_create(fanmap_t *f, const fanmap_options_t *options, int timeout_ms,
                                    fanmap_error_t *err) FANMAP_MUST_CHECK;
/* The rights that each role needs, as lines of a shell script: kafka-acls for Kafka and ACL SETUSER for Redis. Nothing
 * is asked. Options: "namespace", "queue", "brokers", "principal". */
typedef void (*fanmap_line_fn)(void *arg, const char *line);
FANMAP_API int fanmap_acls(const fanmap_options_t *options, fanmap_line_fn fn, void *arg,
                           fanmap_error_t *err) FANMAP_MUST_CHECK;

/* ---- what nobody can need any more ---- */

/* Grows only at its end. */
typedef struct {
    uint64_t jobs_forgotten;  /* ended, and retention took the beginning of their log */
    uint64_t records_deleted; /* of the items topics of "queue": finished, and of no job that is still known */
    uint64_t topics_deleted;  /* of items: of a task that no worker serves, no known job is of, and without a record */
} fanmap_cleaned_t;

/* One pass: forgets those jobs (tombstones on the jobs topic), then deletes such records from the front of each items
 * partition; with the option "clean" also such topics. Idempotent; any number of programs may do it at the same time. Workers do it by themselves
 * (--clean-every). FANMAP_EREFUSED: a right is missing (Write on the jobs topic, Delete on the topics of items); *ret says
 * how far it came. */
FANMAP_API int fanmap_clean(fanmap_t *f, const fanmap_options_t *options, int timeout_ms, fanmap_cleaned_t *ret,
                            size_t sizeof_ret, fanmap_error_t *err) FANMAP_MUST_CHECK;

/* ---- what attempts wrote ---- */

/* Grows only at its end. */
typedef struct {
    uint64_t index;
    uint32_t attempt;
    int64_t at_ms;    /* unix time at which Kafka stored it */
    const char *text; /* a line without its newline, safe for a terminal; not NUL-terminated */
    size_t len;
    uint64_t dropped; /* not 0: no line, but so many bytes of the job that were not kept here */
    int64_t position; /* of what was written together; the option "after" goes on behind it */
    bool
        is_end; /* no line: it was read up to `position`, and is the last that is told; only with the option "after" or "lines" */
    bool is_over; /* of the end: the job had ended before it was read */
} fanmap_log_line_t;

typedef void (*fanmap_log_line_fn)(void *arg, const fanmap_log_line_t *line);
/* What attempts of the job wrote, as far as NS.logs still has it: of each worker in the order in which it was written.
 * Options in `filter`: "index" (only of this item), "failed" (only of items that have failed), "follow" (goes on until the
 * job has ended), "after" (a position: only what is behind it), "lines" (about so many and no more). FANMAP_ENOJOB: there is no such job. */
FANMAP_API int fanmap_logs(fanmap_t *f, const char *job_id, const fanmap_options_t *filter, int timeout_ms,
                           fanmap_log_line_fn fn, void *arg, fanmap_error_t *err) FANMAP_MUST_CHECK;

/* ---- dead letters ---- */

/* A record that nobody could use, as it was, and where it stood. Grows only at its end. */
typedef struct {
    int64_t offset;                     /* its number: where it stands on the dead-letter topic */
    int64_t at_ms;                      /* unix time */
    const char *topic, *reason, *stage; /* "": the letter does not say */
    int32_t origin_partition;           /* -1: likewise */
    int64_t origin_offset;
    const void *key, *value; /* NULL: none */
    size_t key_len, value_len;
    const char *job; /* its key, where that is a job id; else "" */
    bool is_item;    /* the value is an item, this one of its job */
    uint64_t index;
} fanmap_dead_t;

typedef void (*fanmap_dead_fn)(void *arg, const fanmap_dead_t *letter);
/* The letters of the namespace, oldest first. Options in `filter` (NULL: none): "job", "letter" (a number);
 * or "stream": the records on its topic of errors that were not put back yet ("all": every one), with `offset` in their partition there,
 * the error's message as reason and its kind as stage. */
FANMAP_API int fanmap_dead(fanmap_t *f, const fanmap_options_t *filter, int timeout_ms, fanmap_dead_fn fn, void *arg,
                           fanmap_error_t *err) FANMAP_MUST_CHECK;
/* Puts letters back where they stood, byte for byte, each origin once however often it is there. Refused, and told to
 * `on_refused` (may be NULL) with a reason: what does not say where it stood, or stood on no items topic of this
 * namespace, and, without the option "force", what is no item or belongs to no job that is still running: workers would
 * only bury it again. A letter stays on its topic until retention takes it. *ret_n: how many were stored. Options as of
 * fanmap_dead. With "stream" its errors go back to their partition of the source, without the headers that say what went wrong; how
 * far that came is kept in the group NS.replay.ID, so that the next call goes on behind it. */
typedef void (*fanmap_dead_refused_fn)(void *arg, const fanmap_dead_t *letter, const char *why);
FANMAP_API int fanmap_dead_replay(fanmap_t *f, const fanmap_options_t *filter, int timeout_ms,
                                  fanmap_dead_refused_fn on_refused, void *arg, uint64_t *ret_n,
                                  fanmap_error_t *err) FANMAP_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
