/* A stream in blocks, however it arrives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "cli/blocks.h"

static block_rules_t marks(const char *end, const char *begin, size_t block, size_t records, size_t unit)
{
    block_rules_t rules = {.is_on = true, .block_bytes = block, .records_max = records, .unit = unit};
    rules.end_len = block_mark(end, rules.mark);
    rules.mark_len = rules.end_len + block_mark(begin, rules.mark + rules.end_len);
    return rules;
}

/* The blocks, a bar behind each, whatever number of bytes comes at once. */
static void check(block_rules_t rules, const char *text, const char *wanted)
{
    size_t all = strlen(text);
    for (size_t step = 1; step <= all + 1; step++) {
        buf_t b = {0};
        block_scan_t scan = {0};
        size_t at = 0, len = 0;
        bool is_at_end = false;
        while (!is_at_end || at < len) {
            size_t n = block_cut(&rules, text + at, len - at, is_at_end, &scan);
            if (n == 0) {
                is_at_end = len == all;
                len = len + step < all ? len + step : all;
                continue;
            }
            assert_int_equal(block_cut(&rules, text + at, len - at, is_at_end, &scan), n); /* looking changes nothing */
            buf_append(&b, text + at, n);
            buf_append(&b, "|", 1);
            at += n;
            scan = (block_scan_t){0};
        }
        buf_append(&b, "", 1);
        assert_string_equal(b.data, wanted);
        buf_free(&b);
    }
}

static void a_block_holds_whole_lines(void **state)
{
    (void)state;
    check(marks("\\n", "", 8, 0, 1), "", "");
    check(marks("\\n", "", 8, 0, 1), "a\nbb\nccc\nd", "a\nbb\n|ccc\nd|");
    check(marks("\\n", "", 8, 0, 1), "1234567\n12345678\n1\n", "1234567\n|12345678\n|1\n|");
    check(marks("\\n", "", 4, 0, 1), "long line\nlonger", "long line\n|longer|");
    check(marks("\\n", "", 8, 0, 2), "a\nb\nc\nd\ne\n", "a\nb\nc\nd\n|e\n|");
}

static void check_skip(block_rules_t rules, const char *text, bool wanted, size_t wanted_len)
{
    size_t len = 99;
    assert_int_equal(block_skip(&rules, text, strlen(text), &len), wanted);
    assert_int_equal(len, wanted_len);
}

/* Of a record that was too large: where the next one begins, also at once, and not within a mark that is not whole yet. */
static void what_is_skipped(void **state)
{
    (void)state;
    check_skip(marks("", "AB", 8, 0, 1), "AB1", true, 0);
    check_skip(marks("", "AB", 8, 0, 1), "xxAB1", true, 2);
    check_skip(marks("", "AB", 8, 0, 1), "xxA", false, 2);
    check_skip(marks("", "AB", 8, 0, 1), "x", false, 0);
    check_skip(marks("\\n", "", 8, 0, 1), "abc\nd", true, 4);
    check_skip(marks("\\n", "", 8, 0, 1), "abc", false, 3);
    check_skip(marks("\\n", "", 8, 0, 1), "", false, 0);
}

static void a_block_has_so_many_records(void **state)
{
    (void)state;
    check(marks("\\n", "", 1, 2, 1), "a\nb\nc\nd\ne", "a\nb\n|c\nd\n|e|");
    check(marks("\\n", "", 1, 1, 2), "a\nb\nc\nd\ne\n", "a\nb\n|c\nd\n|e\n|");
    check(marks(";", "", 1, 1, 1), "a;b;c", "a;|b;|c|");
}

static void records_may_begin_with_a_text(void **state)
{
    (void)state;
    check(marks("", ">", 1, 1, 1), ">a\nb\n>c\n>d", ">a\nb\n|>c\n|>d|");
    check(marks("", ">", 8, 0, 1), ">a\n>b\n>c\n>d\n", ">a\n>b\n|>c\n>d\n|");
    check(marks("\\n", ">", 1, 1, 1), "1\n>a\n2\n>b\n3>c\n>d", "1\n|>a\n2\n|>b\n3>c\n|>d|");
    check(marks("\\n\\n", "", 1, 1, 1), "a\n\nb\nc\n\n\nd", "a\n\n|b\nc\n\n|\nd|");
}

static void a_mark_is_read_as_it_was_typed(void **state)
{
    (void)state;
    char mark[32];
    assert_int_equal(block_mark("a\\n\\t\\\\n\\0\\x", mark), 8);
    assert_memory_equal(mark, "a\n\t\\n\0\\x", 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_holds_whole_lines),      cmocka_unit_test(what_is_skipped),
        cmocka_unit_test(a_block_has_so_many_records),    cmocka_unit_test(records_may_begin_with_a_text),
        cmocka_unit_test(a_mark_is_read_as_it_was_typed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
