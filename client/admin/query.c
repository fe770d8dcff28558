#include "client/admin/query.h"

#include <string.h>

enum { TURN_MS = 100 };

int query_begin(query_t *query, fanmap_t *f, int timeout_ms, fanmap_error_t *err)
{
    *query = (query_t){.f = f, .timeout_ms = timeout_ms};
    if (f->is_local)
        return err_set(err, FANMAP_EUSAGE, "an embedded connection (--local) has nothing to list");
    return f->error.code ? err_copy(err, &f->error) : FANMAP_OK;
}

/* The time of silence begins. */
static void listen(query_t *query, int64_t span_ms)
{
    if (!query->is_bounded)
        query->until_ms = loop_clock_ms() + span_ms;
    else if (query->until_ms == 0)
        query->until_ms = loop_clock_ms() + query->timeout_ms;
}

/* One turn of the loop; what ends the call otherwise. */
static int query_turn(query_t *query, const char *what, fanmap_error_t *err)
{
    fanmap_t *f = query->f;
    uint64_t heard = query->heard;
    int64_t left = query->until_ms - loop_clock_ms();
    if (f->error.code)
        return err_copy(err, &f->error);
    if (f->was_woken && !query->is_bounded) {
        f->was_woken = false;
        return err_set_retry(err, FANMAP_EUNREACHABLE, "stopped before there was an answer");
    }
    if (left <= 0 && query->is_bounded)
        return FANMAP_AGAIN;
    if (left <= 0)
        return err_set_retry(err, FANMAP_EUNREACHABLE, "%s: no answer within %d ms", what, query->timeout_ms);
    int r = client_turn(f, left > TURN_MS ? TURN_MS : (int)left, err);
    if (query->heard != heard)
        listen(query, query->timeout_ms);
    return r;
}

/* The error that came instead of an answer. */
static int take_error(query_t *query, fanmap_error_t *err)
{
    if (!query->error.code)
        return FANMAP_OK;
    int r = err_copy(err, &query->error);
    query->error.code = 0;
    return r;
}

void query_answered(query_t *query, const fanmap_error_t *err)
{
    query->heard++;
    query->is_done = true;
    if (err)
        query->error = *err;
}

int query_wait(query_t *query, const char *what, fanmap_error_t *err)
{
    int r = FANMAP_OK;
    listen(query, query->timeout_ms);
    while (r == FANMAP_OK && !query->is_done && !query->error.code)
        r = query_turn(query, what, err);
    query->is_done = false;
    return r == FANMAP_OK ? take_error(query, err) : r;
}

int query_queue(query_t *query, const char *name, const char *task, queue_t **ret, fanmap_error_t *err)
{
    queue_t *queue;
    int r = queue_get(query->f, name, task, &queue, err);
    listen(query, INT32_MAX); /* the connect timeout ends it */
    while (r == FANMAP_OK && !queue->is_ready)
        r = queue->error.code && !queue->is_asked ? err_copy(err, &queue->error) : query_turn(query, "Kafka", err);
    if (r == FANMAP_OK)
        *ret = queue;
    return r;
}

int query_results_n(query_t *query, queue_t *queue, fanmap_error_t *err)
{
    int r = queue_count_again(queue, err);
    listen(query, query->timeout_ms);
    while (r == FANMAP_OK && queue->is_counting)
        r = query_turn(query, "Kafka", err);
    return r;
}

typedef struct {
    query_t *query;
    lookup_result_t *ret;
} looking_up_t;

static void on_looked_up(void *arg, const lookup_result_t *result)
{
    const looking_up_t *looking_up = arg;
    *looking_up->ret = *result;
    query_answered(looking_up->query, NULL);
}

int query_job(query_t *query, queue_t *queue, const char *job_id, lookup_result_t *ret, fanmap_error_t *err)
{
    looking_up_t looking_up = {query, ret};
    lookup_t *lookup;
    int r = lookup_begin(queue, job_id, on_looked_up, &looking_up, &lookup, err);
    if (r != FANMAP_OK)
        return r;
    r = query_wait(query, "Kafka", err);
    lookup_free(lookup);
    return r;
}

/* ---- records ---- */

static void on_stored(void *arg, queue_topic_t topic, uint64_t value, int32_t partition, int64_t offset,
                      const fanmap_error_t *err)
{
    query_t *query = arg;
    (void)topic, (void)value, (void)partition, (void)offset;
    query->heard++;
    query->unstored_n--;
    if (!err || query->error.code)
        return;
    query->error = *err;
    err_wrap(&query->error, "storing a record");
}

int query_put(query_t *query, const queue_t *queue, queue_topic_t topic, int32_t partition, const void *key,
              size_t key_len, const void *value, size_t value_len, fanmap_error_t *err)
{
    int r;
    if (!query->publisher.f)
        publisher_open(&query->publisher, query->f, on_stored, query);
    listen(query, query->timeout_ms);
    while ((r = publisher_put(&query->publisher, queue, topic, partition, key, key_len, value, value_len, 0, err)) ==
           FANMAP_AGAIN) {
        r = query_turn(query, "Kafka", err);
        if (r != FANMAP_OK)
            return r;
    }
    query->unstored_n += r == FANMAP_OK;
    return r;
}

int query_stored(query_t *query, fanmap_error_t *err)
{
    int r = FANMAP_OK;
    listen(query, query->timeout_ms);
    while (r == FANMAP_OK && query->unstored_n > 0 && !query->error.code)
        r = query_turn(query, "Kafka has not stored everything", err);
    return r == FANMAP_OK ? take_error(query, err) : r;
}

void query_finish(query_t *query)
{
    publisher_close(&query->publisher);
}

static void on_ensured(void *arg, const uint32_t *partitions_n, const fanmap_error_t *err)
{
    (void)partitions_n;
    query_answered(arg, err);
}

int query_dead(query_t *query, bus_topic_t **ret, fanmap_error_t *err)
{
    const fanmap_options_t *o = query->f->options;
    char name[TOPIC_NAME_MAX];
    const bus_topic_config_t config = {name_dead(name, query->f->namespace_name), 1, false,
                                       (int64_t)options_ms(o, OPT_RETENTION), options_record_bytes_max(o)};
    int r = bus_ensure_topics(query->f->bus, &config, 1, options_switch(o, OPT_CREATE_TOPICS), on_ensured, query, err);
    if (r == FANMAP_OK)
        r = query_wait(query, "Kafka", err);
    if (r != FANMAP_OK)
        return r;
    query->f->is_connected = true; /* the connect timeout is for those who were never answered */
    return bus_topic_open(query->f->bus, name, NULL, NULL, ret, err);
}

/* ---- one answer ---- */

typedef struct {
    query_t *query;
    int64_t *ret;
} asking_t;

static void on_bus(void *arg, const bus_answer_t *answer)
{
    const asking_t *asking = arg;
    query_answered(asking->query, answer->err);
    if (answer->n > 0 && !answer->err)
        memcpy(asking->ret, answer->offsets, answer->n * sizeof *answer->offsets);
    else if (answer->n == 0)
        *asking->ret = answer->value;
}

int query_bus(query_t *query, bus_topic_t *topic, const bus_request_t *request, int64_t *ret, fanmap_error_t *err)
{
    asking_t asking = {query, ret};
    int r = bus_request(topic, request, on_bus, &asking, err);
    return r == FANMAP_OK ? query_wait(query, "Kafka", err) : r;
}

/* ---- a log from somewhere to its end ---- */

typedef struct {
    query_t *query;
    ask_record_fn fn;
    void *arg;
    int64_t end, low;
    bool is_gone;
} reading_t;

static bool on_record(void *arg, const bus_record_t *record)
{
    reading_t *reading = arg;
    if (reading->query->is_done)
        return false;
    reading->query->heard++;
    if (record->offset < reading->end)
        reading->fn(reading->arg, record);
    reading->query->is_done |= record->offset + 1 >= reading->end;
    return false;
}

static void on_end(void *arg, int64_t position)
{
    reading_t *reading = arg;
    reading->query->heard++;
    reading->query->is_done |= position >= reading->end;
}

static void on_gone(void *arg, int64_t low)
{
    reading_t *reading = arg;
    reading->low = low;
    reading->is_gone = reading->query->is_done = true;
}

int query_end(query_t *query, bus_topic_t *topic, int32_t partition, int64_t *ret, fanmap_error_t *err)
{
    const bus_request_t request = {.kind = BUS_FIND_END, .partition = partition};
    for (int tries = 0; tries < 10; tries++) { /* again while the broker cannot say */
        int r = query_bus(query, topic, &request, ret, err);
        if (r != FANMAP_OK || *ret >= 0)
            return r;
    }
    return err_set_retry(err, FANMAP_EUNREACHABLE, "Kafka does not say where partition %d ends", partition);
}

int query_read(query_t *query, bus_topic_t *topic, int32_t partition, int64_t from, int64_t end, ask_record_fn fn,
               void *arg, int64_t *ret_low, fanmap_error_t *err)
{
    static const bus_reader_callbacks_t callbacks = {on_record, on_end, on_gone};
    reading_t reading = {.query = query, .fn = fn, .arg = arg, .end = end, .low = -1};
    bus_reader_t *reader;
    int r = end < 0 ? query_end(query, topic, partition, &reading.end, err) : FANMAP_OK;
    if (r != FANMAP_OK || from >= reading.end)
        return r;
    r = bus_read(topic, partition, from, &callbacks, &reading, &reader, err);
    if (r != FANMAP_OK)
        return r;
    r = query_wait(query, "Kafka", err);
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
    query_t *query;
    presence_fn fn;
    void *arg;
} answer_t;

static void on_answer(void *arg, const char *const *texts, size_t n, const fanmap_error_t *err)
{
    answer_t *answer = arg;
    query_answered(answer->query, err);
    if (!err)
        answer->fn(answer->arg, texts, n, NULL);
}

int query_redis(query_t *query, presence_what_t what, presence_fn fn, void *arg, fanmap_error_t *err)
{
    answer_t answer = {query, fn, arg};
    if (!query->f->presence)
        return err_set(err, FANMAP_EUSAGE, "which Redis? give --redis URL or set FANMAP_REDIS");
    int r = presence_ask(query->f->presence, what, "", on_answer, &answer, err);
    if (r == FANMAP_OK)
        r = query_wait(query, "Redis", err);
    presence_forget(query->f->presence, &answer);
    return r;
}
