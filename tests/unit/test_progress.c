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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_stands_still_has_no_eta),
        cmocka_unit_test(test_what_is_slow_has_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
