/* The line on stderr that says how far a job is, and when it says how long it will take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/progress.h"

static char line[256];

static bool has_eta(progress_t *progress, uint64_t known, int64_t now_ms)
{
    fanmap_stats_t stats = {.known = known, .published = 1000, .total = 1000};
    progress_step(progress, &stats, now_ms, line, sizeof line);
    return strstr(line, "ETA") != NULL;
}

static void test_what_stands_still_has_no_eta(void **state)
{
    progress_t progress = {0};
    int64_t now_ms = 0;
    (void)state;
    for (uint64_t known = 1; known <= 50; known++)
        assert_true(has_eta(&progress, known * 10, now_ms += 200));
    assert_string_equal(line, "500/1000, 50/s, ETA 0:00:10");
    int64_t moved_ms = now_ms;
    for (int i = 0; i < 500; i++) {
        bool is_shown = has_eta(&progress, 500, now_ms += 200);
        assert_int_equal(is_shown, now_ms - moved_ms < 5000);
    }
    assert_true(has_eta(&progress, 510, now_ms + 200));
}

static void test_what_is_slow_has_one(void **state)
{
    progress_t progress = {0};
    int64_t now_ms = 0;
    (void)state;
    for (uint64_t known = 1; known <= 10; known++) {
        for (int64_t until_ms = now_ms + 19800; now_ms < until_ms;)
            (void)has_eta(&progress, known - 1, now_ms += 200);
        assert_true(has_eta(&progress, known, now_ms += 200)); /* one in 20 s */
    }
    assert_true(has_eta(&progress, 10, now_ms + 15000));
    assert_false(has_eta(&progress, 10, now_ms + 61000));
}

/* Two at once, each a second long: two a second from the first ones on, and never twice or half of that. */
static void test_what_comes_together_makes_no_other_rate(void **state)
{
    (void)state;
    for (int64_t apart_ms = 1000; apart_ms <= 64000; apart_ms *= 4) {
        progress_t progress = {0};
        for (int64_t now_ms = 200; now_ms < 60 * apart_ms; now_ms += 200) {
            uint64_t known = 2 * (uint64_t)(now_ms / apart_ms);
            (void)has_eta(&progress, known, now_ms);
            double seconds = (double)apart_ms / 1000;
            if (known > 2)
                assert_true(progress.rate * seconds > 1 && progress.rate * seconds < 4);
            else if (now_ms == apart_ms)
                assert_true(progress.rate * seconds > 1.9 && progress.rate * seconds < 2.6);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_stands_still_has_no_eta),
        cmocka_unit_test(test_what_is_slow_has_one),
        cmocka_unit_test(test_what_comes_together_makes_no_other_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
