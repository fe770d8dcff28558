/* The window of published items against what a plain table says, over many times its first size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "producer/window.h"
#include "schemas/place.h"

enum { ITEMS_MAX = 3000, PARTITIONS = 3 };

typedef struct {
    window_t window;
    int64_t offset[2 * ITEMS_MAX]; /* -1: not stored */
    int64_t next_offset[PARTITIONS];
} table_t;

static table_t *a_table(void)
{
    table_t *table = calloc(1, sizeof *table);
    assert_non_null(table);
    assert_true(window_init(&table->window, "job", PARTITIONS, ITEMS_MAX));
    return table;
}

static void add(table_t *table)
{
    uint64_t index = table->window.next;
    table->offset[index] = -1;
    assert_true(window_add(&table->window, &index, sizeof index));
    assert_int_equal(table->window.next, index + 1);
}

static void store(table_t *table, uint64_t index)
{
    if (table->offset[index] < 0)
        table->offset[index] = table->next_offset[window_partition(&table->window, index)]++;
    window_stored(&table->window, index, table->offset[index]);
}

static void check(const table_t *table)
{
    uint64_t prefix = 0, chain = 0;
    int64_t wanted[PARTITIONS] = {-1, -1, -1}, found[PARTITIONS];
    for (; prefix < table->window.next && table->offset[prefix] >= 0; prefix++) {
        chain = place_chain(chain, &prefix, sizeof prefix);
        int64_t *behind = &wanted[window_partition(&table->window, prefix)];
        if (table->offset[prefix] >= *behind)
            *behind = table->offset[prefix] + 1;
    }
    for (uint64_t i = prefix; i < table->window.next; i++) {
        int64_t *lowest = &wanted[window_partition(&table->window, i)];
        if (table->offset[i] >= 0 && (*lowest < 0 || table->offset[i] < *lowest))
            *lowest = table->offset[i];
    }
    assert_int_equal(table->window.prefix, prefix);
    assert_int_equal(table->window.prefix_chain, chain);
    window_offsets(&table->window, found);
    assert_memory_equal(found, wanted, sizeof found);
}

static void it_grows_with_what_is_not_acknowledged(void **state)
{
    (void)state;
    table_t *table = a_table();
    for (uint64_t i = 0; i < ITEMS_MAX; i++) {
        assert_false(window_full(&table->window));
        add(table);
        uint64_t odd = 7919 * i % (i + 1) / 2 * 2 + 1; /* item 0 holds up the prefix */
        if (odd <= i)
            store(table, odd);
        if (i % 97 == 0)
            check(table);
    }
    assert_true(window_full(&table->window));
    check(table);
    store(table, 0);
    check(table);
    assert_true(table->window.prefix > 0);
    window_free(&table->window);
    free(table);
}

static void it_stays_small_when_acknowledgements_follow(void **state)
{
    (void)state;
    table_t *table = a_table();
    uint64_t mask = table->window.mask;
    for (uint64_t i = 0; i < (uint64_t)2 * ITEMS_MAX; i++) {
        add(table);
        store(table, i);
    }
    check(table);
    assert_int_equal(table->window.prefix, 2 * ITEMS_MAX);
    assert_int_equal(table->window.mask, mask);
    window_free(&table->window);
    free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_grows_with_what_is_not_acknowledged),
        cmocka_unit_test(it_stays_small_when_acknowledgements_follow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
