/* The producer's life: reports, and what is left when it fails.
 *
 * The happy path of a record: bus_produce -> outbox -> librdkafka -> stored on all replicas -> its report comes -> the
 * callback -> freed.
 *
 * What can fail:
 * - a record, for good: too large, not authorised. Its report says so.
 * - the producer: the idempotent one can end in a fatal state (falsely, before 2.3.0). Then it is destroyed, in the
 * helper because that takes time and because nothing of it may be on the wire when the new one begins; the new one
 * sends everything that has no report yet, in the old order. A record that was stored without our knowing is stored
 * twice; readers drop the second.
 * - the success of a record: while a partition gets its leader (it was just created, a broker came back) the first
 * request of a producer can be refused and the second, which is under way as well, be stored. librdkafka takes that as
 * proof that the first was stored, too, and reports it as a success without an offset; it is lost. So a success counts
 * only with an offset; without one a new producer is made, and the record sent again.
 * - a batch: a broker judges a request's whole batch by the topic's limit, so small records can be refused as too large
 * together. Then a new producer is made, in the same way, with half the batch size, down to the size of the record
 * itself.
 * - the order, in the last two cases: what lies behind the record in its partition may be stored before the old producer is
 * gone. So its success does not count either, and it is sent again in its turn.
 */
#include <stdlib.h>

#include "base/prefetch.h"
#include "io/kafka/blocking_call.h"
#include "io/kafka/bus.h"
#include "io/kafka/config.h"
#include "io/kafka/events.h"
#include "io/kafka/lanes.h"
#include "io/kafka/producer.h"
#include "io/kafka/records.h"
#include "io/kafka/rights.h"
#include "io/kafka/source.h"
#include "io/kafka/topics.h"

static void unlink_record(kafka_producer_t *producer, kafka_record_t *record)
{
    if (record->prev != NULL)
        record->prev->next = record->next;
    else
        producer->first = record->next;
    if (record->next != NULL)
        record->next->prev = record->prev;
    else
        producer->last = record->prev;
    producer->n--;
    producer->bytes -= kafka_record_bytes(record);
}

/* By the topic's limit, or by the size of its segments. */
static bool is_too_large(rd_kafka_resp_err_t failed)
{
    return failed == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || failed == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE;
}

static int final_code(rd_kafka_resp_err_t failed)
{
    if (is_too_large(failed))
        return FANMAP_EUSAGE;
    return kafka_error_class(failed) == FANMAP_EREFUSED ? FANMAP_EREFUSED : FANMAP_EIO;
}

/* The handle knows a topic as it was when it looked last, up to five minutes ago. */
static bool is_unknown_place(rd_kafka_resp_err_t failed)
{
    return failed == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION || failed == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
           failed == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
}

/* Reports and forgets. */
static void record_done(kafka_bus_t *bus, kafka_record_t *record, int64_t offset, rd_kafka_resp_err_t failed)
{
    kafka_topic_t *topic = record->topic;
    fanmap_error_t err;
    if (kafka_error_class(failed) == FANMAP_EREFUSED)
        kafka_refusal(bus, failed, KAFKA_WANTED("Write", topic->name), rd_kafka_err2str(failed), &err);
    else if (failed != RD_KAFKA_RESP_ERR_NO_ERROR)
        (void)err_set(&err, final_code(failed), "a record of %zu bytes for topic %s: %s", record->value_len,
                      topic->name, rd_kafka_err2str(failed));
    if (is_unknown_place(failed))
        kafka_topic_warm_soon(topic);
    kafka_lane_reported(&bus->producer, record->lane);
    unlink_record(&bus->producer, record);
    uint64_t cookie = record->cookie;
    int32_t partition = record->partition;
    kafka_record_give_back(record);
    if (topic->delivered != NULL)
        topic->delivered(topic->arg, cookie, partition, failed == RD_KAFKA_RESP_ERR_NO_ERROR ? offset : -1,
                         failed == RD_KAFKA_RESP_ERR_NO_ERROR ? NULL : &err);
}

/* ---- reports ---- */

/* True: the record failed, and a new producer is to try again. */
static bool is_worth_a_new_producer(kafka_producer_t *producer, const kafka_record_t *record, rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR__FATAL:
    case RD_KAFKA_RESP_ERR__PURGE_QUEUE:
    case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT:
    case RD_KAFKA_RESP_ERR__DESTROY:
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__STATE:
    case RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER:
    case RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
        return true;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE: {
        size_t bytes = record->key_len + record->value_len;
        if (bytes >= producer->batch_bytes)
            return false; /* it was sent alone */
        producer->must_shrink_to = bytes > producer->must_shrink_to ? bytes : producer->must_shrink_to;
        return true;
    }
    default:
        return false;
    }
}

/* Where it is, for a new producer. What is stored behind it meanwhile is sent once more, behind it. */
static void stays(kafka_producer_t *producer, kafka_record_t *record)
{
    producer->must_recover = true;
    record->lane->is_broken = true;
}

static void report(kafka_bus_t *bus, const rd_kafka_message_t *message)
{
    kafka_record_t *record = message->_private;
    kafka_producer_t *producer = &bus->producer;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR && message->offset < 0) {
        kafka_log(bus, FANMAP_LOG_INFO, "kafka: topic %s, partition %d: a record without an offset is sent again",
                  record->topic->name, (int)record->partition);
        stays(producer, record);
        return;
    }
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (record->lane->is_broken)
            return;
        kafka_clock_heard(bus, message);
        record_done(bus, record, message->offset, RD_KAFKA_RESP_ERR_NO_ERROR);
        return;
    }
    if (is_worth_a_new_producer(producer, record, message->err)) {
        stays(producer, record);
        return;
    }
    if (kafka_error_class(message->err) == FANMAP_EREFUSED)
        kafka_refused(bus, message->err, KAFKA_WANTED("Write", record->topic->name), NULL);
    record_done(bus, record, -1, message->err);
}

/* Each record is asked for some reports before its own: tens of thousands were sent since it was last touched. */
static void report_all(kafka_bus_t *bus, rd_kafka_event_t *event, kafka_budget_t *budget)
{
    const rd_kafka_message_t *ahead[PREFETCH_AHEAD], *message;
    size_t n = 0, at = 0;
    do {
        if ((message = rd_kafka_event_message_next(event)) != NULL) {
            prefetch(message->_private, sizeof(kafka_record_t));
            ahead[n++ % PREFETCH_AHEAD] = message;
        }
        if (at < n && (message == NULL || n - at == PREFETCH_AHEAD)) {
            (void)kafka_budget_spend(budget);
            report(bus, ahead[at++ % PREFETCH_AHEAD]);
        }
    } while (message != NULL || at < n);
    rd_kafka_event_destroy(event);
}

/* What librdkafka did not even take. */
static void report_failed(kafka_bus_t *bus)
{
    kafka_producer_t *producer = &bus->producer;
    kafka_record_t *next;
    for (kafka_record_t *record = producer->first; record != NULL && producer->failed_n > 0; record = next) {
        next = record->next;
        if (record->failed == RD_KAFKA_RESP_ERR_NO_ERROR)
            continue;
        producer->failed_n--;
        record_done(bus, record, -1, record->failed);
    }
}

/* An idempotent producer of somebody who may write nowhere is refused before it has sent anything. That matters once
 * there is something to send: until then the handle serves for looking things up. True: it was that, and the event is
 * gone. */
static bool may_not_write(kafka_bus_t *bus, rd_kafka_event_t *event)
{
    char text[300];
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    if (code == RD_KAFKA_RESP_ERR__FATAL)
        code = rd_kafka_fatal_error(bus->producer.rk, text, sizeof text);
    if (code != RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED && code != RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        return false;
    bus->producer.is_refused = true;
    if (bus->producer.first != NULL)
        kafka_refused(bus, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
                      KAFKA_WANTED("Write", bus->producer.first->topic->name), NULL);
    rd_kafka_event_destroy(event);
    return true;
}

static void producer_event(kafka_bus_t *bus, rd_kafka_event_t *event, kafka_budget_t *budget)
{
    if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR) {
        report_all(bus, event, budget);
        return;
    }
    bool is_fatal = rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR && rd_kafka_event_error_is_fatal(event);
    if (is_fatal && may_not_write(bus, event))
        return;
    bus->producer.must_recover |= is_fatal;
    kafka_event(bus, event);
}

static void producer_recover(kafka_bus_t *bus);

static bool turn(void *arg)
{
    kafka_bus_t *bus = arg;
    kafka_producer_t *producer = &bus->producer;
    kafka_budget_t budget = kafka_budget();
    report_failed(bus);
    bool more = false;
    for (rd_kafka_event_t *event; producer->rk != NULL && !more;) {
        if ((event = rd_kafka_queue_poll(producer->queue, 0)) == NULL)
            break;
        producer_event(bus, event, &budget);
        more = !kafka_budget_spend(&budget);
    }
    if (producer->unsent_n > 0 && producer->rk != NULL)
        kafka_send(bus);
    if (producer->must_recover && !more && producer->rk != NULL)
        producer_recover(bus);
    return more;
}

/* ---- a new producer ---- */

static int open_handle(kafka_bus_t *bus, fanmap_error_t *err)
{
    kafka_producer_t *producer = &bus->producer;
    rd_kafka_t *rk = NULL;
    int code = kafka_handle_new(bus, KAFKA_PRODUCER, NULL, &rk, err);
    if (code != FANMAP_OK)
        return code;
    producer->rk = rk;
    producer->queue = rd_kafka_queue_get_main(rk);
    for (kafka_topic_t *topic = bus->topics; topic != NULL; topic = topic->next)
        if (!topic->is_input)
            topic->rkt = rd_kafka_topic_new(rk, topic->name, NULL);
    kafka_source_feed(&producer->source, producer->queue);
    return FANMAP_OK;
}

static void begin_again(void *arg)
{
    kafka_bus_t *bus = arg;
    kafka_producer_t *producer = &bus->producer;
    fanmap_error_t err;
    if (producer->rk != NULL) {
        kafka_send(bus); /* the queue was full */
        return;
    }
    if (open_handle(bus, &err) != FANMAP_OK) {
        kafka_log(bus, FANMAP_LOG_ERROR, "%s", err.message);
        loop_timer_at(producer->retry, loop_now_ms(bus->loop) + 5 * KAFKA_RETRY_MS);
        return;
    }
    kafka_lanes_restart(producer);
    kafka_send(bus);
}

static size_t count_topics(const kafka_bus_t *bus)
{
    size_t n = 0;
    for (const kafka_topic_t *topic = bus->topics; topic != NULL; topic = topic->next)
        n++;
    return n;
}

/* Gives the handle, its topics and records over to a kafka_destroy_t. NULL: there is no handle. */
static kafka_destroy_t *producer_detach(kafka_bus_t *bus)
{
    kafka_producer_t *producer = &bus->producer;
    if (producer->rk == NULL)
        return NULL;
    kafka_destroy_t *destroy = kafka_destroy_new(producer->rk, producer->queue);
    size_t topics_n = count_topics(bus);
    rd_kafka_topic_t **topics = calloc(topics_n + 1, sizeof(rd_kafka_topic_t *));
    if (destroy == NULL || topics == NULL) {
        free(topics);
        free(destroy);
        return NULL;
    }
    kafka_source_unfeed(producer->queue);
    destroy->topics = topics;
    for (kafka_topic_t *topic = bus->topics; topic != NULL; topic = topic->next) {
        if (topic->rkt != NULL)
            topics[destroy->topics_n++] = topic->rkt;
        topic->rkt = NULL;
    }
    (void)rd_kafka_purge(producer->rk,
                         RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
    producer->rk = NULL;
    producer->queue = NULL;
    return destroy;
}

static void producer_recover(kafka_bus_t *bus)
{
    kafka_producer_t *producer = &bus->producer;
    report_failed(bus);
    kafka_destroy_t *destroy = producer_detach(bus);
    if (destroy == NULL) {
        loop_timer_at(producer->retry, loop_now_ms(bus->loop) + KAFKA_RETRY_MS);
        return;
    }
    if (producer->must_shrink_to > 0) {
        size_t half = producer->batch_bytes / 2;
        producer->batch_bytes = producer->must_shrink_to > half ? producer->must_shrink_to : half;
        kafka_log(bus, FANMAP_LOG_WARNING, "kafka: a topic refuses batches this large; from now on up to %zu bytes",
                  producer->batch_bytes);
    } else {
        kafka_log(bus, producer->is_refused ? FANMAP_LOG_DEBUG : FANMAP_LOG_WARNING,
                  "kafka: a new producer sends %zu records again", producer->n);
    }
    producer->must_recover = producer->is_refused = false;
    producer->must_shrink_to = 0;
    destroy->after = begin_again;
    destroy->arg = bus;
    kafka_call_submit(bus, &destroy->call);
}

/* The thread of a producer looks through all partitions that it knows of whenever it sends something. Those of a group's topics
 * are hundreds, and it was asked for them when they were looked up: so another handle is begun that was not. */
void kafka_producer_leave_out(kafka_bus_t *bus, kafka_topic_t *const *topics, size_t n)
{
    kafka_producer_t *producer = &bus->producer;
    bool is_known = false;
    for (size_t i = 0; i < n; i++) {
        is_known |= topics[i]->rkt != NULL;
        topics[i]->is_input = true;
    }
    kafka_destroy_t *destroy = is_known && producer->n == 0 ? producer_detach(bus) : NULL;
    if (destroy == NULL)
        return;
    kafka_call_submit(bus, &destroy->call);
    begin_again(bus);
    for (kafka_topic_t *topic = bus->topics; topic != NULL; topic = topic->next)
        if (!topic->is_input)
            kafka_topic_warm_soon(topic);
}

int kafka_producer_open(kafka_bus_t *bus, fanmap_error_t *err)
{
    kafka_producer_t *producer = &bus->producer;
    producer->batch_bytes = KAFKA_BATCH_BYTES;
    int code = kafka_source_open(&producer->source, bus->loop, turn, bus, err);
    if (code == FANMAP_OK)
        code = loop_timer_new(bus->loop, begin_again, bus, &producer->retry, err);
    if (code == FANMAP_OK)
        code = loop_timer_new(bus->loop, kafka_send_gathered, bus, &producer->gathered, err);
    if (code == FANMAP_OK)
        code = open_handle(bus, err);
    return code;
}

void kafka_producer_close(kafka_bus_t *bus)
{
    kafka_producer_t *producer = &bus->producer;
    kafka_destroy_t *destroy = producer_detach(bus);
    kafka_send_cancel(bus);
    kafka_source_close(&producer->source);
    loop_timer_free(producer->retry);
    loop_timer_free(producer->gathered);
    /* Without a handle, an old one may still be on its way out and send from the records: they go after it all the
     * same. */
    if (destroy == NULL)
        destroy = kafka_destroy_new(NULL, NULL);
    if (destroy == NULL)
        return; /* out of memory: better lost than freed too early */
    destroy->records = producer->first;
    kafka_helper_submit(bus->helper, &destroy->call);
}
