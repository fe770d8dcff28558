/* What Kafka alone can do with topics, groups and records: the administrator's part of io/bus.h, whose rules hold here,
 * too. On another bus each of these answers FANMAP_EUSAGE at once.
 */
#ifndef IO_BUS_ADMIN_H
#define IO_BUS_ADMIN_H

#include "io/bus.h"

typedef struct {
    const char *name;
    uint32_t partitions;
    bool has_config; /* false: we may not see it, and what follows is 0 */
    bool compacted;
    int64_t retention_ms;
    uint32_t message_bytes_max;
} bus_topic_state_t;

/* Once; borrowed until it returns. */
typedef void (*bus_survey_fn)(void *arg, const bus_topic_state_t *topics, size_t n, const fanmap_error_t *err);
/* Every topic that we may see and whose name begins with `prefix`, as it is now, sorted. */
int bus_survey(bus_t *bus, const char *prefix, bus_survey_fn fn, void *arg, fanmap_error_t *err);

/* Deletes the topic, for good. err NULL: done. */
int bus_delete_topic(bus_topic_t *topic, void (*fn)(void *arg, const fanmap_error_t *err), void *arg,
                     fanmap_error_t *err);
/* How many members a group has now that subscribe to the topic; answers through `fn` once (-1: it could not be found
 * out). `group_id` is copied. */
int bus_query_members(bus_topic_t *topic, const char *group_id, void (*fn)(void *arg, int64_t n), void *arg,
                      fanmap_error_t *err);
/* How many of the topic's first `n` partitions are dealt out to members of a group now; as bus_query_members. */
int bus_query_owned(bus_topic_t *topic, const char *group_id, uint32_t n, void (*fn)(void *arg, int64_t owned_n),
                    void *arg, fanmap_error_t *err);
/* Asks where the partition begins: the first offset that is still there. */
int bus_query_begin(bus_topic_t *topic, int32_t partition, void (*fn)(void *arg, int64_t begin), void *arg,
                    fanmap_error_t *err);
/* What a group has committed of the topic's first `n` partitions; -1: nothing. Borrowed until it returns. */
typedef void (*bus_offsets_fn)(void *arg, const int64_t *offsets, size_t n, const fanmap_error_t *err);
int bus_query_committed(bus_topic_t *topic, const char *group_id, uint32_t n, bus_offsets_fn fn, void *arg,
                        fanmap_error_t *err);
/* Deletes every record before `offset`, for good. err NULL: done. */
int bus_delete_before(bus_topic_t *topic, int32_t partition, int64_t offset,
                      void (*fn)(void *arg, const fanmap_error_t *err), void *arg, fanmap_error_t *err);

#endif
