/* What records of errors say, in the words of four systems, and what is read and taken off again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "client/gathering/dead_headers.h"

typedef struct {
    const char *name, *value;
    size_t len;
} expected_t;

#define TEXT(name, text)                                                                                               \
    {                                                                                                                  \
        name, text, sizeof(text) - 1                                                                                   \
    }
#define BINARY(name, bytes)                                                                                            \
    {                                                                                                                  \
        name, bytes, sizeof(bytes) - 1                                                                                 \
    }

static const outcome_t failed = {.index = 258,
                                 .attempts = 4,
                                 .kind = FANMAP_EXCEPTION,
                                 .type = "ValueError",
                                 .type_len = 10,
                                 .message = "no good",
                                 .message_len = 7,
                                 .stderr_tail = "line 1\n",
                                 .stderr_len = 7};

static dead_case_t a_case(const outcome_t *outcome)
{
    return (dead_case_t){.stream = "enrich-1",
                         .task = "enrich",
                         .group = "ns.stream.enrich-1",
                         .topic = "orders",
                         .partition = 3,
                         .timestamp_ms = 1700000000123,
                         .outcome = outcome};
}

static void check(const dead_headers_t *h, const expected_t *expected, size_t n)
{
    for (size_t i = 0; i < n && i < h->n; i++) {
        assert_string_equal(h->at[i].name, expected[i].name);
        assert_int_equal(h->at[i].value_len, expected[i].len);
        assert_memory_equal(h->at[i].value, expected[i].value, expected[i].len);
    }
    assert_int_equal(h->n, n);
}

#define CHECK(h, ...)                                                                                                  \
    do {                                                                                                               \
        const expected_t expected_[] = {__VA_ARGS__};                                                                  \
        check(h, expected_, sizeof expected_ / sizeof *expected_);                                                     \
    } while (0)

static void test_dialects(void **state)
{
    dead_headers_t h;
    const dead_case_t what = a_case(&failed);
    (void)state;
    dead_headers_make(&h, DEAD_FANMAP, &what);
    CHECK(&h, TEXT("fanmap-job", "enrich-1"), TEXT("fanmap-source-topic", "orders"),
          TEXT("fanmap-source-partition", "3"), TEXT("fanmap-source-offset", "258"), TEXT("fanmap-attempts", "4"),
          TEXT("fanmap-error-kind", "exception"), TEXT("fanmap-error-message", "no good"),
          TEXT("fanmap-error-type", "ValueError"));
    dead_case_t of_job = what;
    of_job.topic = NULL;
    dead_headers_make(&h, DEAD_FANMAP, &of_job);
    CHECK(&h, TEXT("fanmap-job", "enrich-1"), TEXT("fanmap-index", "258"), TEXT("fanmap-attempts", "4"),
          TEXT("fanmap-error-kind", "exception"), TEXT("fanmap-error-message", "no good"),
          TEXT("fanmap-error-type", "ValueError"));
    dead_headers_make(&h, DEAD_SPRING, &what);
    CHECK(&h, TEXT("kafka_dlt-original-topic", "orders"), BINARY("kafka_dlt-original-partition", "\0\0\0\3"),
          BINARY("kafka_dlt-original-offset", "\0\0\0\0\0\0\1\2"),
          BINARY("kafka_dlt-original-timestamp", "\0\0\1\x8b\xcf\xe5\x68\x7b"),
          TEXT("kafka_dlt-original-consumer-group", "ns.stream.enrich-1"),
          TEXT("kafka_dlt-exception-fqcn", "ValueError"), TEXT("kafka_dlt-exception-message", "no good"),
          TEXT("kafka_dlt-exception-stacktrace", "line 1\n"), TEXT("fanmap-job", "enrich-1"));
    dead_headers_make(&h, DEAD_CONNECT, &what);
    CHECK(&h, TEXT("__connect.errors.topic", "orders"), TEXT("__connect.errors.partition", "3"),
          TEXT("__connect.errors.offset", "258"), TEXT("__connect.errors.connector.name", "enrich-1"),
          TEXT("__connect.errors.task.id", "0"), TEXT("__connect.errors.stage", "TRANSFORMATION"),
          TEXT("__connect.errors.class.name", "enrich"), TEXT("__connect.errors.exception.class.name", "ValueError"),
          TEXT("__connect.errors.exception.message", "no good"),
          TEXT("__connect.errors.exception.stacktrace", "line 1\n"));
    dead_headers_make(&h, DEAD_STREAMS, &what);
    CHECK(&h, TEXT("__streams.errors.exception", "ValueError"), TEXT("__streams.errors.stacktrace", "line 1\n"),
          TEXT("__streams.errors.message", "no good"), TEXT("__streams.errors.topic", "orders"),
          TEXT("__streams.errors.partition", "3"), TEXT("__streams.errors.offset", "258"),
          TEXT("fanmap-job", "enrich-1"));
}

/* One that was no input has no class and no texts; a value has no error, whatever the dialects. */
static void test_outcomes_with_less(void **state)
{
    dead_headers_t h;
    const outcome_t bad = {.index = 1, .kind = FANMAP_BAD_INPUT}, value = {.index = 1, .attempts = 1};
    const dead_case_t of_bad = a_case(&bad), of_value = a_case(&value);
    (void)state;
    dead_headers_make(&h, DEAD_CONNECT, &of_bad);
    assert_string_equal(h.at[5].value, "VALUE_CONVERTER");
    assert_string_equal(h.at[7].value, "bad_input");
    assert_int_equal(h.at[8].value_len, 0);
    dead_headers_make(&h, DEAD_DIALECTS & ~(uint32_t)DEAD_FANMAP, &of_value);
    assert_int_equal(h.n, 5);
    dead_headers_make(&h, DEAD_DIALECTS, &of_bad);
    assert_true(h.n <= DEAD_HEADERS_MAX && h.numbers_n <= DEAD_NUMBERS_MAX);
}

/* A text is cut at its bound, and not in the middle of a character. */
static void test_bounds(void **state)
{
    dead_headers_t h;
    char text[DEAD_MESSAGE_MAX + 10];
    outcome_t o = failed;
    (void)state;
    memset(text, 'x', sizeof text);
    memcpy(text + DEAD_MESSAGE_MAX - 2, "\xf0\x9f\x98\x80", 4);
    o.message = text;
    o.message_len = sizeof text;
    const dead_case_t what = a_case(&o);
    dead_headers_make(&h, DEAD_FANMAP, &what);
    assert_int_equal(h.at[6].value_len, DEAD_MESSAGE_MAX - 2);
    memset(text, (char)0x80, sizeof text);
    dead_headers_make(&h, DEAD_FANMAP, &what);
    assert_in_range(h.at[6].value_len, DEAD_MESSAGE_MAX - 3, DEAD_MESSAGE_MAX);
    o.message_len = DEAD_MESSAGE_MAX;
    dead_headers_make(&h, DEAD_FANMAP, &what);
    assert_int_equal(h.at[6].value_len, DEAD_MESSAGE_MAX);
}

static void test_reading(void **state)
{
    dead_headers_t h;
    dead_origin_t origin;
    const dead_case_t what = a_case(&failed);
    (void)state;
    for (uint32_t dialect = DEAD_FANMAP; dialect <= DEAD_STREAMS; dialect *= 2) {
        dead_headers_make(&h, dialect, &what);
        dead_headers_read(dialect, h.at, h.n, &origin);
        assert_int_equal(origin.partition, 3);
        assert_int_equal(origin.offset, 258);
        assert_int_equal(origin.topic_len, 6);
        assert_memory_equal(origin.topic, "orders", 6);
        assert_memory_equal(origin.message, "no good", 7);
        assert_memory_equal(origin.stream, "enrich-1", 8);
        assert_false(origin.is_left_out);
        for (size_t i = 0; i < h.n; i++)
            assert_true(dead_header_is_ours(dialect, h.at[i].name));
        dead_case_t without = what;
        without.is_left_out = true;
        dead_headers_make(&h, dialect, &without);
        dead_headers_read(dialect, h.at, h.n, &origin);
        assert_true(origin.is_left_out);
        dead_headers_read(DEAD_DIALECTS & ~dialect, h.at, h.n, &origin);
        assert_int_equal(origin.partition, -1);
        assert_null(origin.topic);
    }
    assert_false(dead_header_is_ours(DEAD_FANMAP, "kafka_dlt-original-topic"));
    assert_true(dead_header_is_ours(DEAD_SPRING, "fanmap-later"));
    assert_false(dead_header_is_ours(DEAD_DIALECTS, "traceparent"));
}

/* Anybody can write such headers. */
static void test_hostile_headers(void **state)
{
    dead_origin_t origin;
    const bus_header_t headers[] = {{"fanmap-source-partition", "3x", 2},
                                    {"fanmap-source-offset", "-5", 2},
                                    {"fanmap-source-topic", NULL, 0},
                                    {"kafka_dlt-original-partition", "\0\0\3", 3},
                                    {"kafka_dlt-original-offset", "\xff\xff\xff\xff\xff\xff\xff\xff", 8}};
    (void)state;
    dead_headers_read(DEAD_DIALECTS, headers, sizeof headers / sizeof *headers, &origin);
    assert_int_equal(origin.partition, -1);
    assert_int_equal(origin.offset, -1);
    assert_null(origin.topic);
}

static void test_words(void **state)
{
    uint32_t dialects = 77;
    (void)state;
    assert_true(dead_dialects_read("fanmap", &dialects));
    assert_int_equal(dialects, DEAD_FANMAP);
    assert_true(dead_dialects_read("streams,spring,connect", &dialects));
    assert_int_equal(dialects, DEAD_SPRING | DEAD_CONNECT | DEAD_STREAMS);
    static const char *const bad[] = {"", ",", "fanmap,", ",fanmap", "spring connect", "Spring"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(dead_dialects_read(bad[i], &dialects));
    assert_int_equal(dialects, DEAD_SPRING | DEAD_CONNECT | DEAD_STREAMS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dialects), cmocka_unit_test(test_outcomes_with_less), cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_reading),  cmocka_unit_test(test_hostile_headers),    cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
