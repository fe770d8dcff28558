/* Which items go together in a call, and how a call that failed is split: whatever its size, the guilty item is alone after as
 * many calls as the size can be halved, and the others are through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/core/batch.h"
#include "worker/core/job.h"

static spec_t spec;
static worker_job_t job = {.spec = &spec};

static worker_item_t item_of(uint16_t batch_max, uint32_t charges)
{
    return (worker_item_t){.job = &job, .batch_max = batch_max, .charges = charges};
}

static void test_most(void **state)
{
    worker_item_t fresh = item_of(0, 0), split = item_of(4, 0), charged = item_of(4, 1), wide = item_of(200, 0);
    (void)state;
    spec.batch_n = 0;
    assert_int_equal(batch_most(&fresh), 1);
    assert_int_equal(batch_most(&split), 1);
    spec.batch_n = 64;
    assert_int_equal(batch_most(&fresh), 64);
    assert_int_equal(batch_most(&split), 4);
    assert_int_equal(batch_most(&charged), 1);
    assert_int_equal(batch_most(&wide), 64);
}

/* The strictest of a call counts, whenever it comes. */
static void test_takes(void **state)
{
    worker_item_t fresh = item_of(0, 0), split = item_of(2, 0), alone = item_of(1, 0);
    uint32_t most = 64;
    (void)state;
    spec.batch_n = 64;
    assert_true(batch_takes(0, &most, &fresh));
    assert_int_equal(most, 64);
    assert_false(batch_takes(1, &most, &alone));
    assert_int_equal(most, 64);
    assert_true(batch_takes(1, &most, &split));
    assert_int_equal(most, 2);
    assert_false(batch_takes(2, &most, &fresh));
    most = 64;
    assert_true(batch_takes(0, &most, &alone));
    assert_false(batch_takes(1, &most, &fresh));
}

static void test_split(void **state)
{
    worker_item_t item = item_of(0, 0);
    (void)state;
    for (size_t n = 2; n <= CALL_MAX; n++) {
        size_t size = n, calls = 0;
        while (size > 1) {
            batch_split(&item, size);
            assert_true(item.batch_max >= size / 2 && item.batch_max < size);
            size = item.batch_max;
            calls++;
        }
        assert_true(calls <= 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_most), cmocka_unit_test(test_takes),
                                       cmocka_unit_test(test_split)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
