/* Lines of output with a tag before each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/tag.h"

static void check(const char *text, const char *wanted)
{
    buf_t b = {0};
    tag_put_lines(&b, "t", 1, text, strlen(text));
    buf_append(&b, "", 1);
    assert_string_equal(b.data, wanted);
    buf_free(&b);
}

static void test_each_line_has_the_tag(void **state)
{
    (void)state;
    check("", "");
    check("a\n", "t\ta\n");
    check("a\n\nb", "t\ta\nt\t\nt\tb");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_line_has_the_tag)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
