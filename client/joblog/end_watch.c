#include "client/joblog/end_watch.h"

#include "base/text.h"
#include "schemas/jobs.h"

bool end_watch_has_ended(const end_watch_t *watch)
{
    return watch->has_end && watch->has_read_all;
}

static void check_end(const end_watch_t *watch)
{
    if (end_watch_has_ended(watch))
        watch->ended(watch->arg);
}

static bool on_record(void *arg, const bus_record_t *record)
{
    end_watch_t *watch = arg;
    char key[JOB_ID_MAX + 17];
    (void)jobs_key(key, sizeof key, watch->id, JOBS_END);
    if (!text_is(record->key, record->key_len, key))
        return false;
    watch->has_end = record->value_len > 0;
    check_end(watch);
    return false;
}

static void on_end(void *arg, int64_t position)
{
    end_watch_t *watch = arg;
    (void)position;
    watch->has_read_all = true;
    check_end(watch);
}

int end_watch_begin(end_watch_t *watch, bus_topic_t *jobs, const char *id, void (*ended)(void *arg), void *arg,
                    fanmap_error_t *err)
{
    static const bus_reader_callbacks_t callbacks = {.record = on_record, .at_end = on_end, .shares = true};
    *watch = (end_watch_t){.id = id, .ended = ended, .arg = arg};
    return bus_read(jobs, 0, BUS_BEGIN, &callbacks, watch, &watch->reader, err);
}

void end_watch_close(end_watch_t *watch)
{
    (void)bus_reader_drop(&watch->reader);
}
