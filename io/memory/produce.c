/* From bus_produce into the logs, and what keeps the logs within their bounds. */

#include "base/clock.h"
#include "io/memory/share.h"

int memory_produce(bus_topic_t *base, int32_t partition, const void *key, size_t key_len, const void *value,
                   size_t value_len, const bus_header_t *headers, size_t headers_n, uint64_t cookie,
                   fanmap_error_t *err)
{
    memory_handle_t *handle = (memory_handle_t *)base;
    memory_topic_t *topic = handle->topic;
    if (memory_topic_log(topic, partition) == NULL)
        return err_set(err, FANMAP_EUSAGE, "topic %s has no partition %d", topic->name, (int)partition);
    if (topic->outbox_bytes >= MEMORY_OUTBOX_BYTES_MAX)
        return FANMAP_AGAIN;
    memory_record_t *record = memory_record_new(key, key_len, value, value_len);
    if (record == NULL || !memory_record_add_headers(record, headers, headers_n)) {
        memory_record_unref(record);
        return err_set(err, FANMAP_ENOMEM, "out of memory for a record of %zu bytes", key_len + value_len);
    }
    record->partition = partition;
    record->cookie = cookie;
    record->topic = handle;
    *topic->outbox_end = record;
    topic->outbox_end = &record->next;
    topic->outbox_n++;
    topic->outbox_bytes += memory_record_bytes(record);
    memory_bus_schedule(topic->bus);
    return FANMAP_OK;
}

size_t memory_outbox_n(const bus_t *base)
{
    size_t n = 0;
    for (const memory_topic_t *topic = ((const memory_bus_t *)base)->topics; topic != NULL; topic = topic->next)
        n += topic->outbox_n;
    return n;
}

void memory_flush_soon(bus_t *bus)
{
    (void)bus; /* the next turn it is anyway */
}

static size_t log_bytes(const memory_topic_t *topic)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < topic->partitions_n; i++)
        bytes += topic->logs[i].bytes;
    return bytes;
}

memory_record_t *memory_outbox_pop(memory_topic_t *topic)
{
    memory_record_t *record = topic->outbox;
    topic->outbox = record->next;
    if (topic->outbox == NULL)
        topic->outbox_end = &topic->outbox;
    record->next = NULL;
    topic->outbox_n--;
    topic->outbox_bytes -= memory_record_bytes(record);
    return record;
}

static void report(memory_record_t *record, int64_t offset, const fanmap_error_t *err)
{
    memory_handle_t *handle = record->topic;
    if (handle->delivered != NULL)
        handle->delivered(handle->arg, record->cookie, record->partition, offset, err);
}

static void store(memory_topic_t *topic, memory_record_t *record)
{
    memory_log_t *log = memory_topic_log(topic, record->partition);
    size_t bytes = record->key_len + record->value_len;
    fanmap_error_t err = {0};
    if (topic->message_bytes_max != 0 && bytes > topic->message_bytes_max)
        (void)err_set(&err, FANMAP_EUSAGE, "a record of %zu bytes is over the topic's limit of %zu", bytes,
                      topic->message_bytes_max);
    record->timestamp_ms = wall_ms();
    int64_t offset = err.code == 0 ? memory_log_append(log, record) : -1;
    if (err.code == 0 && offset < 0)
        (void)err_set(&err, FANMAP_ENOMEM, "out of memory for a record of %zu bytes", bytes);
    report(record, offset, offset < 0 ? &err : NULL);
    if (offset < 0)
        memory_record_unref(record);
}

void memory_outbox_run(memory_topic_t *topic)
{
    size_t bytes = log_bytes(topic);
    while (topic->outbox != NULL) {
        if (bytes >= MEMORY_LOG_BYTES_MAX && !topic->compacted && memory_topic_is_read(topic))
            return;
        if (!memory_bus_spend(topic->bus))
            return;
        memory_record_t *record = memory_outbox_pop(topic);
        bytes += memory_record_bytes(record);
        store(topic, record);
    }
}

/* ---- keeping the logs within their bounds ---- */

static void drop_what_all_passed(memory_topic_t *topic)
{
    for (uint32_t i = 0; i < topic->partitions_n; i++) {
        memory_log_t *log = &topic->logs[i];
        int64_t floor = memory_readers_floor(topic, (int32_t)i, INT64_MAX);
        floor = memory_groups_floor(topic, (int32_t)i, floor);
        if (topic->compacted) {
            if (log->n > log->compact_at)
                memory_log_compact(log, floor);
        } else if (floor != INT64_MAX) {
            memory_log_drop_to(log, floor);
        }
    }
}

static void drop_the_oldest(memory_topic_t *topic)
{
    size_t bytes = log_bytes(topic);
    for (uint32_t i = 0; bytes > MEMORY_LOG_BYTES_MAX && i < topic->partitions_n; i++) {
        memory_log_t *log = &topic->logs[i];
        size_t before = log->bytes;
        size_t share = MEMORY_LOG_BYTES_MAX / topic->partitions_n;
        while (log->n > 0 && log->bytes > share && bytes - (before - log->bytes) > MEMORY_LOG_BYTES_MAX)
            memory_log_drop_to(log, log->low + 1);
        bytes -= before - log->bytes;
    }
}

void memory_topic_trim(memory_topic_t *topic)
{
    drop_what_all_passed(topic);
    if (!topic->compacted && !memory_topic_is_read(topic))
        drop_the_oldest(topic);
    if (topic->outbox != NULL && (topic->compacted || log_bytes(topic) < MEMORY_LOG_BYTES_MAX))
        memory_bus_schedule(topic->bus);
}
