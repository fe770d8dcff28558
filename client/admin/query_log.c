/* A log is read from somewhere to its end. */
#include "client/admin/query.h"

typedef struct {
    query_t *query;
    query_record_fn fn;
    void *arg;
    int64_t end, low;
    bool is_gone;
} reading_t;

static bool on_record(void *arg, const bus_record_t *record)
{
    reading_t *reading = arg;
    if (reading->query->is_done)
        return false;
    reading->query->answers_n++;
    if (record->offset < reading->end)
        reading->fn(reading->arg, record);
    reading->query->is_done |= record->offset + 1 >= reading->end;
    return false;
}

static void on_end(void *arg, int64_t position)
{
    reading_t *reading = arg;
    reading->query->answers_n++;
    reading->query->is_done |= position >= reading->end;
}

static void on_gone(void *arg, int64_t low)
{
    reading_t *reading = arg;
    reading->low = low;
    reading->is_gone = reading->query->is_done = true;
}

int64_t query_read(query_t *query, bus_topic_t *topic, int32_t partition, int64_t from, int64_t end, query_record_fn fn,
                   void *arg)
{
    static const bus_reader_callbacks_t callbacks = {.record = on_record, .at_end = on_end, .gone = on_gone};
    reading_t reading = {.query = query, .fn = fn, .arg = arg, .low = -1};
    bus_reader_t *reader = NULL;
    reading.end = end < 0 ? query_end_of(query, topic, partition) : end;
    if (query->result != FANMAP_OK || from >= reading.end)
        return -1;
    query->result = bus_read(topic, partition, from, &callbacks, &reading, &reader, query->err);
    query_wait(query, "Kafka");
    bus_reader_close(reader);
    if (query->result == FANMAP_OK && reading.is_gone && (reading.low < 0 || reading.low <= from))
        query->result = err_set(query->err, FANMAP_ELOST, "the first records of partition %d are gone", partition);
    return reading.low;
}

void query_read_on(query_t *query, bus_topic_t *topic, int32_t partition, int64_t from, int64_t end, query_record_fn fn,
                   void *arg)
{
    int64_t low = query_read(query, topic, partition, from, end, fn, arg);
    if (low >= 0)
        (void)query_read(query, topic, partition, low, end, fn, arg);
}
