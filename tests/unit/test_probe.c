/* cli/probe.c: what --metrics answers, byte for byte where it matters, and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli/probe.h"

static fanmap_health_t health;
static bool has_failed;

static int put_metrics(const void *service, fanmap_text_fn fn, void *arg, fanmap_error_t *err)
{
    assert_ptr_equal(service, &health);
    if (has_failed) {
        snprintf(err->message, sizeof err->message, "out of memory");
        return FANMAP_ENOMEM;
    }
    fn(arg, "a 1\n", 4);
    return FANMAP_OK;
}

static void put_health(const void *service, fanmap_health_t *ret)
{
    assert_ptr_equal(service, &health);
    *ret = health;
}

/* The reply has this status line and ends with `body`. */
static void expect(const char *request, const char *status, const char *body)
{
    buf_t out = {0};
    const probe_service_t service = {put_metrics, put_health, &health};
    assert_true(probe_answer(request, strlen(request), &service, &out));
    buf_append(&out, "", 1);
    const char *text = (const char *)out.data, *end = strstr(text, "\r\n\r\n");
    assert_memory_equal(text, "HTTP/1.1 ", 9);
    assert_memory_equal(text + 9, status, strlen(status));
    assert_non_null(strstr(text, "\r\nConnection: close\r\n"));
    assert_non_null(end);
    assert_string_equal(end + 4, body);
    buf_free(&out);
}

static void test_paths(void **state)
{
    (void)state;
    health = (fanmap_health_t){.is_ready = true};
    expect("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", "200", "a 1\n");
    expect("HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n", "200", "");
    expect("GET /healthz HTTP/1.1\r\nHost: 10.1.2.3:9090\r\n\r\n", "200", "{\"status\":\"ok\"}\n");
    expect("GET /metrics/ HTTP/1.1\r\nHost: a\r\n\r\n", "404",
           "there is nothing at this path: /metrics, /healthz, /readyz\n");
    has_failed = true;
    expect("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", "503", "out of memory\n");
    has_failed = false;
}

static void test_readiness(void **state)
{
    static const char request[] = "GET /readyz?verbose HTTP/1.1\r\nHost: a\r\n\r\n";
    (void)state;
    health = (fanmap_health_t){.is_ready = true};
    expect(request, "200", "{\"status\":\"ready\"}\n");
    snprintf(health.why, sizeof health.why, "Redis is away");
    expect(request, "200", "{\"status\":\"degraded\",\"reason\":\"Redis is away\"}\n");
    health.is_ready = false;
    expect(request, "503", "{\"status\":\"not ready\",\"reason\":\"Redis is away\"}\n");
}

static void test_what_is_refused(void **state)
{
    static const char body[] = "a request here has no body\n";
    (void)state;
    expect("POST /metrics HTTP/1.1\r\nHost: a\r\n\r\n", "405", "only GET and HEAD are answered here\n");
    expect("GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", "400", body);
    expect("GET /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "400", body);
    buf_t out = {0};
    const probe_service_t service = {put_metrics, put_health, &health};
    static const char two[] = "GET /metrics HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
    assert_true(probe_answer(two, sizeof two - 1, &service, &out));
    assert_memory_equal(out.data, "HTTP/1.1 400 ", 13);
    buf_free(&out);
}

static void test_a_request_in_pieces(void **state)
{
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    const probe_service_t service = {put_metrics, put_health, &health};
    (void)state;
    for (size_t n = 0; n < sizeof request - 1; n++) {
        buf_t out = {0};
        assert_false(probe_answer(request, n, &service, &out));
        assert_int_equal(out.len, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_readiness),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_a_request_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
