/* Requests taken apart: what is served, and everything that two readers could take in two ways is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "serve/access.h"
#include "serve/http/body.h"
#include "serve/http/head.h"
#include "serve/http/target.h"

static http_head_t head;

static int read_head(const char *text)
{
    const char *why = NULL;
    int n = http_head_read(text, strlen(text), &head, &why);
    if (n < 0)
        assert_non_null(why);
    return n;
}

static bool equals(http_text_t text, const char *wanted)
{
    return text.at && text.len == strlen(wanted) && memcmp(text.at, wanted, text.len) == 0;
}

#define GET  "GET / HTTP/1.1\r\n"
#define HOST "Host: localhost\r\n"

static void test_a_whole_head(void **state)
{
    const char *text = "POST /v1/map/square?concurrency=5 HTTP/1.1\r\nhost: a:80\r\nContent-Length:  12 \r\n"
                       "authorization: Bearer x\r\nConnection: keep-alive, Close\r\n\r\nrest";
    (void)state;
    assert_int_equal(read_head(text), strlen(text) - 4);
    assert_int_equal(head.method, HTTP_POST);
    assert_true(equals(head.path, "/v1/map/square"));
    assert_true(equals(head.query, "concurrency=5"));
    assert_true(equals(head.host, "a:80"));
    assert_true(equals(head.authorization, "Bearer x"));
    assert_int_equal(head.length, 12);
    assert_true(head.wants_close && !head.is_chunked);
}

static void test_every_prefix_wants_more(void **state)
{
    const char *text = GET HOST "Transfer-Encoding: chunked\r\n\r\n", *why;
    (void)state;
    for (size_t n = 0; n < strlen(text); n++)
        assert_int_equal(http_head_read(text, n, &head, &why), 0);
    assert_int_equal(read_head(text), strlen(text));
    assert_true(head.is_chunked);
}

static void test_refused(void **state)
{
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {"GET / HTTP/1.1\nHost: a\n\n", 400},
        {GET "Host: a\r\rX: y\r\n\r\n", 400},
        {GET HOST "X: a\rb\r\n\r\n", 400},
        {GET HOST "X : a\r\n\r\n", 400},
        {GET HOST " folded\r\n\r\n", 400},
        {GET HOST "no colon\r\n\r\n", 400},
        {GET HOST ": empty\r\n\r\n", 400},
        {GET HOST "X: \001\r\n\r\n", 400},
        {GET "\r\n", 400},
        {GET HOST HOST "\r\n", 400},
        {GET HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
        {GET HOST "Content-Length: +1\r\n\r\n", 400},
        {GET HOST "Content-Length: 1,1\r\n\r\n", 400},
        {GET HOST "Content-Length: 0x1\r\n\r\n", 400},
        {GET HOST "Content-Length:\r\n\r\n", 400},
        {GET HOST "Content-Length: 9999999999999999999\r\n\r\n", 400},
        {GET HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {GET HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {GET HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
        {GET HOST "Trailer: X\r\n\r\n", 400},
        {GET HOST "Content-Encoding: gzip\r\n\r\n", 415},
        {GET HOST "Expect: more\r\n\r\n", 417},
        {"GET  / HTTP/1.1\r\n", 400},
        {"GET http://a/ HTTP/1.1\r\n", 400},
        {"GET /\x80 HTTP/1.1\r\n", 400},
        {"GET /a#b HTTP/1.1\r\n", 400},
        {"GET / HTTP/1.0\r\n", 505},
        {"GET / HTTP/2.0\r\n", 505},
        {"GET / http/1.1\r\n", 400},
        {"GET /\r\n", 400},
        {"DELETE / HTTP/1.1\r\n", 405},
        {"get / HTTP/1.1\r\n", 405},
        {"G@T / HTTP/1.1\r\n", 400},
        {"\r\n", 400},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (read_head(cases[i].text) != -cases[i].status)
            fail_msg("%zu: %s", i, cases[i].text);
}

static void test_bounds(void **state)
{
    static char text[HTTP_HEAD_MAX + 100];
    size_t n = 0;
    (void)state;
    memset(text, 'a', sizeof text - 1);
    memcpy(text, "GET /", 5);
    assert_int_equal(read_head(text), -414);
    memcpy(text, GET "X: ", strlen(GET) + 3);
    assert_int_equal(read_head(text), -431);
    n = (size_t)snprintf(text, sizeof text, "%s", GET);
    for (int i = 0; i <= HTTP_FIELDS_MAX; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "X: y\r\n");
    assert_int_equal(read_head(text), -431);
}

/* ---- bodies ---- */

/* The body in pieces of `step` bytes; what the handler is given may be taken in halves. NULL: refused. */
static const char *read_body(const char *text, bool is_chunked, uint64_t length, size_t step, bool halves)
{
    static char got[256];
    http_body_t body;
    http_text_t part;
    size_t n = 0, at = 0, len = strlen(text);
    http_body_begin(&body, &(http_head_t){.is_chunked = is_chunked, .length = length});
    while (!http_body_is_over(&body) && at < len) {
        int64_t used = http_body_read(&body, text + at, len - at < step ? len - at : step, &part);
        if (used < 0)
            return NULL;
        size_t taken = halves && part.len > 1 ? part.len / 2 : part.len;
        if (taken > 0)
            memcpy(got + n, part.at, taken);
        n += taken;
        http_body_give_back(&body, part.len - taken);
        at += (size_t)used - (part.len - taken);
    }
    got[n] = '\0';
    return http_body_is_over(&body) && at == len ? got : "unfinished";
}

static void test_bodies(void **state)
{
    (void)state;
    for (size_t step = 1; step < 12; step++) {
        for (int halves = 0; halves < 2; halves++) {
            assert_string_equal(read_body("4\r\nabcd\r\n0a\r\n0123456789\r\n0\r\n\r\n", true, 0, step, halves),
                                "abcd0123456789");
            assert_string_equal(read_body("hello", false, 5, step, halves), "hello");
        }
    }
    assert_string_equal(read_body("", false, 0, 1, false), "");
    assert_string_equal(read_body("hell", false, 5, 4, false), "unfinished");
}

static void test_bodies_refused(void **state)
{
    static const char *const bodies[] = {"\r\n",
                                         "g\r\n",
                                         "4;x=y\r\nabcd\r\n",
                                         "4\nabcd\r\n",
                                         "4\r\nabcde\r\n",
                                         "+4\r\n",
                                         " 4\r\n",
                                         "0x4\r\n",
                                         "123456789\r\n",
                                         "0\r\nX: trailer\r\n\r\n",
                                         "4\r\nabcd\n0\r\n\r\n",
                                         "-1\r\n"};
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        if (read_body(bodies[i], true, 0, 3, false))
            fail_msg("%s", bodies[i]);
}

/* ---- targets ---- */

static void test_decode(void **state)
{
    char text[8];
    (void)state;
#define DECODE(in, plus) http_decode((http_text_t){in, sizeof(in) - 1}, plus, text, sizeof text)
    assert_true(DECODE("a%20b%2f", false));
    assert_string_equal(text, "a b/");
    assert_true(DECODE("a+b", true));
    assert_string_equal(text, "a b");
    assert_true(DECODE("a+b", false));
    assert_string_equal(text, "a+b");
    assert_false(DECODE("%00", false));
    assert_false(DECODE("%4", false));
    assert_false(DECODE("%zz", false));
    assert_false(DECODE("12345678", false));
}

static void test_query(void **state)
{
    const char query[] = "a=1&b=x%26y&&flag&a=2";
    http_text_t rest = {query, sizeof query - 1}, name, value;
    char text[16];
    int n = 0;
    (void)state;
    assert_true(http_query_get(rest, "a", text, sizeof text));
    assert_string_equal(text, "1");
    assert_true(http_query_get(rest, "b", text, sizeof text));
    assert_string_equal(text, "x&y");
    assert_true(http_query_get(rest, "flag", text, sizeof text));
    assert_string_equal(text, "");
    assert_false(http_query_get(rest, "c", text, sizeof text));
    while (http_query_next(&rest, &name, &value))
        n++;
    assert_int_equal(n, 4);
}

static void test_numbers(void **state)
{
    uint64_t n = 7;
    const char query[] = "a=12&b=&c=-1&d=101";
    http_text_t rest = {query, sizeof query - 1};
    (void)state;
    assert_true(http_number("00000000000000000012", 100, &n) && n == 12);
    assert_true(http_number("18446744073709551615", UINT64_MAX, &n) && n == UINT64_MAX);
    assert_true(http_number("100", 100, &n) && n == 100);
    n = 7;
    assert_false(http_number("18446744073709551616", UINT64_MAX, &n));
    assert_false(http_number("000000000000000000012", 100, &n));
    assert_false(http_number("101", 100, &n));
    assert_false(http_number("9", 5, &n));
    assert_false(http_number("", 100, &n));
    assert_false(http_number("+1", 100, &n));
    assert_false(http_number("1 ", 100, &n));
    assert_true(http_query_number(rest, "none", 100, &n) && n == 7);
    assert_false(http_query_number(rest, "b", 100, &n));
    assert_false(http_query_number(rest, "c", 100, &n));
    assert_false(http_query_number(rest, "d", 100, &n));
    assert_int_equal(n, 7);
    assert_true(http_query_number(rest, "a", 100, &n) && n == 12);
}

/* ---- who may ---- */

static int check(const char *headers, access_need_t need, bool needs_token)
{
    static char text[1024];
    const char *why = NULL;
    access_t access = {.needs_token = needs_token,
                       .read_token = "readreadreadread",
                       .submit_token = "submitsubmitsubmit",
                       .hosts = {"localhost", "[::1]", "fleet.example"},
                       .hosts_n = 3};
    snprintf(text, sizeof text, "POST / HTTP/1.1\r\n%s\r\n", headers);
    assert_true(read_head(text) > 0);
    return access_check(&access, &head, need, &why);
}

#define JSON   "Content-Type: application/json; charset=utf-8\r\n"
#define READ   "Authorization: Bearer readreadreadread\r\n"
#define SUBMIT "Authorization: bearer submitsubmitsubmit\r\n"

static void test_access(void **state)
{
    (void)state;
    assert_int_equal(check(HOST, ACCESS_OPEN, true), 0);
    assert_int_equal(check("Host: localhost:8080\r\n", ACCESS_READ, false), 0);
    assert_int_equal(check("Host: [::1]:8080\r\n", ACCESS_READ, false), 0);
    assert_int_equal(check("Host: FLEET.example\r\n", ACCESS_READ, false), 0);
    assert_int_equal(check("Host: evil.example\r\n", ACCESS_OPEN, false), 421);
    assert_int_equal(check("Host: localhost.evil.example\r\n", ACCESS_OPEN, false), 421);
    assert_int_equal(check(HOST, ACCESS_READ, true), 401);
    assert_int_equal(check(HOST READ, ACCESS_READ, true), 0);
    assert_int_equal(check(HOST READ JSON, ACCESS_WRITE, true), 403);
    assert_int_equal(check(HOST SUBMIT JSON, ACCESS_WRITE, true), 0);
    assert_int_equal(check(HOST "Authorization: Bearer readreadreadrea\r\n", ACCESS_READ, true), 401);
    assert_int_equal(check(HOST "Authorization: Bearer readreadreadreaD\r\n", ACCESS_READ, true), 401);
    assert_int_equal(check(HOST "Authorization: Basic readreadreadread\r\n", ACCESS_READ, true), 401);
}

static void test_writes_of_pages(void **state)
{
    (void)state;
    assert_int_equal(check(HOST JSON, ACCESS_WRITE, false), 0);
    assert_int_equal(check(HOST, ACCESS_WRITE, false), 415);
    assert_int_equal(check(HOST "Content-Type: text/plain\r\n", ACCESS_WRITE, false), 415);
    assert_int_equal(check(HOST "Content-Type: application/x-www-form-urlencoded\r\n", ACCESS_WRITE, false), 415);
    assert_int_equal(check(HOST JSON "Origin: http://localhost\r\n", ACCESS_WRITE, false), 0);
    assert_int_equal(check(HOST JSON "Origin: http://localhost:81\r\n", ACCESS_WRITE, false), 403);
    assert_int_equal(check(HOST JSON "Origin: http://evil.example\r\n", ACCESS_WRITE, false), 403);
    assert_int_equal(check(HOST JSON "Origin: null\r\n", ACCESS_WRITE, false), 403);
    assert_int_equal(check(HOST "Origin: http://evil.example\r\n", ACCESS_READ, false),
                     0); /* it cannot read the answer */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_head),    cmocka_unit_test(test_every_prefix_wants_more),
        cmocka_unit_test(test_refused),         cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_bodies),          cmocka_unit_test(test_bodies_refused),
        cmocka_unit_test(test_decode),          cmocka_unit_test(test_query),
        cmocka_unit_test(test_numbers),         cmocka_unit_test(test_access),
        cmocka_unit_test(test_writes_of_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
