/* How close starts may come to each other, and whether a machine has room for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tokens/starts.h"
#include "worker/core/pace.h"
#include "worker/shell/median.h"
#include "worker/shell/room.h"

enum { STARTS = 2000 };

/* Starts whenever it may, on a clock that is looked at when the pace says, or some ms later, or after a long rest. */
static size_t play(pace_t *p, unsigned seed, int64_t at[STARTS])
{
    int64_t now_ms = 1000;
    size_t n = 0;
    while (n < STARTS) {
        int64_t next_ms = pace_next_ms(p, now_ms);
        if (next_ms == INT64_MAX) {
            assert_true(pace_may_start(p, now_ms));
            at[n++] = now_ms;
            pace_started(p, now_ms);
            continue;
        }
        assert_true(next_ms > now_ms);
        assert_false(pace_may_start(p, next_ms - 1));
        seed = seed * 1103515245 + 12345;
        now_ms = next_ms + (seed >> 16) % 3 + (seed % 1000 == 0 ? 5000 : 0);
    }
    return n;
}

static void test_a_delay_lies_between_any_two(void **state)
{
    static int64_t at[STARTS];
    (void)state;
    pace_t p = {.delay_ms = 7};
    play(&p, 1, at);
    for (size_t i = 1; i < STARTS; i++)
        assert_true(at[i] - at[i - 1] >= 7);
}

static void test_a_rate_is_kept_in_every_window(void **state)
{
    static const uint32_t everies_us[] = {100, 2500, 3333, 20000, 1000000};
    static int64_t at[STARTS];
    (void)state;
    for (size_t k = 0; k < sizeof everies_us / sizeof *everies_us; k++) {
        pace_t p = {.every_us = everies_us[k]};
        play(&p, (unsigned)k, at);
        for (size_t i = 0; i < STARTS; i++)
            for (size_t n = 1; i + n < STARTS; n = 2 * n + 1)
                assert_true((at[i + n] - at[i]) * 1000 + 2000 + 1000 >= (int64_t)(n * everies_us[k]));
    }
    pace_t p = {.every_us = 2500};
    int64_t now_ms = 0;
    for (size_t n = 0; n < 400; now_ms++)
        for (; n < 400 && pace_may_start(&p, now_ms); n++)
            pace_started(&p, now_ms);
    assert_in_range(now_ms, 997, 1001); /* on a clock of whole ms no slower than asked for */
    assert_int_equal(pace_next_ms(&(pace_t){0}, 5), INT64_MAX);
}

static void test_room(void **state)
{
    static const char memory[] = "MemTotal: 900 kB\nMemFree:  10 kB\nMemAvailable:    500 kB\n",
                      load[] = "0.5 1 2 4/300 7\n";
    (void)state;
    assert_true(room_is_there(memory, load, 500 * 1024, 0));
    assert_false(room_is_there(memory, load, 500 * 1024 + 1, 0));
    assert_true(room_is_there(memory, load, 0, 4));
    assert_false(room_is_there(memory, load, 0, 3));
    assert_true(room_is_there("", "", 1, 1));
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void test_the_median_of_the_newest(void **state)
{
    static median_t m;
    static uint64_t all[3 * MEDIAN_NUMBERS], sorted[MEDIAN_NUMBERS];
    unsigned seed = 7;
    (void)state;
    for (size_t i = 0; i < 3 * MEDIAN_NUMBERS; i++) {
        seed = seed * 1103515245 + 12345;
        all[i] = (seed >> 16) % 50;
        size_t n = i + 1 < MEDIAN_NUMBERS ? i + 1 : MEDIAN_NUMBERS;
        for (size_t k = 0; k < n; k++)
            sorted[k] = all[i + 1 - n + k];
        qsort(sorted, n, sizeof *sorted, compare);
        assert_int_equal(median_add(&m, all[i]), sorted[n / 2]);
    }
}

/* Ten a second. The question leaves at 1000 ms, the answer comes at 1300: places from 500 ms on from Redis's now. */
static void test_places_are_good_for_a_second(void **state)
{
    (void)state;
    starts_t s;
    starts_init(&s, 100000, false);
    assert_false(starts_may(&s, 1000));
    assert_int_equal(starts_to_ask(&s, 1000), 0);
    s.wanted = 50;
    assert_int_equal(starts_to_ask(&s, 1000), 3); /* what it could use in 200 ms */
    assert_int_equal(starts_ask(&s), 100000);
    starts_answered(&s, 3, 500000, 1000, 1300);
    assert_int_equal(starts_in_hand(&s, 1300), 3);
    assert_int_equal(starts_to_ask(&s, 1300), 0);
    assert_int_equal(starts_next_ms(&s, 1300), 1801);
    assert_false(starts_may(&s, 1800));
    assert_true(starts_may(&s, 1801)); /* 500 ms from when the answer came */
    starts_used(&s, 1801);
    assert_false(starts_may(&s, 1900));
    assert_int_equal(starts_to_ask(&s, 1900), 0);
    assert_true(starts_may(&s, 2600));
    assert_int_equal(starts_in_hand(&s, 2600), 2); /* 1600 ms and a second from when the question left */
    assert_int_equal(starts_in_hand(&s, 2601), 1);
    assert_int_equal(starts_in_hand(&s, 2701), 0);
    assert_false(starts_may(&s, 2701));
    assert_int_equal(starts_to_ask(&s, 2701), 3);
    starts_answered(&s, 0, 700000, 2701, 2705); /* none: not before */
    assert_int_equal(starts_to_ask(&s, 3405), 0);
    assert_int_equal(starts_to_ask(&s, 3406), 3);
    starts_answered(&s, UINT64_MAX, 0, 3406, 3407); /* no table says so */
    assert_int_equal(starts_in_hand(&s, 3407), 0);
}

/* Each place is as much longer as a start may be late. */
static void test_starts_that_are_apart(void **state)
{
    (void)state;
    starts_t s;
    starts_init(&s, 300000, true);
    s.wanted = 1;
    assert_int_equal(starts_ask(&s), 400000); /* nothing is known of the way to Redis */
    starts_answered(&s, 1, 0, 1000, 1005);
    assert_true(starts_may(&s, 1006));
    assert_true(starts_may(&s, 1100));
    assert_false(starts_may(&s, 1101));
    assert_int_equal(starts_ask(&s), 330000);
    starts_answered(&s, 2, 0, 2000, 2005);
    starts_used(&s, 2030);
    assert_false(starts_may(&s, 2335));
    assert_true(starts_may(&s, 2336));
    assert_false(starts_may(&s, 2361));
    assert_true(starts_may(&(starts_t){0}, 0)); /* no rate */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places_are_good_for_a_second),
        cmocka_unit_test(test_starts_that_are_apart),
        cmocka_unit_test(test_a_delay_lies_between_any_two),
        cmocka_unit_test(test_a_rate_is_kept_in_every_window),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_the_median_of_the_newest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
