/* Values between JSON and msgpack: extremes, the special objects, everything refused with its words and its place, and
 * random values of every kind that must survive both ways. */
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "base/text.h"
#include "schemas/mp.h"
#include "schemas/value.h"

/* JSON to msgpack to JSON. */
static void expect_json_n(const char *in, size_t len, const char *out)
{
    buf_t mp = {0}, json = {0};
    fanmap_error_t err = {0};
    if (value_from_json(&mp, in, len, &err) != FANMAP_OK)
        fail_msg("%s: %s", in, err.message);
    assert_true(mp_check(mp.data, mp.len));
    if (value_to_json(&json, mp.data, mp.len, &err) != FANMAP_OK)
        fail_msg("%s: %s", in, err.message);
    buf_append(&json, "", 1);
    assert_string_equal((char *)json.data, out);
    buf_free(&mp);
    buf_free(&json);
}

static void expect_json(const char *in, const char *out)
{
    expect_json_n(in, strlen(in), out);
}

static void same(const char *text)
{
    expect_json(text, text);
}

static void expect_mp(const char *json, const void *bytes, size_t len)
{
    buf_t mp = {0};
    fanmap_error_t err = {0};
    if (value_from_json(&mp, json, strlen(json), &err) != FANMAP_OK)
        fail_msg("%s: %s", json, err.message);
    assert_int_equal(mp.len, len);
    assert_memory_equal(mp.data, bytes, len);
    buf_free(&mp);
}

static void test_numbers(void **state)
{
    (void)state;
    same("0");
    same("18446744073709551615");
    same("9223372036854775808");
    same("-9223372036854775808");
    same("1.0");
    same("-0.0");
    same("0.1");
    same("1e+22");
    same("1.7976931348623157e+308");
    same("2.2250738585072014e-308");
    same("123456789.125");
    expect_json("-0", "0");
    expect_json("1e0", "1.0");
    expect_json("1E+2", "100.0");
    expect_json("1e-400", "0.0");
    expect_json("-1e-400", "-0.0");
    expect_json("5e-324", "4.94065645841247e-324");
    expect_json("0.30000000000000004", "0.30000000000000004");
    expect_json("9007199254740993.0", "9007199254740992.0");
    expect_json("18446744073709551616.0", "1.8446744073709552e+19");
    expect_json("123456789012345678901234567890e-10", "1.2345678901234567e+19");
    expect_mp("1", "\x01", 1);
    expect_mp("1.0", "\xCB\x3F\xF0\0\0\0\0\0\0", 9);
    expect_mp("18446744073709551615", "\xCF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 9);
}

/* Whatever way a float is printed, it is what the C library's shortest of 15, 16, 17 digits says. */
static void test_floats_against_the_c_library(void **state)
{
    (void)state;
    random_t r;
    random_seed(&r, 9);
    for (int i = 0; i < 200000; i++) {
        char expected[48];
        buf_t mp = {0}, json = {0};
        double value =
            (double)(int64_t)(random_next(&r) >> random_below(&r, 60)) / pow(10, (double)random_below(&r, 12));
        value = random_below(&r, 2) ? -value : value;
        for (int digits = 15; digits <= 17; digits++) {
            snprintf(expected, sizeof expected, "%.*g", digits, value);
            if (strtod(expected, NULL) == value)
                break;
        }
        if (!strpbrk(expected, ".e"))
            strcat(expected, ".0");
        mp_put_float(&mp, value);
        assert_int_equal(value_to_json(&json, mp.data, mp.len, NULL), FANMAP_OK);
        buf_append(&json, "", 1);
        assert_string_equal((char *)json.data, expected);
        buf_free(&mp);
        buf_free(&json);
    }
}

/* Zeroes in front of the point and behind it that cancel out with a long exponent. */
static void test_long_numbers(void **state)
{
    (void)state;
    enum { ZEROES = 300000 };
    static char text[ZEROES + 40];
    int n = snprintf(text, sizeof text, "0.");
    memset(text + n, '0', ZEROES);
    snprintf(text + n + ZEROES, 40, "15e%d", ZEROES + 1);
    expect_json(text, "1.5");
    snprintf(text + n + ZEROES, 40, "15e99999999999999999999999");
    buf_t b = {0};
    assert_int_equal(value_from_json(&b, text, strlen(text), NULL), FANMAP_EUSAGE);
    assert_int_equal(b.len, 0);
    buf_free(&b);
}

static void test_strings(void **state)
{
    (void)state;
    same("\"\"");
    same("\"plain and long enough for eight at a time\"");
    same("\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\x7F\"");
    same("\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xF4\x8F\xBF\xBF\"");
    expect_json("\"\\/\\u0041\\u00e9\\u20AC\\ud83d\\ude00\\u000a\"", "\"/A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\\n\"");
    expect_json("\"\\udbff\\udfff\\uffff\"", "\"\xF4\x8F\xBF\xBF\xEF\xBF\xBF\"");
    expect_mp("\"a\\u0000b\"",
              "\xA3"
              "a\0b",
              4);
    char text[800];
    for (size_t len = 0; len < 700; len++) { /* every head and every place of the escape against eight-byte steps */
        memset(text, 'x', len + 2);
        text[0] = text[len + 1] = '"';
        text[len + 2] = '\0';
        same(text);
        if (len >= 2) {
            memcpy(text + 1 + len / 2 - (len / 2 == len - 1), "\\n", 2);
            same(text);
        }
    }
}

/* Every scalar value, as itself and as escapes. */
static void test_every_scalar(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 0x110000; c += c < 0x3000 || c > 0x10FF00 ? 1 : 13) {
        char escaped[20];
        buf_t a = {0}, b = {0}, json = {0};
        if (c >= 0xD800 && c <= 0xDFFF)
            continue;
        if (c < 0x10000)
            snprintf(escaped, sizeof escaped, "\"\\u%04x\"", c);
        else
            snprintf(escaped, sizeof escaped, "\"\\u%04x\\u%04x\"", 0xD800 + ((c - 0x10000) >> 10),
                     0xDC00 + ((c - 0x10000) & 0x3FF));
        assert_int_equal(value_from_json(&a, escaped, strlen(escaped), NULL), FANMAP_OK);
        assert_int_equal(value_to_json(&json, a.data, a.len, NULL), FANMAP_OK);
        assert_int_equal(value_from_json(&b, (char *)json.data, json.len, NULL), FANMAP_OK);
        assert_int_equal(a.len, b.len);
        assert_memory_equal(a.data, b.data, a.len);
        buf_free(&a);
        buf_free(&b);
        buf_free(&json);
    }
}

static void test_containers(void **state)
{
    (void)state;
    same("[]");
    same("{}");
    same("[[],{},[[1]],null,true,false]");
    same("{\"a\":{\"a\":{\"a\":1},\"b\":[]},\"\":2}");
    expect_json(" [ 1 ,\t2 ] ", "[1,2]");
    expect_json("\r\n{ \"a\" : 1 , \"b\" : [ ] }\n", "{\"a\":1,\"b\":[]}");
    const size_t counts[] = {15, 16, 17, 65535, 65536};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        buf_t list = {0}, map = {0};
        for (size_t k = 0; k < counts[i]; k++) {
            buf_printf(&list, "%s[%zu]", k ? "," : "[", k);
            buf_printf(&map, "%s\"k%zu\":%zu", k ? "," : "{", k, k);
        }
        buf_append(&list, "]", 2);
        buf_append(&map, "}", 2);
        same((char *)list.data);
        same((char *)map.data);
        buf_free(&list);
        buf_free(&map);
    }
}

static void test_special_objects(void **state)
{
    (void)state;
    same("{\"$binary\":\"\"}");
    same("{\"$binary\":\"AAECAw==\"}");
    expect_mp("{\"$binary\":\"AAECAw==\"}", "\xC4\x04\0\x01\x02\x03", 6);
    expect_mp("{\"$value\":{\"$binary\":\"AA==\"}}",
              "\x81\xA7$binary\xA4"
              "AA==",
              14);
    same("{\"$value\":{\"$binary\":\"AA==\"}}");
    same("{\"$value\":{\"$binary\":5}}");
    same("{\"$value\":{\"$value\":5}}");
    same("{\"$value\":{\"$error\":{\"kind\":\"x\"}}}");
    expect_json("{\"$error\":5}", "{\"$value\":{\"$error\":5}}");
    expect_json("{\"$value\":5}", "5");
    expect_json("{\"$value\":{\"a\":{\"$value\":7}}}", "{\"a\":7}");
    expect_json("[{\"$value\":[{\"$value\":1}]}]", "[[1]]");
    same("{\"$value\":{\"$value\":{\"$binary\":\"AA==\"}}}");
    same("{\"$value\":{\"$value\":{\"$value\":{\"$binary\":\"AA==\"}}}}");
    same("{\"$value\":{\"$value\":{\"$value\":{\"$value\":{\"$binary\":\"AA==\"}}}}}");
    same("{\"$value\":{\"$binary\":\"AA==\"},\"b\":1}");
    same("{\"b\":1,\"$value\":{\"$binary\":\"AA==\"}}");
    expect_json("{\"$value\":{\"$value\":{\"$binary\":\"AA==\"}},\"b\":1}",
                "{\"$value\":{\"$value\":{\"$binary\":\"AA==\"}},\"b\":1}");
    expect_json("{\"$value\":{\"$value\":1},\"b\":1}", "{\"$value\":1,\"b\":1}");
    same("{\"$binary\":5,\"b\":1}");
    same("{\"$error\":{\"$binary\":\"AA==\"},\"b\":1}");
    expect_json("{\"\\u0024value\" : 1 }", "1");
}

static void expect_refused_n(const char *text, size_t len, const char *part)
{
    buf_t b = {0};
    fanmap_error_t err = {0};
    buf_append_text(&b, "kept");
    assert_int_equal(value_from_json(&b, text, len, &err), FANMAP_EUSAGE);
    assert_int_equal(b.len, 4);
    assert_false(b.failed);
    if (!strstr(err.message, part))
        fail_msg("%s: \"%s\" does not say \"%s\"", text, err.message, part);
    buf_free(&b);
}

static void refused(const char *text, const char *part)
{
    expect_refused_n(text, strlen(text), part);
}

static void test_refused(void **state)
{
    (void)state;
    refused("", "empty");
    refused("   ", "too early at byte 4");
    refused("nul", "not JSON at byte 1");
    refused("nulll", "more than one value: the next begins at byte 5");
    refused("True", "not JSON");
    refused("NaN", "not JSON");
    refused("Infinity", "not JSON");
    refused("-Infinity", "not a JSON number");
    refused("'a'", "not JSON");
    refused("1 2", "more than one value: the next begins at byte 3");
    refused("[1 2]", "neither a comma nor a bracket at byte 4");
    refused("[1,]", "not JSON at byte 4");
    refused("[,1]", "not JSON at byte 2");
    refused("[1", "too early at byte 3");
    refused("]", "not JSON");
    refused("{\"a\"}", "no colon behind a key at byte 5");
    refused("{\"a\":}", "not JSON at byte 6");
    refused("{\"a\":1,}", "no key at byte 8");
    refused("{a:1}", "no key at byte 2");
    refused("{1:1}", "no key");
    refused("{\"a\":1", "too early");
    refused("{", "too early");
    refused("01", "not a JSON number");
    refused("+1", "not JSON");
    refused(".5", "not JSON");
    refused("1.", "not a JSON number");
    refused("1.e5", "not a JSON number");
    refused("1e", "not a JSON number");
    refused("1e+", "not a JSON number");
    refused("-", "not a JSON number");
    refused("--1", "not a JSON number");
    refused("0x10", "more than one value: the next begins at byte 2");
    refused("18446744073709551616", "fits neither int64 nor uint64");
    refused("-9223372036854775809", "fits neither int64 nor uint64");
    refused("99999999999999999999999999", "fits neither int64 nor uint64");
    refused("1e309", "too large for a 64-bit float");
    refused("-1e309", "too large for a 64-bit float");
    refused("[0, 1.8e308]", "at byte 5");
    refused("\"abc", "a string without an end that begins at byte 1");
    refused("\"abc\\\"", "without an end");
    refused("\"\\x\"", "a bad escape at byte 2");
    refused("\"\\u12\"", "a bad escape");
    refused("\"\\u12g4\"", "a bad escape");
    refused("\"\\ud800\"", "a lone surrogate at byte 2");
    refused("\"\\ud800x\"", "a lone surrogate");
    refused("\"\\udc00\"", "a lone surrogate");
    refused("\"\\ud800\\ud800\"", "a lone surrogate");
    refused("\"\xED\xA0\x80\"", "not UTF-8 at byte 2");
    refused("\"ab\xFF\"", "not UTF-8 at byte 4");
    refused("\"\xC0\xAF\"", "not UTF-8");
    refused("\"a\tb\"", "a control character in a string at byte 3");
    expect_refused_n("\"a\0b\"", 5, "a control character in a string at byte 3");
    expect_refused_n("1\0", 2, "more than one value");
    expect_refused_n("\0", 1, "not JSON");
    refused("{\"a\\u0000\":1}", "a NUL in a key at byte 2");
    refused("{\"a\":1,\"\\u0061\":2}", "the key \"a\" stands twice");
    refused("{\"\":1,\"\":2}", "stands twice");
    refused("{\"$value\":1,\"$value\":2}", "stands twice");
    refused("{\"1\":0,\"2\":0,\"3\":0,\"4\":0,\"5\":0,\"6\":0,\"7\":0,\"8\":0,\"9\":0,\"3\":0}",
            "the key \"3\" stands twice");
    refused("{\"$binary\":5}", "$binary");
    refused("{\"$binary\":\"A\"}", "$binary");
    refused("{\"$binary\":\"AB==\"}", "$binary");
    refused("{\"$binary\":\"A A=\"}", "$binary");
    refused("{\"$value\":{\"$value\":{\"$binary\":5}}}", "$binary");
    refused("\xEF\xBB\xBF"
            "1",
            "not JSON at byte 1");
}

static void nested(buf_t *b, unsigned depth, bool is_wrapped)
{
    buf_clear(b);
    for (unsigned i = 0; i < depth; i++)
        buf_append_text(b, is_wrapped ? "{\"$value\":{\"$error\":" : "[");
    buf_append_text(b, "1");
    for (unsigned i = 0; i < depth; i++)
        buf_append_text(b, is_wrapped ? "}}" : "]");
    buf_append(b, "", 1);
}

static void test_depth(void **state)
{
    (void)state;
    buf_t b = {0};
    for (int wrapped = 0; wrapped < 2; wrapped++) {
        nested(&b, MP_DEPTH_MAX, wrapped);
        same((char *)b.data);
        nested(&b, MP_DEPTH_MAX + 1, wrapped);
        refused((char *)b.data, "128 levels");
        nested(&b, 100000, wrapped);
        refused((char *)b.data, "128 levels");
    }
    buf_free(&b);
}

static void expect_unprintable(const char *part, const void *bytes, size_t len)
{
    buf_t b = {0};
    fanmap_error_t err = {0};
    buf_append_text(&b, "kept");
    assert_int_equal(value_to_json(&b, bytes, len, &err), FANMAP_EUSAGE);
    assert_int_equal(b.len, 4);
    if (!strstr(err.message, part))
        fail_msg("\"%s\" does not say \"%s\"", err.message, part);
    buf_free(&b);
}
#define UNPRINTABLE(part, bytes) expect_unprintable(part, bytes, sizeof bytes - 1)

static void test_what_json_cannot_hold(void **state)
{
    (void)state;
    UNPRINTABLE("NaN", "\xCB\x7F\xF8\0\0\0\0\0\0");
    UNPRINTABLE("NaN", "\xCA\x7F\xC0\0\0");
    UNPRINTABLE("infinity", "\xCB\x7F\xF0\0\0\0\0\0\0");
    UNPRINTABLE("infinity", "\x91\xCB\xFF\xF0\0\0\0\0\0\0");
    UNPRINTABLE("extension", "\xD4\x01\x02");
    UNPRINTABLE("extension", "\x81\xA1"
                             "a\xD6\xFF\0\0\0\0");
    UNPRINTABLE("key that is no string", "\x81\x01\x02");
    UNPRINTABLE("key that is no string", "\x81\xC4\x01"
                                         "a\x02");
    UNPRINTABLE("not UTF-8", "\xA1\xFF");
    UNPRINTABLE("key that is not UTF-8", "\x81\xA1\xFF\x01");
    UNPRINTABLE("NUL", "\x81\xA1\0\x01");
    UNPRINTABLE("twice", "\x82\xA1"
                         "a\x01\xA1"
                         "a\x02");
    UNPRINTABLE("not one sound", "\x92\x01");
    UNPRINTABLE("not one sound", "\x01\x01");
    UNPRINTABLE("not one sound", "");
    UNPRINTABLE("not one sound", "\xA5"
                                 "ab");
    UNPRINTABLE("not one sound", "\xC1");
}

static void test_text_and_bytes(void **state)
{
    (void)state;
    buf_t b = {0};
    fanmap_error_t err = {0};
    const void *bytes;
    size_t len;
    assert_int_equal(value_from_text(&b, "a\0\xC3\xA9", 4, NULL), FANMAP_OK);
    assert_true(value_as_bytes(b.data, b.len, &bytes, &len));
    assert_int_equal(len, 4);
    assert_memory_equal(bytes, "a\0\xC3\xA9", 4);
    assert_false(value_as_bytes(b.data, b.len - 1, &bytes, &len));
    buf_append(&b, "\x01", 1);
    assert_false(value_as_bytes(b.data, b.len, &bytes, &len));
    buf_clear(&b);
    assert_int_equal(value_from_text(&b, "long enough \xFF", 13, &err), FANMAP_EUSAGE);
    assert_string_equal(err.message, "not UTF-8 at byte 13");
    assert_int_equal(b.len, 0);
    mp_put_bin(&b, "\xFF\0", 2);
    assert_true(value_as_bytes(b.data, b.len, &bytes, &len));
    assert_int_equal(len, 2);
    assert_false(value_as_bytes("\x01", 1, &bytes, &len));
    assert_false(value_as_bytes("", 0, &bytes, &len));
    buf_clear(&b);
    assert_int_equal(value_from_text(&b, "", 0, NULL), FANMAP_OK);
    assert_true(value_as_bytes(b.data, b.len, &bytes, &len));
    assert_int_equal(len, 0);
    buf_clear(&b);
    json_put_string(&b, "\xFFok\xE2\x82", 5);
    assert_memory_equal(b.data, "\"\xEF\xBF\xBDok\xEF\xBF\xBD\xEF\xBF\xBD\"", b.len);
    buf_free(&b);
}

static void test_base64(void **state)
{
    (void)state;
    const char *texts[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    for (size_t i = 0; i < 7; i++) {
        buf_t to = {0}, back = {0};
        base64_append(&to, "foobar", i);
        assert_int_equal(to.len, strlen(texts[i]));
        if (i > 0)
            assert_memory_equal(to.data, texts[i], to.len);
        assert_true(base64_decode(&back, texts[i], to.len));
        assert_int_equal(back.len, i);
        if (i > 0)
            assert_memory_equal(back.data, "foobar", i);
        buf_free(&to);
        buf_free(&back);
    }
    const char *bad[] = {
        "Z", "Zg", "Zg=", "Zg===", "Z===", "====", "Zh==", "Zm9=", "Zg==Zg==", "Zm9v\n", "Zm-v", "Zm_v", "Z g="};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        buf_t b = {0};
        assert_false(base64_decode(&b, bad[i], strlen(bad[i])));
        assert_int_equal(b.len, 0);
        buf_free(&b);
    }
}

/* ---- random values ---- */

static void put_random_string(random_t *r, buf_t *b, bool is_key, unsigned n)
{
    static const char *const pieces[] = {"$value",           "$binary", "$error", "a",  "\xC3\xA9",
                                         "\xF0\x9F\x98\x80", "\"",      "\\",     "\n", ""};
    char text[64];
    size_t len = 0;
    for (uint64_t k = random_below(r, 3); k > 0; k--) {
        const char *piece = pieces[random_below(r, 10)];
        memcpy(text + len, piece, strlen(piece));
        len += strlen(piece);
    }
    if (!is_key && random_below(r, 4) == 0)
        text[len++] = '\0';
    if (is_key && n > 1)
        len += (size_t)snprintf(text + len, 20, "%u", n); /* no key twice */
    mp_put_str(b, text, len);
}

static void put_random_float(random_t *r, buf_t *b)
{
    double value;
    do {
        uint64_t bits = random_next(r);
        memcpy(&value, &bits, sizeof value);
    } while (!isfinite(value));
    static const double some[] = {0.0, -0.0, 1.0, 0.1, 1e15, 1e16, 1e17, 1e22, 123456.5, 5e-324};
    mp_put_float(b, random_below(r, 2) ? value : some[random_below(r, 10)]);
}

static void put_random(random_t *r, buf_t *b, unsigned depth)
{
    static const char *const special[] = {"$value", "$value", "$binary", "$error"};
    uint64_t kind = random_below(r, depth < 7 ? 10 : 7), n;
    switch (kind) {
    case 0:
        mp_put_nil(b);
        break;
    case 1:
        mp_put_bool(b, random_below(r, 2));
        break;
    case 2:
        mp_put_uint(b, random_next(r) >> random_below(r, 64));
        break;
    case 3:
        mp_put_int(b, (int64_t)random_next(r) >> random_below(r, 64));
        break;
    case 4:
        put_random_float(r, b);
        break;
    case 5:
        put_random_string(r, b, false, 0);
        break;
    case 6:
        mp_put_bin(b, "\0\xFF\x80xyz", random_below(r, 7));
        break;
    case 7:
        mp_put_array(b, (uint32_t)(n = random_below(r, 20)));
        while (n-- > 0)
            put_random(r, b, depth + 3);
        break;
    case 8:
        mp_put_map(b, 1);
        mp_put_text(b, special[random_below(r, 4)]);
        put_random(r, b, depth + 1);
        break;
    default:
        mp_put_map(b, (uint32_t)(n = random_below(r, 20)));
        for (unsigned i = (unsigned)n; i > 0; i--) {
            put_random_string(r, b, true, n == 1 ? 0 : i + 1);
            put_random(r, b, depth + 3);
        }
    }
}

static void test_random_values_survive(void **state)
{
    (void)state;
    random_t r;
    buf_t mp = {0}, json = {0}, back = {0};
    for (uint64_t seed = 0; seed < 20000; seed++) {
        fanmap_error_t err = {0};
        random_seed(&r, seed);
        buf_clear(&mp);
        buf_clear(&json);
        buf_clear(&back);
        put_random(&r, &mp, 0);
        if (value_to_json(&json, mp.data, mp.len, &err) || value_from_json(&back, (char *)json.data, json.len, &err))
            fail_msg("seed %llu: %s: %.*s", (unsigned long long)seed, err.message, (int)json.len, (char *)json.data);
        if (mp.len != back.len || memcmp(mp.data, back.data, mp.len) != 0)
            fail_msg("seed %llu: %.*s", (unsigned long long)seed, (int)json.len, (char *)json.data);
        assert_true(text_utf8_valid(json.data, json.len));
        assert_null(memchr(json.data, '\n', json.len));
        for (int i = 0; i < 3; i++) { /* cut anywhere it is no value, or a shorter number */
            size_t cut = random_below(&r, json.len);
            size_t len = back.len;
            if (value_from_json(&back, (char *)json.data, cut, NULL) == FANMAP_OK)
                assert_true(mp_peek(&(mp_reader_t){mp.data, mp.data + mp.len, false}) <= MP_FLOAT);
            else
                assert_int_equal(back.len, len);
        }
    }
    buf_free(&mp);
    buf_free(&json);
    buf_free(&back);
}

/* The point is a point whatever the program's locale says. */
static void test_locale(void **state)
{
    (void)state;
    const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
    bool is_set = false;
    for (size_t i = 0; i < 4 && !is_set; i++)
        is_set = setlocale(LC_NUMERIC, names[i]) != NULL;
    if (!is_set)
        skip();
    same("1.5");
    same("0.30000000000000004");
    same("1.2345678901234567e-300");
    setlocale(LC_NUMERIC, "C");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_numbers),
                                       cmocka_unit_test(test_long_numbers),
                                       cmocka_unit_test(test_floats_against_the_c_library),
                                       cmocka_unit_test(test_strings),
                                       cmocka_unit_test(test_every_scalar),
                                       cmocka_unit_test(test_containers),
                                       cmocka_unit_test(test_special_objects),
                                       cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_depth),
                                       cmocka_unit_test(test_what_json_cannot_hold),
                                       cmocka_unit_test(test_text_and_bytes),
                                       cmocka_unit_test(test_base64),
                                       cmocka_unit_test(test_random_values_survive),
                                       cmocka_unit_test(test_locale)};
    return cmocka_run_group_tests_name("value", tests, NULL, NULL);
}
