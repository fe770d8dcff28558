/* Which failures a second try runs: all, a group by its name, listed indexes; and what is no list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "client/mapping/retry_choice.h"

static bool has(const retry_choice_t *choice, uint64_t index)
{
    return retry_choice_has(choice, index, FANMAP_EXIT, "exit", "no 7");
}

static void test_all(void **state)
{
    retry_choice_t choice;
    fanmap_error_t err;
    (void)state;
    assert_int_equal(retry_choice_read(NULL, NULL, &choice, &err), FANMAP_OK);
    assert_true(retry_choice_is_all(&choice));
    assert_true(has(&choice, UINT64_MAX));
    retry_choice_free(&choice);
}

static void test_indexes(void **state)
{
    retry_choice_t choice;
    fanmap_error_t err;
    (void)state;
    assert_int_equal(retry_choice_read(NULL, "9,0,20-30,3-5,5-7,25-40,41", &choice, &err), FANMAP_OK);
    assert_int_equal(choice.ranges_n, 4);
    for (uint64_t i = 0; i < 50; i++)
        assert_int_equal(has(&choice, i), i == 0 || (i >= 3 && i <= 7) || i == 9 || (i >= 20 && i <= 41));
    retry_choice_free(&choice);
    assert_int_equal(retry_choice_read(NULL, "18446744073709551615,0", &choice, &err), FANMAP_OK);
    assert_true(has(&choice, UINT64_MAX) && has(&choice, 0) && !has(&choice, 1));
    retry_choice_free(&choice);
}

static void test_what_is_no_list(void **state)
{
    static const char *const wrong[] = {"", ",", "1,", "a", "-1", "5-3", "1-", "1 ", "1-2-3", "18446744073709551616"};
    retry_choice_t choice;
    fanmap_error_t err;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(retry_choice_read(NULL, wrong[i], &choice, &err), FANMAP_EUSAGE);
    assert_int_equal(retry_choice_read("0123", NULL, &choice, &err), FANMAP_EUSAGE);
    assert_int_equal(retry_choice_read("0123456789AB", NULL, &choice, &err), FANMAP_EUSAGE);
}

static void test_a_group(void **state)
{
    char key[FAILURE_KEY_MAX], group[FAILURE_GROUP_LEN + 1];
    retry_choice_t choice;
    fanmap_error_t err;
    (void)state;
    failure_key(key, FANMAP_EXIT, "exit", "no 1234");
    failure_group(group, key);
    assert_int_equal(retry_choice_read(group, "1-5", &choice, &err), FANMAP_OK);
    assert_true(has(&choice, 1));
    assert_false(has(&choice, 6));
    assert_false(retry_choice_has(&choice, 1, FANMAP_SIGNAL, "exit", "no 7"));
    assert_false(retry_choice_has(&choice, 1, FANMAP_EXIT, "other", "no 7"));
    assert_false(retry_choice_has(&choice, 1, FANMAP_EXIT, "exit", "now 7"));
    retry_choice_free(&choice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all), cmocka_unit_test(test_indexes),
                                       cmocka_unit_test(test_what_is_no_list), cmocka_unit_test(test_a_group)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
