/* What an implementation of io/bus.h and io/bus_admin.h provides. Every handle begins with its bus, so that bus.c can
 * find the functions. */
#ifndef IO_BUS_OPS_H
#define IO_BUS_OPS_H

#include "io/bus_admin.h"
#include "io/bus_writer.h"

typedef struct {
    void (*close)(bus_t *bus, int timeout_ms);
    void (*release)(bus_t *bus, void *owner);
    int (*ensure_topics)(bus_t *bus, const bus_topic_config_t *topics, size_t topics_n, bool create, bus_topics_fn fn,
                         void *arg, fanmap_error_t *err);
    int (*topic_open)(bus_t *bus, const char *name, bus_delivered_fn delivered, void *arg, bus_topic_t **ret,
                      fanmap_error_t *err);
    void (*forget)(bus_t *bus, const void *arg);
    int (*produce)(bus_topic_t *topic, int32_t partition, const void *key, size_t key_len, const void *value,
                   size_t value_len, const bus_header_t *headers, size_t headers_n, uint64_t cookie,
                   fanmap_error_t *err);
    size_t (*outbox_n)(const bus_t *bus);
    bool (*clock)(const bus_t *bus, int64_t *ret_ms);
    void (*flush_soon)(bus_t *bus);
    int (*read)(bus_topic_t *topic, int32_t partition, int64_t from, const bus_reader_callbacks_t *callbacks, void *arg,
                bus_reader_t **ret, fanmap_error_t *err);
    void (*reader_hold)(bus_reader_t *reader, bool hold);
    void (*reader_close)(bus_reader_t *reader);
    int64_t (*reader_told_end)(const bus_reader_t *reader); /* NULL: not known */
    int32_t (*partition_at_hand)(const bus_topic_t *topic); /* NULL: none */
    int (*request)(bus_topic_t *topic, const bus_request_t *request, bus_answer_fn fn, void *arg, fanmap_error_t *err);
    int (*group_join)(bus_topic_t *const *topics, size_t topics_n, const char *group_id,
                      const bus_group_callbacks_t *callbacks, void *arg, bus_group_t **ret, fanmap_error_t *err);
    void (*group_commit)(bus_group_t *group, int32_t lane, int64_t offset, const char *metadata, size_t metadata_len,
                         uint64_t cookie);
    void (*group_describe)(bus_group_t *group, uint64_t cookie);
    void (*group_witness)(bus_group_t *group, int32_t lane, int64_t offset, int64_t ms); /* NULL: topics stay */
    bool (*group_commit_now)(bus_group_t *group, int32_t lane, int64_t offset, const char *metadata,
                             size_t metadata_len, int timeout_ms);
    bool (*group_hold)(bus_group_t *group); /* NULL: cannot */
    void (*group_let_go)(bus_group_t *group);
    void (*group_want)(bus_group_t *group, bool want);
    void (*group_want_lane)(bus_group_t *group, int32_t lane, bool want); /* NULL: cannot */
    bool (*group_extent)(const bus_group_t *group, int32_t lane, int64_t *ret_position,
                         int64_t *ret_end); /* NULL: not known */
    const char *(*group_member)(bus_group_t *group);
    void (*group_leave)(bus_group_t *group);
} bus_ops_t;

struct bus {
    const bus_ops_t *ops;
};
struct bus_topic {
    bus_t *bus;
};
struct bus_reader {
    bus_t *bus;
};
struct bus_group {
    bus_t *bus;
};

#endif
