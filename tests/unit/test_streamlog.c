/* Packs of a stream's log: what is put in comes out, and bytes that are none of ours are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "schemas/streamlog.h"

static const uint8_t key[PLACE_KEY_BYTES] = {1, 2, 3};

static void put_two(buf_t *pack)
{
    buf_t body = {0}, headers = {0};
    streamlog_put_header(&headers, "trace", "abc", 3);
    streamlog_put_header(&headers, "empty", NULL, 0);
    streamlog_put(
        &body,
        &(stream_outcome_t){.prev = 6,
                            .key = key,
                            .timestamp_ms = 1700000000000,
                            .source_key = "k",
                            .source_key_len = 1,
                            .headers_n = 2,
                            .outcome = {.index = 9, .attempts = 1, .value = (const uint8_t *)"\x07", .value_len = 1}},
        headers.data, headers.len);
    streamlog_put(
        &body,
        &(stream_outcome_t){.prev = -1,
                            .has_source = true,
                            .outcome = {.index = 10, .kind = FANMAP_LOST, .message = "gone", .message_len = 4}},
        NULL, 0);
    streamlog_encode(pack, 5, body.data, body.len, 2);
    assert_false(pack->failed);
    buf_free(&body);
    buf_free(&headers);
}

static void test_round_trip(void **state)
{
    buf_t pack = {0};
    streamlog_pack_t log;
    stream_outcome_t o;
    stream_header_t header;
    (void)state;
    put_two(&pack);
    assert_true(streamlog_decode(pack.data, pack.len, &log));
    assert_int_equal(log.whole, 5);
    assert_true(streamlog_next(&log, &o));
    assert_int_equal(o.prev, 6);
    assert_memory_equal(o.key, key, sizeof key);
    assert_int_equal(o.timestamp_ms, 1700000000000);
    assert_memory_equal(o.source_key, "k", 1);
    assert_int_equal(o.outcome.index, 9);
    assert_false(o.has_source);
    assert_true(streamlog_header(&o, &header));
    assert_memory_equal(header.name, "trace", 5);
    assert_memory_equal(header.value, "abc", 3);
    assert_true(streamlog_header(&o, &header));
    assert_null(header.value);
    assert_false(streamlog_header(&o, &header));
    assert_true(streamlog_next(&log, &o));
    assert_null(o.key);
    assert_null(o.source_key);
    assert_true(o.has_source);
    assert_null(o.source);
    assert_int_equal(o.outcome.kind, FANMAP_LOST);
    assert_false(streamlog_next(&log, &o));
    assert_false(log.entries.bad);
    buf_free(&pack);
}

/* Wherever it is cut, what is left is refused at once or by its entries. */
static void test_cut(void **state)
{
    buf_t pack = {0};
    (void)state;
    put_two(&pack);
    for (size_t len = 0; len < pack.len; len++) {
        streamlog_pack_t log;
        stream_outcome_t o;
        if (!streamlog_decode(pack.data, len, &log))
            continue;
        while (streamlog_next(&log, &o))
            ;
        assert_true(log.entries.bad);
    }
    buf_free(&pack);
}

static void test_another_version(void **state)
{
    streamlog_pack_t log;
    (void)state;
    assert_false(streamlog_decode("\x93\x02\x00\x90", 4, &log));
    assert_true(streamlog_decode("\x94\x01\x00\x90\xc0", 5, &log));
    assert_false(streamlog_decode("\x93\x01\xfe\x90", 4, &log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip), cmocka_unit_test(test_cut),
                                       cmocka_unit_test(test_another_version)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
