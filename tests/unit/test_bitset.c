/* The bitset against an array of bools, at chunk edges, and its memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bitset.h"
#include "base/random.h"

static void test_empty(void **state)
{
    (void)state;
    bitset_t set = {0};
    assert_int_equal(bitset_prefix(&set), 0);
    assert_int_equal(bitset_count(&set), 0);
    assert_false(bitset_test(&set, 0));
    assert_false(bitset_test(&set, UINT64_MAX));
    assert_int_equal(bitset_next(&set, 0, 10, true), 10);
    assert_int_equal(bitset_next(&set, 3, 10, false), 3);
    bitset_free(&set);
}

static void test_prefix_gives_chunks_back(void **state)
{
    (void)state;
    bitset_t set = {0};
    for (uint64_t i = 0; i < 10 * BITSET_CHUNK_BITS; i++) {
        assert_true(bitset_set(&set, i));
        assert_int_equal(bitset_prefix(&set), i + 1);
        assert_true(bitset_chunks(&set) <= 1);
    }
    assert_int_equal(bitset_chunks(&set), 0);
    assert_false(bitset_set(&set, 5));
    assert_int_equal(bitset_count(&set), 10 * BITSET_CHUNK_BITS);
    bitset_free(&set);
}

/* Item 0 last: the prefix must run over every chunk at once. */
static void test_a_slow_first(void **state)
{
    (void)state;
    bitset_t set = {0};
    const uint64_t n = 5 * BITSET_CHUNK_BITS + 17;
    for (uint64_t i = n - 1; i > 0; i--)
        assert_true(bitset_set(&set, i));
    assert_int_equal(bitset_prefix(&set), 0);
    assert_int_equal(bitset_chunks(&set), 6);
    assert_int_equal(bitset_next(&set, 0, n, true), 1);
    assert_true(bitset_set(&set, 0));
    assert_int_equal(bitset_prefix(&set), n);
    assert_int_equal(bitset_chunks(&set), 1);
    bitset_free(&set);
}

static void test_far_indices(void **state)
{
    (void)state;
    bitset_t set = {0};
    const uint64_t far[] = {UINT64_MAX, UINT64_MAX - 1, (uint64_t)1 << 63, (uint64_t)1 << 40, BITSET_CHUNK_BITS};
    for (size_t i = 0; i < 5; i++) {
        assert_true(bitset_set(&set, far[i]));
        assert_false(bitset_set(&set, far[i]));
        assert_true(bitset_test(&set, far[i]));
    }
    assert_int_equal(bitset_count(&set), 5);
    assert_int_equal(bitset_next(&set, 0, UINT64_MAX, true), BITSET_CHUNK_BITS);
    assert_int_equal(bitset_next(&set, BITSET_CHUNK_BITS + 1, UINT64_MAX, true), (uint64_t)1 << 40);
    assert_int_equal(bitset_next(&set, ((uint64_t)1 << 63) + 1, UINT64_MAX, true), UINT64_MAX - 1);
    assert_false(set.failed);
    bitset_free(&set);
}

enum { N = 3 * BITSET_CHUNK_BITS };

static uint64_t model_next(const bool *model, uint64_t from, uint64_t end, bool is_in)
{
    while (from < end && model[from] != is_in)
        from++;
    return from;
}

static void check_against(const bitset_t *set, const bool *model, random_t *r)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < N; i++)
        count += model[i];
    assert_int_equal(bitset_count(set), count);
    assert_int_equal(bitset_prefix(set), model_next(model, 0, N, false));
    for (int i = 0; i < 50; i++) {
        uint64_t from = random_below(r, N), end = random_below(r, N + 1);
        assert_int_equal(bitset_test(set, from), model[from]);
        assert_int_equal(bitset_next(set, from, end, true), from < end ? model_next(model, from, end, true) : end);
        assert_int_equal(bitset_next(set, from, end, false), from < end ? model_next(model, from, end, false) : end);
    }
}

static void test_like_an_array(void **state)
{
    (void)state;
    static bool model[N];
    random_t r;
    random_seed(&r, 11);
    for (int round = 0; round < 20; round++) {
        bitset_t set = {0};
        memset(model, 0, sizeof model);
        for (int step = 0; step < 400; step++) {
            uint64_t from = random_below(&r, N), len = random_below(&r, 2000);
            for (uint64_t i = from; i < from + len && i < N; i++) {
                assert_int_equal(bitset_set(&set, i), !model[i]);
                model[i] = true;
            }
        }
        if (round % 2) {
            uint64_t k = random_below(&r, N);
            bitset_set_prefix(&set, k);
            memset(model, true, k);
        }
        check_against(&set, model, &r);
        bitset_free(&set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_empty), cmocka_unit_test(test_prefix_gives_chunks_back),
                                       cmocka_unit_test(test_a_slow_first), cmocka_unit_test(test_far_indices),
                                       cmocka_unit_test(test_like_an_array)};
    return cmocka_run_group_tests_name("bitset", tests, NULL, NULL);
}
