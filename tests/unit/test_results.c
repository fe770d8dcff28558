/* Names of folders and cells of rows, of hostile items. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/results.h"

static void check(buf_t *b, const char *wanted)
{
    buf_append(b, "", 1);
    assert_string_equal(b->data, wanted);
    buf_free(b);
}

static void test_folders(void **state)
{
    static const char *const cases[][2] = {
        {"a/b", "d/1/a\\_b/"}, {"a\\b\tc", "d/1/a\\\\b\\tc/"}, {"..", "d/1/\\../"}, {".", "d/1/\\./"}, {"", "d/1//"},
        {"...", "d/1/.../"},   {"../x", "d/1/..\\_x/"}};
    buf_t b = {0};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fanmap_part_t part = {cases[i][0], strlen(cases[i][0])};
        results_put_folder(&b, "d", &part, 1, NULL, false);
        check(&b, cases[i][1]);
    }
    fanmap_part_t two[] = {{"x\0y", 3}, {"z", 1}};
    results_put_folder(&b, "d", two, 2, NULL, false);
    check(&b, "d/1/x\\0y/2/z/");
    results_put_folder(&b, "d", two, 2, NULL, true);
    check(&b, "d/1/x\\0y/1/z/");
    char second[] = "size/b", first[] = "color", *names[] = {second, first, NULL};
    results_put_folder(&b, "d", two, 2, names, false);
    check(&b, "d/color/z/size\\_b/x\\0y/");
    results_put_folder(&b, "d", two, 1, names, false);
    check(&b, "d/1/x\\0y/");
    char name[300];
    memset(name, 'x', sizeof name);
    results_put_folder(&b, "d", &(fanmap_part_t){name, sizeof name}, 1, NULL, false);
    assert_int_equal(b.len, strlen("d/1/") + 255 + 1);
    buf_free(&b);
}

static void test_cells(void **state)
{
    static const char *const cases[][3] = {{"a", "a", "\"a\""},
                                           {"", "", "\"\""},
                                           {"a,b", "\"a,b\"", "\"a,b\""},
                                           {"a\"b\n", "\"a\"\"b\n\"", "\"a\\\"b\\u000a\""},
                                           {"\"", "\"\"\"\"", "\"\\\"\""},
                                           {"\xc3\xa4\xff\\", "\"\xc3\xa4\xff\\\"", "\"\xc3\xa4\\ufffd\\\\\""}};
    buf_t b = {0};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        results_put_csv(&b, ',', cases[i][0], strlen(cases[i][0]));
        check(&b, cases[i][1]);
        results_put_json(&b, cases[i][0], strlen(cases[i][0]));
        check(&b, cases[i][2]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_folders), cmocka_unit_test(test_cells)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
