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

#include "base/clock.h"
#include "io/memory/bus.h"

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
        .lane = record->partition,
        .offset = offset,
        .timestamp_ms = record->timestamp_ms,
        .appended_ms = record->timestamp_ms,
        .key = record->has_key ? record->bytes : NULL,
        .key_len = record->key_len,
        .value = record->has_value ? record->bytes + record->key_len : NULL,
        .value_len = record->value_len,
        .owner = record,
        .headers = record->headers,
        .headers_n = record->headers_n,
    };
}

bool memory_topic_is_read(const memory_topic_t *topic)
{
    return topic->readers != NULL || topic->shares != NULL;
}

static void memory_release(bus_t *bus, void *owner)
{
    (void)bus;
    memory_record_unref(owner);
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
    memory_answers_run(bus);
    /* Each topic has a budget of its own: one that is always full does not starve the others. */
    for (memory_topic_t *topic = bus->topics; topic != NULL; topic = topic->next) {
        bus->turn_left = MEMORY_TURN_RECORDS;
        memory_outbox_run(topic);
    }
    bus->turn_left = MEMORY_TURN_RECORDS;
    memory_groups_run(bus);
    for (memory_topic_t *topic = bus->topics; topic != NULL; topic = topic->next) {
        bus->turn_left = MEMORY_TURN_RECORDS;
        memory_readers_run(topic);
    }
    bus->in_turn = false;
    for (memory_topic_t *topic = bus->topics; topic != NULL; topic = topic->next) {
        memory_readers_sweep(topic, false);
        memory_topic_trim(topic);
    }
    if (bus->more)
        memory_bus_schedule(bus);
}

static void free_topic(memory_topic_t *topic)
{
    while (topic->outbox != NULL)
        memory_record_unref(memory_outbox_pop(topic));
    memory_readers_sweep(topic, true);
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
    memory_groups_free(bus);
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

static bool memory_clock(const bus_t *bus, int64_t *ret_ms)
{
    (void)bus;
    *ret_ms = wall_ms();
    return true;
}

static const bus_ops_t MEMORY_OPS = {
    .close = memory_close,
    .release = memory_release,
    .ensure_topics = memory_ensure_topics,
    .topic_open = memory_topic_open,
    .forget = memory_forget,
    .produce = memory_produce,
    .outbox_n = memory_outbox_n,
    .clock = memory_clock,
    .flush_soon = memory_flush_soon,
    .read = memory_read,
    .reader_hold = memory_reader_hold,
    .reader_close = memory_reader_close,
    .request = memory_request,
    .group_join = memory_group_join,
    .group_commit = memory_group_commit,
    .group_describe = memory_group_describe,
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
