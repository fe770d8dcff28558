/* fanmap: map() over a fleet. One task, many inputs, results in input order, exceptions in their places.
 *
 * Threads. A fanmap_t and everything made from it belong to one thread at a time. Only fanmap_wake and
 * fanmap_outcome_free may be called from any thread. No callback runs outside fanmap_next, fanmap_next_any and
 * fanmap_dispatch. Only fanmap_next, fanmap_next_any, fanmap_control and the two close calls block, and no longer
 * than their timeout. A fanmap_t does not survive fork().
 *
 * Ownership. Inputs are copied. What arrives through `const T **ret_` is borrowed until the next call on that job;
 * what arrives through `T **ret_` is the caller's to free.
 *
 * Failure. Functions that return int give FANMAP_OK, FANMAP_AGAIN or FANMAP_END, or a negative code; then `*err` is
 * filled (err may be NULL) and every `ret_` is untouched. What the fleet says (unreachable, refused, a job id in
 * conflict) comes later, from next, next_any or the end callback, never from open or map.
 */
#ifndef FANMAP_FANMAP_H
#define FANMAP_FANMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define FANMAP_API        __attribute__((visibility("default")))
#define FANMAP_MUST_CHECK __attribute__((warn_unused_result))
#else
#define FANMAP_API
#define FANMAP_MUST_CHECK
#endif

/* One connection: Kafka and Redis, or "local". */
typedef struct fanmap fanmap_t;
/* Settings, key = value, each checked when it is set. The keys are the command line's long option names. */
typedef struct fanmap_options fanmap_options_t;
/* One map call, or one gathering of it. */
typedef struct fanmap_job fanmap_job_t;

enum {
    FANMAP_OK = 0,
    FANMAP_AGAIN = 1,   /* a bounded queue is full, or nothing is there yet */
    FANMAP_END = 2,     /* every outcome was handed out */
    FANMAP_EUSAGE = -1, /* a wrong option, value or call */
    FANMAP_ENOMEM = -2,
    FANMAP_EREFUSED = -3,     /* authentication or authorisation */
    FANMAP_EUNREACHABLE = -4, /* Kafka or Redis could not be reached, or was lost for good */
    FANMAP_ENOJOB = -5,       /* no such job */
    FANMAP_ECONFLICT = -6,    /* the job id is in use by another map */
    FANMAP_ESTOPPED = -7,     /* fail-fast, halt, deadline or cancel ended the job */
    FANMAP_EIO = -8,          /* the input could not be read or the output not written */
    FANMAP_ELOST = -9         /* Kafka no longer holds the whole log of the job */
};

/* The one error type, filled by the call that failed and given context on the way up. */
typedef struct {
    int code;            /* one of the negative codes above */
    bool retry_may_help; /* the same call may succeed later */
    char message[504];   /* one line, UTF-8, NUL-terminated: what happened and what to do */
} fanmap_error_t;

/* What an outcome is: a value, or one of the kinds of error. The numbers are on the wire and never change. */
typedef enum {
    FANMAP_VALUE = 0,
    FANMAP_EXCEPTION = 1, /* the task said so */
    FANMAP_EXIT = 2,      /* a non-zero exit status */
    FANMAP_SIGNAL = 3,    /* killed by a signal */
    FANMAP_TIMEOUT = 4,   /* the attempt ran for too long */
    FANMAP_MEMORY = 5,    /* over its memory limit */
    FANMAP_PROTOCOL = 6,  /* the output is not what was declared, or a frame is wrong */
    FANMAP_CRASHED = 7,   /* killed its slot or its worker too often */
    FANMAP_UNKNOWN_TASK = 8,
    FANMAP_BAD_INPUT = 9,  /* the item could not be parsed */
    FANMAP_TOO_LARGE = 10, /* the input or the value is over the limit */
    FANMAP_CANCELLED = 11,
    FANMAP_DEADLINE = 12, /* the job's deadline passed */
    FANMAP_LOST = 13      /* Kafka no longer has it */
} fanmap_kind_t;

/* How bytes are to be read: one msgpack object, one JSON text, text (a string where it is UTF-8, else binary), plain
 * bytes, what fanmap_outcome_msgpack wrote (a msgpack object in which {"$value": X} is X and {"$error": ...} an item
 * that has failed already, as in JSON), or a word that somebody typed (JSON where it is one JSON text, else text). */
typedef enum {
    FANMAP_MSGPACK = 0,
    FANMAP_JSON = 1,
    FANMAP_TEXT = 2,
    FANMAP_BYTES = 3,
    FANMAP_WRAPPED = 4,
    FANMAP_WORD = 5
} fanmap_format_t;

/* The one terminal fact of an item. Made by the library only; it grows only at its end. */
typedef struct {
    uint64_t index;
    uint32_t attempts;
    fanmap_kind_t kind;
    const void *value; /* kind FANMAP_VALUE: in the job's "value-format" (msgpack unless set) */
    size_t value_len;
    const char *type, *message, *stderr_tail; /* else: UTF-8, NUL-terminated, never NULL */
    size_t stderr_len;
    int exit_status, signo;  /* 0 where they do not apply */
    uint64_t run_us;         /* how long the last attempt ran */
    const char *stdout_tail; /* the end of what a command that failed had printed; as stderr_tail */
    size_t stdout_len;
    int32_t partition;    /* of a stream: of the record whose offset `index` is; -1: it is of a job */
    int64_t timestamp_ms; /* of that record, with its key (NULL: it has none) */
    const void *key;
    size_t key_len;
    const char *worker; /* HOST:PID of the worker that gave it; "": it was here, or nobody says */
} fanmap_outcome_t;

typedef struct {
    uint64_t published; /* items said to Kafka; of a gather: stored there, as of the producer's last word */
    uint64_t known;     /* outcomes in the log */
    uint64_t delivered; /* outcomes handed out, or given to a pipe */
    uint64_t failed;    /* of the known ones; cancelled ones are none */
    uint64_t retried;   /* attempts beyond the first, of the known ones */
    uint64_t running;   /* attempts that run now, embedded; a fleet keeps no count that costs nothing: fanmap_show */
    int64_t total;      /* -1: not known yet */
    bool paused;        /* when a gather looked the job up, or by fanmap_control of this connection since */
    bool input_ended, done; /* the list is decided */
    bool halted;            /* its --halt condition decided it */
} fanmap_stats_t;

typedef enum { FANMAP_LOG_ERROR, FANMAP_LOG_WARNING, FANMAP_LOG_INFO, FANMAP_LOG_DEBUG } fanmap_log_level_t;
/* One line for the operator, without a newline; called only inside a call into the library. */
typedef void (*fanmap_log_fn)(void *arg, fanmap_log_level_t level, const char *line);
/* One of these, for languages whose own functions had better not run in the middle of a call (an interrupt would be lost
 * there). `arg` points to an int, a descriptor that does not block, of a pipe whose other end is open, and outlives the
 * connection. Writes the level's digit, the line and a newline at once, 4,096 bytes at most. What the descriptor does not
 * take is dropped. */
FANMAP_API void fanmap_log_to_fd(void *arg, fanmap_log_level_t level, const char *line);

/* ---- options ---- */

FANMAP_API int fanmap_options_new(fanmap_options_t **ret_options) FANMAP_MUST_CHECK;
/* Sets one option. "X.NAME" passes NAME to librdkafka. A later call overrides an earlier one. */
FANMAP_API int fanmap_options_set(fanmap_options_t *options, const char *key, const char *value, fanmap_error_t *err);
/* Reads `path` (NULL: ~/.config/fanmap.conf, which may be absent), then the FANMAP_* environment. Values that were set
 * by fanmap_options_set before stay. FANMAP_EUSAGE for a file that others than this user and root can write to. A default
 * file that cannot be read, and one with a secret that everybody can read, are warnings: who opens a connection with
 * these options logs them. */
FANMAP_API int fanmap_options_load(fanmap_options_t *options, const char *path, fanmap_error_t *err);
FANMAP_API void fanmap_options_free(fanmap_options_t *options);

/* The version of the library, "MAJOR.MINOR.PATCH"; for ever valid. Any thread. */
FANMAP_API const char *fanmap_version(void);

/* ---- one connection ---- */

/* Starts connecting and returns at once; the options are copied. `log` may be NULL. Options: "brokers", "redis",
 * "namespace", "local" (true: everything on this machine, no Kafka and no Redis; its one worker starts with the first
 * map and serves the "tasks" and "exec" that are named by then), "connect-timeout" and more: docs/. */
FANMAP_API int fanmap_open(const fanmap_options_t *options, fanmap_log_fn log, void *log_arg, fanmap_t **ret_f,
                           fanmap_error_t *err) FANMAP_MUST_CHECK;
/* Closes its jobs first (as fanmap_job_close without detach); bounded by "close-timeout". Not from inside a callback.
 * NULL is allowed. */
FANMAP_API void fanmap_close(fanmap_t *f);
/* A descriptor that is readable (level-triggered) while fanmap_dispatch has something to do, timers included. Poll it,
 * never read it; it is the library's to close. */
FANMAP_API int fanmap_fd(const fanmap_t *f);
/* Does what is due, without blocking, and runs at most `max_callbacks` callbacks. FANMAP_AGAIN: more is ready. */
FANMAP_API int fanmap_dispatch(fanmap_t *f, unsigned max_callbacks, fanmap_error_t *err);
/* Makes a blocked fanmap_next, fanmap_next_any or poll return. Any thread; async-signal-safe. */
FANMAP_API void fanmap_wake(fanmap_t *f);

/* ---- one map ---- */

/* Begins a map of `task`. Options: "concurrency", "retries", "timeout", "job-id", "queue" and the others of `fanmap
 * map`. */
FANMAP_API int fanmap_map(fanmap_t *f, const char *task, const fanmap_options_t *options, fanmap_job_t **ret_job,
                          fanmap_error_t *err) FANMAP_MUST_CHECK;
/* Adds the next item; `item` is copied. FANMAP_AGAIN: the item was not taken, the window is full; try again when the
 * writable callback has run or a call to fanmap_next has returned. An item that cannot be sent (not of its format, over
 * the limit) is taken and becomes a `bad_input` or `too_large` outcome at its index. A JSON text {"$error":...}, as
 * fanmap_outcome_json writes it, is no item to run but that error, at its index. */
FANMAP_API int fanmap_push(fanmap_job_t *job, fanmap_format_t format, const void *item, size_t len,
                           fanmap_error_t *err) FANMAP_MUST_CHECK;
/* One part of an item that is an array. */
typedef struct {
    const void *bytes;
    size_t len;
} fanmap_part_t;
/* Adds the next item, an array of `n` parts, each in `format`; in a map with the option "sequences" one of each
 * sequence. Otherwise as fanmap_push, which takes the same items as arrays. */
FANMAP_API int fanmap_push_zipped(fanmap_job_t *job, fanmap_format_t format, const fanmap_part_t *parts, size_t n,
                                  fanmap_error_t *err) FANMAP_MUST_CHECK;
/* The same for a map of the parts by their names, all different, which are UTF-8 and NUL-terminated. No "sequences". */
FANMAP_API int fanmap_push_row(fanmap_job_t *job, fanmap_format_t format, const char *const *names,
                               const fanmap_part_t *parts, size_t n, fanmap_error_t *err) FANMAP_MUST_CHECK;
/* No more items. `source_error`, if not NULL, says why the source broke off: the job ends with it after what came
 * before. */
FANMAP_API int fanmap_end_input(fanmap_job_t *job, const char *source_error, fanmap_error_t *err);

/* The values of `from`, a map or a gathering of the same connection, become the items of the map `to`, in the order
 * in which `from` hands them out, while both run. From then on `to` takes no fanmap_push, and its input ends with the
 * list of `from`; the outcomes of `from` go nowhere else, and only its end is told (next, next_any, on_end). Until that
 * end is taken the connection's descriptor stays readable. Both handles stay the caller's.
 *
 * Nothing is lost: an item of `from` that failed is not sent to a worker, and its outcome in `to`, at its place, is
 * that same error. If `from` was stopped or failed, the input of `to` breaks off with the reason (FANMAP_EIO) after
 * what came before. Closing `to`, or its early end, cancels `from` and what feeds it; closing it with `detach` only
 * takes the pipe apart. While `to` takes no more items `from` is held, and so is its producer: nothing piles up. */
FANMAP_API int fanmap_pipe(fanmap_job_t *from, fanmap_job_t *to, fanmap_error_t *err) FANMAP_MUST_CHECK;

/* ---- outcomes ---- */

/* Begins to gather a job that someone submitted, or a stream. Options: "from" (an index, or what fanmap_position said),
 * "unordered", "value-format", "window". ENOJOB and ELOST come from fanmap_next.
 *
 * With "to" (and "errors-to", "to-format", "commit-every", "deliver"), here and in fanmap_map, each outcome of a job is also
 * written to that topic of Kafka's as it is handed out, in transactions, with the place where "as" keeps one; a value that the topic
 * does not take is handed out as the error that is written. What waits for a transaction to end is held back meanwhile, and
 * FANMAP_END comes when everything is stored. A transaction that fails fails the job.
 *
 * Of a stream the outcomes come that are in its log, in its own order, or with "unordered" as they come; "from" is
 * LANE:OFFSET,... then (partitions of the source, each with the first offset of it that is wanted) or what fanmap_position
 * said. FANMAP_END: what was there when its end was reached is handed out; with the option "follow" it waits for more,
 * until the stream is cancelled (FANMAP_ESTOPPED). Records that `fanmap stream` has deleted before they were read are
 * FANMAP_ELOST, or with "skip-lost" a line of the log.
 *
 * A gather of a job with the option "share", a name, is one of several that divide the list: each outcome is handed
 * out by one of those with that name, in any process, in the order of the list as long as none comes or goes. Call
 * fanmap_store_position from time to time, once what was handed out is done with: when one comes or goes nothing
 * more is handed out before that, and FANMAP_END is said when all of them are at the end of the list and have stored
 * that. fanmap_next returns FANMAP_AGAIN when that is what it waits for. One that is killed, or is away for longer
 * than "session-timeout", or does not store within five minutes of being asked, has its part taken over, and what it
 * had handed out since it last stored is handed out again. No "unordered", "as" or "from"; fanmap_position is
 * FANMAP_EUSAGE. */
FANMAP_API int fanmap_gather(fanmap_t *f, const char *job_id, const fanmap_options_t *options, fanmap_job_t **ret_job,
                             fanmap_error_t *err) FANMAP_MUST_CHECK;

/* Where this handle stands in the list: behind the outcome that was handed out last (of a batch: behind all of it; of a
 * pipe: behind what it took). A text without a NUL inside, a few hundred bytes (without an order up to 16 KiB), to keep
 * for as long as Kafka keeps the job's log and to give to a later fanmap_gather of the same job as the option "from", in
 * any process: it hands out what is left of the list, each outcome once, and nothing that was handed out before.
 *
 * What the text is made of is nobody's business, but that those of readers of a job in input order sort as text, in the
 * order of the list. Of a stream it grows with its partitions, up to 100 bytes for each. A position taken with the
 * option "unordered" goes on without an order only, one without it in order only; an index in decimal may stand for
 * either and means that index and those above it. Going on reads from Kafka what was not handed out, not what was; after
 * an index, and for readers without an order that have scattered outcomes behind them, the whole log, of which what was
 * handed out is dropped.
 *
 * FANMAP_OK: borrowed until the next fanmap_position of this job, or its close. FANMAP_EUSAGE: an embedded or detached
 * job. A "from" that is no position: FANMAP_EUSAGE by fanmap_gather; that is of another job: by fanmap_next. What
 * retention took before it was read: FANMAP_ELOST by fanmap_next. May be called inside a callback. */
FANMAP_API int fanmap_position(fanmap_job_t *job, const char **ret_text, fanmap_error_t *err) FANMAP_MUST_CHECK;

/* Of a gather with the option "as": stores in Kafka where this handle stands (as fanmap_position says it), for a later
 * fanmap_gather of the same job or stream with the same "as", which begins there ("from" is where the first one begins).
 * FANMAP_OK: everything that was handed out until now is stored. FANMAP_AGAIN: not within `timeout_ms` (0: it is begun), or
 * woken. FANMAP_ECONFLICT, then also by fanmap_next: another fanmap_gather took the name over when it began; it goes on
 * from what was stored last, and what was handed out here since it hands out again. Other negative codes: the job failed. */
FANMAP_API int fanmap_store_position(fanmap_job_t *job, int timeout_ms, fanmap_error_t *err) FANMAP_MUST_CHECK;

/* The outcome is borrowed until the callback returns. */
typedef void (*fanmap_outcome_fn)(void *arg, fanmap_job_t *job, const fanmap_outcome_t *outcome);
/* Once, after the last outcome. `result` is FANMAP_END, or a negative code with `err`. The job may be closed inside. */
typedef void (*fanmap_end_fn)(void *arg, fanmap_job_t *job, int result, const fanmap_error_t *err);
/* fanmap_push will take an item again. */
typedef void (*fanmap_writable_fn)(void *arg, fanmap_job_t *job);
/* Push style: outcomes come by callback from dispatch, next or next_any. Any of the three may be NULL. */
FANMAP_API void fanmap_on(fanmap_job_t *job, fanmap_outcome_fn on_outcome, fanmap_end_fn on_end,
                          fanmap_writable_fn on_writable, void *arg);

/* Pull style: waits up to `timeout_ms` (-1: without end, 0: not at all) for the next outcome of this job, in input
 * order or, with the option "unordered", in that of arrival. FANMAP_OK: it is in *ret_outcome, borrowed until the next
 * call on this job. FANMAP_AGAIN: none in that time, or woken, or the job became writable. FANMAP_END: the list is
 * whole. FANMAP_ESTOPPED: the list is whole and the job was stopped. */
FANMAP_API int fanmap_next(fanmap_job_t *job, int timeout_ms, const fanmap_outcome_t **ret_outcome,
                           fanmap_error_t *err) FANMAP_MUST_CHECK;
/* The same over every job of `f` that has no callbacks, by turns; *ret_job says whose it is, also with FANMAP_END and
 * with a negative code. Each job's end is told once. FANMAP_END with *ret_job NULL: no job is left that has not ended.
 */
FANMAP_API int fanmap_next_any(fanmap_t *f, int timeout_ms, fanmap_job_t **ret_job,
                               const fanmap_outcome_t **ret_outcome, fanmap_error_t *err) FANMAP_MUST_CHECK;
/* Stops (true) and resumes (false) the handing out; back-pressure reaches the producer. */
FANMAP_API void fanmap_hold(fanmap_job_t *job, bool hold);
/* A deep copy, to keep or to hand to another thread. */
FANMAP_API int fanmap_outcome_keep(const fanmap_outcome_t *outcome, fanmap_outcome_t **ret_outcome) FANMAP_MUST_CHECK;
FANMAP_API void fanmap_outcome_free(fanmap_outcome_t *outcome);

/* One line of JSON for an outcome of a job whose "value-format" is json, without a newline; borrowed until the next
 * call on the job. as_record false: the value, or {"$error":{"kind":...,"message":...,"attempts":...}}. true:
 * {"index":...,"attempts":...,"value":...} or {"index":...,"attempts":...,"error":{...}}. */
FANMAP_API int fanmap_outcome_json(fanmap_job_t *job, const fanmap_outcome_t *outcome, bool as_record,
                                   const char **ret_line, size_t *ret_len, fanmap_error_t *err) FANMAP_MUST_CHECK;

/* The same as one msgpack object, of a job whose "value-format" is msgpack: {"$error": {...}} for an error; a map whose
 * single key is $error, $value or $binary is wrapped as {"$value": ...}. FANMAP_WRAPPED reads it. */
FANMAP_API int fanmap_outcome_msgpack(fanmap_job_t *job, const fanmap_outcome_t *outcome, bool as_record,
                                      const void **ret_bytes, size_t *ret_len, fanmap_error_t *err) FANMAP_MUST_CHECK;

/* ---- many at a time: for callers to whom each call into the library is dear, as one from Python is ---- */

/* As `n` calls of fanmap_push: the items stand one behind the other in `bytes`, item i has lens[i] bytes. FANMAP_OK: all
 * were taken; FANMAP_AGAIN: the first *ret_taken of them, then the window was full. With a negative code *ret_taken is
 * untouched, and some may have been taken. */
FANMAP_API int fanmap_push_batch(fanmap_job_t *job, fanmap_format_t format, const void *bytes, const uint32_t *lens,
                                 size_t n, size_t *ret_taken, fanmap_error_t *err) FANMAP_MUST_CHECK;

/* Outcomes, an element of each array for each; the objects stand one behind the other. Grows only at its end. */
typedef struct {
    size_t n;
    const uint64_t *indexes;
    const uint32_t *attempts;
    const uint8_t *kinds; /* fanmap_kind_t */
    const uint32_t *lens; /* of each object, in bytes */
    const uint8_t *bytes; /* msgpack objects: the value; or of an error a map with "kind", "message" and, where it has
                              them, "type", "exit_status", "signal", "stderr" */
    size_t bytes_len;
    const int32_t *partitions; /* as in fanmap_outcome_t */
} fanmap_batch_t;

/* As fanmap_next, for up to `max` outcomes that are there (at least 1) and about 1 MiB of objects, of a job whose
 * "value-format" is msgpack. What stands in *ret_batch is borrowed until the next call on this job. */
FANMAP_API int fanmap_next_batch(fanmap_job_t *job, int timeout_ms, size_t max, const fanmap_batch_t **ret_batch,
                                 fanmap_error_t *err) FANMAP_MUST_CHECK;

/* ---- about a job ---- */

/* Valid until the job is closed. */
FANMAP_API const char *fanmap_job_id(const fanmap_job_t *job);
/* Fills the first `sizeof_stats` bytes, so that programs built against an older header keep working. */
FANMAP_API void fanmap_stats(const fanmap_job_t *job, fanmap_stats_t *stats, size_t sizeof_stats);
/* Closes the handle; never waits. detach: the job goes on without it, with what was pushed (an input that was not ended
 * stays open). Otherwise a map that has not ended is asked to
 * cancel (a gather just leaves). Legal inside a callback. NULL is allowed. */
FANMAP_API void fanmap_job_close(fanmap_job_t *job, bool detach);
/* The name of an error kind as it stands in messages and output: "exit", "timeout"; "value" for FANMAP_VALUE. */
FANMAP_API const char *fanmap_kind_name(fanmap_kind_t kind);

#ifdef __cplusplus
}
#endif
#endif
