#include "metrics/exposition.h"

#include <inttypes.h>
#include <stdio.h>

enum { SECONDS_BYTES = 32 };

void metrics_family(exposition_t *to, const char *name, metric_type_t type, const char *help)
{
    static const char *const words[] = {"counter", "gauge", "histogram"};
    to->family = name;
    buf_printf(to->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, words[type]);
}

/* Without a point where there is no fraction, and without a locale. */
static const char *seconds(char ret[SECONDS_BYTES], uint64_t us)
{
    int n = snprintf(ret, SECONDS_BYTES, "%" PRIu64 ".%06" PRIu64, us / 1000000, us % 1000000);
    while (ret[n - 1] == '0')
        ret[--n] = '\0';
    if (ret[n - 1] == '.')
        ret[n - 1] = '\0';
    return ret;
}

static void put_escaped(buf_t *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            buf_append_text(out, "\\n");
        else if (*text == '\\' || *text == '"')
            buf_printf(out, "\\%c", *text);
        else
            buf_append(out, text, 1);
    }
}

static void put_labels(buf_t *out, const metric_label_t *labels, size_t n, const char *bound)
{
    for (size_t i = 0; i < n; i++) {
        buf_printf(out, "%s%s=\"", i == 0 ? "{" : ",", labels[i].name);
        put_escaped(out, labels[i].value);
        buf_append_text(out, "\"");
    }
    if (bound)
        buf_printf(out, "%sle=\"%s\"", n == 0 ? "{" : ",", bound);
    if (n > 0 || bound)
        buf_append_text(out, "}");
}

static bool has_room_for(exposition_t *to, uint64_t series)
{
    bool has_room = to->series_n + series <= METRICS_SERIES_MAX;
    to->series_n += has_room ? series : 0;
    to->dropped_n += has_room ? 0 : series;
    return has_room;
}

static void put_series(exposition_t *to, const metric_label_t *labels, size_t n, const char *value)
{
    if (!has_room_for(to, 1))
        return;
    buf_append_text(to->out, to->family);
    put_labels(to->out, labels, n, NULL);
    buf_printf(to->out, " %s\n", value);
}

void metrics_value(exposition_t *to, const metric_label_t *labels, size_t n, uint64_t value)
{
    char text[SECONDS_BYTES];
    snprintf(text, sizeof text, "%" PRIu64, value);
    put_series(to, labels, n, text);
}

void metrics_seconds(exposition_t *to, const metric_label_t *labels, size_t n, uint64_t us)
{
    char text[SECONDS_BYTES];
    put_series(to, labels, n, seconds(text, us));
}

void metrics_histogram(exposition_t *to, const metric_label_t *labels, size_t n, const histogram_t *histogram)
{
    char text[SECONDS_BYTES];
    uint64_t below = 0;
    if (!has_room_for(to, HISTOGRAM_BOUNDS + 3))
        return;
    for (unsigned i = 0; i <= HISTOGRAM_BOUNDS; i++) {
        below += histogram->counts[i];
        buf_printf(to->out, "%s_bucket", to->family);
        put_labels(to->out, labels, n, i < HISTOGRAM_BOUNDS ? seconds(text, histogram_bounds_us[i]) : "+Inf");
        buf_printf(to->out, " %" PRIu64 "\n", below);
    }
    buf_printf(to->out, "%s_sum", to->family);
    put_labels(to->out, labels, n, NULL);
    buf_printf(to->out, " %s\n%s_count", seconds(text, histogram->sum_us), to->family);
    put_labels(to->out, labels, n, NULL);
    buf_printf(to->out, " %" PRIu64 "\n", below);
}

void metrics_end(exposition_t *to)
{
    metrics_family(to, "fanmap_metrics_dropped_series", METRIC_GAUGE, "Series that were left out of this answer.");
    to->series_n = 0;
    metrics_value(to, NULL, 0, to->dropped_n);
}
