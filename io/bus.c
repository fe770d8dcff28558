/* The functions of io/bus.h and io/bus_admin.h: each goes to the implementation that its handle belongs to. */
#include "io/bus_ops.h"

void bus_close(bus_t *bus, int timeout_ms)
{
    if (bus != NULL)
        bus->ops->close(bus, timeout_ms);
}

void bus_release(bus_t *bus, void *owner)
{
    if (owner != NULL)
        bus->ops->release(bus, owner);
}

int bus_ensure_topics(bus_t *bus, const bus_topic_config_t *topics, size_t topics_n, bool create, bus_topics_fn fn,
                      void *arg, fanmap_error_t *err)
{
    return bus->ops->ensure_topics(bus, topics, topics_n, create, fn, arg, err);
}

int bus_topic_open(bus_t *bus, const char *name, bus_delivered_fn delivered, void *arg, bus_topic_t **ret,
                   fanmap_error_t *err)
{
    return bus->ops->topic_open(bus, name, delivered, arg, ret, err);
}

void bus_forget(bus_t *bus, const void *arg)
{
    bus->ops->forget(bus, arg);
}

int bus_produce(bus_topic_t *topic, int32_t partition, const void *key, size_t key_len, const void *value,
                size_t value_len, uint64_t cookie, fanmap_error_t *err)
{
    return topic->bus->ops->produce(topic, partition, key, key_len, value, value_len, NULL, 0, cookie, err);
}

int bus_produce_with(bus_topic_t *topic, int32_t partition, const void *key, size_t key_len, const void *value,
                     size_t value_len, const bus_header_t *headers, size_t headers_n, uint64_t cookie,
                     fanmap_error_t *err)
{
    if (headers_n > BUS_HEADERS_MAX)
        return err_set(err, FANMAP_EUSAGE, "a record has at most %d headers", BUS_HEADERS_MAX);
    return topic->bus->ops->produce(topic, partition, key, key_len, value, value_len, headers, headers_n, cookie, err);
}

size_t bus_outbox_n(const bus_t *bus)
{
    return bus->ops->outbox_n(bus);
}

bool bus_clock(const bus_t *bus, int64_t *ret_ms)
{
    return bus->ops->clock(bus, ret_ms);
}

void bus_flush_soon(bus_t *bus)
{
    bus->ops->flush_soon(bus);
}

int bus_read(bus_topic_t *topic, int32_t partition, int64_t from, const bus_reader_callbacks_t *callbacks, void *arg,
             bus_reader_t **ret, fanmap_error_t *err)
{
    return topic->bus->ops->read(topic, partition, from, callbacks, arg, ret, err);
}

void bus_reader_hold(bus_reader_t *reader, bool hold)
{
    reader->bus->ops->reader_hold(reader, hold);
}

void bus_reader_close(bus_reader_t *reader)
{
    if (reader != NULL)
        reader->bus->ops->reader_close(reader);
}

int64_t bus_reader_told_end(const bus_reader_t *reader)
{
    return reader->bus->ops->reader_told_end == NULL ? -1 : reader->bus->ops->reader_told_end(reader);
}

int32_t bus_partition_at_hand(const bus_topic_t *topic)
{
    return topic->bus->ops->partition_at_hand == NULL ? -1 : topic->bus->ops->partition_at_hand(topic);
}

int bus_request(bus_topic_t *topic, const bus_request_t *request, bus_answer_fn fn, void *arg, fanmap_error_t *err)
{
    return topic->bus->ops->request(topic, request, fn, arg, err);
}

int bus_group_join(bus_topic_t *const *topics, size_t topics_n, const char *group_id,
                   const bus_group_callbacks_t *callbacks, void *arg, bus_group_t **ret, fanmap_error_t *err)
{
    if (topics_n == 0 || topics_n > BUS_GROUP_TOPICS_MAX)
        return err_set(err, FANMAP_EUSAGE, "a group of %zu topics", topics_n);
    return topics[0]->bus->ops->group_join(topics, topics_n, group_id, callbacks, arg, ret, err);
}

void bus_group_commit(bus_group_t *group, int32_t lane, int64_t offset, const char *metadata, size_t metadata_len,
                      uint64_t cookie)
{
    group->bus->ops->group_commit(group, lane, offset, metadata, metadata_len, cookie);
}

void bus_group_describe(bus_group_t *group, uint64_t cookie)
{
    group->bus->ops->group_describe(group, cookie);
}

void bus_group_witness(bus_group_t *group, int32_t lane, int64_t offset, int64_t ms)
{
    if (group->bus->ops->group_witness)
        group->bus->ops->group_witness(group, lane, offset, ms);
}

bool bus_group_commit_now(bus_group_t *group, int32_t lane, int64_t offset, const char *metadata, size_t metadata_len,
                          int timeout_ms)
{
    return group->bus->ops->group_commit_now(group, lane, offset, metadata, metadata_len, timeout_ms);
}

bool bus_group_hold(bus_group_t *group)
{
    return group->bus->ops->group_hold != NULL && group->bus->ops->group_hold(group);
}

void bus_group_let_go(bus_group_t *group)
{
    if (group->bus->ops->group_let_go != NULL)
        group->bus->ops->group_let_go(group);
}

void bus_group_want(bus_group_t *group, bool want)
{
    group->bus->ops->group_want(group, want);
}

bool bus_group_extent(const bus_group_t *group, int32_t lane, int64_t *ret_position, int64_t *ret_end)
{
    return group->bus->ops->group_extent != NULL && group->bus->ops->group_extent(group, lane, ret_position, ret_end);
}

const char *bus_group_member(bus_group_t *group)
{
    return group->bus->ops->group_member(group);
}

void bus_group_leave(bus_group_t *group)
{
    if (group != NULL)
        group->bus->ops->group_leave(group);
}

bool bus_reader_drop(bus_reader_t **reader)
{
    bool is_open = *reader;
    if (is_open)
        bus_reader_close(*reader);
    *reader = NULL;
    return is_open;
}

void bus_group_want_lane(bus_group_t *group, int32_t lane, bool want)
{
    if (group->bus->ops->group_want_lane != NULL)
        group->bus->ops->group_want_lane(group, lane, want);
}
