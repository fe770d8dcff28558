/* Why a job does not go on: from what its log, Redis and Kafka say, in the order in which an operator would look. Pure. */
#ifndef CLIENT_JOBLOG_WHY_H
#define CLIENT_JOBLOG_WHY_H

#include "client/connection/fleet.h"
#include "fanmap/admin.h"

typedef enum {
    WHY_NOTHING, /* nothing is known to hold it up: it runs, or it is over */
    WHY_LOG_GONE,
    WHY_KAFKA_AWAY,
    WHY_NO_TOPIC,   /* of its task's items */
    WHY_REDIS_AWAY, /* of a job with a limit or a rate; without one it is only said that more is not known */
    WHY_LESS_KNOWN,
    WHY_PAUSED,
    WHY_NO_WORKER,
    WHY_NO_START,    /* the task's program, at some of its workers */
    WHY_PASSED_OVER, /* the group's offsets lie behind items without an outcome */
    WHY_NO_OWNER,    /* of some partitions */
    WHY_NO_TABLE,
    WHY_LEARNING,
    WHY_OVER_LIMIT,
    WHY_LIMIT,
    WHY_OWN_QUEUE, /* no slot is free, and the map itself runs in one of them */
    WHY_NO_SLOT,
    WHY_RATE,
    WHY_BACKOFF,
    WHY_NOT_IN_HAND, /* no worker has read so far */
    WHY_ORDER,
    WHY_READER,
    WHY_PRODUCER_SILENT,
    WHY_INPUT
} why_cause_t;

enum { WHY_TEXT_MAX = 500 };

/* Zeroed where nothing is known; the numbers say what is then. */
typedef struct {
    const char *job, *task, *queue, *name_space, *parent; /* parent: as in fleet_question_t */
    const fleet_t *fleet;
    bool is_over, is_log_gone, is_paused;
    bool is_uncounted; /* of a producer and the end of its input nothing is known, and a stream has none */
    bool is_still; /* its reader has seen nothing new for some time: what runs at its limit or in all slots is then no
                      reason, if it is the job's own */
    uint64_t concurrency; /* 0: none */
    bool has_rate;
    uint64_t known, published;
    uint64_t published_before;     /* so many were published before the fleet was asked */
    int64_t total;                 /* -1: its input has not ended */
    int64_t producer_silent_ms;    /* -1: it is here, or not needed */
    uint64_t behind_n, next_index; /* outcomes that wait for that item of the order */
    bool is_held;                  /* nothing more is published, because what was gathered is not taken */
} why_facts_t;

typedef struct {
    size_t n;
    why_cause_t causes[FANMAP_WAITS_MAX];
    char texts[FANMAP_WAITS_MAX][WHY_TEXT_MAX];
} why_t;

void why(const why_facts_t *facts, why_t *ret);
/* One cause in a word or two; "" for those that say nothing of the job. */
const char *why_word(why_cause_t cause);

/* What is said of it alone, into WHY_TEXT_MAX bytes. Returns them. */
const char *why_no_worker(char *ret, const char *task, const char *queue, const char *name_space);

#endif
