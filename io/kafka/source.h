/* Queues of librdkafka that wake the loop. */
#ifndef IO_KAFKA_SOURCE_H
#define IO_KAFKA_SOURCE_H

#include "io/kafka/kafka.h"

/* Handles what is in its queues, for one bounded turn. True: more is left. */
typedef bool (*kafka_turn_fn)(void *arg);
typedef struct {
    loop_t *loop;
    int fd; /* -1: closed */
    loop_watch_t *watch;
    kafka_turn_fn turn;
    void *arg;
    bool again; /* a turn is deferred */
} kafka_source_t;

int kafka_source_open(kafka_source_t *source, loop_t *loop, kafka_turn_fn turn, void *arg, fanmap_error_t *err);
/* Every queue must have been unfed. Legal inside the turn. */
void kafka_source_close(kafka_source_t *source);
/* From now on the queue wakes the source; one turn comes anyhow, for what is in the queue already. */
void kafka_source_feed(kafka_source_t *source, rd_kafka_queue_t *queue);
/* The same of one queue among many: the flag says whether it may have something, so that a turn leaves the others alone. It
 * stays where it is until the queue is unfed. */
typedef struct {
    int fd;
    bool has_news; /* set by librdkafka's threads */
} kafka_flag_t;
void kafka_source_feed_flagged(const kafka_source_t *source, rd_kafka_queue_t *queue, kafka_flag_t *flag);
/* Asked before the queue is looked at: it is false until something comes to the queue when that is empty, or kafka_flag_set. */
bool kafka_flag_take(kafka_flag_t *flag);
/* The queue was not emptied. */
void kafka_flag_set(kafka_flag_t *flag);
void kafka_source_unfeed(rd_kafka_queue_t *queue);
/* Asks for a turn without an event. */
void kafka_source_again(kafka_source_t *source);

/* The bound of a turn. */
typedef struct {
    size_t left;
    int64_t until_ms;
} kafka_budget_t;
kafka_budget_t kafka_budget(void);
/* Counts one record; false: the turn is over. */
bool kafka_budget_spend(kafka_budget_t *budget);

#endif
