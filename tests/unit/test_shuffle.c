/* Items in an order of chance. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cli/shuffle.h"

static void each_item_comes_once_and_elsewhere(void **state)
{
    (void)state;
    enum { ITEMS = 1000 };
    shuffle_t shuffle = {.is_on = true};
    int seen[ITEMS] = {0}, moved = 0;
    for (int i = 0; i < ITEMS; i++) {
        const fanmap_part_t part = {&i, sizeof i};
        assert_int_equal(shuffle_put(&shuffle, FANMAP_TEXT, &part, 1), SHUFFLE_PUT);
    }
    for (int i = 0; i < ITEMS; i++) {
        const kept_item_t *item = shuffle_next(&shuffle);
        assert_ptr_equal(shuffle_next(&shuffle), item); /* looking draws no other */
        int number = *(const int *)item->parts[0].bytes;
        seen[number]++;
        moved += number != i;
        shuffle_taken(&shuffle);
    }
    assert_null(shuffle_next(&shuffle));
    for (int i = 0; i < ITEMS; i++)
        assert_int_equal(seen[i], 1);
    assert_in_range(moved, ITEMS / 2, ITEMS);
    shuffle_free(&shuffle);
}

static void what_it_holds_is_bounded(void **state)
{
    (void)state;
    enum { ITEM_BYTES = 64 << 20 };
    shuffle_t shuffle = {.is_on = true};
    char *bytes = calloc(1, ITEM_BYTES);
    const fanmap_part_t part = {bytes, ITEM_BYTES};
    for (int i = 0; i < 3; i++)
        assert_int_equal(shuffle_put(&shuffle, FANMAP_TEXT, &part, 1), SHUFFLE_PUT);
    assert_int_equal(shuffle_put(&shuffle, FANMAP_TEXT, &part, 1), SHUFFLE_FULL);
    free(bytes);
    shuffle_free(&shuffle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_item_comes_once_and_elsewhere),
        cmocka_unit_test(what_it_holds_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
