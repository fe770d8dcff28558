/* Questions and orders about topics, their records and groups: the administrator's part of io/bus.h, whose rules hold
 * here, too. Most of it Kafka alone can do: on another bus the answer is FANMAP_EUSAGE, at once. */
#ifndef IO_BUS_ADMIN_H
#define IO_BUS_ADMIN_H

#include "io/bus_writer.h"

enum { BUS_NO_TOPIC = -2 };

typedef enum {
    BUS_FIND_END,  /* where `partition` ends now; -1: it cannot be said; BUS_NO_TOPIC: there is no such topic */
    BUS_FIND_TIME, /* the first record of it that is not older than `at` (unix time in ms, by the records' own
                      timestamps): BUS_END when there is none, BUS_BEGIN when it cannot be said */
    /* Kafka alone can do what follows. */
    BUS_FIND_BEGIN, /* the first offset of it that is still there; as BUS_FIND_END */
    BUS_FIND_COMMITTED, /* answer `offsets`, `metadata`: what `group` has committed of the first `n` partitions, -1: nothing */
    BUS_FIRST_COMMIT,   /* those of the `n` `positions` of whose partition `group` has committed nothing, if it has no
                           member: for who makes a group, before anybody else can know of it */
    BUS_COMMIT,         /* `at` for `partition`, by a `group` that has no member */
    BUS_COUNT_MEMBERS,  /* how many members of `group` subscribe to the topic now; -1: it cannot be said */
    BUS_COUNT_OWNED,    /* how many of the first `n` partitions are dealt out to members of `group` now; likewise */
    BUS_DELETE_RECORDS, /* for good: every record of `partition` before `at` */
    BUS_DELETE_TOPIC    /* for good */
} bus_request_kind_t;

typedef struct {
    bus_request_kind_t kind;
    int32_t partition;
    int64_t at;
    const char *group; /* copied */
    uint32_t n;
    const bus_position_t *positions; /* copied */
    bool as_stands; /* of BUS_FIND_COMMITTED: what a transaction under way will commit is not waited for */
} bus_request_t;

typedef struct {
    int64_t value;
    const int64_t *offsets; /* n of them */
    /* n of them, of BUS_FIND_COMMITTED; NULL: it has none. NULL itself where it is not asked for. */
    const char *const *metadata;
    size_t n;
    const fanmap_error_t *err; /* of BUS_FIND_COMMITTED, of commits and of the deletions; NULL: done */
} bus_answer_t;

/* Once; borrowed until it returns. */
typedef void (*bus_answer_fn)(void *arg, const bus_answer_t *answer);
/* FANMAP_EUSAGE, at once: this bus cannot do it. */
int bus_request(bus_topic_t *topic, const bus_request_t *request, bus_answer_fn fn, void *arg, fanmap_error_t *err);

/* ---- all topics ---- */

typedef struct {
    const char *name;
    uint32_t partitions;
    bool has_config; /* false: we may not see it, and what follows is 0 */
    bool compacted;
    int64_t retention_ms;
    uint32_t message_bytes_max;
    uint32_t in_sync,
        in_sync_min; /* replicas of the partition that has fewest in sync, 0: one has no leader; how many it
                                      must have to take records */
} bus_topic_state_t;

/* Once; borrowed until it returns. */
typedef void (*bus_survey_fn)(void *arg, const bus_topic_state_t *topics, size_t n, const fanmap_error_t *err);
/* Of a bus that bus_open_kafka opened: every topic that we may see and whose name begins with `prefix`, as it is now, sorted. */
int bus_survey(bus_t *bus, const char *prefix, bus_survey_fn fn, void *arg, fanmap_error_t *err);

/* ---- a group ---- */

/* The next record of the lane, and where its log ended when that was last heard of. Returns false if it is not owned,
 * or not known. */
bool bus_group_extent(const bus_group_t *group, int32_t lane, int64_t *ret_position, int64_t *ret_end);

/* One that is there has `partitions` from now on, if it had fewer. Retries while the broker is away. Of a bus that
 * bus_open_kafka opened. */
int bus_grow_topic(bus_t *bus, const char *name, uint32_t partitions, bus_topics_fn fn, void *arg, fanmap_error_t *err);

#endif
