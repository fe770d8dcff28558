/* Topics and partitions as the stages see them: Kafka (io/kafka) or, in the embedded mode, this process's memory
 * (io/memory). Every call returns at once; everything that happens comes by callback from inside the loop.
 *
 * Errors of the connection (unreachable, refused) come to the one on_error of the bus; calls under way stay under way
 * and are retried without end (message.timeout.ms=0); who wants a bound keeps a timer.
 */
#ifndef IO_BUS_H
#define IO_BUS_H

#include "base/error.h"
#include "io/loop/loop.h"

typedef struct bus bus_t;
typedef struct bus_topic bus_topic_t;
typedef struct bus_reader bus_reader_t;
typedef struct bus_group bus_group_t;

enum { BUS_BEGIN = -2, BUS_END = -1 }; /* as offsets of bus_read */

typedef struct {
    const char *name;
    const void *value; /* NULL: it has none */
    size_t value_len;
} bus_header_t;

enum { BUS_HEADERS_MAX = 96 }; /* of a record; what a stranger wrote beyond them is not shown */

typedef struct {
    int32_t partition;
    int32_t lane; /* of a group: where in its topics; see there */
    int64_t offset;
    int64_t timestamp_ms;
    int64_t appended_ms; /* the same where the broker's clock gave it (LogAppendTime); 0: whoever wrote it did */
    const void *key;
    size_t key_len;
    const void *value;
    size_t value_len;
    void *owner;                 /* what keeps the bytes alive: see bus_record_fn */
    const bus_header_t *headers; /* valid during the callback only */
    size_t headers_n;
} bus_record_t;

/* Returns true if the callee keeps the bytes and will call bus_release(owner); false: they die with the call. */
typedef bool (*bus_record_fn)(void *arg, const bus_record_t *record);
/* A record of this topic was stored at `offset`, or will never be (err: only what is final. FANMAP_EUSAGE: the broker
 * finds the record too large; FANMAP_EREFUSED: not authorised; FANMAP_EIO: anything else). `cookie` is what bus_produce
 * got. */
typedef void (*bus_delivered_fn)(void *arg, uint64_t cookie, int32_t partition, int64_t offset,
                                 const fanmap_error_t *err);

typedef struct {
    const char *brokers;           /* NULL or "": no Kafka, use bus_open_memory */
    const char *const *properties; /* librdkafka key, value, key, value ..., NULL */
    uint32_t session_ms;           /* group session timeout; 0: librdkafka's default */
    uint32_t message_bytes_max;    /* of a record that is sent; topics may take less */
    uint32_t fetch_kbytes;         /* of a group: prefetch bound a partition (queued.max.messages.kbytes); 0: default */
    bool bounds_readers;           /* what bus_read fetches ahead is bounded by it, too */
    const char *client_id;
} bus_config_t;

typedef void (*bus_error_fn)(void *arg, const fanmap_error_t *err); /* code EUNREACHABLE or EREFUSED; may repeat */
typedef void (*bus_log_fn)(void *arg, fanmap_log_level_t level, const char *line);

int bus_open_kafka(loop_t *loop, const bus_config_t *config, bus_error_fn on_error, bus_log_fn log, void *arg,
                   bus_t **ret, fanmap_error_t *err);
int bus_open_memory(loop_t *loop, bus_t **ret, fanmap_error_t *err);
/* Sends nothing more, drops what is under way, leaves its groups. Bounded: `timeout_ms`. Frees every handle of the bus.
 * Runs no callbacks but `revoked` of a group that is being left; must not be called from inside a callback of the bus. */
void bus_close(bus_t *bus, int timeout_ms);
/* Gives the bytes of a kept record back. Any order; before bus_close. */
void bus_release(bus_t *bus, void *owner);

/* ---- topics ---- */

typedef struct {
    const char *name;
    uint32_t partitions;
    bool compacted;
    int64_t retention_ms; /* -1: for ever */
    uint32_t message_bytes_max;
} bus_topic_config_t;

/* partitions_n: of each topic, in the order asked; 0 with an error. */
typedef void (*bus_topics_fn)(void *arg, const uint32_t *partitions_n, const fanmap_error_t *err);
/* Looks the topics up and creates what is missing (create false: a missing topic is an error that names it).
 * Replication is the broker's default. Retries while the broker is away. */
int bus_ensure_topics(bus_t *bus, const bus_topic_config_t *topics, size_t topics_n, bool create, bus_topics_fn fn,
                      void *arg, fanmap_error_t *err);
/* A topic to produce to or read from, until bus_close; `delivered` gets the reports of all that is produced through it. */
int bus_topic_open(bus_t *bus, const char *name, bus_delivered_fn delivered, void *arg, bus_topic_t **ret,
                   fanmap_error_t *err);
/* Of topics opened and of what was asked with this `arg` nobody is told any more: whom it names is about to go. */
void bus_forget(bus_t *bus, const void *arg);

/* ---- producing: acks=all, idempotent, order kept within a partition ---- */

/* Copies key and value. FANMAP_AGAIN: the queue of the bus is full, try again after a delivery. After a fatal error of
 * the producer the bus makes a new one and publishes again what was not acknowledged. */
int bus_produce(bus_topic_t *topic, int32_t partition, const void *key, size_t key_len, const void *value,
                size_t value_len, uint64_t cookie, fanmap_error_t *err);
/* The same with headers, at most BUS_HEADERS_MAX, which are copied. */
int bus_produce_with(bus_topic_t *topic, int32_t partition, const void *key, size_t key_len, const void *value,
                     size_t value_len, const bus_header_t *headers, size_t headers_n, uint64_t cookie,
                     fanmap_error_t *err);
/* Records and bytes that were produced and not yet reported. */
size_t bus_outbox_n(const bus_t *bus);
/* What the broker's clock says now (unix time), reckoned from the latest records that were read or stored here: never
 * ahead of it, and exact once a record was stored. Returns false if nothing is known of it yet. */
bool bus_clock(const bus_t *bus, int64_t *ret_ms);
/* Sends without waiting for the linger. */
void bus_flush_soon(bus_t *bus);

/* ---- reading one partition, no group ---- */

typedef struct {
    bus_record_fn record;
    /* The end of the partition as it was when asked was reached; `position` is the next offset. May come again after
     * more records. NULL: of no interest, as below. */
    void (*at_end)(void *arg, int64_t position);
    /* The log no longer holds the position asked for: `low` is the first offset that is there (-1: unknown). The reader
     * is over: nothing more comes, and it is still to be closed. */
    void (*gone)(void *arg, int64_t low);
    /* What is fetched for one reader that says so serves all such readers of the partition, and those that come next.
     * `record` keeps nothing then, and `at_end` may tell of an end from before it was asked. */
    bool shares;
} bus_reader_callbacks_t;
int bus_read(bus_topic_t *topic, int32_t partition, int64_t from, const bus_reader_callbacks_t *callbacks, void *arg,
             bus_reader_t **ret, fanmap_error_t *err);
/* true: no more callbacks until false; what is fetched stays, the log keeps the rest. */
void bus_reader_hold(bus_reader_t *reader, bool hold);
void bus_reader_close(bus_reader_t *reader);
bool bus_reader_drop(bus_reader_t **reader);             /* the same, and *reader becomes NULL; false: it was NULL */
int64_t bus_reader_told_end(const bus_reader_t *reader); /* as of its last record's fetch, or later; -1: not known */
/* A partition of the topic that a reader that shares would read without delay; -1: none. */
int32_t bus_partition_at_hand(const bus_topic_t *topic);

/* ---- a consumer group ----
 *
 * A group has topics, and each member subscribes to some of them: a topic's partitions are dealt out among the members
 * that subscribe to it. A lane is a partition of one of the topics of this member, as a number: BUS_LANE. With a single
 * topic that is the partition's own number.
 */

enum { BUS_TOPIC_LANES = 1 << 16, BUS_GROUP_TOPICS_MAX = 1 << 14 };
/* `topic`: its place among those that bus_group_join was given. */
#define BUS_LANE(topic, partition) ((int32_t)((topic)*BUS_TOPIC_LANES + (partition)))
#define BUS_LANE_TOPIC(lane)       ((size_t)((lane) / BUS_TOPIC_LANES))
#define BUS_LANE_PARTITION(lane)   ((int32_t)((lane) % BUS_TOPIC_LANES))

typedef struct {
    /* This member owns the lane from now on. offset: what was committed, or the low watermark when nothing was
     * (metadata "" then); records follow from there. `metadata` is borrowed. */
    void (*assigned)(void *arg, int32_t lane, int64_t offset, bool was_committed, const char *metadata,
                     size_t metadata_len);
    /* All assigned callbacks of one rebalance are done; perhaps there were none. */
    void (*rebalanced)(void *arg);
    /* These lanes are being taken away. lost: they are already someone else's. The callee sends its closing
     * commits from inside the callback with bus_group_commit_now. */
    void (*revoked)(void *arg, const int32_t *lanes, size_t n, bool lost);
    bus_record_fn record; /* NULL: none are fetched: the group is about who has what. Then want is not called */
    bool shows_headers;   /* `record` sees them; looking for them costs something also where there are none */
    bool keeps_none;      /* `record` copies what it needs, and always returns false: nothing is copied for it */
    /* The answer to bus_group_commit, whose cookie it has. A commit that a later one replaced has none of its own. */
    void (*committed)(void *arg, int32_t lane, int64_t offset, uint64_t cookie, bool ok);
    /* Records between were deleted by retention: the position moved from `from` to `to`. Or `to` is before `from`: the
     * topic was deleted and made anew, and the group is to be left and joined again. */
    void (*gap)(void *arg, int32_t lane, int64_t from, int64_t to);
    /* The answer to bus_group_describe: the ids of those who are members, borrowed. ok false: nothing is known. */
    void (*described)(void *arg, uint64_t cookie, const char *const *members, size_t n, bool ok);
} bus_group_callbacks_t;
/* Topics of one bus, at least one and at most BUS_GROUP_TOPICS_MAX; they must be there. The list is copied. */
int bus_group_join(bus_topic_t *const *topics, size_t topics_n, const char *group_id,
                   const bus_group_callbacks_t *callbacks, void *arg, bus_group_t **ret, fanmap_error_t *err);
/* Asynchronous; at most one under way a lane (a later one replaces one that waits). */
void bus_group_commit(bus_group_t *group, int32_t lane, int64_t offset, const char *metadata, size_t metadata_len,
                      uint64_t cookie);
/* Asks the broker who is in the group now; `described` follows, unless it is left or asked about again before. */
void bus_group_describe(bus_group_t *group, uint64_t cookie);
/* What stands there up to `offset` was appended by `ms`; where it shows that that does not hold, `gap` follows, back. */
void bus_group_witness(bus_group_t *group, int32_t lane, int64_t offset, int64_t ms);
/* Blocking, for the callbacks revoked and gap only. A bus_group_commit of the lane that has not gone out is forgotten, unanswered. */
bool bus_group_commit_now(bus_group_t *group, int32_t lane, int64_t offset, const char *metadata, size_t metadata_len,
                          int timeout_ms);
/* From inside `revoked`, when it is not lost: true: the partitions stay ours, without further records, until
 * bus_group_let_go, so that what runs can end; Kafka waits for us as long as its rebalance timeout (librdkafka:
 * max.poll.interval.ms). false: this bus cannot wait. */
bool bus_group_hold(bus_group_t *group);
void bus_group_let_go(bus_group_t *group);
/* false: no more records until true (flow control without pausing: the prefetch stays, the group stays polled). */
void bus_group_want(bus_group_t *group, bool want);
/* The same for one lane; it is wanted when it is assigned. Kafka alone heeds it. */
void bus_group_want_lane(bus_group_t *group, int32_t lane, bool want);
/* The member id, "" before the first join. Borrowed until the next loop turn. */
const char *bus_group_member(bus_group_t *group);
/* Leaves the group: from inside the loop `revoked` comes once more, for what it owned (perhaps nothing: n is 0). That
 * is its last callback, and the handle is gone. A bus_close that comes before it makes this callback itself, n being 0.
 */
void bus_group_leave(bus_group_t *group);

#endif
