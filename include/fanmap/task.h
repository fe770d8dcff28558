/* A task library: a table of functions in a shared object that fanmap workers load into slot processes.
 *
 * The shared object links with nothing of fanmap's: everything a task may call is handed in with the attempt.
 * `open` and `close` run once per slot process, `run` once per attempt, one at a time, on the main thread.
 * stdin is /dev/null; stdout and stderr are the attempt's log, never the protocol.
 */
#ifndef FANMAP_TASK_H
#define FANMAP_TASK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FANMAP_TASK_ABI 1u

/* The shape of in, out and bound. Where FANMAP_TASK_BATCH is added to it (`|`), run may get several items at once. */
enum { FANMAP_TASK_MSGPACK = 0, FANMAP_TASK_JSON = 1, FANMAP_TASK_BYTES = 3, FANMAP_TASK_BATCH = 16 };

typedef struct fanmap_attempt fanmap_attempt_t;

typedef struct {
    const char *name;
    const void *value; /* NULL: it has none */
    size_t value_len;
} fanmap_header_t;

/* The record that an item of a stream is. It grows only at its end. */
typedef struct {
    const char *topic;
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms; /* Kafka's, unix time; -1: none */
    const void *key;      /* NULL: it has none */
    size_t key_len;
    const fanmap_header_t *headers; /* in their order, at most 64; a name may come more than once */
    size_t headers_n;
    int64_t schema_id; /* of --schema strip: it stood before the value; -1: none */
} fanmap_record_t;

/* One try at one item; borrowed until run returns. It grows only at its end. */
struct fanmap_attempt {
    const char *job, *task;
    uint64_t index, fence;         /* fence rises with every grant; 0: a job without a limit */
    uint32_t attempt;              /* from 1 */
    uint32_t attempts_max;         /* 1 + retries */
    uint32_t slot;                 /* 0..K-1 on this worker (a GPU number, a port) */
    int64_t deadline_ms;           /* CLOCK_BOOTTIME; -1: none */
    const volatile int *cancelled; /* not 0: stop soon; KILL follows after the grace period */
    const void *in;                /* the item; of zipped sequences an array */
    size_t in_len;
    const void *bound; /* --bind: a map; len 0: none */
    size_t bound_len;
    void *state; /* what open left */

    /* Appends to the value; the bytes are copied. 0, or -1 when the value is over its limit. */
    int (*out)(fanmap_attempt_t *a, const void *bytes, size_t len);
    /* Says why the attempt fails; is_final: do not retry. Always returns -1: `return a->fail(a, 0, "T", "why")`. */
    int (*fail)(fanmap_attempt_t *a, int is_final, const char *type, const char *message);
    /* For a whole item or value of one scalar, in any shape. get_: 0, or -1 when the item is something else. */
    int (*get_i64)(fanmap_attempt_t *a, int64_t *ret);
    int (*put_i64)(fanmap_attempt_t *a, int64_t value);
    int (*get_f64)(fanmap_attempt_t *a, double *ret);
    int (*put_f64)(fanmap_attempt_t *a, double value);
    int (*get_text)(fanmap_attempt_t *a, const char **ret, size_t *ret_len);
    int (*put_text)(fanmap_attempt_t *a, const char *text, size_t len);

    const fanmap_record_t *record; /* NULL: the item is not of a stream */
    /* The value of the record's last header of that name, borrowed. 0, or -1 where there is none. */
    int (*get_header)(fanmap_attempt_t *a, const char *name, const void **ret, size_t *ret_len);

    /* The next item of the same call, of a task with FANMAP_TASK_BATCH; NULL: there is none. Each has its own `out`, or its
     * own `fail`. What run returns is of the whole call: when it is not 0, smaller calls of the same items follow. */
    fanmap_attempt_t *next;
    /* Of a job that was begun with one: the same trace, with a span of this attempt's own. NULL: it has none. TRACEPARENT in the
     * environment says the same, of the first item of a call. */
    const char *traceparent;
};

typedef struct {
    uint32_t abi, shape;
    const char *name, *doc;
    int (*run)(fanmap_attempt_t *a); /* 0: what out got is the value; other: an `exception` */
    int (*open)(void **ret_state);   /* may be NULL; failure: the slot is unusable, charged to no item */
    void (*close)(void *state);      /* may be NULL; not promised on KILL */
} fanmap_task_t;

typedef struct {
    uint32_t abi, count, sizeof_task;
    const fanmap_task_t *tasks;
} fanmap_task_table_t;

/* FANMAP_TASKS({ FANMAP_TASK_ABI, FANMAP_TASK_MSGPACK, "square", "x -> x*x", square, NULL, NULL }) */
#ifdef __cplusplus
#define FANMAP_TASK_EXPORT extern "C" __attribute__((visibility("default")))
#else
#define FANMAP_TASK_EXPORT extern __attribute__((visibility("default")))
#endif
#define FANMAP_TASKS(...)                                                                                              \
    static const fanmap_task_t fanmap_task_list_[] = {__VA_ARGS__};                                                    \
    FANMAP_TASK_EXPORT const fanmap_task_table_t fanmap_tasks;                                                         \
    const fanmap_task_table_t fanmap_tasks = {FANMAP_TASK_ABI, sizeof fanmap_task_list_ / sizeof fanmap_task_list_[0], \
                                              sizeof(fanmap_task_t), fanmap_task_list_}

#ifdef __cplusplus
}
#endif
#endif
