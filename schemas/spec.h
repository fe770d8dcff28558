/* The spec of a job: everything that is fixed when it is submitted. It is the body of the `start` record in the job's
 * log, and a copy of it is `J/spec` on the jobs topic. */
#ifndef SCHEMAS_SPEC_H
#define SCHEMAS_SPEC_H

#include "fanmap/fanmap.h"
#include "schemas/stream_terms.h"
#include "schemas/trace.h"

enum {
    JOB_ID_MAX = 63,    /* [A-Za-z0-9._-]{1,63}, not beginning with a dot or a dash */
    TASK_NAME_MAX = 63, /* [A-Za-z0-9._-]{1,63} */
    NAME_MAX_LEN = 48,  /* queue and namespace: [a-z0-9-]{1,48} */
    NONCE_MAX = 32,
    FINAL_EXITS_MAX = 16,
    SEQUENCES_MAX = 64,
    CALL_MAX = 256,
    START_EVERY_MS_MAX = 86400000, /* a day */
    KAFKA_NAME_MAX = 249,          /* of a topic that is not ours */
    SPEC_VERSION = 1,
    SPEC_VERSION_RATE = 2 /* of a spec with a rate: who does not know that would start faster */
};

typedef enum { HALT_NEVER, HALT_NOW, HALT_SOON } halt_when_t;
typedef enum { HALT_FAIL, HALT_SUCCESS, HALT_DONE } halt_what_t;

typedef struct {
    halt_when_t when;
    halt_what_t what;
    uint32_t threshold; /* a count, or with is_percent a percentage 1..100 of outcomes so far (at least three) */
    bool is_percent;
} halt_t;

typedef struct {
    uint8_t from, to; /* both included */
} exit_range_t;

/* STREAM_NOT: a job. Else its items are the records of an existing topic, and their outcomes are handed out in the order of
 * their partition, in the order of each key, or as they come. */
typedef enum { STREAM_NOT, STREAM_BY_PARTITION, STREAM_BY_KEY, STREAM_UNORDERED } stream_order_t;
/* What the value of a record is. */
typedef enum { STREAM_JSON, STREAM_TEXT, STREAM_BINARY, STREAM_MSGPACK } stream_format_t;

typedef struct {
    char job[JOB_ID_MAX + 1];
    char task[TASK_NAME_MAX + 1];
    char queue[NAME_MAX_LEN + 1];
    uint32_t items_partitions;  /* P of f(job, i), see place.h */
    uint32_t results_partition; /* where the job's log is */
    int64_t start_offset;       /* of `start` in that partition; -1 in `start` itself, set in J/spec */
    int64_t submitted_ms;       /* wall clock, unix time */
    uint64_t concurrency;       /* N; 0: no limit */
    char nonce[NONCE_MAX + 1];  /* of the token table; a job without a limit has one too: a limit may be set later */
    uint32_t lease_ms;
    uint32_t retries;
    uint32_t backoff_base_ms, backoff_factor_milli, backoff_cap_ms; /* min(base * (factor/1000)^k, cap), full jitter */
    uint32_t timeout_ms;                                            /* of an attempt; 0: none */
    uint32_t grace_ms;
    int64_t deadline_ms; /* wall clock, unix time; 0: none */
    bool fail_fast;
    halt_t halt;
    uint32_t crash_cap;
    uint32_t item_bytes_max, value_bytes_max;
    bool is_signed;
    const uint8_t *bound; /* msgpack map of bound arguments; borrowed */
    size_t bound_len;     /* 0: none */

    /* Later fields: 0, "" where a message has none. */
    uint64_t memory_bytes; /* what the job asks for, never more than the worker allows; 0: the task's own limit */
    uint32_t cpus_milli;   /* likewise: thousandths of a processor */
    uint32_t cpu_time_ms;  /* likewise: processor time of one attempt */
    exit_range_t final_exits[FINAL_EXITS_MAX]; /* exit statuses that no retry follows */
    uint32_t final_exits_n;
    uint32_t sequences_n;          /* of zipped inputs: how many parts each item, an array, has; 0: not zipped */
    char retry_of[JOB_ID_MAX + 1]; /* the job whose failed items this one runs again; "": none */
    stream_order_t stream;
    char from[KAFKA_NAME_MAX + 1], to[KAFKA_NAME_MAX + 1], errors_to[KAFKA_NAME_MAX + 1]; /* topics; "": none */
    stream_format_t in_format, out_format;
    uint32_t to_bytes_max; /* of a record of topic `to`; 0: not known */
    stream_terms_t terms;
    char traceparent[TRACE_MAX + 1]; /* the span of whoever submitted it; "": none */
    uint32_t batch_n;                /* how many items a task may get at once; 0, 1: one */
    uint32_t batch_within_ms;        /* how long an item may wait for others */
    bool is_quiet;                   /* nothing about its attempts goes to NS.logs */
    uint64_t start_every_us;         /* between two starts, over the whole fleet, on average; 0: no rate */
    bool starts_apart;               /* at least so long, not on average */
} spec_t;

/* A spec with every default; the caller fills job, task, queue. */
void spec_init(spec_t *spec);
void spec_encode(buf_t *b, const spec_t *spec);
/* It has a limit or a rate: a token table is made before it. */
bool spec_has_table(const spec_t *spec);
/* Reads the spec as one object inside a message, steps over it, and validates names and bounds. ret->bound points into
 * the reader's bytes. Returns false if it is not a sound spec, *ret untouched. */
bool spec_read(mp_reader_t *r, spec_t *ret);
/* Its end, or its halting, can hang on one error more. */
bool spec_ends_on_errors(const spec_t *spec);
bool spec_exit_is_final(const spec_t *spec, int status);
bool job_id_valid(const char *id);
bool task_name_valid(const char *name);
bool queue_name_valid(const char *name); /* also for namespaces */
bool topic_name_valid(const char *name); /* of any topic, as Kafka takes it */

#endif
