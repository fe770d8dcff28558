#include "client/admin/query.h"

#include <string.h>

enum { TURN_MS = 100 };

void query_begin(query_t *query, fanmap_t *f, int timeout_ms, fanmap_error_t *err)
{
    *query = (query_t){.f = f, .timeout_ms = timeout_ms, .err = err};
    if (f->is_local)
        query->result = err_set(err, FANMAP_EUSAGE, "an embedded connection (--local) has nothing to list");
    else if (f->error.code)
        query->result = err_copy(err, &f->error);
}

int query_end(query_t *query)
{
    publisher_close(&query->publisher);
    client_mark(query->f);
    return query->result;
}

void query_out_of_memory(query_t *query)
{
    if (query->result == FANMAP_OK)
        query->result = err_set(query->err, FANMAP_ENOMEM, "out of memory");
}

void query_clear_error(query_t *query)
{
    query->result = FANMAP_OK;
}

/* The time of silence begins. */
static void expect_answer(query_t *query, int64_t span_ms)
{
    if (!query->is_bounded)
        query->until_ms = loop_clock_ms() + span_ms;
    else if (query->until_ms == 0)
        query->until_ms = loop_clock_ms() + query->timeout_ms;
}

/* One turn of the loop; what ends the call otherwise. */
static int run_loop_once(query_t *query, const char *what)
{
    fanmap_t *f = query->f;
    fanmap_error_t *err = query->err;
    uint64_t answers_n = query->answers_n;
    int64_t left = query->until_ms - loop_clock_ms();
    if (f->error.code && !query->is_of_redis)
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
    if (query->answers_n != answers_n)
        expect_answer(query, query->timeout_ms);
    return r;
}

/* The error that came instead of an answer. */
static void end_with_error(query_t *query)
{
    if (query->result == FANMAP_OK && query->error.code) {
        query->result = err_copy(query->err, &query->error);
        query->error.code = 0;
    }
}

void query_answered(query_t *query, const fanmap_error_t *err)
{
    query->answers_n++;
    query->is_done = true;
    if (err)
        query->error = *err;
}

void query_wait(query_t *query, const char *what)
{
    expect_answer(query, query->timeout_ms);
    while (query->result == FANMAP_OK && !query->is_done && !query->error.code)
        query->result = run_loop_once(query, what);
    query->is_done = false;
    end_with_error(query);
}

queue_t *query_queue(query_t *query, const char *name, const char *task)
{
    queue_t *queue = NULL;
    if (query->result == FANMAP_OK)
        query->result = queue_get(query->f, name, task, &queue, query->err);
    expect_answer(query, INT32_MAX); /* the connect timeout ends it */
    while (query->result == FANMAP_OK && !queue->is_ready)
        query->result =
            queue->error.code && !queue->is_asked ? err_copy(query->err, &queue->error) : run_loop_once(query, "Kafka");
    return query->result == FANMAP_OK ? queue : NULL;
}

void query_results_n(query_t *query, queue_t *queue)
{
    if (query->result == FANMAP_OK)
        query->result = queue_count_again(queue, query->err);
    expect_answer(query, query->timeout_ms);
    while (query->result == FANMAP_OK && queue->is_counting)
        query->result = run_loop_once(query, "Kafka");
}

typedef struct {
    query_t *query;
    lookup_result_t *ret;
} job_question_t;

static void on_looked_up(void *arg, const lookup_result_t *result)
{
    const job_question_t *question = arg;
    *question->ret = *result;
    query_answered(question->query, NULL);
}

void query_job(query_t *query, queue_t *queue, const char *job_id, lookup_result_t *ret)
{
    job_question_t question = {query, ret};
    lookup_t *lookup = NULL;
    if (query->result == FANMAP_OK)
        query->result = lookup_begin(queue, job_id, on_looked_up, &question, &lookup, query->err);
    query_wait(query, "Kafka");
    lookup_free(lookup);
}

void query_known_job(query_t *query, queue_t *queue, const char *job_id, lookup_result_t *ret)
{
    query_job(query, queue, job_id, ret);
    if (query->result == FANMAP_OK && !ret->view.is_known)
        query->result =
            err_set(query->err, FANMAP_ENOJOB, "there is no job %s in namespace %s", job_id, query->f->namespace_name);
}

/* ---- records ---- */

static void on_stored(void *arg, queue_topic_t topic, uint64_t value, int32_t partition, int64_t offset,
                      const fanmap_error_t *err)
{
    query_t *query = arg;
    (void)topic, (void)value, (void)partition, (void)offset;
    query->answers_n++;
    query->unstored_n--;
    if (!err || query->error.code)
        return;
    query->error = *err;
    err_wrap(&query->error, "storing a record");
}

void query_put(query_t *query, const queue_t *queue, queue_topic_t topic, int32_t partition, const void *key,
               size_t key_len, const void *value, size_t value_len)
{
    int r = FANMAP_AGAIN;
    if (!query->publisher.f)
        publisher_open(&query->publisher, query->f, on_stored, query);
    expect_answer(query, query->timeout_ms);
    while (query->result == FANMAP_OK && r == FANMAP_AGAIN) {
        r = publisher_put(&query->publisher, queue, topic, partition, key, key_len, value, value_len, 0, query->err);
        query->unstored_n += r == FANMAP_OK;
        query->result = r == FANMAP_AGAIN ? run_loop_once(query, "Kafka") : r;
    }
}

void query_wait_stored(query_t *query)
{
    expect_answer(query, query->timeout_ms);
    while (query->result == FANMAP_OK && query->unstored_n > 0 && !query->error.code)
        query->result = run_loop_once(query, "Kafka has not stored everything");
    end_with_error(query);
}

/* ---- one answer ---- */

typedef struct {
    query_t *query;
    int64_t value, *ret;
    bus_answer_fn fn; /* or NULL */
    void *arg;
} bus_question_t;

static void on_bus(void *arg, const bus_answer_t *answer)
{
    bus_question_t *question = arg;
    query_answered(question->query, answer->err);
    question->value = answer->value;
    if (answer->n > 0 && !answer->err)
        memcpy(question->ret, answer->offsets, answer->n * sizeof *answer->offsets);
    if (question->fn)
        question->fn(question->arg, answer);
}

int64_t query_bus(query_t *query, bus_topic_t *topic, const bus_request_t *request, int64_t *ret)
{
    return query_bus_with(query, topic, request, ret, NULL, NULL);
}

int64_t query_bus_with(query_t *query, bus_topic_t *topic, const bus_request_t *request, int64_t *ret, bus_answer_fn fn,
                       void *arg)
{
    bus_question_t question = {.query = query, .value = -1, .fn = fn, .arg = arg};
    question.ret = ret;
    if (query->result == FANMAP_OK)
        query->result = bus_request(topic, request, on_bus, &question, query->err);
    query_wait(query, "Kafka");
    bus_forget(query->f->bus, &question); /* it may have been woken, or have waited for long enough */
    return query->result == FANMAP_OK ? question.value : -1;
}

static void wait_a_moment(query_t *query)
{
    int64_t until_ms = loop_clock_ms() + TURN_MS;
    expect_answer(query, query->timeout_ms);
    while (query->result == FANMAP_OK && loop_clock_ms() < until_ms)
        query->result = run_loop_once(query, "Kafka");
}

/* A partition that was just made, or that changes its leader, has nobody to ask for a moment. */
int64_t query_end_of(query_t *query, bus_topic_t *topic, int32_t partition)
{
    const bus_request_t request = {.kind = BUS_FIND_END, .partition = partition};
    int64_t until_ms = loop_clock_ms() + query->timeout_ms;
    int64_t end = query_bus(query, topic, &request, NULL);
    while (query->result == FANMAP_OK && end < 0 && loop_clock_ms() < until_ms) {
        wait_a_moment(query);
        end = query_bus(query, topic, &request, NULL);
    }
    if (query->result == FANMAP_OK && end < 0)
        query->result =
            err_set_retry(query->err, FANMAP_EUNREACHABLE, "Kafka does not say where partition %d ends", partition);
    return end;
}

/* ---- Redis ---- */

typedef struct {
    query_t *query;
    presence_fn fn;
    void *arg;
} redis_question_t;

static void on_redis(void *arg, const char *const *texts, size_t n, const fanmap_error_t *err)
{
    redis_question_t *question = arg;
    query_answered(question->query, err);
    if (!err)
        question->fn(question->arg, texts, n, NULL);
}

void query_redis(query_t *query, presence_what_t what, presence_fn fn, void *arg)
{
    redis_question_t question = {query, fn, arg};
    if (query->result == FANMAP_OK)
        query->result = !query->f->presence
                            ? err_set(query->err, FANMAP_EUSAGE, "which Redis? give --redis URL or set FANMAP_REDIS")
                            : presence_ask(query->f->presence, what, "", on_redis, &question, query->err);
    query->is_of_redis = true;
    query_wait(query, "Redis");
    query->is_of_redis = false;
    presence_forget(query->f->presence, &question);
}
