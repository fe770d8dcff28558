/* How many items go together into one command. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "cli/bundle.h"

/* Bundles of the items, each item a word, and a dot behind each bundle. */
static void check(bundle_t bundle, const char *items, const char *wanted)
{
    buf_t b = {0};
    bool has_failed, at_end = false;
    const char *at = items;
    for (;;) {
        if (bundle_is_ready(&bundle, &has_failed)) {
            for (size_t i = 0; i < bundle.parts.n; i++)
                buf_printf(&b, "%.*s ", (int)bundle.parts.at[i].len, (const char *)bundle.parts.at[i].bytes);
            buf_append_text(&b, ". ");
            bundle_taken(&bundle);
        } else if (*at) {
            const fanmap_part_t part = {at, strcspn(at, " ")};
            if (!bundle_has_room(&bundle, &part, 1))
                continue;
            assert_true(bundle_put(&bundle, FANMAP_TEXT, &part, 1));
            at += part.len + (at[part.len] == ' ');
        } else if (!at_end) {
            bundle_end(&bundle);
            at_end = true;
        } else {
            break;
        }
    }
    buf_append(&b, "", 1);
    assert_string_equal(b.data, wanted);
    buf_free(&b);
    bundle_free(&bundle);
}

static void a_number_of_items_go_together(void **state)
{
    (void)state;
    const bundle_t two = {.items_max = 2, .bytes_max = 100, .copies = 1};
    check(two, "", "");
    check(two, "a", "a . ");
    check(two, "a b c d e", "a b . c d . e . ");
}

/* As xargs counts: each word with the NUL that ends it. */
static void as_many_as_fit(void **state)
{
    (void)state;
    bundle_t line = {.bytes_max = 9, .own_bytes = 5, .copies = 1, .around = 1};
    check(line, "a b c d e", "a b . c d . e . ");
    check(line, "a toolong b c", "a . toolong . b c . ");
    line.copies = line.around = 2;
    check(line, "a b", "a . b . ");
    line = (bundle_t){.bytes_max = 9, .items_max = 3, .copies = 1, .around = 1};
    check(line, "a b c d eeeeeee f", "a b c . d . eeeeeee . f . ");
    line = (bundle_t){.bytes_max = 100, .exec_max = 2 * (2 + sizeof(char *)), .copies = 1, .around = 1};
    check(line, "a b c d e", "a b . c d . e . ");
}

/* As parallel -m does. */
static void what_is_left_is_divided(void **state)
{
    (void)state;
    bundle_t four = {.bytes_max = 100, .copies = 1, .ways = 4};
    check(four, "1 2 3 4 5 6 7 8 9 10", "1 2 3 . 4 5 6 . 7 8 9 . 10 . ");
    check(four, "1 2", "1 . 2 . ");
    four.items_max = 2;
    four.ways = 3;
    check(four, "1 2 3 4 5 6", "1 2 . 3 4 . 5 . 6 . ");
}

static void a_full_one_waits_for_nothing(void **state)
{
    (void)state;
    bundle_t two = {.items_max = 2, .bytes_max = 100, .copies = 1};
    const fanmap_part_t part = {"a", 1};
    bool has_failed;
    assert_true(bundle_put(&two, FANMAP_TEXT, &part, 1));
    assert_false(bundle_is_ready(&two, &has_failed));
    assert_true(bundle_put(&two, FANMAP_TEXT, &part, 1));
    assert_true(bundle_is_ready(&two, &has_failed));
    assert_true(bundle_is_ready(&two, &has_failed)); /* looking takes nothing */
    assert_int_equal(two.parts.n, 2);
    bundle_free(&two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_of_items_go_together),
        cmocka_unit_test(as_many_as_fit),
        cmocka_unit_test(what_is_left_is_divided),
        cmocka_unit_test(a_full_one_waits_for_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
