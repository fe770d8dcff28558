/* What those tell Prometheus that read logs: a connection with its gathers, an aggregator, a stream. */
#include <string.h>

#include "client/services/aggregator.h"
#include "client/services/log_lag.h"
#include "client/services/metrics.h"
#include "client/services/stream.h"
#include "io/bus_admin.h"

enum { ROWS_MAX = 256 }; /* of queues and tasks; what is beyond shares the last, without names */

typedef struct {
    const char *queue, *task;
    uint64_t items, spilled_bytes;
} row_t;

static row_t *row_of(row_t *rows, size_t *n, const spec_t *spec)
{
    for (size_t i = 0; i < *n; i++)
        if (strcmp(rows[i].queue, spec->queue) == 0 && strcmp(rows[i].task, spec->task) == 0)
            return &rows[i];
    if (*n == ROWS_MAX)
        return &rows[ROWS_MAX - 1];
    row_t *row = &rows[(*n)++];
    *row = (row_t){.queue = spec->queue, .task = spec->task};
    if (*n == ROWS_MAX)
        row->queue = row->task = "";
    return row;
}

static void put_labelled(exposition_t *to, labels_t labels, uint64_t value)
{
    metrics_value(to, labels.at, labels.n, value);
}

static void put_rows(exposition_t *to, const row_t *rows, size_t n)
{
    metrics_family(to, "fanmap_reorder_items", METRIC_GAUGE, "Outcomes that are here and not yet handed out.");
    for (size_t i = 0; i < n; i++)
        put_labelled(to, labels_of(rows[i].queue, rows[i].task, NULL, NULL), rows[i].items);
    metrics_family(to, "fanmap_spilled_bytes", METRIC_GAUGE, "Of them, what lies on disk.");
    for (size_t i = 0; i < n; i++)
        put_labelled(to, labels_of(rows[i].queue, rows[i].task, NULL, NULL), rows[i].spilled_bytes);
}

/* One series, without names, where nothing is gathered. */
static void put_gathers(exposition_t *to, const fanmap_t *f)
{
    row_t rows[ROWS_MAX] = {{.queue = "", .task = ""}};
    size_t n = 0;
    for (const fanmap_job_t *job = f->jobs; job; job = job->next) {
        uint64_t items, spilled_bytes;
        gather_reorder(job, &items, &spilled_bytes);
        row_t *row = row_of(rows, &n, &job->spec);
        row->items += items;
        row->spilled_bytes += spilled_bytes;
    }
    put_rows(to, rows, n > 0 ? n : 1);
}

static void put_lag(exposition_t *to, const bus_group_t *group, uint32_t partitions_n, labels_t labels)
{
    metrics_family(to, "fanmap_source_lag_records", METRIC_GAUGE,
                   "Records of the logs read here that were not read yet.");
    put_labelled(to, labels, log_lag(group, partitions_n));
}

/* ---- a connection ---- */

int fanmap_metrics(const fanmap_t *f, fanmap_text_fn fn, void *arg, fanmap_error_t *err)
{
    buf_t text = {0};
    exposition_t to = {.out = &text};
    metrics_of_process(&to);
    put_gathers(&to, f);
    return metrics_tell(&to, fn, arg, err);
}

void fanmap_health(const fanmap_t *f, fanmap_health_t *ret, size_t sizeof_ret)
{
    bool is_ready = (f->is_connected || !f->is_connecting) && !f->error.code;
    bool lacks_redis = f->presence && !presence_is_up(f->presence);
    const char *why = f->error.code ? f->error.message
                      : !is_ready   ? "Kafka has not answered yet"
                      : lacks_redis ? "Redis is away: jobs with a limit wait"
                                    : "";
    health_set(ret, sizeof_ret, is_ready, why);
}

/* ---- an aggregator ---- */

int fanmap_aggregator_metrics(const fanmap_aggregator_t *a, fanmap_text_fn fn, void *arg, fanmap_error_t *err)
{
    buf_t text = {0};
    exposition_t to = {.out = &text};
    metrics_of_process(&to);
    put_gathers(&to, a->f);
    put_lag(&to, a->group, a->topics->results_n, labels_of("", "", NULL, NULL));
    metrics_family(&to, "fanmap_dead_letters_total", METRIC_COUNTER, "Records that nobody could use.");
    put_labelled(&to, labels_of("", "", "reason", "bad_log_record"), a->dead_n);
    return metrics_tell(&to, fn, arg, err);
}

void fanmap_aggregator_health(const fanmap_aggregator_t *a, fanmap_health_t *ret, size_t sizeof_ret)
{
    bool is_ready = a->group && a->is_dealt && !a->drain_asked;
    const char *why = a->drain_asked ? "it drains"
                      : !is_ready    ? "its group has not said which partitions it has"
                                     : a->trouble;
    health_set(ret, sizeof_ret, is_ready, why);
}

/* ---- a stream ---- */

int fanmap_stream_metrics(const fanmap_stream_t *s, fanmap_text_fn fn, void *arg, fanmap_error_t *err)
{
    buf_t text = {0};
    exposition_t to = {.out = &text};
    row_t row = {.queue = s->spec.queue, .task = s->spec.task};
    for (uint32_t i = 0; i < s->lanes_n; i++)
        row.items += gatherer_held_n(s->gatherer, i);
    const struct {
        const char *name;
        uint64_t n;
    } results[] = {
        {"value", s->handed_out - s->failed}, {"error", s->failed}, {"lost", s->lost}, {"skipped", s->skipped}};
    metrics_of_process(&to);
    put_rows(&to, &row, 1);
    put_lag(&to, s->group, s->lanes_n, labels_of(row.queue, row.task, NULL, NULL));
    metrics_family(&to, "fanmap_stream_outcomes_total", METRIC_COUNTER,
                   "Outcomes of the stream that were written, or found lost.");
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        put_labelled(&to, labels_of(row.queue, row.task, "result", results[i].name), results[i].n);
    }
    return metrics_tell(&to, fn, arg, err);
}

void fanmap_stream_health(const fanmap_stream_t *s, fanmap_health_t *ret, size_t sizeof_ret)
{
    bool is_ready = s->group && s->is_dealt && !s->drain_asked;
    const char *why = s->drain_asked ? "it drains" : !is_ready ? "its group has not said which partitions it has" : "";
    health_set(ret, sizeof_ret, is_ready, why);
}
