/* Where items go: the formula against the words that define it, spread, and the hashes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "schemas/place.h"

/* By counting block after block, as the words say it. */
static void walk(uint32_t partitions, uint64_t items)
{
    uint64_t hash = place_job_hash("job-1"), block = 0, i = 0;
    while (i < items) {
        uint64_t size = i / (8 * (uint64_t)partitions), power = 1;
        size = size < 1 ? 1 : size > 256 ? 256 : size;
        while (power * 2 <= size)
            power *= 2;
        for (uint64_t end = i + power; i < end; i++)
            assert_int_equal(place_item(hash, partitions, i), (hash % partitions + block % partitions) % partitions);
        block++;
    }
}

static void test_formula(void **state)
{
    (void)state;
    const uint32_t partitions[] = {1, 2, 3, 8, 12, 32};
    for (size_t p = 0; p < sizeof partitions / sizeof *partitions; p++) {
        /* hash + block must not wrap for the sum of remainders to be the same */
        assert_true(place_job_hash("job-1") < UINT64_MAX - 1000000);
        walk(partitions[p], (uint64_t)partitions[p] * 8 * 256 + 5000);
    }
}

static void test_far_indices(void **state)
{
    (void)state;
    uint64_t hash = UINT64_MAX - 5;
    assert_int_equal(place_item(hash, 7, 6), 0);
    assert_int_equal(place_item(hash, 1, UINT64_MAX), 0);
    assert_int_equal(place_item(hash, 0, 3), 0);
    assert_int_equal(place_item(0, 32, UINT64_MAX), (UINT64_MAX >> 8) % 32);
    assert_int_equal(place_item(0, UINT32_MAX, UINT64_MAX), (UINT64_MAX >> 8) % UINT32_MAX);
}

/* Small jobs reach every partition; big ones share them evenly to within one block. */
static void test_spread(void **state)
{
    (void)state;
    enum { P = 32 };
    uint64_t hash = place_job_hash("spread"), counts[P] = {0};
    for (uint64_t i = 0; i < P; i++)
        counts[place_item(hash, P, i)]++;
    for (int p = 0; p < P; p++)
        assert_int_equal(counts[p], 1);
    memset(counts, 0, sizeof counts);
    for (uint64_t i = 0; i < 1000000; i++)
        counts[place_item(hash, P, i)]++;
    for (int p = 0; p < P; p++)
        assert_in_range(counts[p], 1000000 / P - 256, 1000000 / P + 256);
}

static void test_hashes(void **state)
{
    (void)state;
    assert_int_equal(place_job_hash(""), 0xEF46DB3751D8E999u);
    assert_int_equal(place_job_hash("a"), 0xD24EC4F1A98C6E5Bu);
    assert_true(place_results("a", 12) < 12);
    assert_int_equal(place_results("a", 1), 0);
    uint64_t chain = place_chain(place_chain(0, "a", 1), "b", 1);
    assert_int_equal(place_chain(0, "a", 1), 0xD24EC4F1A98C6E5Bu);
    assert_int_not_equal(chain, place_chain(place_chain(0, "b", 1), "a", 1));
    assert_int_not_equal(chain, place_chain(0, "ab", 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_formula), cmocka_unit_test(test_far_indices),
                                       cmocka_unit_test(test_spread), cmocka_unit_test(test_hashes)};
    return cmocka_run_group_tests_name("place", tests, NULL, NULL);
}
