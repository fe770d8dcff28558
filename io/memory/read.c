/* Readers of one partition. */
#include <stdlib.h>

#include "io/memory/bus.h"

int memory_read(bus_topic_t *base, int32_t partition, int64_t from, const bus_reader_callbacks_t *callbacks, void *arg,
                bus_reader_t **ret, fanmap_error_t *err)
{
    memory_topic_t *topic = ((memory_handle_t *)base)->topic;
    const memory_log_t *log = memory_topic_log(topic, partition);
    if (log == NULL)
        return err_set(err, FANMAP_EUSAGE, "topic %s has no partition %d", topic->name, (int)partition);
    memory_reader_t *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    *reader = (memory_reader_t){
        .base.bus = base->bus,
        .topic = topic,
        .next = topic->readers,
        .partition = partition,
        .position = from == BUS_BEGIN ? log->low
                    : from == BUS_END ? memory_log_end(log)
                                      : from,
        .callbacks = *callbacks,
        .arg = arg,
        .owes_end = true,
    };
    topic->readers = reader;
    memory_bus_schedule(topic->bus);
    *ret = &reader->base;
    return FANMAP_OK;
}

void memory_reader_hold(bus_reader_t *base, bool hold)
{
    memory_reader_t *reader = (memory_reader_t *)base;
    reader->held = hold;
    if (!hold)
        memory_bus_schedule(reader->topic->bus);
}

void memory_reader_close(bus_reader_t *base)
{
    memory_reader_t *reader = (memory_reader_t *)base;
    memory_topic_t *topic = reader->topic;
    reader->closed = true;
    if (!topic->bus->in_turn)
        memory_readers_sweep(topic, false);
    memory_bus_schedule(topic->bus); /* it may have been what others waited for */
}

static bool is_open(const memory_reader_t *reader)
{
    return !reader->closed && !reader->held && !reader->over;
}

static void hand_out(memory_reader_t *reader, memory_record_t *record)
{
    bus_record_t view = memory_record_view(record, reader->position++);
    reader->owes_end = true;
    record->refs++;
    if (!reader->callbacks.record(reader->arg, &view))
        memory_record_unref(record);
}

static void run_reader(memory_reader_t *reader)
{
    const memory_log_t *log = memory_topic_log(reader->topic, reader->partition);
    if (is_open(reader) && (reader->position < log->low || reader->position > memory_log_end(log))) {
        reader->over = true;
        reader->position = INT64_MAX;
        if (reader->callbacks.gone != NULL)
            reader->callbacks.gone(reader->arg, log->low);
        return;
    }
    while (is_open(reader) && reader->position < memory_log_end(log)) {
        memory_record_t *record = memory_log_at(log, reader->position);
        if (!memory_bus_spend(reader->topic->bus))
            return;
        if (record != NULL)
            hand_out(reader, record);
        else
            reader->position++;
    }
    if (is_open(reader) && reader->owes_end) {
        reader->owes_end = false;
        if (reader->callbacks.at_end != NULL)
            reader->callbacks.at_end(reader->arg, reader->position);
    }
}

void memory_readers_run(memory_topic_t *topic)
{
    /* One that is added by a callback stands before the first and has its turn next time. */
    for (memory_reader_t *reader = topic->readers; reader != NULL; reader = reader->next) {
        topic->bus->turn_left = MEMORY_TURN_RECORDS;
        run_reader(reader);
    }
}

int64_t memory_readers_floor(const memory_topic_t *topic, int32_t partition, int64_t none)
{
    int64_t floor = none;
    for (const memory_reader_t *reader = topic->readers; reader != NULL; reader = reader->next)
        if (reader->partition == partition && reader->position < floor)
            floor = reader->position;
    return floor;
}

void memory_readers_sweep(memory_topic_t *topic, bool all)
{
    for (memory_reader_t **at = &topic->readers; *at != NULL;) {
        memory_reader_t *reader = *at;
        if (reader->closed || all) {
            *at = reader->next;
            free(reader);
        } else {
            at = &reader->next;
        }
    }
}
