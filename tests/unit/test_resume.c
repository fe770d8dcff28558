/* Rows of a job log: what is read of a line, which row of an item counts, and how one is found again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/quote.h"
#include "cli/resume.h"

static bool read_row(const char *text, resume_row_t *ret)
{
    char line[200];
    const char *command;
    size_t len;
    memcpy(line, text, strlen(text) + 1);
    if (!resume_read_row(line, strlen(text), ret, &command, &len))
        return false;
    assert_int_equal(len, strlen(command));
    assert_int_equal(ret->hash, resume_hash(command, len));
    return true;
}

static void test_a_line(void **state)
{
    resume_row_t row;
    (void)state;
    assert_true(read_row("7\t:\t1795891841.447\t     0.002\t0\t2\t0\t0\techo a\tb", &row));
    assert_int_equal(row.seq, 7);
    assert_false(row.has_failed);
    assert_int_equal(row.hash, resume_hash("echo a\tb", 8));
    assert_true(read_row("8\t:\t1\t2\t0\t2\t3\t0\tx", &row) && row.has_failed);
    assert_true(read_row("8\t:\t1\t2\t0\t2\t0\t9\tx", &row) && row.has_failed);
    assert_true(read_row("8\t:\t1\t2\t0\t2\t-1\t15\t", &row) && row.has_failed);
    assert_false(read_row("x\t:\t1\t2\t0\t2\t3\t0\tx", &row));
    assert_false(read_row("8\t:\t1\t2\t0\t2\t3\t0", &row));
    assert_false(read_row("", &row));
}

static void test_the_last_row_of_an_item_counts(void **state)
{
    (void)state;
    resume_row_t rows[] = {{2, 10, 1, true, NULL},  {1, 10, 2, false, NULL}, {2, 10, 3, false, NULL},
                           {2, 11, 4, false, NULL}, {2, 11, 5, true, NULL},  {1, 12, 6, true, NULL}};
    size_t n = resume_sort(rows, sizeof rows / sizeof *rows);
    assert_int_equal(n, 4);
    assert_false(resume_find(rows, n, 2, 10)->has_failed);
    assert_true(resume_find(rows, n, 2, 11)->has_failed);
    assert_true(resume_find(rows, n, 1, 12)->has_failed);
    assert_null(resume_find(rows, n, 2, 12));
    assert_null(resume_find(rows, n, 3, 10));
    assert_null(resume_find(rows, 0, 2, 10));
}

static void test_a_word_in_quotes(void **state)
{
    static const char *const cases[][2] = {{"a-b_c.d+e/f9", "a-b_c.d+e/f9"},
                                           {"", "''"},
                                           {"a b", "'a b'"},
                                           {"it's", "'it'\"'\"'s'"},
                                           {"''", "\"'\"''\"'\""},
                                           {"'a'", "\"'\"'a'\"'\""},
                                           {"$(id)", "'$(id)'"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf_t b = {0};
        quote_put_word(&b, cases[i][0], strlen(cases[i][0]));
        buf_append(&b, "", 1);
        assert_string_equal(b.data, cases[i][1]);
        buf_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line),
        cmocka_unit_test(test_the_last_row_of_an_item_counts),
        cmocka_unit_test(test_a_word_in_quotes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
