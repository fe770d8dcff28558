/* bus_ensure_topics: one attempt after another in the helper: metadata of each topic; what is missing is created;
 * metadata again until every partition has a leader. An attempt that the broker did not answer is made again after
 * KAFKA_RETRY_MS, without end. Two programs that create the same topic at once are no error: the second finds that it
 * exists.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "io/kafka/blocking_call.h"
#include "io/kafka/events.h"
#include "io/kafka/requests.h"
#include "io/kafka/rights.h"
#include "io/kafka/topics.h"

enum { LEADERS_TRIES = 50, LEADERS_WAIT_MS = 20 };

typedef struct {
    kafka_call_t call;
    kafka_bus_t *bus;
    bus_topic_config_t *topics; /* names are ours */
    uint32_t *partitions;       /* 0: missing */
    size_t topics_n;
    bool create, grows, again;
    fanmap_error_t err; /* final */
    bus_topics_fn fn;
    void *arg;
} ensure_t;

/* ---- in the helper ---- */

/* Sorts a failure: final, or worth another attempt. */
static void ensure_fail(ensure_t *ensure, const char *operation, const char *name, rd_kafka_resp_err_t code,
                        const char *text)
{
    if (text == NULL)
        text = rd_kafka_err2str(code);
    switch (code) {
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
        (void)err_set(&ensure->err, FANMAP_EUSAGE, "topic %s: %s", name, text);
        return;
    default:
        break;
    }
    if (kafka_error_class(code) == FANMAP_EREFUSED)
        kafka_refusal(ensure->bus, code, KAFKA_WANTED(operation, name), text, &ensure->err);
    else
        ensure->again = true;
}

static bool look_up_all(ensure_t *ensure)
{
    bool whole = true;
    for (size_t i = 0; i < ensure->topics_n; i++) {
        if (ensure->partitions[i] != 0)
            continue;
        const char *name = ensure->topics[i].name;
        rd_kafka_resp_err_t code = kafka_look_up(ensure->call.rk, name, &ensure->partitions[i]);
        if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART && !ensure->create)
            (void)err_set(&ensure->err, FANMAP_EUSAGE, "topic %s does not exist%s", name,
                          ensure->topics[i].partitions > 0 ? " (fanmap topics --create makes it)" : "");
        else if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
            ensure_fail(ensure, "Describe", name, code, NULL);
        whole = whole && code == RD_KAFKA_RESP_ERR_NO_ERROR;
        if (ensure->err.code != 0 || ensure->again)
            return false;
    }
    return whole;
}

static rd_kafka_NewTopic_t *new_topic(const bus_topic_config_t *config)
{
    char text[24];
    int partitions = config->partitions == 0 ? 1 : (int)config->partitions;
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(config->name, partitions, -1, NULL, 0);
    if (topic == NULL)
        return NULL;
    /* The broker's clock: records of a machine whose clock is wrong are taken, and ages are judged by one clock. */
    (void)rd_kafka_NewTopic_set_config(topic, "message.timestamp.type", "LogAppendTime");
    if (config->compacted)
        (void)rd_kafka_NewTopic_set_config(topic, "cleanup.policy", "compact");
    if (!config->compacted) {
        (void)snprintf(text, sizeof text, "%lld", (long long)config->retention_ms);
        (void)rd_kafka_NewTopic_set_config(topic, "retention.ms", text);
    }
    if (config->message_bytes_max > 0) {
        (void)snprintf(text, sizeof text, "%u", config->message_bytes_max);
        (void)rd_kafka_NewTopic_set_config(topic, "max.message.bytes", text);
    }
    return topic;
}

static void judge_created(ensure_t *ensure, const rd_kafka_CreateTopics_result_t *result)
{
    size_t n = 0;
    const rd_kafka_topic_result_t **topics = rd_kafka_CreateTopics_result_topics(result, &n);
    for (size_t i = 0; i < n && ensure->err.code == 0; i++) {
        rd_kafka_resp_err_t code = rd_kafka_topic_result_error(topics[i]);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
            ensure_fail(ensure, "Create", rd_kafka_topic_result_name(topics[i]), code,
                        rd_kafka_topic_result_error_string(topics[i]));
    }
}

static void create(ensure_t *ensure, rd_kafka_NewTopic_t **topics, size_t n)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(ensure->call.rk);
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(ensure->call.rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    char text[128];
    (void)rd_kafka_AdminOptions_set_request_timeout(options, KAFKA_CALL_MS, text, sizeof text);
    (void)rd_kafka_AdminOptions_set_operation_timeout(options, KAFKA_CALL_MS, text, sizeof text);
    rd_kafka_CreateTopics(ensure->call.rk, topics, n, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 2 * KAFKA_CALL_MS);
    const rd_kafka_CreateTopics_result_t *result = event == NULL ? NULL : rd_kafka_event_CreateTopics_result(event);
    if (result == NULL)
        ensure->again = true;
    else if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
        ensure_fail(ensure, "Create", ensure->topics[0].name, rd_kafka_event_error(event),
                    rd_kafka_event_error_string(event));
    else
        judge_created(ensure, result);
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
}

/* Metadata names a leader a moment before that leader takes records; whoever produces in between can lose them
 * (producer.c). A leader that answers for its partition is ready. */
static bool leaders_answer(const ensure_t *ensure)
{
    for (size_t i = 0; i < ensure->topics_n; i++) {
        for (uint32_t p = 0; p < ensure->partitions[i]; p++) {
            int64_t low, high;
            if (rd_kafka_query_watermark_offsets(ensure->call.rk, ensure->topics[i].name, (int32_t)p, &low, &high,
                                                 KAFKA_CALL_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
                return false;
        }
    }
    return true;
}

static void create_missing(ensure_t *ensure)
{
    rd_kafka_NewTopic_t **topics = calloc(ensure->topics_n, sizeof(rd_kafka_NewTopic_t *));
    size_t n = 0;
    for (size_t i = 0; topics != NULL && i < ensure->topics_n; i++)
        if (ensure->partitions[i] == 0 && (topics[n] = new_topic(&ensure->topics[i])) != NULL)
            n++;
    if (n > 0)
        create(ensure, topics, n);
    else
        (void)err_set(&ensure->err, FANMAP_EUSAGE, "topic %s cannot be created", ensure->topics[0].name);
    rd_kafka_NewTopic_destroy_array(topics, n);
    free(topics);
}

/* What was grown is looked up anew, by another attempt. */
static void grow(ensure_t *ensure)
{
    for (size_t i = 0; i < ensure->topics_n && ensure->err.code == 0; i++) {
        const bus_topic_config_t *wanted = &ensure->topics[i];
        if (!ensure->grows || ensure->partitions[i] >= wanted->partitions)
            continue;
        rd_kafka_resp_err_t code = kafka_grow(ensure->call.rk, wanted->name, wanted->partitions);
        ensure->partitions[i] = 0;
        ensure->again = true;
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
            ensure_fail(ensure, "Alter", wanted->name, code, NULL);
    }
}

static void pause_ms(int ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    (void)nanosleep(&time, NULL);
}

static void ensure_run(kafka_call_t *call)
{
    ensure_t *ensure = (ensure_t *)call;
    ensure->again = false;
    bool is_there = look_up_all(ensure);
    if (ensure->err.code != 0 || ensure->again)
        return;
    if (is_there) {
        grow(ensure);
        return;
    }
    create_missing(ensure);
    for (int i = 0; i < LEADERS_TRIES && ensure->err.code == 0; i++) {
        ensure->again = false;
        if (look_up_all(ensure) && leaders_answer(ensure))
            return;
        pause_ms(LEADERS_WAIT_MS);
    }
    ensure->again = true;
}

/* ---- in the loop ---- */

static void ensure_drop(kafka_call_t *call)
{
    ensure_t *ensure = (ensure_t *)call;
    for (size_t i = 0; ensure->topics != NULL && i < ensure->topics_n; i++)
        free((char *)(uintptr_t)ensure->topics[i].name);
    free(ensure->topics);
    free(ensure->partitions);
    free(ensure);
}

static void ensure_done(kafka_call_t *call)
{
    ensure_t *ensure = (ensure_t *)call;
    if (call->asker != NULL && ensure->again && ensure->err.code == 0) {
        kafka_call_submit_later(ensure->bus, call);
        return;
    }
    const fanmap_error_t *err = ensure->err.code == 0 ? NULL : &ensure->err;
    if (kafka_call_answered(ensure->bus, call))
        ensure->fn(ensure->arg, err == NULL ? ensure->partitions : NULL, err);
    ensure_drop(call);
}

static ensure_t *ensure_new(const bus_topic_config_t *topics, size_t topics_n)
{
    ensure_t *ensure = calloc(1, sizeof *ensure);
    if (ensure == NULL)
        return NULL;
    ensure->topics = calloc(topics_n + 1, sizeof *ensure->topics);
    ensure->partitions = calloc(topics_n + 1, sizeof *ensure->partitions);
    bool ok = ensure->topics != NULL && ensure->partitions != NULL;
    for (size_t i = 0; ok && i < topics_n; i++) {
        ensure->topics[i] = topics[i];
        ensure->topics[i].name = strdup(topics[i].name);
        ensure->topics_n = i + 1;
        ok = ensure->topics[i].name != NULL;
    }
    if (ok)
        return ensure;
    ensure_drop(&ensure->call);
    return NULL;
}

static int submit(ensure_t *ensure, kafka_bus_t *bus, bus_topics_fn fn, void *arg)
{
    ensure->call = (kafka_call_t){.run = ensure_run, .done = ensure_done, .drop = ensure_drop, .of_producer = true};
    ensure->bus = bus;
    ensure->fn = fn;
    ensure->arg = arg;
    kafka_call_ask(bus, &ensure->call, arg);
    return FANMAP_OK;
}

int bus_grow_topic(bus_t *base, const char *name, uint32_t partitions, bus_topics_fn fn, void *arg, fanmap_error_t *err)
{
    ensure_t *ensure = ensure_new(&(bus_topic_config_t){.name = name, .partitions = partitions}, 1);
    if (ensure == NULL)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    ensure->grows = true;
    return submit(ensure, (kafka_bus_t *)base, fn, arg);
}

int kafka_ensure_topics(bus_t *base, const bus_topic_config_t *topics, size_t topics_n, bool create_them,
                        bus_topics_fn fn, void *arg, fanmap_error_t *err)
{
    ensure_t *ensure = ensure_new(topics, topics_n);
    if (ensure == NULL)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    ensure->create = create_them;
    return submit(ensure, (kafka_bus_t *)base, fn, arg);
}
