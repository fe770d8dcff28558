/* schemas/trace.h: what counts as a traceparent, and an attempt's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "schemas/trace.h"

static const char good[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

static void test_what_is_valid(void **state)
{
    static const char *const bad[] = {
        "",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-011",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x",
        "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b71692033310-1",
    };
    (void)state;
    assert_true(trace_valid(good) && trace_is_sampled(good));
    assert_false(trace_is_sampled("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-02"));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(trace_valid(bad[i]));
}

static void test_a_child(void **state)
{
    char child[TRACE_MAX + 1];
    (void)state;
    trace_child(child, good, 0xf);
    assert_string_equal(child, "00-0af7651916cd43dd8448eb211c80319c-000000000000000f-01");
    trace_child(child, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", UINT64_MAX);
    assert_string_equal(child, "00-0af7651916cd43dd8448eb211c80319c-ffffffffffffffff-00");
    assert_true(trace_valid(child));
}

static void test_spans_differ(void **state)
{
    (void)state;
    uint64_t one = trace_span(7, 3, 1, 1);
    assert_true(one != 0 && one == trace_span(7, 3, 1, 1));
    assert_true(one != trace_span(8, 3, 1, 1) && one != trace_span(7, 4, 1, 1));
    assert_true(one != trace_span(7, 3, 2, 1) && one != trace_span(7, 3, 1, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_valid),
        cmocka_unit_test(test_a_child),
        cmocka_unit_test(test_spans_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
