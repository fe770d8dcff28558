/* Items that wait for their outcome: in order, out of it, and many of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/kept.h"

static void put(kept_t *kept, uint64_t i)
{
    fanmap_part_t parts[] = {{&i, sizeof i}, {"two", 3}};
    assert_true(kept_put(kept, i + 1, FANMAP_TEXT, parts, 2));
}

static void check(const kept_t *kept, uint64_t i)
{
    const kept_item_t *item = kept_find(kept, i);
    assert_non_null(item);
    assert_int_equal(item->seq, i + 1);
    assert_memory_equal(item->parts[0].bytes, &i, sizeof i);
    assert_memory_equal(item->parts[1].bytes, "two", 3);
}

static void test_they_are_found_until_they_are_dropped(void **state)
{
    kept_t kept = {0};
    (void)state;
    for (uint64_t i = 0; i < 1000; i++)
        put(&kept, i);
    for (uint64_t i = 0; i < 1000; i += 2)
        kept_drop(&kept, i);
    assert_null(kept_find(&kept, 500));
    for (uint64_t i = 1000; i < 3000; i++) {
        put(&kept, i);
        check(&kept, i - 1000 + (i % 2 ? 0 : 1));
    }
    for (uint64_t i = 3000; i-- > 0;)
        kept_drop(&kept, i);
    assert_int_equal(kept.first, kept.next);
    kept_drop(&kept, 5);
    kept_free(&kept);
}

static void test_a_window_that_moves_stays_small(void **state)
{
    kept_t kept = {0};
    (void)state;
    for (uint64_t i = 0; i < 100000; i++) {
        put(&kept, i);
        if (i >= 100)
            kept_drop(&kept, i - 100);
    }
    assert_true(kept.cap <= 256);
    kept_free(&kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_they_are_found_until_they_are_dropped),
        cmocka_unit_test(test_a_window_that_moves_stays_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
