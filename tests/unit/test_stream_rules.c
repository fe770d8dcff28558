/* What a stream's terms say of single records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "client/services/stream.h"
#include "worker/shell/stream_rules.h"

static stream_terms_t terms_of(const char *filter)
{
    stream_terms_t terms;
    stream_terms_init(&terms);
    strcpy(terms.filter, filter);
    return terms;
}

static bus_record_t with_headers(const bus_header_t *headers, size_t n)
{
    return (bus_record_t){.value = "v", .value_len = 1, .timestamp_ms = 1000, .headers = headers, .headers_n = n};
}

static void test_tombstones(void **state)
{
    static const stream_verdict_t expected[] = {STREAM_TAKE, STREAM_SKIP, STREAM_REFUSE};
    const bus_record_t tombstone = {.value = NULL}, empty = {.value = ""};
    stream_terms_t terms = terms_of("");
    (void)state;
    for (int i = TOMBSTONES_PASS; i <= TOMBSTONES_FAIL; i++) {
        terms.tombstones = (stream_tombstones_t)i;
        assert_int_equal(stream_judge(&terms, &tombstone, -1), expected[i]);
        assert_int_equal(stream_judge(&terms, &empty, -1), STREAM_TAKE); /* a value of no bytes is one */
    }
}

static void test_filter(void **state)
{
    const bus_header_t headers[] = {{"kind", "old", 3}, {"kinds", "new", 3}, {"kind", "new", 3},
                                    {"null", NULL, 0},  {"empty", "", 0},    {"eq", "a=b", 3}};
    const bus_record_t record = with_headers(headers, sizeof headers / sizeof *headers), bare = with_headers(NULL, 0);
    static const char *const pass[] = {"kind=new", "empty=", "eq=a=b", ""};
    static const char *const skip[] = {"kind=old", "kin=new", "kind=ne", "kind=newer", "null=", "absent=", "Kind=new"};
    (void)state;
    for (size_t i = 0; i < sizeof pass / sizeof *pass; i++) {
        const stream_terms_t terms = terms_of(pass[i]);
        assert_int_equal(stream_judge(&terms, &record, -1), STREAM_TAKE);
    }
    for (size_t i = 0; i < sizeof skip / sizeof *skip; i++) {
        const stream_terms_t terms = terms_of(skip[i]);
        assert_int_equal(stream_judge(&terms, &record, -1), STREAM_SKIP);
        assert_int_equal(stream_judge(&terms, &bare, -1), STREAM_SKIP);
    }
}

/* Without a clock nothing is too old; neither is what comes from the future, or has no time. */
static void test_age(void **state)
{
    bus_record_t record = with_headers(NULL, 0);
    stream_terms_t terms = terms_of("");
    (void)state;
    assert_int_equal(stream_judge(&terms, &record, INT64_MAX), STREAM_TAKE);
    terms.max_age_ms = 500;
    assert_int_equal(stream_judge(&terms, &record, 1500), STREAM_TAKE);
    assert_int_equal(stream_judge(&terms, &record, 1501), STREAM_SKIP);
    assert_int_equal(stream_judge(&terms, &record, -1), STREAM_TAKE);
    assert_int_equal(stream_judge(&terms, &record, 0), STREAM_TAKE);
    record.timestamp_ms = -1;
    assert_int_equal(stream_judge(&terms, &record, INT64_MAX), STREAM_TAKE);
    record.timestamp_ms = 0;
    terms.max_age_ms = UINT64_MAX;
    assert_int_equal(stream_judge(&terms, &record, INT64_MAX), STREAM_TAKE);
}

static void check_strip(const void *bytes, size_t len, int64_t id, size_t left)
{
    const void *value = bytes;
    size_t n = len;
    assert_int_equal(stream_strip_schema(&value, &n), id);
    assert_int_equal(n, left);
    assert_ptr_equal(value, (const char *)bytes + (len - left));
}

static void test_schema(void **state)
{
    const void *none = NULL;
    size_t len = 0;
    (void)state;
    check_strip("\0\0\0\1\2{}", 7, 258, 2);
    check_strip("\0\xff\xff\xff\xff", 5, UINT32_MAX, 0);
    check_strip("\0\0\0\1", 4, -1, 4);
    check_strip("{\"a\":1}", 7, -1, 7);
    assert_int_equal(stream_strip_schema(&none, &len), -1);
}

static void test_starts(void **state)
{
    static const char *const bad[] = {"",          "now", "2026-01-31", "2026-01-31T12:00:00", "2026-01-31T12:00:00Zx",
                                      "1700000000"};
    fanmap_error_t err;
    int64_t at_ms = 7;
    (void)state;
    assert_int_equal(stream_start_read("earliest", &at_ms, &err), FANMAP_OK);
    assert_int_equal(at_ms, STREAM_FROM_FIRST);
    assert_int_equal(stream_start_read("latest", &at_ms, &err), FANMAP_OK);
    assert_int_equal(at_ms, STREAM_FROM_LAST);
    assert_int_equal(stream_start_read("2023-11-14T22:13:20Z", &at_ms, &err), FANMAP_OK);
    assert_int_equal(at_ms, 1700000000000);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(stream_start_read(bad[i], &at_ms, &err), FANMAP_EUSAGE);
    assert_int_equal(at_ms, 1700000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tombstones), cmocka_unit_test(test_filter), cmocka_unit_test(test_age),
        cmocka_unit_test(test_schema),     cmocka_unit_test(test_starts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
