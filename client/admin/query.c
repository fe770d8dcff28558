#include "client/admin/query.h"

#include <string.h>

#include "schemas/topics.h"

enum { TURN_MS = 100 };

int ask_begin(ask_t *ask, fanmap_t *f, int timeout_ms, fanmap_error_t *err)
{
    *ask = (ask_t){.f = f, .timeout_ms = timeout_ms};
    if (f->is_local)
        return err_set(err, FANMAP_EUSAGE, "an embedded connection (--local) has nothing to list");
    return f->error.code ? err_copy(err, &f->error) : FANMAP_OK;
}

/* The time of silence begins. */
static void listen(ask_t *ask, int64_t span_ms)
{
    if (!ask->is_bounded)
        ask->until_ms = loop_clock_ms() + span_ms;
    else if (ask->until_ms == 0)
        ask->until_ms = loop_clock_ms() + ask->timeout_ms;
}

/* One turn of the loop; what ends the call otherwise. */
static int ask_turn(ask_t *ask, const char *what, fanmap_error_t *err)
{
    fanmap_t *f = ask->f;
    uint64_t heard = ask->heard;
    int64_t left = ask->until_ms - loop_clock_ms();
    if (f->error.code)
        return err_copy(err, &f->error);
    if (f->was_woken && !ask->is_bounded) {
        f->was_woken = false;
        return err_set_retry(err, FANMAP_EUNREACHABLE, "stopped before there was an answer");
    }
    if (left <= 0 && ask->is_bounded)
        return FANMAP_AGAIN;
    if (left <= 0)
        return err_set_retry(err, FANMAP_EUNREACHABLE, "%s: no answer within %d ms", what, ask->timeout_ms);
    int r = client_turn(f, left > TURN_MS ? TURN_MS : (int)left, err);
    if (ask->heard != heard)
        listen(ask, ask->timeout_ms);
    return r;
}

/* The error that came instead of an answer. */
static int take_error(ask_t *ask, fanmap_error_t *err)
{
    if (!ask->error.code)
        return FANMAP_OK;
    int r = err_copy(err, &ask->error);
    ask->error.code = 0;
    return r;
}

int ask_wait(ask_t *ask, const char *what, fanmap_error_t *err)
{
    int r = FANMAP_OK;
    listen(ask, ask->timeout_ms);
    while (r == FANMAP_OK && !ask->is_done && !ask->error.code)
        r = ask_turn(ask, what, err);
    ask->is_done = false;
    return r == FANMAP_OK ? take_error(ask, err) : r;
}

int ask_queue(ask_t *ask, const char *name, const char *task, queue_t **ret, fanmap_error_t *err)
{
    queue_t *queue;
    int r = queue_get(ask->f, name, task, &queue, err);
    listen(ask, INT32_MAX); /* the connect timeout ends it */
    while (r == FANMAP_OK && !queue->is_ready)
        r = queue->error.code && !queue->is_asked ? err_copy(err, &queue->error) : ask_turn(ask, "Kafka", err);
    if (r == FANMAP_OK)
        *ret = queue;
    return r;
}

typedef struct {
    ask_t *ask;
    lookup_result_t *ret;
} looking_up_t;

static void on_looked_up(void *arg, const lookup_result_t *result)
{
    const looking_up_t *looking_up = arg;
    *looking_up->ret = *result;
    looking_up->ask->heard++;
    looking_up->ask->is_done = true;
}

int ask_job(ask_t *ask, queue_t *queue, const char *job_id, lookup_result_t *ret, fanmap_error_t *err)
{
    looking_up_t looking_up = {ask, ret};
    lookup_t *lookup;
    int r = lookup_begin(queue, job_id, on_looked_up, &looking_up, &lookup, err);
    if (r != FANMAP_OK)
        return r;
    r = ask_wait(ask, "Kafka", err);
    lookup_free(lookup);
    return r;
}

/* ---- records ---- */

static void on_stored(void *arg, queue_topic_t topic, uint64_t value, int32_t partition, int64_t offset,
                      const fanmap_error_t *err)
{
    ask_t *ask = arg;
    (void)topic, (void)value, (void)partition, (void)offset;
    ask->heard++;
    ask->unstored_n--;
    if (!err || ask->error.code)
        return;
    ask->error = *err;
    err_wrap(&ask->error, "storing a record");
}

int ask_put(ask_t *ask, const queue_t *queue, queue_topic_t topic, int32_t partition, const void *key, size_t key_len,
            const void *value, size_t value_len, fanmap_error_t *err)
{
    int r;
    if (!ask->publisher.f)
        publisher_open(&ask->publisher, ask->f, on_stored, ask);
    listen(ask, ask->timeout_ms);
    while ((r = publisher_put(&ask->publisher, queue, topic, partition, key, key_len, value, value_len, 0, err)) ==
           FANMAP_AGAIN) {
        r = ask_turn(ask, "Kafka", err);
        if (r != FANMAP_OK)
            return r;
    }
    ask->unstored_n += r == FANMAP_OK;
    return r;
}

int ask_stored(ask_t *ask, fanmap_error_t *err)
{
    int r = FANMAP_OK;
    listen(ask, ask->timeout_ms);
    while (r == FANMAP_OK && ask->unstored_n > 0 && !ask->error.code)
        r = ask_turn(ask, "Kafka has not stored everything", err);
    return r == FANMAP_OK ? take_error(ask, err) : r;
}

void ask_finish(ask_t *ask)
{
    publisher_close(&ask->publisher);
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
                                       (int64_t)options_ms(o, OPT_RETENTION),
                                       topic_record_bytes_max((uint32_t)options_bytes(o, OPT_ITEM_MAX))};
    int r = bus_ensure_topics(ask->f->bus, &config, 1, options_switch(o, OPT_CREATE_TOPICS), on_ensured, ask, err);
    if (r == FANMAP_OK)
        r = ask_wait(ask, "Kafka", err);
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
    redis_port_config_t config = {.url = options_text(o, OPT_REDIS),
                                  .password_file = options_text(o, OPT_REDIS_PASSWORD_FILE),
                                  .name_space = options_text(o, OPT_NAMESPACE),
                                  .connect_timeout_ms = (uint32_t)options_ms(o, OPT_CONNECT_TIMEOUT)};
    answer_t answer = {ask, fn, arg};
    inspect_t *inspect;
    if (!config.url || strcmp(config.url, "none") == 0)
        return err_set(err, FANMAP_EUSAGE, "which Redis? give --redis URL or set FANMAP_REDIS");
    int r = inspect_open(ask->f->loop, &config, what, name, on_answer, &answer, &inspect, err);
    if (r != FANMAP_OK)
        return r;
    r = ask_wait(ask, "Redis", err);
    inspect_close(inspect);
    return r;
}
