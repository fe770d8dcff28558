/* metrics/: the text that Prometheus reads, byte for byte, and its bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "metrics/exposition.h"

static const metric_label_t odd = {"task", "a\"b\\c\nd"};

static void assert_text(buf_t *out, const char *expected)
{
    buf_append(out, "", 1);
    assert_false(out->failed);
    assert_string_equal((const char *)out->data, expected);
    buf_free(out);
}

static void test_values_and_labels(void **state)
{
    (void)state;
    buf_t out = {0};
    exposition_t to = {.out = &out};
    const metric_label_t labels[] = {{"queue", "q"}, odd};
    metrics_family(&to, "a_total", METRIC_COUNTER, "What it is.");
    metrics_value(&to, NULL, 0, UINT64_MAX);
    metrics_value(&to, labels, 2, 0);
    metrics_family(&to, "b_seconds", METRIC_GAUGE, "Else.");
    metrics_seconds(&to, NULL, 0, 1);
    metrics_seconds(&to, NULL, 0, 20500000);
    metrics_seconds(&to, NULL, 0, 0);
    assert_text(&out, "# HELP a_total What it is.\n# TYPE a_total counter\n"
                      "a_total 18446744073709551615\n"
                      "a_total{queue=\"q\",task=\"a\\\"b\\\\c\\nd\"} 0\n"
                      "# HELP b_seconds Else.\n# TYPE b_seconds gauge\n"
                      "b_seconds 0.000001\nb_seconds 20.5\nb_seconds 0\n");
}

/* A bound belongs to what is below it; counts are cumulative; nothing is lost above the last. */
static void test_a_histogram(void **state)
{
    (void)state;
    buf_t out = {0};
    exposition_t to = {.out = &out};
    histogram_t h = {0};
    const uint64_t us[] = {0, 1000, 1001, 3000000, 10000000001};
    for (size_t i = 0; i < sizeof us / sizeof us[0]; i++)
        histogram_add(&h, us[i]);
    metrics_family(&to, "h", METRIC_HISTOGRAM, "H.");
    metrics_histogram(&to, &(metric_label_t){"q", "x"}, 1, &h);
    assert_text(&out, "# HELP h H.\n# TYPE h histogram\n"
                      "h_bucket{q=\"x\",le=\"0.001\"} 2\nh_bucket{q=\"x\",le=\"0.003\"} 3\n"
                      "h_bucket{q=\"x\",le=\"0.01\"} 3\nh_bucket{q=\"x\",le=\"0.03\"} 3\n"
                      "h_bucket{q=\"x\",le=\"0.1\"} 3\nh_bucket{q=\"x\",le=\"0.3\"} 3\n"
                      "h_bucket{q=\"x\",le=\"1\"} 3\nh_bucket{q=\"x\",le=\"3\"} 4\n"
                      "h_bucket{q=\"x\",le=\"10\"} 4\nh_bucket{q=\"x\",le=\"30\"} 4\n"
                      "h_bucket{q=\"x\",le=\"100\"} 4\nh_bucket{q=\"x\",le=\"300\"} 4\n"
                      "h_bucket{q=\"x\",le=\"1000\"} 4\nh_bucket{q=\"x\",le=\"3000\"} 4\n"
                      "h_bucket{q=\"x\",le=\"10000\"} 4\nh_bucket{q=\"x\",le=\"+Inf\"} 5\n"
                      "h_sum{q=\"x\"} 10003.002002\nh_count{q=\"x\"} 5\n");
}

static void test_series_are_bounded(void **state)
{
    (void)state;
    buf_t out = {0};
    exposition_t to = {.out = &out};
    histogram_t h = {0};
    char end[] = "fanmap_metrics_dropped_series 25\n";
    metrics_family(&to, "n", METRIC_GAUGE, "N.");
    for (int i = 0; i < METRICS_SERIES_MAX + 7; i++)
        metrics_value(&to, NULL, 0, (uint64_t)i);
    metrics_histogram(&to, NULL, 0, &h);
    size_t before = out.len;
    metrics_end(&to);
    assert_true(before < (size_t)METRICS_SERIES_MAX * 10);
    assert_memory_equal(out.data + out.len - sizeof end + 1, end, sizeof end - 1);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_and_labels),
        cmocka_unit_test(test_a_histogram),
        cmocka_unit_test(test_series_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
