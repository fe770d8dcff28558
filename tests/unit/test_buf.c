/* Buffers, errors, the table's hash and the random generator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/random.h"
#include "base/table.h"
#include "base/text.h"

static void test_buf_appends(void **state)
{
    (void)state;
    buf_t b = {0};
    buf_append(&b, NULL, 0);
    assert_null(b.data);
    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "%d,", i);
    buf_append_text(&b, "end");
    assert_memory_equal(b.data, "0,1,2,3,", 8);
    assert_memory_equal(b.data + b.len - 7, "999,end", 7);
    size_t len = b.len;
    buf_consume(&b, 2);
    assert_int_equal(b.len, len - 2);
    assert_memory_equal(b.data, "1,2,", 4);
    buf_consume(&b, SIZE_MAX);
    assert_int_equal(b.len, 0);
    buf_free(&b);
    assert_null(b.data);
}

static void test_buf_that_failed_stays_so(void **state)
{
    (void)state;
    buf_t b = {0};
    buf_append_text(&b, "kept");
    assert_null(buf_reserve(&b, SIZE_MAX - 2));
    assert_true(b.failed);
    buf_append_text(&b, "lost");
    buf_printf(&b, "%s", "lost");
    assert_null(buf_reserve(&b, 1));
    assert_int_equal(b.len, 4);
    buf_clear(&b);
    assert_false(b.failed);
    buf_append_text(&b, "new");
    assert_memory_equal(b.data, "new", 3);
    buf_free(&b);
}

static void test_errors_gain_context(void **state)
{
    (void)state;
    fanmap_error_t err = {0};
    assert_int_equal(err_set(&err, FANMAP_EUSAGE, "no such key \"%s\"", "x"), FANMAP_EUSAGE);
    assert_int_equal(err_wrap(&err, "line %d", 3), FANMAP_EUSAGE);
    assert_int_equal(err_wrap(&err, "reading F.conf"), FANMAP_EUSAGE);
    assert_string_equal(err.message, "reading F.conf: line 3: no such key \"x\"");
    assert_false(err.retry_may_help);
    err_set_retry(&err, FANMAP_EUNREACHABLE, "was: %s", err.message);
    assert_true(err.retry_may_help);
    assert_string_equal(err.message, "was: reading F.conf: line 3: no such key \"x\"");
    assert_int_equal(err_set(NULL, FANMAP_EIO, "x"), FANMAP_EIO);
    assert_int_equal(err_wrap(NULL, "x"), FANMAP_EIO);
}

/* Cut at any byte, the message is still whole characters. */
static void test_long_errors_are_cut_at_a_character(void **state)
{
    (void)state;
    char text[1200];
    for (size_t shift = 0; shift < 12; shift++) {
        fanmap_error_t err = {0};
        memset(text, 'a', shift);
        for (size_t i = shift; i + 9 < sizeof text; i += 9)
            memcpy(text + i, "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 10);
        err_set(&err, FANMAP_EIO, "%s", text);
        assert_true(strlen(err.message) >= sizeof err.message - 4);
        size_t len = strlen(err.message), used;
        uint32_t c;
        for (size_t i = 0; i < len; i += used)
            assert_true((used = text_utf8_decode(err.message + i, len - i, &c)) > 0);
        err_wrap(&err, "%.*s", (int)shift, "context context");
        assert_true(strlen(err.message) >= sizeof err.message - 4);
    }
}

typedef struct {
    uint64_t key;
    UT_hash_handle hh;
} entry_t;

static void test_table(void **state)
{
    (void)state;
    entry_t *table = NULL, *e, *next;
    for (uint64_t i = 0; i < 2000; i++) {
        e = calloc(1, sizeof *e);
        e->key = i * 32768;
        HASH_ADD(hh, table, key, sizeof e->key, e);
        assert_true(table_added(e));
    }
    for (uint64_t i = 0; i < 4000; i++) {
        uint64_t key = i * 32768;
        HASH_FIND(hh, table, &key, sizeof key, e);
        assert_int_equal(e != NULL, i < 2000);
    }
    HASH_ITER(hh, table, e, next)
    {
        HASH_DEL(table, e);
        free(e);
    }
    assert_null(table);
}

/* Values of the published algorithms, so that a seed means the same run for ever. */
static void test_random(void **state)
{
    (void)state;
    uint64_t mix = 1234567;
    assert_int_equal(random_mix(&mix), 6457827717110365317u);
    assert_int_equal(random_mix(&mix), 3203168211198807973u);
    random_t r = {{1, 2, 3, 4}};
    const uint64_t expected[] = {11520, 0, 1509978240, 1215971899390074240};
    for (int i = 0; i < 4; i++)
        assert_int_equal(random_next(&r), expected[i]);
    assert_int_equal(random_below(&r, 0), 0);
    assert_int_equal(random_below(&r, 1), 0);
    uint64_t seen[7] = {0};
    for (int i = 0; i < 70000; i++)
        seen[random_below(&r, 7)]++;
    for (int i = 0; i < 7; i++)
        assert_in_range(seen[i], 9500, 10500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_buf_appends),
                                       cmocka_unit_test(test_buf_that_failed_stays_so),
                                       cmocka_unit_test(test_errors_gain_context),
                                       cmocka_unit_test(test_long_errors_are_cut_at_a_character),
                                       cmocka_unit_test(test_table),
                                       cmocka_unit_test(test_random)};
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
