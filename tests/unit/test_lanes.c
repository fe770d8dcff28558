/* A job's queue: the lowest index first, out of lanes that are filled as Kafka pleases. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "worker/core/lanes.h"
#include "worker/core/state.h"

enum { PARTS = 5, ITEMS = 1000 };

static worker_part_t parts[PARTS];
static worker_item_t items[ITEMS];

static worker_item_t *make(uint64_t index)
{
    worker_item_t *item = &items[index];
    *item = (worker_item_t){.part = &parts[index % PARTS], .index = index};
    return item;
}

static void assert_in_order(lanes_t *queue, uint64_t from, uint64_t to)
{
    for (uint64_t index = from; index < to; index++) {
        worker_item_t *first = lanes_first(queue);
        assert_non_null(first);
        assert_int_equal(first->index, index);
        item_unlink(first);
    }
}

static void test_partition_by_partition(void **state)
{
    (void)state;
    lanes_t queue = {0};
    assert_null(lanes_first(&queue));
    for (uint64_t part = PARTS; part-- > 0;)
        for (uint64_t index = part; index < ITEMS; index += PARTS)
            assert_true(lanes_add(&queue, make(index)));
    assert_int_equal(queue.n, ITEMS);
    assert_in_order(&queue, 0, ITEMS);
    assert_int_equal(queue.n, 0);
    assert_null(lanes_first(&queue));
    lanes_free(&queue);
}

static void test_what_comes_back_has_its_old_place(void **state)
{
    (void)state;
    lanes_t queue = {0};
    for (uint64_t index = 0; index < ITEMS; index++)
        assert_true(lanes_add(&queue, make(index)));
    for (uint64_t index = 0; index < 200; index++)
        item_unlink(&items[index]);
    static const uint64_t back[] = {7, 199, 2, 12, 197, 5};
    for (size_t i = 0; i < sizeof back / sizeof back[0]; i++)
        assert_true(lanes_add(&queue, &items[back[i]]));
    static const uint64_t sorted[] = {2, 5, 7, 12, 197, 199};
    for (size_t i = 0; i < sizeof sorted / sizeof sorted[0]; i++)
        assert_in_order(&queue, sorted[i], sorted[i] + 1);
    assert_in_order(&queue, 200, ITEMS);
    lanes_free(&queue);
}

static void test_any_order(void **state)
{
    (void)state;
    lanes_t queue = {0};
    random_t random;
    uint64_t order[ITEMS];
    random_seed(&random, 7);
    for (uint64_t i = 0; i < ITEMS; i++)
        order[i] = i;
    for (uint64_t i = ITEMS - 1; i > 0; i--) {
        uint64_t j = random_below(&random, i + 1), kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
    for (uint64_t i = 0; i < ITEMS; i++)
        assert_true(lanes_add(&queue, make(order[i])));
    assert_in_order(&queue, 0, ITEMS);
    assert_int_equal(queue.n, 0);
    lanes_free(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_partition_by_partition),
        cmocka_unit_test(test_what_comes_back_has_its_old_place),
        cmocka_unit_test(test_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
