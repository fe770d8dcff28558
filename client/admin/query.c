#include "client/admin/query.h"

#include <string.h>

enum { TURN_MS = 100 };

int ask_begin(ask_t *ask, fanmap_t *f, int timeout_ms, fanmap_error_t *err)
{
    *ask = (ask_t){.f = f, .timeout_ms = timeout_ms};
    if (f->is_local)
        return err_set(err, FANMAP_EUSAGE, "an embedded connection (--local) has nothing to list");
    return f->error.code ? err_copy(err, &f->error) : FANMAP_OK;
}

int ask_stopped(fanmap_t *f, fanmap_error_t *err)
{
    f->was_woken = false;
    return err_set_retry(err, FANMAP_EUNREACHABLE, "stopped before there was an answer");
}

int ask_wait(ask_t *ask, const char *what, fanmap_error_t *err)
{
    int64_t until = loop_clock_ms() + ask->timeout_ms;
    while (!ask->is_done && !ask->error.code && !ask->f->error.code) {
        uint64_t heard = ask->heard;
        int64_t now = loop_clock_ms();
        if (ask->f->was_woken)
            return ask_stopped(ask->f, err);
        if (now >= until)
            return err_set_retry(err, FANMAP_EUNREACHABLE, "%s: no answer within %d ms", what, ask->timeout_ms);
        int r = client_turn(ask->f, until - now > TURN_MS ? TURN_MS : (int)(until - now), err);
        if (r != FANMAP_OK)
            return r;
        if (ask->heard != heard)
            until = loop_clock_ms() + ask->timeout_ms;
    }
    const fanmap_error_t *why = ask->error.code ? &ask->error : &ask->f->error;
    if (why->code && !ask->is_done)
        return err_copy(err, why);
    ask->is_done = false;
    return FANMAP_OK;
}

int ask_topics(ask_t *ask, queue_t **ret, fanmap_error_t *err)
{
    queue_t *queue;
    int r = queue_get(ask->f, NULL, &queue, err);
    while (r == FANMAP_OK && !queue->is_ready) {
        if (ask->f->error.code)
            return err_copy(err, &ask->f->error); /* at the latest the connect timeout */
        r = client_turn(ask->f, TURN_MS, err);
    }
    if (r == FANMAP_OK)
        *ret = queue;
    return r;
}

static void on_ensured(void *arg, const uint32_t *partitions_n, const fanmap_error_t *err)
{
    ask_t *ask = arg;
    (void)partitions_n;
    ask->heard++;
    ask->is_done = true;
    if (err)
        ask->error = *err;
}

int ask_dead(ask_t *ask, bus_topic_t **ret, fanmap_error_t *err)
{
    const fanmap_options_t *o = ask->f->options;
    char name[TOPIC_NAME_MAX];
    const bus_topic_config_t config = {name_dead(name, ask->f->namespace_name), 1, false,
                                       (int64_t)options_ms(o, "retention"),
                                       (uint32_t)options_bytes(o, "item-max") + 64 * 1024};
    int r = bus_ensure_topics(ask->f->bus, &config, 1, options_switch(o, "create-topics"), on_ensured, ask, err);
    if (r == FANMAP_OK)
        r = ask_wait(ask, "Kafka", err);
    if (r == FANMAP_OK && ask->error.code)
        r = err_copy(err, &ask->error);
    if (r != FANMAP_OK)
        return r;
    ask->f->is_connected = true; /* the connect timeout is for those who were never answered */
    return bus_topic_open(ask->f->bus, name, NULL, NULL, ret, err);
}

/* ---- a log from somewhere to its end ---- */

typedef struct {
    ask_t *ask;
    ask_record_fn fn;
    void *arg;
    int64_t end, low;
    bool is_gone;
} reading_t;

static void on_query(void *arg, int64_t end)
{
    reading_t *reading = arg;
    reading->end = end;
    reading->ask->heard++;
    reading->ask->is_done = true;
}

static bool on_record(void *arg, const bus_record_t *record)
{
    reading_t *reading = arg;
    if (reading->ask->is_done)
        return false;
    reading->ask->heard++;
    if (record->offset < reading->end)
        reading->fn(reading->arg, record);
    reading->ask->is_done |= record->offset + 1 >= reading->end;
    return false;
}

static void on_end(void *arg, int64_t position)
{
    reading_t *reading = arg;
    reading->ask->heard++;
    reading->ask->is_done |= position >= reading->end;
}

static void on_gone(void *arg, int64_t low)
{
    reading_t *reading = arg;
    reading->low = low;
    reading->is_gone = reading->ask->is_done = true;
}

int ask_end(ask_t *ask, bus_topic_t *topic, int32_t partition, int64_t *ret, fanmap_error_t *err)
{
    reading_t reading = {.ask = ask, .end = -1};
    for (int tries = 0; reading.end < 0; tries++) { /* again while the broker cannot say */
        if (tries == 10)
            return err_set_retry(err, FANMAP_EUNREACHABLE, "Kafka does not say where partition %d ends", partition);
        int r = bus_query_end(topic, partition, on_query, &reading, err);
        if (r == FANMAP_OK)
            r = ask_wait(ask, "Kafka", err);
        if (r != FANMAP_OK)
            return r;
    }
    *ret = reading.end;
    return FANMAP_OK;
}

int ask_read(ask_t *ask, bus_topic_t *topic, int32_t partition, int64_t from, int64_t end, ask_record_fn fn, void *arg,
             int64_t *ret_low, fanmap_error_t *err)
{
    static const bus_reader_callbacks_t callbacks = {on_record, on_end, on_gone};
    reading_t reading = {.ask = ask, .fn = fn, .arg = arg, .end = end, .low = -1};
    bus_reader_t *reader;
    int r = end < 0 ? ask_end(ask, topic, partition, &reading.end, err) : FANMAP_OK;
    if (r != FANMAP_OK || from >= reading.end)
        return r;
    r = bus_read(topic, partition, from, &callbacks, &reading, &reader, err);
    if (r != FANMAP_OK)
        return r;
    r = ask_wait(ask, "Kafka", err);
    bus_reader_close(reader);
    if (r != FANMAP_OK || !reading.is_gone)
        return r;
    if (ret_low)
        *ret_low = reading.low;
    return err_set(err, FANMAP_ELOST, "the log of partition %d begins only at offset %lld", partition,
                   (long long)reading.low);
}

/* ---- Redis ---- */

typedef struct {
    ask_t *ask;
    inspect_fn fn;
    void *arg;
} answer_t;

static void on_answer(void *arg, const char *const *texts, size_t n, const fanmap_error_t *err)
{
    answer_t *answer = arg;
    answer->ask->heard++;
    answer->ask->is_done = true;
    if (err)
        answer->ask->error = *err;
    else
        answer->fn(answer->arg, texts, n, NULL);
}

int ask_redis(ask_t *ask, inspect_what_t what, const char *name, inspect_fn fn, void *arg, fanmap_error_t *err)
{
    const fanmap_options_t *o = ask->f->options;
    redis_port_config_t config = {.url = options_text(o, "redis"),
                                  .password_file = options_text(o, "redis-password-file"),
                                  .name_space = options_text(o, "namespace"),
                                  .connect_timeout_ms = (uint32_t)options_ms(o, "connect-timeout")};
    answer_t answer = {ask, fn, arg};
    inspect_t *inspect;
    if (!config.url || strcmp(config.url, "none") == 0)
        return err_set(err, FANMAP_EUSAGE, "which Redis? give --redis URL or set FANMAP_REDIS");
    int r = inspect_open(ask->f->loop, &config, what, name, on_answer, &answer, &inspect, err);
    if (r != FANMAP_OK)
        return r;
    r = ask_wait(ask, "Redis", err);
    inspect_close(inspect);
    if (r != FANMAP_OK || !ask->error.code)
        return r;
    r = err_copy(err, &ask->error);
    ask->error.code = 0;
    return r;
}
