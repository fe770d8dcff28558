/* The heap against a sorted list, with removals from anywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/heap.h"
#include "base/random.h"

typedef struct {
    int tag;
    heap_node_t node;
} timed_t;

static void test_empty(void **state)
{
    (void)state;
    heap_t heap = {0};
    heap_node_t node = {0};
    assert_null(heap_min(&heap));
    assert_null(heap_pop(&heap));
    heap_remove(&heap, &node);
    assert_false(heap_has(&node));
    heap_free(&heap);
}

static void test_equal_keys_leave_in_order(void **state)
{
    (void)state;
    heap_t heap = {0};
    timed_t timers[100] = {0};
    for (int i = 0; i < 100; i++) {
        timers[i].tag = i;
        assert_true(heap_put(&heap, &timers[i].node, i % 2 ? INT64_MAX : INT64_MIN));
    }
    for (int i = 0; i < 100; i++) {
        timed_t *t = heap_of(heap_pop(&heap), timed_t, node);
        assert_int_equal(t->tag, i < 50 ? 2 * i : 2 * (i - 50) + 1);
        assert_false(heap_has(&t->node));
    }
    heap_free(&heap);
}

enum { N = 300 };

/* The node that must leave first: smallest key, then longest in. */
static int expected_min(const heap_node_t *nodes)
{
    int best = -1;
    for (int i = 0; i < N; i++) {
        if (!heap_has(&nodes[i]))
            continue;
        if (best < 0 || nodes[i].key < nodes[best].key ||
            (nodes[i].key == nodes[best].key && nodes[i].order < nodes[best].order))
            best = i;
    }
    return best;
}

static void test_like_a_sorted_list(void **state)
{
    (void)state;
    heap_t heap = {0};
    heap_node_t nodes[N] = {0};
    random_t r;
    random_seed(&r, 7);
    for (int step = 0; step < 20000; step++) {
        heap_node_t *node = &nodes[random_below(&r, N)];
        switch (random_below(&r, 4)) {
        case 0:
        case 1:
            assert_true(heap_put(&heap, node, (int64_t)random_below(&r, 50) - 25));
            break;
        case 2:
            heap_remove(&heap, node);
            assert_false(heap_has(node));
            break;
        default:
            heap_pop(&heap);
        }
        int min = expected_min(nodes);
        assert_ptr_equal(heap_min(&heap), min < 0 ? NULL : &nodes[min]);
    }
    heap_free(&heap);
    for (int i = 0; i < N; i++)
        assert_false(heap_has(&nodes[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_empty), cmocka_unit_test(test_equal_keys_leave_in_order),
                                       cmocka_unit_test(test_like_a_sorted_list)};
    return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
