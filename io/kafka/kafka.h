/* The bus over Kafka: what its files share.
 *
 *   kafka_bus.c       open, close, the table of functions      kafka_config.c  librdkafka's settings
 *   kafka_source.c    librdkafka wakes the loop                kafka_events.c  errors and log lines, classified
 *   kafka_helper.c    a thread for the calls that block        kafka_ask.c     what it is asked for
 *   kafka_ensure.c    creating topics                          kafka_topics.c  looking them up, ends
 *   kafka_admin.c     what a group has committed; deleting records
 *   kafka_survey.c    what topics there are, and how they are set   kafka_rights.c  refusals, in one line each
 *   kafka_produce.c   records out                              kafka_producer.c  reports, a new producer after a fatal
 * error kafka_reader.c    one partition, no group                  kafka_group.c   membership kafka_start.c     where
 * assigned partitions begin          kafka_group_records.c  records of the group kafka_commit.c    commits
 * kafka_describe.c  who is in the group
 * kafka_records.c  whose bytes a record's are kafka_kick.c      keeping the fetcher awake
 *
 * Threads: librdkafka has its own and only ever writes to our event descriptors; the helper runs the `run` of asks,
 * which touches nothing but the ask and librdkafka. Everything else happens in the thread of the loop.
 */
#ifndef IO_KAFKA_KAFKA_H
#define IO_KAFKA_KAFKA_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>

#include "io/bus_ops.h"

enum {
    KAFKA_TURN_RECORDS = 2000, /* a turn of one source ends after so many records, or ... */
    KAFKA_TURN_MS = 5,
    KAFKA_OUTBOX_N_MAX = 200000,
    KAFKA_OUTBOX_BYTES_MAX = 32 << 20,
    KAFKA_BATCH_BYTES = 1000000, /* of one produce request; smaller once a topic refuses that */
    KAFKA_RUN_MAX = 256,         /* records of one rd_kafka_produce_batch */
    KAFKA_UNSENT_MAX = 1024,     /* records that wait for the end of the turn before they are sent all the same */
    KAFKA_COPY_MAX = 16384,      /* larger records are handed out where librdkafka has them: see kafka_records.c */
    KAFKA_ASK_MS = 3000,         /* bound of one blocking call of the helper */
    KAFKA_RETRY_MS = 200,
    KAFKA_POLL_MS = 1000, /* the group is polled at least so often */
    KAFKA_KICKS_MAX = 4,
    KAFKA_KICK_ASK_MS = 500
};

typedef struct kafka_bus kafka_bus_t;
typedef struct kafka_topic kafka_topic_t;
typedef struct kafka_record kafka_record_t;
typedef struct kafka_reader kafka_reader_t;
typedef struct kafka_client kafka_client_t;
typedef struct kafka_group kafka_group_t;
typedef struct kafka_ask kafka_ask_t;
typedef struct kafka_helper kafka_helper_t;
typedef struct kafka_copy kafka_copy_t;

/* ---- kafka_source.c: queues of librdkafka that wake the loop ---- */

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

/* ---- kafka_config.c ---- */

typedef enum { KAFKA_PRODUCER, KAFKA_READER, KAFKA_GROUP } kafka_kind_t;
/* Copies the configuration; kafka_config_free gives it back. */
int kafka_config_copy(const bus_config_t *config, bus_config_t *ret, fanmap_error_t *err);
void kafka_config_free(bus_config_t *config);
/* Whether the library lacks fetch.queue.backoff.ms. */
bool kafka_needs_kicks(void);
/* A new handle of librdkafka whose events come to its main queue. group_id: KAFKA_GROUP only. */
int kafka_handle_new(kafka_bus_t *bus, kafka_kind_t kind, const char *group_id, rd_kafka_t **ret, fanmap_error_t *err);

/* ---- kafka_events.c ---- */

/* Errors and log lines, which come to every handle's main queue. Destroys the event. */
void kafka_event(kafka_bus_t *bus, rd_kafka_event_t *event);
/* Tells the operator or the error callback what it means. `what` may be NULL. */
void kafka_error(kafka_bus_t *bus, rd_kafka_resp_err_t code, const char *what);
void kafka_log(kafka_bus_t *bus, fanmap_log_level_t level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* ---- kafka_rights.c: refusals, in one line each ---- */

/* What was asked for. */
typedef struct {
    const char *operation; /* as kafka-acls calls it */
    const char *name;      /* of the topic, */
    const char *group;     /* or of the group; NULL: the one that the bus is a member of */
} kafka_wanted_t;
#define KAFKA_WANTED(operation, name)        (&(kafka_wanted_t){operation, name, NULL})
#define KAFKA_WANTED_GROUP(operation, group) (&(kafka_wanted_t){operation, NULL, group})
/* wanted NULL: nobody knows better than `what`, the text of librdkafka. */
void kafka_refusal(const kafka_bus_t *bus, rd_kafka_resp_err_t code, const kafka_wanted_t *wanted, const char *what,
                   fanmap_error_t *ret);
/* The same to the error callback. `what` NULL: the code's own text. */
void kafka_refused(kafka_bus_t *bus, rd_kafka_resp_err_t code, const kafka_wanted_t *wanted, const char *what);
/* The broker ended the connection because of our certificate, or because there is none. */
bool kafka_is_alert(const char *what);
#define KAFKA_CERTIFICATE "fanmap-certificate:"
/* Has certificates that are refused named in a log line. */
void kafka_watch_certificates(rd_kafka_conf_t *conf);
/* True: this log line was one of those; the reason is kept. */
bool kafka_note_certificate(kafka_bus_t *bus, const char *text);

/* FANMAP_EREFUSED or FANMAP_EUNREACHABLE for what concerns the connection or our rights, else 0. */
int kafka_error_class(rd_kafka_resp_err_t code);

/* ---- kafka_helper.c: blocking calls in a thread of their own, in the order asked ---- */

struct kafka_ask {
    kafka_ask_t *next;
    bool must_run;    /* also while the bus closes */
    bool of_producer; /* rk is to be the producer's handle, whichever that is by then */
    rd_kafka_t *rk;
    void (*run)(kafka_ask_t *ask);  /* in the helper; bounded */
    void (*done)(kafka_ask_t *ask); /* in the loop; frees the ask */
    void (*drop)(kafka_ask_t *ask); /* instead of done when the bus closed meanwhile, in either thread; frees the ask */
};

int kafka_helper_new(kafka_bus_t *bus, kafka_helper_t **ret, fanmap_error_t *err);
/* Takes the ask over. */
void kafka_helper_ask(kafka_helper_t *helper, kafka_ask_t *ask);
/* Runs what must run of what was asked for and ends the thread; waits for that up to `timeout_ms` and leaves it to
 * itself then.
 */
void kafka_helper_close(kafka_helper_t *helper, int timeout_ms);

/* Asks the helper; an ask of_producer waits for that handle. */
void kafka_ask(kafka_bus_t *bus, kafka_ask_t *ask);
/* The same in KAFKA_RETRY_MS. */
void kafka_ask_later(kafka_bus_t *bus, kafka_ask_t *ask);
/* The timer's function. */
void kafka_asks_retry(void *bus);
/* Drops what waits to be asked. */
void kafka_asks_drop(kafka_bus_t *bus);

/* An ask that destroys a handle, with what must go before it; runs after everything that was asked for before. */
typedef struct {
    kafka_ask_t ask;
    rd_kafka_queue_t *queue;       /* or NULL */
    rd_kafka_queue_t *close_queue; /* of a consumer that is being closed, or NULL */
    rd_kafka_topic_t **topics;     /* freed, too */
    size_t topics_n;
    kafka_record_t *records;  /* whose bytes the handle may still send; freed after it */
    void (*after)(void *arg); /* in the loop; or NULL */
    void *arg;
} kafka_destroy_t;
/* NULL: no memory. */
kafka_destroy_t *kafka_destroy_new(rd_kafka_t *rk, rd_kafka_queue_t *queue);

/* ---- kafka_topics.c ---- */

struct kafka_topic {
    bus_topic_t base;
    kafka_bus_t *bus;
    kafka_topic_t *next;
    bus_delivered_fn delivered;
    void *arg;
    rd_kafka_topic_t *rkt; /* of the producer; NULL while there is none */
    char name[];
};

int kafka_ensure_topics(bus_t *bus, const bus_topic_config_t *topics, size_t topics_n, bool create, bus_topics_fn fn,
                        void *arg, fanmap_error_t *err);
int kafka_topic_open(bus_t *bus, const char *name, bus_delivered_fn delivered, void *arg, bus_topic_t **ret,
                     fanmap_error_t *err);
int kafka_query_end(bus_topic_t *topic, int32_t partition, void (*fn)(void *arg, int64_t end), void *arg,
                    fanmap_error_t *err);
int kafka_query_members(bus_topic_t *topic, const char *group_id, void (*fn)(void *arg, int64_t n), void *arg,
                        fanmap_error_t *err);
int kafka_query_time(bus_topic_t *topic, int32_t partition, int64_t time_ms, void (*fn)(void *arg, int64_t offset),
                     void *arg, fanmap_error_t *err);
/* In the helper. LEADER_NOT_AVAILABLE: not every partition has a leader yet. */
rd_kafka_resp_err_t kafka_look_up(rd_kafka_t *rk, const char *name, uint32_t *ret_partitions);
/* Looks the topic up so that its first record need not wait for that. */
void kafka_topic_warm(kafka_topic_t *topic);

int kafka_query_begin(bus_topic_t *topic, int32_t partition, void (*fn)(void *arg, int64_t begin), void *arg,
                      fanmap_error_t *err);

/* kafka_admin.c */
int kafka_query_committed(bus_topic_t *topic, const char *group_id, uint32_t n, bus_offsets_fn fn, void *arg,
                          fanmap_error_t *err);
int kafka_delete_before(bus_topic_t *topic, int32_t partition, int64_t offset,
                        void (*fn)(void *arg, const fanmap_error_t *err), void *arg, fanmap_error_t *err);

int kafka_delete_topic(bus_topic_t *topic, void (*fn)(void *arg, const fanmap_error_t *err), void *arg,
                       fanmap_error_t *err);

/* kafka_survey.c */
int kafka_survey(bus_t *bus, const char *prefix, bus_survey_fn fn, void *arg, fanmap_error_t *err);

/* ---- kafka_produce.c and kafka_producer.c ---- */

/* One record that is not acknowledged yet. librdkafka sends the value from here. */
struct kafka_record {
    kafka_record_t *prev, *next;
    kafka_topic_t *topic;
    uint64_t cookie;
    int32_t partition;
    bool has_key, has_value;
    rd_kafka_resp_err_t failed; /* final; to be reported */
    uint32_t key_len;
    rd_kafka_headers_t *headers; /* or NULL */
    size_t value_len;
    uint8_t bytes[]; /* key, then value */
};

typedef struct {
    rd_kafka_t *rk; /* NULL: the old one is being destroyed */
    rd_kafka_queue_t *queue;
    kafka_source_t source;
    kafka_record_t *first, *last,
        *unsent; /* all in the order of bus_produce; unsent: the first that librdkafka has not */
    size_t n, bytes, unsent_n, failed_n;
    size_t batch_bytes, must_shrink_to;
    bool send_deferred, must_recover, queue_full;
    bool is_refused; /* may write nowhere: the handle is good for looking things up only */
    loop_timer_t *retry;
} kafka_producer_t;

int kafka_producer_open(kafka_bus_t *bus, fanmap_error_t *err);
/* Gives the handle, its topics and records over to a kafka_destroy_t. NULL: there is no handle. */
kafka_destroy_t *kafka_producer_detach(kafka_bus_t *bus);
void kafka_producer_close(kafka_bus_t *bus);
int kafka_produce(bus_topic_t *topic, int32_t partition, const void *key, size_t key_len, const void *value,
                  size_t value_len, const bus_header_t *headers, size_t headers_n, uint64_t cookie,
                  fanmap_error_t *err);
size_t kafka_outbox_n(const bus_t *bus);
void kafka_flush_soon(bus_t *bus);
/* To the end of the outbox, not sent yet. */
void kafka_outbox_append(kafka_producer_t *producer, kafka_record_t *record);
/* Hands to librdkafka what it has not. */
void kafka_send(kafka_bus_t *bus);
void kafka_send_cancel(kafka_bus_t *bus);
size_t kafka_record_bytes(const kafka_record_t *record);
void kafka_record_free(kafka_record_t *record);
/* Reports and forgets. */
void kafka_record_done(kafka_bus_t *bus, kafka_record_t *record, int64_t offset, rd_kafka_resp_err_t failed);

/* ---- kafka_kick.c: libraries without fetch.queue.backoff.ms are slow to fetch again ---- */

typedef struct {
    size_t records, bytes; /* handed out since the last kick */
    size_t records_max, bytes_max;
} kafka_kick_t;
kafka_kick_t kafka_kick_new(rd_kafka_t *rk);
/* Counts a record that is handed out and wakes the fetcher of its partition now and then. */
void kafka_kick(kafka_kick_t *kick, const kafka_topic_t *topic, rd_kafka_t *rk, const rd_kafka_message_t *message);

/* ---- kafka_reader.c ---- */

/* A consumer handle that readers share, at most one of each partition. */
struct kafka_client {
    kafka_bus_t *bus;
    kafka_client_t *next;
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    kafka_source_t source;
    size_t readers_n;
    bool in_turn, must_stay; /* must_stay: someone keeps a message of it */
};

struct kafka_reader {
    bus_reader_t base;
    kafka_bus_t *bus;
    kafka_reader_t *next;
    kafka_client_t *client;
    kafka_topic_t *topic;
    rd_kafka_topic_t *rkt; /* of the client */
    rd_kafka_queue_t *queue;
    kafka_source_t source;
    kafka_kick_t kick;
    int32_t partition;
    bus_reader_callbacks_t callbacks;
    void *arg;
    bool held, over, closed, in_turn;
    uint64_t asked; /* the number of its ask for the low watermark */
};

int kafka_read(bus_topic_t *topic, int32_t partition, int64_t from, const bus_reader_callbacks_t *callbacks, void *arg,
               bus_reader_t **ret, fanmap_error_t *err);
void kafka_reader_hold(bus_reader_t *reader, bool hold);
void kafka_reader_close(bus_reader_t *reader);
/* All readers and their handles, in the loop's thread; the handles go to the helper. */
void kafka_readers_close(kafka_bus_t *bus);

/* kafka_records.c: hands a message out as a record and destroys it, now or with kafka_release. True: with that, and the
 * handle must live as long. */
bool kafka_hand_out(kafka_bus_t *bus, rd_kafka_message_t *message, int32_t lane, bus_record_fn fn, void *arg);
void kafka_release(bus_t *bus, void *owner);

/* ---- the group: kafka_group.c, kafka_start.c, kafka_group_records.c, kafka_commit.c ---- */

typedef struct {
    int32_t lane, partition; /* of this topic: */
    kafka_topic_t *topic;
    rd_kafka_queue_t *queue;
    int64_t position; /* the next record's offset */
    kafka_kick_t kick;
    uint64_t asked; /* the number of its ask for where the log begins */
    bool commit_waits, commit_sent;
    int64_t commit_offset;
    uint64_t commit_cookie, sent_cookie;
    char *commit_metadata;
    size_t commit_metadata_len;
} kafka_partition_t;

struct kafka_group {
    bus_group_t base;
    kafka_bus_t *bus;
    kafka_group_t *next;
    kafka_topic_t **topics;
    size_t topics_n;
    bus_group_callbacks_t callbacks;
    void *arg;
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;       /* the consumer's main queue */
    rd_kafka_queue_t *close_queue; /* takes its place while leaving */
    rd_kafka_queue_t *commit_queue;
    kafka_source_t source;
    loop_timer_t *poll, *leave, *start_again;
    kafka_partition_t *owned; /* sorted by lane */
    size_t owned_n, turn_from;
    uint64_t describing; /* the number of the last ask for who is in it; answers to others are out of date */
    uint64_t asked;      /* the number of the ask for where the assignment begins; another answer is out of date */
    rd_kafka_topic_partition_list_t *starting; /* assigned by Kafka, not yet by us: see kafka_start.c */
    bool wanted, leaving, commit_deferred, commit_sent, told_revoked;
    bool may_hold, is_holding; /* inside `revoked`; until kafka_group_let_go */
    char member[256];
    char id[256]; /* the group's name */
};

int kafka_group_join(bus_topic_t *const *topics, size_t topics_n, const char *group_id,
                     const bus_group_callbacks_t *callbacks, void *arg, bus_group_t **ret, fanmap_error_t *err);
void kafka_group_leave(bus_group_t *group);
/* kafka_rebalance.c. Destroys the event. */
void kafka_group_rebalance(kafka_group_t *group, rd_kafka_event_t *event);
void kafka_group_tell_revoked(kafka_group_t *group, bool lost);
void kafka_group_disown(kafka_group_t *group);
/* Forgets an assignment of Kafka's that is not announced yet. */
void kafka_group_stop_starting(kafka_group_t *group);
bool kafka_group_hold(bus_group_t *group);
void kafka_group_let_go_deferred(void *group);
void kafka_group_let_go(bus_group_t *group);
const char *kafka_group_member(bus_group_t *group);
void kafka_groups_close(kafka_bus_t *bus);
/* NULL: not owned. */
kafka_partition_t *kafka_group_find(kafka_group_t *group, int32_t lane);
/* The lane of a partition; -1: none of this group's. */
int32_t kafka_group_lane(const kafka_group_t *group, const char *topic, int32_t partition);

/* Finds out where the partitions in group->starting begin; kafka_group_begin follows from the loop. */
void kafka_group_start(kafka_group_t *group);
void kafka_group_start_later(kafka_group_t *group);
void kafka_group_start_again(void *group);
/* The partitions in `list` have their offsets (and metadata; OFFSET_INVALID: none, see lows): take them. */
void kafka_group_begin(kafka_group_t *group, rd_kafka_topic_partition_list_t *list, const int64_t *lows);

void kafka_group_want(bus_group_t *group, bool want);
/* Hands out records within the budget. True: more is there. */
bool kafka_group_records(kafka_group_t *group, kafka_budget_t *budget);

void kafka_group_commit(bus_group_t *group, int32_t lane, int64_t offset, const char *metadata, size_t metadata_len,
                        uint64_t cookie);
bool kafka_group_commit_now(bus_group_t *group, int32_t lane, int64_t offset, const char *metadata, size_t metadata_len,
                            int timeout_ms);
/* Serves the answers to commits. */
void kafka_group_committed(kafka_group_t *group);
/* kafka_describe.c */
void kafka_group_describe(bus_group_t *group, uint64_t cookie);
/* In the helper: the group, in a list that the caller destroys (also where it is NULL: not known, or there is none). */
const struct rd_kafka_group_info *kafka_list_group(rd_kafka_t *rk, const char *id,
                                                   const struct rd_kafka_group_list **ret_list,
                                                   rd_kafka_resp_err_t *ret_code);
/* Forgets what waits to be committed of this partition. */
void kafka_commit_forget(kafka_partition_t *partition);
void kafka_commit_deferred(void *group);

/* An ask that looks up the watermarks of one partition. */
typedef struct {
    kafka_ask_t ask;
    kafka_bus_t *bus;
    char *topic;
    int32_t partition;
    int32_t lane;      /* of a group that asks */
    int64_t low, high; /* -1: failed */
    int64_t time_ms;   /* of kafka_query_time, whose answer is `high` */
    bool failed_for_good;
    const void *of;  /* a reader or a group, if it still is there ... */
    uint64_t number; /* ... and asked for this */
    void (*end_fn)(void *arg, int64_t end);
    void *arg;
} kafka_watermarks_t;
/* rk NULL: through the producer's handle. `done` ends with kafka_watermarks_free. NULL: no memory. */
kafka_watermarks_t *kafka_watermarks_new(const kafka_topic_t *topic, int32_t partition, rd_kafka_t *rk,
                                         void (*done)(kafka_ask_t *ask));
void kafka_watermarks_free(kafka_ask_t *ask);

/* ---- the bus ---- */

struct kafka_bus {
    bus_t base;
    loop_t *loop;
    bus_config_t config;
    bus_error_fn on_error;
    bus_log_fn log;
    void *arg;
    kafka_helper_t *helper;
    kafka_producer_t producer;
    kafka_ask_t *asks_waiting; /* to be asked when `retry` fires */
    loop_timer_t *retry;
    kafka_topic_t *topics;
    kafka_client_t *clients;
    kafka_reader_t *readers;
    kafka_group_t *groups;
    uint64_t asked;   /* numbers given to asks */
    unsigned kicks_n; /* under way */
    bool needs_kicks;
    kafka_copy_t *spare;
    char reason[256];      /* why the last connection failed */
    char certificate[256]; /* what was wrong with the broker's, if anything */
};

#endif
