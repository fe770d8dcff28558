/* Topics in the memory of this process.
 *
 * The happy path of a record: bus_produce copies it into the outbox of its topic; the next turn moves it into the log
 * of its partition and reports it; readers and the group are handed the same bytes; once all of them are past it (a
 * group: by its commit) it is freed.
 *
 * A log that nobody empties is what can fail. While a topic's logs are over their bound and someone reads the topic,
 * the outbox waits, fills, and bus_produce answers FANMAP_AGAIN; a report is then still to come, so who waits for one
 * is never stuck. Without anyone reading the oldest records are dropped, as retention would. A compacted topic is
 * compacted instead.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "io/memory_bus.h"

static void run_turn(void *arg);

void memory_bus_schedule(memory_bus_t *bus)
{
    if (bus->scheduled)
        return;
    bus->scheduled = true;
    loop_defer(bus->loop, run_turn, bus);
}

bool memory_bus_spend(memory_bus_t *bus)
{
    if (bus->turn_left > 0 && bus->turn_left % 64 == 0 && loop_clock_ms() >= bus->turn_until_ms)
        bus->turn_left = 0;
    if (bus->turn_left == 0) {
        bus->more = true;
        return false;
    }
    bus->turn_left--;
    return true;
}

memory_log_t *memory_topic_log(const memory_topic_t *topic, int32_t partition)
{
    return partition >= 0 && (uint32_t)partition < topic->partitions_n ? &topic->logs[partition] : NULL;
}

bus_record_t memory_record_view(memory_record_t *record, int64_t offset)
{
    return (bus_record_t){
        .partition = record->partition,
        .offset = offset,
        .timestamp_ms = record->timestamp_ms,
        .key = record->has_key ? record->bytes : NULL,
        .key_len = record->key_len,
        .value = record->has_value ? record->bytes + record->key_len : NULL,
        .value_len = record->value_len,
        .owner = record,
    };
}

bool memory_topic_is_read(const memory_topic_t *topic)
{
    return topic->readers != NULL || topic->groups != NULL;
}

static void memory_release(bus_t *bus, void *owner)
{
    (void)bus;
    memory_record_unref(owner);
}

/* ---- topics ---- */

static memory_topic_t *find_topic(memory_bus_t *bus, const char *name)
{
    memory_topic_t *topic = bus->topics;
    while (topic != NULL && strcmp(topic->name, name) != 0)
        topic = topic->next;
    return topic;
}

static memory_topic_t *get_topic(memory_bus_t *bus, const char *name)
{
    memory_topic_t *topic = find_topic(bus, name);
    if (topic != NULL || strlen(name) > MEMORY_NAME_MAX || (topic = calloc(1, sizeof *topic)) == NULL)
        return topic;
    memcpy(topic->name, name, strlen(name) + 1);
    topic->bus = bus;
    topic->outbox_end = &topic->outbox;
    topic->next = bus->topics;
    bus->topics = topic;
    return topic;
}

static int create_topic(memory_bus_t *bus, const bus_topic_config_t *config, fanmap_error_t *err)
{
    memory_topic_t *topic = get_topic(bus, config->name);
    uint32_t n = config->partitions == 0 ? 1 : config->partitions;
    memory_log_t *logs = topic == NULL || topic->logs != NULL ? NULL : calloc(n, sizeof *logs);
    if (topic == NULL || (topic->logs == NULL && logs == NULL))
        return err_set(err, FANMAP_ENOMEM, "out of memory for topic %s", config->name);
    if (topic->logs != NULL)
        return FANMAP_OK;
    topic->logs = logs;
    topic->partitions_n = n;
    topic->compacted = config->compacted;
    topic->message_bytes_max = config->message_bytes_max;
    return FANMAP_OK;
}

static memory_answer_t *new_answer(memory_bus_t *bus, size_t partitions_n, void *arg)
{
    memory_answer_t *answer = calloc(1, sizeof *answer + partitions_n * sizeof answer->partitions[0]);
    if (answer == NULL)
        return NULL;
    answer->arg = arg;
    answer->partitions_n = partitions_n;
    *bus->answers_end = answer;
    bus->answers_end = &answer->next;
    memory_bus_schedule(bus);
    return answer;
}

static int memory_ensure_topics(bus_t *base, const bus_topic_config_t *topics, size_t topics_n, bool create,
                                bus_topics_fn fn, void *arg, fanmap_error_t *err)
{
    memory_bus_t *bus = (memory_bus_t *)base;
    memory_answer_t *answer = new_answer(bus, topics_n, arg);
    if (answer == NULL)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    answer->topics_fn = fn;
    for (size_t i = 0; i < topics_n && answer->err.code == 0; i++) {
        const memory_topic_t *topic = find_topic(bus, topics[i].name);
        if (!create && (topic == NULL || topic->partitions_n == 0))
            (void)err_set(&answer->err, FANMAP_EUSAGE, "topic %s does not exist", topics[i].name);
        else if (create_topic(bus, &topics[i], &answer->err) == FANMAP_OK)
            answer->partitions[i] = find_topic(bus, topics[i].name)->partitions_n;
    }
    return FANMAP_OK;
}

static int memory_topic_open(bus_t *base, const char *name, bus_delivered_fn delivered, void *arg, bus_topic_t **ret,
                             fanmap_error_t *err)
{
    memory_topic_t *topic = get_topic((memory_bus_t *)base, name);
    memory_handle_t *handle = topic == NULL ? NULL : calloc(1, sizeof *handle);
    if (handle == NULL)
        return err_set(err, FANMAP_ENOMEM, "out of memory for topic %s", name);
    *handle =
        (memory_handle_t){.base.bus = base, .topic = topic, .next = topic->handles, .delivered = delivered, .arg = arg};
    topic->handles = handle;
    *ret = &handle->base;
    return FANMAP_OK;
}

static int memory_query_end(bus_topic_t *base, int32_t partition, void (*fn)(void *arg, int64_t end), void *arg,
                            fanmap_error_t *err)
{
    memory_handle_t *handle = (memory_handle_t *)base;
    memory_answer_t *answer = new_answer(handle->topic->bus, 0, arg);
    if (answer == NULL)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    answer->end_fn = fn;
    answer->topic = handle->topic;
    answer->partition = partition;
    return FANMAP_OK;
}

static void run_answers(memory_bus_t *bus)
{
    memory_answer_t *answer = bus->answers;
    bus->answers = NULL;
    bus->answers_end = &bus->answers;
    while (answer != NULL) {
        memory_answer_t *next = answer->next;
        if (answer->topics_fn != NULL) {
            const fanmap_error_t *err = answer->err.code == 0 ? NULL : &answer->err;
            answer->topics_fn(answer->arg, err == NULL ? answer->partitions : NULL, err);
        } else {
            memory_log_t *log = memory_topic_log(answer->topic, answer->partition);
            answer->end_fn(answer->arg, log == NULL ? -1 : memory_log_end(log));
        }
        free(answer);
        answer = next;
    }
}

/* ---- producing ---- */

static int memory_produce(bus_topic_t *base, int32_t partition, const void *key, size_t key_len, const void *value,
                          size_t value_len, uint64_t cookie, fanmap_error_t *err)
{
    memory_handle_t *handle = (memory_handle_t *)base;
    memory_topic_t *topic = handle->topic;
    if (memory_topic_log(topic, partition) == NULL)
        return err_set(err, FANMAP_EUSAGE, "topic %s has no partition %d", topic->name, (int)partition);
    if (topic->outbox_bytes >= MEMORY_OUTBOX_BYTES_MAX)
        return FANMAP_AGAIN;
    memory_record_t *record = memory_record_new(key, key_len, value, value_len);
    if (record == NULL)
        return err_set(err, FANMAP_ENOMEM, "out of memory for a record of %zu bytes", key_len + value_len);
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

static size_t memory_outbox_n(const bus_t *base)
{
    size_t n = 0;
    for (const memory_topic_t *topic = ((const memory_bus_t *)base)->topics; topic != NULL; topic = topic->next)
        n += topic->outbox_n;
    return n;
}

static void memory_flush_soon(bus_t *bus)
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

static memory_record_t *outbox_pop(memory_topic_t *topic)
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

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
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

static void run_outbox(memory_topic_t *topic)
{
    size_t bytes = log_bytes(topic);
    while (topic->outbox != NULL) {
        if (bytes >= MEMORY_LOG_BYTES_MAX && !topic->compacted && memory_topic_is_read(topic))
            return;
        if (!memory_bus_spend(topic->bus))
            return;
        memory_record_t *record = outbox_pop(topic);
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

static void trim(memory_topic_t *topic)
{
    drop_what_all_passed(topic);
    if (!topic->compacted && !memory_topic_is_read(topic))
        drop_the_oldest(topic);
    if (topic->outbox != NULL && (topic->compacted || log_bytes(topic) < MEMORY_LOG_BYTES_MAX))
        memory_bus_schedule(topic->bus);
}

/* ---- the turn ---- */

static void run_turn(void *arg)
{
    memory_bus_t *bus = arg;
    bus->scheduled = false;
    bus->in_turn = true;
    bus->more = false;
    bus->turn_left = MEMORY_TURN_RECORDS;
    bus->turn_until_ms = loop_clock_ms() + MEMORY_TURN_MS;
    run_answers(bus);
    /* Each topic has a budget of its own: one that is always full does not starve the others. */
    for (memory_topic_t *topic = bus->topics; topic != NULL; topic = topic->next) {
        bus->turn_left = MEMORY_TURN_RECORDS;
        run_outbox(topic);
    }
    for (memory_topic_t *topic = bus->topics; topic != NULL; topic = topic->next) {
        bus->turn_left = MEMORY_TURN_RECORDS;
        memory_groups_run(topic);
        memory_readers_run(topic);
    }
    bus->in_turn = false;
    for (memory_topic_t *topic = bus->topics; topic != NULL; topic = topic->next) {
        memory_readers_sweep(topic, false);
        trim(topic);
    }
    if (bus->more)
        memory_bus_schedule(bus);
}

static void free_topic(memory_topic_t *topic)
{
    while (topic->outbox != NULL)
        memory_record_unref(outbox_pop(topic));
    memory_readers_sweep(topic, true);
    memory_groups_free(topic);
    for (uint32_t i = 0; i < topic->partitions_n; i++)
        memory_log_free(&topic->logs[i]);
    free(topic->logs);
    while (topic->handles != NULL) {
        memory_handle_t *next = topic->handles->next;
        free(topic->handles);
        topic->handles = next;
    }
    free(topic);
}

static void memory_close(bus_t *base, int timeout_ms)
{
    memory_bus_t *bus = (memory_bus_t *)base;
    (void)timeout_ms;
    loop_defer_cancel(bus->loop, run_turn, bus);
    while (bus->topics != NULL) {
        memory_topic_t *next = bus->topics->next;
        free_topic(bus->topics);
        bus->topics = next;
    }
    while (bus->answers != NULL) {
        memory_answer_t *next = bus->answers->next;
        free(bus->answers);
        bus->answers = next;
    }
    free(bus);
}

static const bus_ops_t MEMORY_OPS = {
    .close = memory_close,
    .release = memory_release,
    .ensure_topics = memory_ensure_topics,
    .topic_open = memory_topic_open,
    .produce = memory_produce,
    .outbox_n = memory_outbox_n,
    .flush_soon = memory_flush_soon,
    .read = memory_read,
    .reader_hold = memory_reader_hold,
    .reader_close = memory_reader_close,
    .query_end = memory_query_end,
    .group_join = memory_group_join,
    .group_commit = memory_group_commit,
    .group_commit_now = memory_group_commit_now,
    .group_want = memory_group_want,
    .group_member = memory_group_member,
    .group_leave = memory_group_leave,
};

int bus_open_memory(loop_t *loop, bus_t **ret, fanmap_error_t *err)
{
    memory_bus_t *bus = calloc(1, sizeof *bus);
    if (bus == NULL)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    bus->base.ops = &MEMORY_OPS;
    bus->loop = loop;
    bus->answers_end = &bus->answers;
    *ret = &bus->base;
    return FANMAP_OK;
}
