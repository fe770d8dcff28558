/* Text made safe for a terminal: nothing that comes out is a control, whatever goes in; and the bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "base/text.h"

static void expect(const char *in, size_t len, const char *out)
{
    char fixed[200];
    buf_t b = {0};
    assert_string_equal(text_escape_to(fixed, sizeof fixed, in, len), out);
    text_escape(&b, in, len, 200);
    assert_int_equal(b.len, strlen(out));
    if (b.len > 0)
        assert_memory_equal(b.data, out, b.len);
    buf_free(&b);
}
#define EXPECT(in, out) expect(in, sizeof in - 1, out)

static void test_escapes(void **state)
{
    (void)state;
    EXPECT("", "");
    EXPECT("plain text, \xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", "plain text, \xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
    EXPECT("a\nb\r\tc\\", "a\\nb\\r\\tc\\\\");
    EXPECT("\033[31mred\a\x7F", "\\x1b[31mred\\x07\\x7f");
    EXPECT("nul \0 inside", "nul \\x00 inside");
    EXPECT("\xC2\x9B"
           "2J",
           "\\u009b2J");
    EXPECT("\xE2\x80\xAE\xE2\x80\xA8\xE2\x81\xA6\xEF\xBB\xBF", "\\u202e\\u2028\\u2066\\ufeff");
    EXPECT("\xFF\xC0\x80", "\\xff\\xc0\\x80");
    EXPECT("\xED\xA0\x80", "\\xed\\xa0\\x80");
    EXPECT("\xF4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");
    EXPECT("cut \xE2\x82", "cut \\xe2\\x82");
}

static void test_bounds(void **state)
{
    (void)state;
    char six[7];
    assert_string_equal(text_escape_to(six, sizeof six, "abcdef", 6), "abcdef");
    assert_string_equal(text_escape_to(six, sizeof six, "abcdefg", 7), "abc...");
    assert_string_equal(text_escape_to(six, sizeof six, "ab\x01g", 4), "ab...");
    assert_string_equal(text_escape_to(six, sizeof six, "\xE2\x82\xAC\xE2\x82\xAC\xE2\x82\xAC", 9), "\xE2\x82\xAC...");
    assert_string_equal(text_escape_to(six, 4, "abcd", 4), "...");
    buf_t b = {0};
    text_escape(&b, "aaaaaaaaaaaaaaaaaaaa", 20, 10);
    assert_int_equal(b.len, 10);
    assert_memory_equal(b.data, "aaaaaaa...", 10);
    buf_free(&b);
}

static void test_random_bytes_come_out_harmless(void **state)
{
    (void)state;
    random_t r;
    random_seed(&r, 5);
    for (int i = 0; i < 20000; i++) {
        char in[40], out[64];
        size_t len = random_below(&r, sizeof in), cap = 4 + random_below(&r, sizeof out - 3);
        for (size_t k = 0; k < len; k++)
            in[k] = (char)random_next(&r);
        text_escape_to(out, cap, in, len);
        size_t n = strlen(out);
        assert_true(n < cap);
        for (size_t k = 0, used; k < n; k += used) {
            uint32_t c = 0;
            used = text_utf8_decode(out + k, n - k, &c);
            assert_true(used > 0);
            assert_true(c >= 0x20 && (c < 0x7F || c > 0x9F) && !(c >= 0x2028 && c <= 0x202E));
        }
    }
}

/* Every scalar value and nothing else. */
static void test_utf8(void **state)
{
    (void)state;
    uint32_t count = 0;
    for (uint32_t c = 0; c < 0x120000; c++) {
        unsigned n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        unsigned char b[4] = {(unsigned char)c};
        uint32_t left = c, back = UINT32_MAX;
        for (unsigned i = n; n > 1 && i-- > 1; left >>= 6)
            b[i] = (unsigned char)(0x80 | (left & 0x3F));
        if (n > 1)
            b[0] = (unsigned char)((0xF00u >> n & 0xF0) | left);
        size_t used = text_utf8_decode((const char *)b, n, &back);
        bool is_scalar = c <= 0x10FFFF && !(c >= 0xD800 && c <= 0xDFFF);
        assert_int_equal(used, is_scalar ? n : 0);
        assert_int_equal(back, is_scalar ? c : UINT32_MAX);
        count += is_scalar;
        assert_int_equal(text_utf8_decode((const char *)b, n - 1, &back), 0);
    }
    assert_int_equal(count, 0x110000 - 0x800);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_escapes), cmocka_unit_test(test_bounds),
                                       cmocka_unit_test(test_random_bytes_come_out_harmless),
                                       cmocka_unit_test(test_utf8)};
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
