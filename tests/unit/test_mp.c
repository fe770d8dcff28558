/* The cursor: every width of every type, hostile lengths, depth; and the writer against it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "schemas/mp.h"

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static mp_reader_t reader(const uint8_t *bytes, size_t len)
{
    mp_reader_t r;
    mp_reader_init(&r, bytes, len);
    return r;
}

static void expect_uint(const uint8_t *bytes, size_t len, uint64_t value)
{
    mp_reader_t r = reader(bytes, len);
    assert_int_equal(mp_peek(&r), MP_UINT);
    assert_int_equal(mp_read_uint(&r), value);
    assert_true(mp_done(&r));
}

static void expect_int(const uint8_t *bytes, size_t len, int64_t value)
{
    mp_reader_t r = reader(bytes, len);
    assert_int_equal(mp_peek(&r), value < 0 ? MP_INT : MP_UINT);
    assert_int_equal(mp_read_int(&r), value);
    assert_true(mp_done(&r));
}

static void test_integers(void **state)
{
    (void)state;
    expect_uint(BYTES(0x00), 0);
    expect_uint(BYTES(0x7F), 127);
    expect_uint(BYTES(0xCC, 0x05), 5);
    expect_uint(BYTES(0xCD, 0x01, 0x02), 0x0102);
    expect_uint(BYTES(0xCE, 0xFF, 0xFF, 0xFF, 0xFF), UINT32_MAX);
    expect_uint(BYTES(0xCF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF), UINT64_MAX);
    expect_uint(BYTES(0xD0, 0x7F), 127);
    expect_uint(BYTES(0xD3, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF), INT64_MAX);
    expect_int(BYTES(0xFF), -1);
    expect_int(BYTES(0xE0), -32);
    expect_int(BYTES(0xD0, 0x80), -128);
    expect_int(BYTES(0xD1, 0x80, 0x00), INT16_MIN);
    expect_int(BYTES(0xD2, 0x80, 0x00, 0x00, 0x00), INT32_MIN);
    expect_int(BYTES(0xD3, 0x80, 0, 0, 0, 0, 0, 0, 0), INT64_MIN);
    expect_int(BYTES(0xCF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF), INT64_MAX);
    mp_reader_t r = reader(BYTES(0xCF, 0x80, 0, 0, 0, 0, 0, 0, 0));
    assert_int_equal(mp_read_int(&r), 0);
    assert_true(r.bad);
    r = reader(BYTES(0xFF));
    assert_int_equal(mp_read_uint(&r), 0);
    assert_true(r.bad);
}

static void test_other_scalars(void **state)
{
    (void)state;
    mp_reader_t r = reader(BYTES(0xC0, 0xC2, 0xC3, 0xCA, 0x3F, 0xC0, 0, 0, 0xCB, 0x3F, 0xF8, 0, 0, 0, 0, 0, 0));
    mp_read_nil(&r);
    assert_false(mp_read_bool(&r));
    assert_true(mp_read_bool(&r));
    assert_true(mp_read_float(&r) == 1.5);
    assert_true(mp_read_float(&r) == 1.5);
    assert_true(mp_done(&r));
    assert_int_equal(mp_peek(&r), MP_NONE);
    mp_read_nil(&r);
    assert_true(r.bad);
}

/* After the first failure everything is zero, whatever the bytes say. */
static void test_bad_stays_bad(void **state)
{
    (void)state;
    mp_reader_t r = reader(BYTES(0x01, 0xA1, 'x', 0x02, 0x03));
    size_t len = 9;
    assert_int_equal(mp_read_uint(&r), 1);
    assert_int_equal(mp_read_uint(&r), 0);
    assert_true(r.bad);
    assert_int_equal(mp_read_uint(&r), 0);
    mp_read_str(&r, &len);
    assert_int_equal(len, 0);
    assert_null(mp_skip(&r, &len));
    assert_int_equal(mp_read_array(&r), 0);
    assert_int_equal(mp_peek(&r), MP_NONE);
    assert_false(mp_done(&r));
}

static void expect_bad(const uint8_t *bytes, size_t len)
{
    mp_reader_t r = reader(bytes, len);
    size_t used;
    assert_false(mp_check(bytes, len));
    assert_null(mp_skip(&r, &used));
    assert_true(r.bad);
}

static void test_lies_about_length(void **state)
{
    (void)state;
    expect_bad(NULL, 0);
    expect_bad(BYTES(0xC1));
    expect_bad(BYTES(0xDD, 0xFF, 0xFF, 0xFF, 0xFF));
    expect_bad(BYTES(0xDF, 0xFF, 0xFF, 0xFF, 0xFF));
    expect_bad(BYTES(0xDB, 0xFF, 0xFF, 0xFF, 0xFF, 'x'));
    expect_bad(BYTES(0xC6, 0xFF, 0xFF, 0xFF, 0xFF, 'x'));
    expect_bad(BYTES(0xC9, 0xFF, 0xFF, 0xFF, 0xFF, 0x01));
    expect_bad(BYTES(0xD8, 0x01, 0, 0));
    expect_bad(BYTES(0x92, 0x01));
    expect_bad(BYTES(0x81, 0x01));
    expect_bad(BYTES(0xA5, 'a', 'b'));
    expect_bad(BYTES(0xCD, 0x01));
    expect_bad(BYTES(0xDC, 0x00));
    assert_false(mp_check(BYTES(0x01, 0x01)));
    mp_reader_t r = reader(BYTES(0xDF, 0x80, 0, 0, 0, 0, 0, 0, 0));
    assert_int_equal(mp_read_map(&r), 0);
    assert_true(r.bad);
}

static void test_depth(void **state)
{
    (void)state;
    uint8_t nested[MP_DEPTH_MAX + 2];
    memset(nested, 0x91, sizeof nested);
    nested[MP_DEPTH_MAX] = 0xC0;
    assert_true(mp_check(nested, MP_DEPTH_MAX + 1));
    nested[MP_DEPTH_MAX] = 0x90;
    assert_false(mp_check(nested, MP_DEPTH_MAX + 1));
    nested[MP_DEPTH_MAX - 1] = 0x90;
    assert_true(mp_check(nested, MP_DEPTH_MAX));
    /* siblings do not add up */
    uint8_t wide[400];
    memset(wide, 0x90, sizeof wide);
    memcpy(wide, (uint8_t[]){0xDC, 0x01, 0x8D}, 3);
    assert_true(mp_check(wide, sizeof wide));
}

/* Handed over byte by byte, and whole: the end is found where mp_skip finds it, and not before it is there. */
static void test_scan(void **state)
{
    (void)state;
    static const uint8_t whole[] = {0x92, 0x81, 0xA1, 'k', 0xCD, 0x01, 0x02, 0xDD, 0, 0,    0,
                                    2,    0xC4, 2,    7,   7,    0xD5, 1,    9,    9, 0xC1, 0xC1};
    size_t len;
    mp_reader_t r = reader(whole, sizeof whole);
    assert_non_null(mp_skip(&r, &len));
    uint64_t at = 0, objects = 1;
    for (size_t there = 0; there < len; there++)
        assert_int_equal(mp_scan(whole, there, &at, &objects), MP_SCAN_MORE);
    assert_int_equal(mp_scan(whole, len, &at, &objects), MP_SCAN_WHOLE);
    assert_int_equal(at, len);
    at = 0;
    objects = 1;
    assert_int_equal(mp_scan(whole, sizeof whole, &at, &objects), MP_SCAN_WHOLE);
    assert_int_equal(at, len);
    objects = 1;
    assert_int_equal(mp_scan(whole, sizeof whole, &at, &objects), MP_SCAN_BROKEN);
    at = 0;
    objects = 1; /* a claim is no memory */
    assert_int_equal(mp_scan(BYTES(0xDD, 0xFF, 0xFF, 0xFF, 0xFF), &at, &objects), MP_SCAN_MORE);
    assert_int_equal(objects, UINT32_MAX);
}

static void test_text(void **state)
{
    (void)state;
    char text[4] = "old";
    mp_reader_t r = reader(BYTES(0xA3, 'a', 'b', 'c', 0xA0));
    mp_read_text(&r, text, sizeof text);
    assert_string_equal(text, "abc");
    mp_read_text(&r, text, sizeof text);
    assert_string_equal(text, "");
    assert_true(mp_done(&r));
    r = reader(BYTES(0xA4, 'a', 'b', 'c', 'd'));
    mp_read_text(&r, text, sizeof text);
    assert_true(r.bad);
    r = reader(BYTES(0xA2, 'a', 0));
    mp_read_text(&r, text, sizeof text);
    assert_true(r.bad);
    assert_string_equal(text, "");
}

/* The writer takes the shortest form, so that equal values are equal bytes. */
static void test_writer_is_shortest(void **state)
{
    (void)state;
    const struct {
        int64_t value;
        size_t len;
    } cases[] = {{0, 1},
                 {127, 1},
                 {128, 2},
                 {255, 2},
                 {256, 3},
                 {65535, 3},
                 {65536, 5},
                 {-1, 1},
                 {-32, 1},
                 {-33, 2},
                 {-128, 2},
                 {-129, 3},
                 {-32768, 3},
                 {-32769, 5},
                 {1u << 31, 5},
                 {UINT32_MAX, 5},
                 {(int64_t)UINT32_MAX + 1, 9},
                 {INT64_MIN, 9},
                 {INT64_MAX, 9}};
    buf_t b = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf_clear(&b);
        mp_put_int(&b, cases[i].value);
        assert_int_equal(b.len, cases[i].len);
        expect_int(b.data, b.len, cases[i].value);
    }
    buf_free(&b);
}

static void test_written_reads_back(void **state)
{
    (void)state;
    random_t r;
    buf_t b = {0};
    static char blob[70000];
    random_seed(&r, 1);
    for (int i = 0; i < 3000; i++) {
        uint64_t u = random_next(&r) >> random_below(&r, 64);
        int64_t s = (int64_t)(random_next(&r)) >> random_below(&r, 64);
        size_t len = (size_t)(random_below(&r, sizeof blob) >> random_below(&r, 17)), got = 0;
        double f = (double)s / 3;
        buf_clear(&b);
        mp_put_array(&b, 9);
        mp_put_uint(&b, u);
        mp_put_int(&b, s);
        mp_put_float(&b, f);
        mp_put_str(&b, blob, len);
        mp_put_bin(&b, blob, len);
        mp_put_bool(&b, i % 2);
        mp_put_nil(&b);
        mp_put_map(&b, 1);
        mp_put_text(&b, "k");
        mp_put_array(&b, 0);
        mp_put_uint(&b, 1);
        assert_true(mp_check(b.data, b.len));
        mp_reader_t in = reader(b.data, b.len);
        assert_int_equal(mp_read_array(&in), 9);
        assert_int_equal(mp_read_uint(&in), u);
        assert_int_equal(mp_read_int(&in), s);
        assert_true(mp_read_float(&in) == f);
        mp_read_str(&in, &got);
        assert_int_equal(got, len);
        mp_read_bin(&in, &got);
        assert_int_equal(got, len);
        assert_int_equal(mp_read_bool(&in), i % 2);
        mp_skip_fields(&in, 3);
        assert_true(mp_done(&in));
        size_t cut = random_below(&r, b.len);
        assert_false(mp_check(b.data, cut));
    }
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_integers),
                                       cmocka_unit_test(test_other_scalars),
                                       cmocka_unit_test(test_bad_stays_bad),
                                       cmocka_unit_test(test_lies_about_length),
                                       cmocka_unit_test(test_depth),
                                       cmocka_unit_test(test_scan),
                                       cmocka_unit_test(test_text),
                                       cmocka_unit_test(test_writer_is_shortest),
                                       cmocka_unit_test(test_written_reads_back)};
    return cmocka_run_group_tests_name("mp", tests, NULL, NULL);
}
