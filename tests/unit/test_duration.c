/* Durations and sizes: what is read, what is refused and in which words, and that what is written reads back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/duration.h"
#include "base/random.h"

static void test_durations(void **state)
{
    (void)state;
    const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"250ms", 250},    {"30s", 30000}, {"5m", 300000}, {"2h", 7200000},
                {"7d", 604800000}, {"0s", 0},      {"007s", 7000}, {"9223372036854775807ms", INT64_MAX}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t ms = -1;
        assert_int_equal(duration_parse(good[i].text, &ms, NULL), FANMAP_OK);
        assert_int_equal(ms, good[i].ms);
    }
}

static void expect_refusal(const char *text, const char *part)
{
    fanmap_error_t err = {0};
    int64_t ms = 42;
    assert_int_equal(duration_parse(text, &ms, &err), FANMAP_EUSAGE);
    assert_int_equal(ms, 42);
    if (!strstr(err.message, part))
        fail_msg("%s: \"%s\" does not say \"%s\"", text, err.message, part);
}

static void test_refused_durations(void **state)
{
    (void)state;
    expect_refusal("5", "\"5\" has no unit: write 5s");
    expect_refusal("0", "no unit");
    expect_refusal("", "not a duration");
    expect_refusal("s", "not a duration");
    expect_refusal("-5s", "not a duration");
    expect_refusal("+5s", "not a duration");
    expect_refusal("5 s", "not a duration");
    expect_refusal(" 5s", "not a duration");
    expect_refusal("5s ", "not a duration");
    expect_refusal("1.5s", "not a duration");
    expect_refusal("5S", "not a duration");
    expect_refusal("1h30m", "not a duration");
    expect_refusal("5sec", "such as 250ms, 30s");
    expect_refusal("9223372036854775808ms", "too long");
    expect_refusal("99999999999999999999999", "too long");
    expect_refusal("106751991168d", "too long");
    expect_refusal("5\033[2J", "5\\x1b[2J");
}

static void test_sizes(void **state)
{
    (void)state;
    const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"64MiB", 64 << 20}, {"8GiB", (uint64_t)8 << 30},
                {"1MB", 1000000},    {"512KiB", 512 << 10},
                {"4096", 4096},      {"0", 0},
                {"3B", 3},           {"2kB", 2000},
                {"2KB", 2000},       {"18446744073709551615", UINT64_MAX}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        uint64_t bytes = 1;
        assert_int_equal(size_parse(good[i].text, &bytes, NULL), FANMAP_OK);
        assert_int_equal(bytes, good[i].bytes);
    }
    const char *bad[] = {"", "MiB", "64M", "64mib", "-1", "1.5GiB", "64 MiB", "18446744073709551616", "17179869184GiB"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t bytes = 7;
        fanmap_error_t err = {0};
        assert_int_equal(size_parse(bad[i], &bytes, &err), FANMAP_EUSAGE);
        assert_int_equal(bytes, 7);
        assert_non_null(strstr(err.message, "size"));
    }
}

static void test_written_reads_back(void **state)
{
    (void)state;
    random_t r;
    random_seed(&r, 3);
    for (int i = 0; i < 5000; i++) {
        int64_t ms = (int64_t)(random_next(&r) >> (1 + random_below(&r, 62))), ms_back = -1;
        uint64_t bytes = random_next(&r) >> random_below(&r, 64), bytes_back = 1;
        char text[DURATION_TEXT_MAX], size[SIZE_TEXT_MAX];
        if (i % 3 == 0)
            ms = ms / 60000 * 60000;
        bytes = i % 2 ? bytes : bytes << 20 >> 10 << 10;
        assert_int_equal(duration_parse(duration_format(text, sizeof text, ms), &ms_back, NULL), FANMAP_OK);
        assert_int_equal(ms_back, ms);
        assert_int_equal(size_parse(size_format(size, sizeof size, bytes), &bytes_back, NULL), FANMAP_OK);
        assert_int_equal(bytes_back, bytes);
    }
    char text[DURATION_TEXT_MAX];
    assert_string_equal(duration_format(text, sizeof text, 90000), "90s");
    assert_string_equal(duration_format(text, sizeof text, 86400000), "1d");
    assert_string_equal(duration_format(text, sizeof text, 0), "0s");
    assert_string_equal(duration_format(text, sizeof text, 1001), "1001ms");
    assert_string_equal(size_format(text, sizeof text, 67108864), "64MiB");
    assert_string_equal(size_format(text, sizeof text, 1000), "1000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_durations), cmocka_unit_test(test_refused_durations),
                                       cmocka_unit_test(test_sizes), cmocka_unit_test(test_written_reads_back)};
    return cmocka_run_group_tests_name("duration", tests, NULL, NULL);
}
