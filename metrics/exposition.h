/* The text that Prometheus reads (text format 0.0.4), written family by family: metrics_family, then each of its series.
 * Pure; memory that runs out shows in out->failed. The number of series is bounded: what is beyond is left out, counted,
 * and told by metrics_end. */
#ifndef METRICS_EXPOSITION_H
#define METRICS_EXPOSITION_H

#include "base/buf.h"
#include "metrics/histogram.h"

enum { METRICS_SERIES_MAX = 20000 };

typedef enum { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM } metric_type_t;

typedef struct {
    const char *name, *value; /* the value is text of any kind, and escaped */
} metric_label_t;

typedef struct {
    buf_t *out;
    const char *family; /* of the last metrics_family */
    uint64_t series_n, dropped_n;
} exposition_t;

/* `name` and `help` are constant texts, `help` one line; `name` is borrowed until the next one. */
void metrics_family(exposition_t *to, const char *name, metric_type_t type, const char *help);
void metrics_value(exposition_t *to, const metric_label_t *labels, size_t n, uint64_t value);
/* In seconds, as Prometheus wants all times. */
void metrics_seconds(exposition_t *to, const metric_label_t *labels, size_t n, uint64_t us);
void metrics_histogram(exposition_t *to, const metric_label_t *labels, size_t n, const histogram_t *histogram);
void metrics_end(exposition_t *to);

#endif
