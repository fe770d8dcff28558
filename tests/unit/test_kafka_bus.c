/* The bus over a real Kafka: topics, producing, readers. test_kafka_group.c has the groups. */
#include "tests/unit/kafka_rig.h"

#include <librdkafka/rdkafka_mock.h>

static broker_t broker;

static int set_up(void **state)
{
    rig_t *rig = calloc(1, sizeof *rig);
    rig_open(rig, broker.brokers, NULL, 0);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    rig_close(*state);
    free(*state);
    return 0;
}

/* ---- headers ---- */

typedef struct {
    char names[4][16], values[4][16];
    size_t n;
    bool came;
} seen_headers_t;

static bool on_with_headers(void *arg, const bus_record_t *record)
{
    seen_headers_t *seen = arg;
    seen->came = true;
    assert_true(record->headers_n <= 4);
    for (size_t i = 0; i < record->headers_n; i++) {
        (void)snprintf(seen->names[i], 16, "%s", record->headers[i].name);
        (void)snprintf(seen->values[i], 16, "%.*s", (int)record->headers[i].value_len,
                       (const char *)record->headers[i].value);
    }
    seen->n = record->headers_n;
    return false;
}

static void test_headers_travel_with_their_record(void **state)
{
    rig_t *rig = *state;
    static const bus_header_t headers[] = {{"from", "here", 4}, {"empty", "", 0}};
    static const bus_reader_callbacks_t callbacks = {.record = on_with_headers};
    seen_headers_t seen = {0};
    fanmap_error_t err;
    rig_topic(rig, "headers", 1, 0);
    assert_int_equal(bus_produce_with(rig->topic, 0, "k", 1, "v", 1, headers, 2, 0, &err), FANMAP_OK);
    assert_int_equal(bus_read(rig->topic, 0, 0, &callbacks, &seen, &rig->reader, &err), FANMAP_OK);
    rig_until(rig, seen.came && bus_outbox_n(rig->bus) == 0);
    assert_int_equal(seen.n, 2);
    assert_string_equal(seen.names[0], "from");
    assert_string_equal(seen.values[0], "here");
    assert_string_equal(seen.names[1], "empty");
    assert_string_equal(seen.values[1], "");
}

/* ---- topics ---- */

static void test_headers_in_a_queue_that_is_full(void **state)
{
    static const char *const properties[] = {"queue.buffering.max.messages", "2", NULL};
    const bus_header_t header = {"a", "x", 1};
    fanmap_error_t err;
    rig_t rig;
    (void)state;
    rig_open(&rig, broker.brokers, properties, 0);
    rig_topic(&rig, "full", 1, 0);
    for (uint64_t i = 0; i < 20; i++)
        assert_int_equal(bus_produce_with(rig.topic, 0, "k", 1, "v", 1, &header, 1, i, &err), FANMAP_OK);
    rig_until(&rig, rig.delivered.n == 20);
    rig_close(&rig);
}

static void test_a_missing_topic_is_named_or_created(void **state)
{
    rig_t *rig = *state;
    fanmap_error_t err;
    bus_topic_config_t config = {.name = "created", .partitions = 3, .retention_ms = -1};
    assert_int_equal(bus_ensure_topics(rig->bus, &config, 1, false, rig_on_topics, rig, &err), FANMAP_OK);
    rig_until(rig, rig->topics_n == 1);
    assert_int_equal(rig->topics_error.code, FANMAP_EUSAGE);
    assert_non_null(strstr(rig->topics_error.message, "created"));
    rig_topic(rig, "created", 3, 0);
    assert_int_equal(rig->partitions[0], 3);
    rig_topic(rig, "created", 7, 0); /* as it is, not as asked */
    assert_int_equal(rig->partitions[0], 3);
}

static void test_two_may_create_at_once(void **state)
{
    rig_t *rig = *state, other;
    rig_open(&other, broker.brokers, NULL, 0);
    fanmap_error_t err;
    bus_topic_config_t config = {.name = "raced", .partitions = 5, .compacted = true};
    assert_int_equal(bus_ensure_topics(rig->bus, &config, 1, true, rig_on_topics, rig, &err), FANMAP_OK);
    assert_int_equal(bus_ensure_topics(other.bus, &config, 1, true, rig_on_topics, &other, &err), FANMAP_OK);
    rig_until(rig, rig->topics_n == 1);
    rig_until(&other, other.topics_n == 1);
    assert_int_equal(rig->partitions[0], 5);
    assert_int_equal(other.partitions[0], 5);
    rig_close(&other);
}

static void test_an_impossible_topic_is_final(void **state)
{
    rig_t *rig = *state;
    fanmap_error_t err;
    bus_topic_config_t config = {.name = "no/such/name", .partitions = 1};
    assert_int_equal(bus_ensure_topics(rig->bus, &config, 1, true, rig_on_topics, rig, &err), FANMAP_OK);
    rig_until(rig, rig->topics_n == 1);
    assert_int_equal(rig->topics_error.code, FANMAP_EUSAGE);
}

static void test_a_wrong_property_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"no.such.property", "1", NULL};
    fanmap_error_t err = {0};
    loop_t *loop;
    bus_t *bus = NULL;
    assert_int_equal(loop_new(&loop, &err), FANMAP_OK);
    bus_config_t config = {.brokers = "127.0.0.1:1", .properties = wrong};
    assert_int_equal(bus_open_kafka(loop, &config, NULL, NULL, NULL, &bus, &err), FANMAP_EUSAGE);
    assert_non_null(strstr(err.message, "no.such.property"));
    config.brokers = NULL;
    assert_int_equal(bus_open_kafka(loop, &config, NULL, NULL, NULL, &bus, &err), FANMAP_EUSAGE);
    assert_null(bus);
    loop_free(loop);
}

/* ---- producing and reading ---- */

static void test_what_goes_in_comes_out_in_order(void **state)
{
    rig_t *rig = *state;
    rig_topic(rig, "order", 3, 0);
    rig_produce_all(rig, 0, 5000, 3);
    rig_until(rig, rig->delivered.n == 5000);
    assert_int_equal(bus_outbox_n(rig->bus), 0);
    assert_int_equal(rig_check(&rig->delivered, 0, 5000), 0);
    for (int32_t p = 0; p < 3; p++)
        rig_read(rig, p, BUS_BEGIN);
    rig_until(rig, rig->read.n == 5000 && rig->ends_n >= 3);
    assert_int_equal(rig_check(&rig->read, 0, 5000), 0);
    assert_int_equal(rig->failures_n, 0);
}

static void test_the_end_comes_again_after_more(void **state)
{
    rig_t *rig = *state;
    rig_topic(rig, "ends", 1, 0);
    rig_read(rig, 0, BUS_BEGIN);
    rig_until(rig, rig->ends_n == 1);
    assert_int_equal(rig->at_end, 0);
    rig_produce(rig, 0, 7, 0);
    bus_flush_soon(rig->bus);
    rig_until(rig, rig->ends_n == 2);
    assert_int_equal(rig->at_end, 1);
    assert_int_equal(rig->read.n, 1);
    fanmap_error_t err;
    assert_int_equal(bus_request(rig->topic, &(bus_request_t){.kind = BUS_FIND_END}, rig_on_query, rig, &err),
                     FANMAP_OK);
    rig_until(rig, rig->end != -2);
    assert_int_equal(rig->end, 1);
}

/* The second record is sent once the first is stored, in a later millisecond. */
static void test_query_time(void **state)
{
    rig_t *rig = *state;
    fanmap_error_t err;
    rig_topic(rig, "times", 1, 0);
    rig_produce_all(rig, 0, 1, 1);
    rig_until(rig, rig->delivered.n == 1);
    for (int64_t began_ms = loop_clock_ms(); loop_clock_ms() < began_ms + 3;)
        rig_until(rig, true);
    rig_produce_all(rig, 1, 1, 1);
    rig->keep = true;
    rig_read(rig, 0, 0);
    rig_until(rig, rig->kept_n == 2);
    int64_t first_ms = rig->kept_record[0].timestamp_ms, second_ms = rig->kept_record[1].timestamp_ms;
    const struct {
        int64_t time_ms, offset;
    } asked[] = {{first_ms - 3600000, 0}, {first_ms, 0}, {first_ms + 1, 1}, {second_ms, 1}, {second_ms + 1, BUS_END}};
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        const bus_request_t request = {.kind = BUS_FIND_TIME, .at = asked[i].time_ms};
        rig->end = -9;
        assert_int_equal(bus_request(rig->topic, &request, rig_on_query, rig, &err), FANMAP_OK);
        rig_until(rig, rig->end != -9);
        assert_int_equal(rig->end, asked[i].offset);
    }
}

static void test_absent_and_empty_differ(void **state)
{
    rig_t *rig = *state;
    fanmap_error_t err;
    rig_topic(rig, "absent", 1, 0);
    assert_int_equal(bus_produce(rig->topic, 0, NULL, 0, "v", 1, 0, &err), FANMAP_OK);
    assert_int_equal(bus_produce(rig->topic, 0, "k", 1, NULL, 0, 1, &err), FANMAP_OK);
    assert_int_equal(bus_produce(rig->topic, 0, "k", 1, "", 0, 2, &err), FANMAP_OK);
    rig->keep = true;
    rig_read(rig, 0, 0);
    rig_until(rig, rig->kept_n == 3);
    assert_null(rig->kept_record[0].key);
    assert_memory_equal(rig->kept_record[0].value, "v", 1);
    assert_null(rig->kept_record[1].value);
    assert_memory_equal(rig->kept_record[1].key, "k", 1);
    assert_non_null(rig->kept_record[2].value);
    assert_true(rig->kept_record[2].timestamp_ms > 1600000000000);
}

static void test_kept_records_stay(void **state)
{
    rig_t *rig = *state;
    rig_topic(rig, "kept", 1, 0);
    for (uint64_t i = 0; i < 4; i++) /* small ones and ones that are handed out in place */
        assert_int_equal(rig_produce(rig, 0, i, i % 2 == 0 ? 0 : 40000), FANMAP_OK);
    rig_until(rig, rig->delivered.n == 4);
    rig->keep = true;
    rig_read(rig, 0, 0);
    rig_until(rig, rig->kept_n == 4);
    rig_produce_all(rig, 0, 3000, 1);
    rig_until(rig, rig->read.n == 3004);
    bus_reader_close(rig->reader);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(rig_number(&rig->kept_record[i]), i);
        assert_memory_equal(rig->kept_record[i].key, "key", 3);
    }
    bus_release(rig->bus, rig->kept[2]); /* any order */
    bus_release(rig->bus, rig->kept[1]);
    rig->kept[1] = rig->kept[2] = NULL;
}

static void test_hold_and_close_inside(void **state)
{
    rig_t *rig = *state;
    rig_topic(rig, "hold", 1, 0);
    rig_read(rig, 0, 0);
    bus_reader_hold(rig->reader, true);
    rig_produce_all(rig, 0, 100, 1);
    rig_until(rig, rig->delivered.n == 100);
    fanmap_error_t err;
    assert_int_equal(bus_request(rig->topic, &(bus_request_t){.kind = BUS_FIND_END}, rig_on_query, rig, &err),
                     FANMAP_OK);
    rig_until(rig, rig->end == 100);
    assert_int_equal(rig->read.n, 0);
    rig->close_in_record = true;
    bus_reader_hold(rig->reader, false);
    assert_int_equal(rig->read.n, 0);
    rig_until(rig, rig->read.n == 1);
    rig->close_in_record = false;
    rig_read(rig, 0, 1); /* the same partition again */
    rig_until(rig, rig->read.n == 100);
    assert_int_equal(rig_check(&rig->read, 0, 100), 0);
}

static void test_two_readers_of_one_partition(void **state)
{
    rig_t *rig = *state;
    rig_topic(rig, "shared", 1, 0);
    rig_produce_all(rig, 0, 100, 1);
    rig_until(rig, rig->delivered.n == 100);
    rig_read(rig, 0, 90);
    bus_reader_t *first = rig->reader;
    rig_read(rig, 0, 0);
    rig_until(rig, rig->read.n == 110);
    bus_reader_close(first);
    rig_produce_all(rig, 100, 1, 1);
    rig_until(rig, rig->read.n == 111);
}

static void test_positions_that_are_gone(void **state)
{
    rig_t *rig = *state;
    rig_topic(rig, "gone", 1, 0);
    rig_produce_all(rig, 0, 10, 1);
    rig_until(rig, rig->delivered.n == 10);
    rig_read(rig, 0, 500); /* beyond the end */
    rig_until(rig, rig->gone_n == 1);
    assert_int_equal(rig->gone_low, 0);
    bus_reader_close(rig->reader);
    rig_delete(rig, "gone", 0, 6);
    rig_read(rig, 0, 2);
    rig_until(rig, rig->gone_n == 2);
    assert_int_equal(rig->gone_low, 6);
    assert_int_equal(rig->read.n, 0);
    bus_reader_close(rig->reader);
    rig_read(rig, 0, BUS_BEGIN);
    rig_until(rig, rig->read.n == 4);
}

/* Asked for a logical offset before it knows its brokers, librdkafka waits for half a second, each time. A busy machine
 * may be late, but not each time: one that came sooner is the proof. */
static void test_a_beginning_is_read_at_once(void **state)
{
    rig_t *rig = *state;
    enum { WAITS_MS = 500, SOON_MS = WAITS_MS / 2, TRIES = 40 };
    int64_t best_ms = INT64_MAX;
    rig_topic(rig, "beginning", 1, 0);
    rig_produce(rig, 0, 7, 0);
    bus_flush_soon(rig->bus);
    rig_until(rig, rig->delivered.n == 1);
    for (int i = 0; i < TRIES && best_ms > SOON_MS; i++) {
        rig_t fresh;
        rig_open(&fresh, broker.brokers, NULL, 0);
        rig_topic(&fresh, "beginning", 1, 0);
        int64_t began_ms = loop_clock_ms();
        rig_read(&fresh, 0, BUS_BEGIN);
        rig_until(&fresh, fresh.read.n == 1);
        int64_t took_ms = loop_clock_ms() - began_ms;
        best_ms = took_ms < best_ms ? took_ms : best_ms;
        rig_close(&fresh);
    }
    assert_in_range(best_ms, 0, SOON_MS);
}

/* ---- what fails ---- */

static void test_too_large_for_us(void **state)
{
    rig_t *rig = *state;
    rig_topic(rig, "large", 1, 0);
    assert_int_equal(rig_produce(rig, 0, 0, 1 << 20), FANMAP_OK);
    assert_int_equal(rig_produce(rig, 0, 1, 10), FANMAP_OK);
    assert_int_equal(rig->failures_n, 0); /* never from inside the call */
    bus_flush_soon(rig->bus);
    assert_int_equal(rig->failures_n, 0);
    rig_until(rig, rig->failures_n == 1 && rig->delivered.n == 1);
    assert_int_equal(rig->failure.code, FANMAP_EUSAGE);
    assert_int_equal(bus_outbox_n(rig->bus), 0);
}

/* How far the numbers came, but for the one that is too large; some may have been sent twice. */
static uint64_t came_in_order(const rig_t *rig)
{
    uint64_t expected = 0;
    for (size_t i = 0; i < rig->read.n; i++)
        if (rig->read.at[i].number == expected)
            expected += expected == 149 ? 2 : 1;
    return expected;
}

static void test_too_large_for_the_topic(void **state)
{
    rig_t *rig = *state;
    rig_topic(rig, "narrow", 1, 20000);
    for (uint64_t i = 0; i < 300; i++) /* together far over the limit, each well below it; one over it */
        assert_int_equal(rig_produce(rig, 0, i, i == 150 ? 30000 : 500), FANMAP_OK);
    rig_until(rig, rig->failures_n + rig->delivered.n == 300);
    assert_int_equal(rig->failures_n, 1);
    assert_int_equal(rig->failure.code, FANMAP_EUSAGE);
    rig_read(rig, 0, 0);
    rig_until(rig, came_in_order(rig) == 300);
}

static void test_a_fatal_producer_is_replaced(void **state)
{
    rig_t *rig = *state;
    rig_topic(rig, "fatal", 4, 0);
    rig_produce_all(rig, 0, 2000, 4);
    for (uint64_t round = 1; round <= 3; round++) {
        rd_kafka_t *rk = ((kafka_bus_t *)rig->bus)->producer.rk;
        if (rk != NULL)
            assert_int_equal(rd_kafka_test_fatal_error(rk, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "test"), 0);
        rig_produce_all(rig, round * 2000, 2000, 4);
        rig_until(rig, rig->delivered.n > round * 2000);
    }
    rig_until(rig, rig->delivered.n == 8000);
    assert_int_equal(rig_check(&rig->delivered, 0, 8000), 0);
    for (int32_t p = 0; p < 4; p++)
        rig_read(rig, p, 0);
    rig_until(rig, rig->read.n >= 8000 && rig->ends_n >= 4);
    (void)rig_check(&rig->read, 0, 8000);
    assert_int_equal(rig->failures_n, 0);
}

/* While a partition gets its leader the first of two requests under way can be refused and the second stored;
 * librdkafka then calls the first one stored, which it is not. Its own mock of a broker plays that. */
static bool lose_the_first(int rtt_ms)
{
    enum { PRODUCE = 0 };
    char text[200];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    assert_int_equal(rd_kafka_conf_set(conf, "log_level", "0", text, sizeof text), RD_KAFKA_CONF_OK);
    rd_kafka_t *host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    assert_non_null(host);
    rd_kafka_mock_cluster_t *mock = rd_kafka_mock_cluster_new(host, 1);
    assert_int_equal(rd_kafka_mock_topic_create(mock, "lossy", 1, 1), 0);
    assert_int_equal(rd_kafka_mock_topic_create(mock, "other", 1, 1), 0);
    rig_t rig;
    rig_open(&rig, rd_kafka_mock_cluster_bootstraps(mock), NULL, 0);
    rig_topic(&rig, "other", 1, 0);
    assert_int_equal(rig_produce(&rig, 0, 9, 0), FANMAP_OK);
    rig_until(&rig, rig.delivered.n == 1); /* now the producer has its id and its connections, which rtt would delay */
    rig_topic(&rig, "lossy", 1, 0);
    fanmap_error_t err;
    assert_int_equal(bus_request(rig.topic, &(bus_request_t){.kind = BUS_FIND_END}, rig_on_query, &rig, &err),
                     FANMAP_OK);
    rig_until(&rig, rig.end == 0); /* and knows the leader: the helper looks that up before it asks for the end */
    rd_kafka_mock_push_request_errors(mock, PRODUCE, 1, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
    rd_kafka_mock_broker_set_rtt(mock, 1, rtt_ms);
    for (uint64_t i = 0; i < 2; i++) { /* a request each: the second leaves before the first is answered */
        assert_int_equal(rig_produce(&rig, 0, i, 0), FANMAP_OK);
        bus_flush_soon(rig.bus);
        for (int64_t until_ms = loop_clock_ms() + rtt_ms / 3; loop_clock_ms() < until_ms;)
            assert_true(loop_run_once(rig.loop, 10) >= 0);
    }
    rd_kafka_mock_broker_set_rtt(mock, 1, 0);
    rig_until(&rig, rig.delivered.n == 3);
    bool was_lost = rig.resent_n == 1;
    rig_read(&rig, 0, 0);
    rig_until(&rig, rig.read.n == (was_lost ? 3 : 2));
    for (size_t i = 0; i < rig.read.n; i++) /* lost: 1 was stored first, and is again behind 0 */
        assert_int_equal(rig.read.at[i].number, was_lost ? (i + 1) % 2 : i);
    rig_close(&rig);
    rd_kafka_mock_cluster_destroy(mock);
    rd_kafka_destroy(host);
    return was_lost;
}

/* Whether two requests are under way at once is a matter of who gets the processor: where they were not, the broker
 * answers later and the second request leaves later. */
static void test_a_success_without_an_offset_is_sent_again(void **state)
{
    (void)state;
    bool was_lost = false;
    for (int rtt_ms = 300; rtt_ms <= 8100 && !was_lost; rtt_ms *= 3)
        was_lost = lose_the_first(rtt_ms);
    assert_true(was_lost); /* else nothing was tested */
}

static void test_unreachable_is_said_in_time(void **state)
{
    (void)state;
    rig_t rig;
    rig_open(&rig, "127.0.0.1:9", NULL, 0);
    int64_t begin_ms = loop_clock_ms();
    rig_until(&rig, rig.errors_n > 0);
    assert_true(loop_clock_ms() - begin_ms < 8000);
    assert_int_equal(rig.error.code, FANMAP_EUNREACHABLE);
    assert_true(rig.error.retry_may_help);
    assert_non_null(strstr(rig.error.message, "127.0.0.1:9"));
    assert_non_null(strstr(rig.error.message, "refused")); /* connection refused: the reason */
    fanmap_error_t err;
    assert_int_equal(bus_topic_open(rig.bus, "t", rig_on_delivered, &rig, &rig.topic, &err), FANMAP_OK);
    uint64_t taken = 0;
    while (rig_produce(&rig, 0, taken, 100) == FANMAP_OK)
        taken++;
    assert_int_equal(taken, KAFKA_OUTBOX_N_MAX);
    rig_read(&rig, 0, 0);
    rig_join(&rig, "g");
    assert_true(loop_run_once(rig.loop, 100) >= 0);
    begin_ms = loop_clock_ms();
    rig_close(&rig);
    assert_true(loop_clock_ms() - begin_ms < 12000);
}

static void test_wrong_password(void **state)
{
    (void)state;
    static const char *const wrong[] = {"security.protocol",
                                        "SASL_PLAINTEXT",
                                        "sasl.mechanism",
                                        "PLAIN",
                                        "sasl.username",
                                        "alice",
                                        "sasl.password",
                                        "wrong",
                                        NULL};
    rig_t rig;
    rig_open(&rig, broker.sasl, wrong, 0);
    rig_until(&rig, rig.error.code == FANMAP_EREFUSED);
    assert_null(strstr(rig.error.message, "wrong"));
    rig_close(&rig);
}

static void test_right_password(void **state)
{
    (void)state;
    static const char *const right[] = {"security.protocol",
                                        "SASL_PLAINTEXT",
                                        "sasl.mechanism",
                                        "PLAIN",
                                        "sasl.username",
                                        "alice",
                                        "sasl.password",
                                        "alice-secret",
                                        "retries",
                                        "100",
                                        "fetch.min.bytes",
                                        "1",
                                        NULL};
    rig_t rig;
    rig_open(&rig, broker.sasl, right, 0);
    rig_topic(&rig, "sasl", 1, 0);
    rig_produce_all(&rig, 0, 10, 1);
    rig_read(&rig, 0, 0);
    rig_until(&rig, rig.read.n == 10);
    assert_int_equal(rig.errors_n, 0);
    assert_int_equal(rig.lines_n, 0); /* a property of producers is no news to consumers, and the reverse */
    rig_close(&rig);
}

/* Each record was read where its report says that it is. */
static bool is_read_where_stored(const rig_t *rig)
{
    int64_t *at = malloc(rig->delivered.n * sizeof *at);
    size_t found = 0;
    assert_non_null(at);
    for (size_t i = 0; i < rig->delivered.n; i++) {
        assert_true(rig->delivered.at[i].number < rig->delivered.n);
        at[rig->delivered.at[i].number] = rig->delivered.at[i].offset;
    }
    for (size_t i = 0; i < rig->read.n; i++)
        found += at[rig->read.at[i].number] == rig->read.at[i].offset;
    free(at);
    return found == rig->delivered.n;
}

/* In each partition what comes later is stored behind what came before. */
static void check_offsets(const rig_log_t *stored)
{
    int64_t last[RIG_PARTITIONS];
    memset(last, -1, sizeof last);
    for (size_t i = 0; i < stored->n; i++) {
        assert_true(stored->at[i].offset > last[stored->at[i].partition]);
        last[stored->at[i].partition] = stored->at[i].offset;
    }
}

static void test_the_broker_is_killed_and_comes_back(void **state)
{
    rig_t *rig = *state;
    enum { N = 30000 };
    rig_topic(rig, "killed", 4, 0);
    for (int32_t p = 0; p < 4; p++)
        rig_read(rig, p, 0);
    rig_produce_all(rig, 0, N / 3, 4);
    broker_do(&broker, "kill");
    rig_produce_all(rig, N / 3, N / 3, 4);
    rig_until(rig, rig->errors_n > 0);
    assert_int_equal(rig->error.code, FANMAP_EUNREACHABLE);
    broker_do(&broker, "start");
    rig_produce_all(rig, 2 * (N / 3), N / 3, 4);
    rig_until(rig, rig->delivered.n == N && rig->read.n >= N && is_read_where_stored(rig));
    assert_int_equal(rig_check(&rig->delivered, 0, N), 0);
    check_offsets(&rig->delivered);
    /* What a broker that came back lost of a success is there again, behind what was stored before it: lose_the_first. */
    if (rig->resent_n == 0)
        assert_int_equal(rig_check(&rig->read, 0, N), 0); /* idempotent: nothing twice */
    assert_int_equal(rig->failures_n, 0);
    assert_int_equal(rig->gone_n, 0);
}

static void test_topics_wait_for_the_broker(void **state)
{
    (void)state;
    rig_t rig;
    broker_do(&broker, "kill");
    rig_open(&rig, broker.brokers, NULL, 0);
    fanmap_error_t err;
    bus_topic_config_t config = {.name = "patient", .partitions = 2, .retention_ms = 1000000};
    assert_int_equal(bus_ensure_topics(rig.bus, &config, 1, true, rig_on_topics, &rig, &err), FANMAP_OK);
    rig_until(&rig, rig.errors_n > 0);
    assert_int_equal(rig.topics_n, 0);
    broker_do(&broker, "start");
    rig_until(&rig, rig.topics_n == 1);
    assert_int_equal(rig.partitions[0], 2);
    rig_close(&rig);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_headers_travel_with_their_record),
        cmocka_unit_test(test_headers_in_a_queue_that_is_full),
        TEST(test_a_missing_topic_is_named_or_created),
        TEST(test_two_may_create_at_once),
        TEST(test_an_impossible_topic_is_final),
        cmocka_unit_test(test_a_wrong_property_is_refused),
        TEST(test_what_goes_in_comes_out_in_order),
        TEST(test_the_end_comes_again_after_more),
        TEST(test_query_time),
        TEST(test_absent_and_empty_differ),
        TEST(test_kept_records_stay),
        TEST(test_hold_and_close_inside),
        TEST(test_two_readers_of_one_partition),
        TEST(test_positions_that_are_gone),
        TEST(test_a_beginning_is_read_at_once),
        TEST(test_too_large_for_us),
        TEST(test_too_large_for_the_topic),
        TEST(test_a_fatal_producer_is_replaced),
        cmocka_unit_test(test_a_success_without_an_offset_is_sent_again),
        cmocka_unit_test(test_unreachable_is_said_in_time),
        cmocka_unit_test(test_wrong_password),
        cmocka_unit_test(test_right_password),
        TEST(test_the_broker_is_killed_and_comes_back),
        cmocka_unit_test(test_topics_wait_for_the_broker),
    };
    return rig_run("test_kafka_bus", tests, sizeof tests / sizeof *tests, &broker, argc, argv);
}
