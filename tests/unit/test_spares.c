/* Blocks that are used again: each its own bytes while it is in use, how many are kept, and what becomes of those that nobody wants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/spares.h"

enum { LARGE = SPARES_STEP * SPARES_SIZES + 1 };

static void test_the_same_serves_again(void **state)
{
    spares_t spares = {0};
    (void)state;
    void *first = spares_get(&spares, 100), *second = spares_get(&spares, 100);
    assert_ptr_not_equal(first, second);
    spares_put(&spares, first);
    assert_int_equal(spares.bytes, 2 * SPARES_STEP);
    assert_ptr_equal(spares_get(&spares, 2 * SPARES_STEP), first);
    assert_int_equal(spares.bytes, 0);
    spares_put(&spares, first);
    spares_put(&spares, second);
    spares_free(&spares);
    assert_int_equal(spares.bytes, 0);
}

static void test_each_size_has_its_bytes(void **state)
{
    spares_t spares = {0};
    (void)state;
    for (int turn = 0; turn < 2; turn++) {
        uint8_t *at[LARGE + 1];
        for (size_t size = 0; size <= LARGE; size++) {
            at[size] = spares_get(&spares, size);
            assert_non_null(at[size]);
            assert_int_equal((uintptr_t)at[size] % SPARES_ALIGNMENT, 0);
            memset(at[size], (int)size, size);
        }
        for (size_t size = 0; size <= LARGE; size++) {
            for (size_t i = 0; i < size; i++)
                assert_int_equal(at[size][i], (uint8_t)size);
            spares_put(&spares, at[size]);
        }
    }
    spares_free(&spares);
}

static void test_no_more_are_kept_than_may_be(void **state)
{
    enum { N = SPARES_KEPT / SPARES_STEP + 10 };
    spares_t spares = {0};
    void **at = calloc(N, sizeof *at);
    (void)state;
    assert_non_null(at);
    for (size_t i = 0; i < N; i++)
        at[i] = spares_get(&spares, 1);
    for (size_t i = 0; i < N; i++)
        spares_put(&spares, at[i]);
    assert_int_equal(spares.bytes, SPARES_KEPT);
    spares_put(&spares, spares_get(&spares, LARGE));
    assert_int_equal(spares.bytes, SPARES_KEPT);
    spares_free(&spares);
    free(at);
}

static void test_what_nobody_wanted_goes_back(void **state)
{
    spares_t spares = {0};
    void *at[3];
    (void)state;
    for (int i = 0; i < 3; i++)
        at[i] = spares_get(&spares, 1);
    for (int i = 0; i < 3; i++)
        spares_put(&spares, at[i]);
    spares_age(&spares); /* they just came */
    assert_int_equal(spares.bytes, 3 * SPARES_STEP);
    spares_put(&spares, spares_get(&spares, 1)); /* one of them is wanted */
    spares_age(&spares);
    assert_int_equal(spares.bytes, SPARES_STEP);
    spares_age(&spares);
    assert_int_equal(spares.bytes, 0);
    spares_free(&spares);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_serves_again),
        cmocka_unit_test(test_each_size_has_its_bytes),
        cmocka_unit_test(test_no_more_are_kept_than_may_be),
        cmocka_unit_test(test_what_nobody_wanted_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
