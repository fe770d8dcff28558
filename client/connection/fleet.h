/* What the fleet has to do with one job now, as Redis and Kafka say: who serves its task, what of it waits and runs
 * where, its tokens, its partitions' owners and how far their offsets are. For people who want to know why it waits;
 * nothing depends on it.
 *
 * The questions go out one after the other and answer from the loop; a connection has one set of them under way at a
 * time. What cannot be asked (Redis is away, a right is missing) is not known, and stops nothing.
 */
#ifndef CLIENT_CONNECTION_FLEET_H
#define CLIENT_CONNECTION_FLEET_H

#include "client/connection/client.h"

enum { FLEET_NAME_MAX = 96, FLEET_HOLDERS_MAX = 160, FLEET_WHY_MAX = 256, FLEET_HEADS_MAX = 6 };

/* Of a stream: a record that a partition stands at, what it does, and where. */
typedef struct {
    int64_t partition, offset, attempt, ms;
    char state[16];
    char worker[FLEET_NAME_MAX];
} fleet_head_t;

typedef struct {
    /* Redis */
    char redis_why[FLEET_WHY_MAX];    /* it is used, and did not answer */
    int workers_n;                    /* that serve the task; -1: not known */
    int rows_n;                       /* of these, whose rows say what they do; the sums: */
    int dead_n;                       /* of these, those where the task does not start */
    char dead_worker[FLEET_NAME_MAX]; /* one of them */
    uint64_t slots, running;
    uint64_t queued, delayed, job_running; /* of the job alone */
    int64_t retry_ms;                      /* within so much the first try of those delayed is due */
    bool is_paused;                        /* a worker says so */
    uint64_t parent_running;               /* attempts of `parent` */
    char other[JOB_ID_MAX + 1];            /* one of the other jobs that run there; "": none */
    /* Its attempt that has run for longest */
    int64_t oldest_index; /* -1: none, or not known */
    int64_t oldest_attempt, oldest_ms;
    char oldest_worker[FLEET_NAME_MAX];
    size_t heads_n; /* some of them */
    fleet_head_t heads[FLEET_HEADS_MAX];
    /* The token table, of a job with a limit */
    bool is_table_asked, has_table;
    uint64_t limit, held, wanting_n; /* wanting_n: workers that could use more than they hold */
    int64_t learns_ms;               /* it learns for so much longer */
    char holders[FLEET_HOLDERS_MAX]; /* HOST:PID N, ...: some of those who hold tokens */
    /* Kafka */
    bool is_kafka_silent;
    bool has_no_topic; /* of the task's items: it was deleted */
    uint32_t partitions_n;
    int64_t owned_n; /* of the partitions of the task's items; -1: not known */
    int64_t lag;     /* records from what was committed on, to the ends; -1: not known */
} fleet_t;

typedef struct {
    const char *queue, *task, *job;
    const char *parent; /* "": none; a job among whose attempts the asking program is */
    bool has_limit;
    bus_topic_t *items;    /* NULL: Kafka is not asked */
    uint32_t partitions_n; /* that are asked about */
    uint64_t *answers_n;   /* NULL, or raised by every answer */
} fleet_question_t;

typedef void (*fleet_fn)(void *arg, const fleet_t *fleet);
/* `fn` is called once, from the loop. The texts are copied. FANMAP_AGAIN: others are under way. */
int fleet_ask(fanmap_t *f, const fleet_question_t *question, fleet_fn fn, void *arg, fanmap_error_t *err);
/* Who asked with this `arg` does not want to know any more. */
void fleet_forget(fanmap_t *f, const void *arg);
/* For how long it has not been known whether Kafka answers; 0: nobody asks. */
int64_t fleet_kafka_missing_ms(const fanmap_t *f);
/* The bus is closed. */
void fleet_free(fanmap_t *f);

#endif
