/* What a worker tells Prometheus. All is reckoned when it is asked for, in the worker's own loop: of each task the sum over
 * the worker's jobs and the streams that it serves. */
#include <stdlib.h>
#include <string.h>

#include "client/services/metrics.h"
#include "client/services/worker_service.h"
#include "worker/core/metrics.h"

typedef struct {
    worker_counts_t counts;
    worker_present_t present;
    uint64_t lag;
    worker_slots_t slots; /* those of its streams */
    bool has_slots;
} row_t;

typedef struct {
    const fanmap_worker_t *worker;
    const char *queue;
    row_t *rows;
    size_t n;
    worker_present_t *present; /* of one shell */
    worker_slots_t slots;      /* those of jobs */
    bool has_failed;
} view_t;

/* ---- gathering ---- */

static void add_histogram(histogram_t *to, const histogram_t *from)
{
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
        to->counts[i] += from->counts[i];
    to->sum_us += from->sum_us;
}

static void add_counts(worker_counts_t *to, const worker_counts_t *from)
{
    for (size_t i = 0; i < COUNT_KINDS; i++)
        to->items[i] += from->items[i];
    for (size_t i = 0; i < COUNT_RESULTS; i++)
        to->attempts[i] += from->attempts[i];
    for (size_t i = 0; i < DEAD_REASONS; i++)
        to->dead[i] += from->dead[i];
    add_histogram(&to->duration, &from->duration);
    add_histogram(&to->wait, &from->wait);
    add_histogram(&to->token_wait, &from->token_wait);
}

static void add_shell(view_t *view, const worker_shell_t *shell)
{
    const worker_t *core = worker_shell_core(shell);
    worker_present(core, loop_clock_ms(), view->present);
    for (size_t i = 0; i < view->n; i++) {
        row_t *row = &view->rows[i];
        const worker_present_t *more = &view->present[i];
        add_counts(&row->counts, worker_counts(core, (uint32_t)i));
        row->lag += worker_shell_lag(shell, i);
        row->present.runnable += more->runnable;
        row->present.running += more->running;
        row->present.tokens_held += more->tokens_held;
        row->present.tokens_limit += more->tokens_limit;
        if (more->oldest_ms > row->present.oldest_ms)
            row->present.oldest_ms = more->oldest_ms;
    }
}

static void add_stream(void *arg, const worker_shell_t *shell, const spec_t *spec)
{
    view_t *view = arg;
    worker_slots_t slots;
    add_shell(view, shell);
    worker_slots(worker_shell_core(shell), &slots);
    for (size_t i = 0; i < view->n; i++) {
        row_t *row = &view->rows[i];
        if (strcmp(view->worker->names[i], spec->task) != 0)
            continue;
        row->has_slots = true;
        row->slots.idle += slots.idle;
        row->slots.busy += slots.busy;
        row->slots.frozen += slots.frozen;
        row->slots.down += slots.down;
    }
}

/* ---- telling ---- */

static void put_counter(exposition_t *to, const view_t *view, size_t at, const char *label, const char *value,
                        uint64_t n)
{
    labels_t labels = labels_of(view->queue, view->worker->names[at], label, value);
    metrics_value(to, labels.at, labels.n, n);
}

static void put_outcomes(exposition_t *to, const view_t *view)
{
    static const char *const downs[] = {"died", "timeout", "killed", "lapsed", "unusable", "guardian_lost"};
    static const char *const reasons[] = {"bad_key", "bad_item", "unknown_job", "other_task"};
    metrics_family(to, "fanmap_items_total", METRIC_COUNTER, "Items whose outcome is stored in Kafka.");
    for (size_t i = 0; i < view->n; i++)
        for (int kind = 0; kind < COUNT_KINDS; kind++)
            put_counter(to, view, i, "outcome", fanmap_kind_name((fanmap_kind_t)kind),
                        view->rows[i].counts.items[kind]);
    metrics_family(to, "fanmap_attempts_total", METRIC_COUNTER, "Attempts that ended.");
    for (size_t i = 0; i < view->n; i++) {
        const uint64_t *attempts = view->rows[i].counts.attempts;
        for (int kind = 0; kind < COUNT_KINDS; kind++)
            put_counter(to, view, i, "result", fanmap_kind_name((fanmap_kind_t)kind),
                        attempts[kind] + (kind == FANMAP_TIMEOUT ? attempts[COUNT_KINDS + ATTEMPT_TIMEOUT] : 0));
        for (int down = 0; down < COUNT_DOWNS; down++)
            if (down != ATTEMPT_TIMEOUT)
                put_counter(to, view, i, "result", downs[down], attempts[COUNT_KINDS + down]);
    }
    metrics_family(to, "fanmap_dead_letters_total", METRIC_COUNTER, "Records that nobody could use.");
    for (size_t i = 0; i < view->n; i++)
        for (int reason = 0; reason < DEAD_REASONS; reason++)
            put_counter(to, view, i, "reason", reasons[reason], view->rows[i].counts.dead[reason]);
}

static void put_histogram(exposition_t *to, const view_t *view, size_t offset, const char *name, const char *help)
{
    metrics_family(to, name, METRIC_HISTOGRAM, help);
    for (size_t i = 0; i < view->n; i++) {
        labels_t labels = labels_of(view->queue, view->worker->names[i], NULL, NULL);
        const void *at = (const char *)&view->rows[i].counts + offset;
        metrics_histogram(to, labels.at, labels.n, at);
    }
}

static void put_gauge(exposition_t *to, const view_t *view, size_t offset, const char *name, const char *help)
{
    metrics_family(to, name, METRIC_GAUGE, help);
    for (size_t i = 0; i < view->n; i++) {
        const void *at = (const char *)&view->rows[i] + offset;
        put_counter(to, view, i, NULL, NULL, *(const uint64_t *)at);
    }
}

static void put_slots(exposition_t *to, const char *queue, const char *task, const worker_slots_t *slots)
{
    const struct {
        const char *state;
        uint32_t n;
    } states[] = {{"idle", slots->idle}, {"busy", slots->busy}, {"frozen", slots->frozen}, {"down", slots->down}};
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        labels_t labels = labels_of(queue, task, "state", states[i].state);
        metrics_value(to, labels.at, labels.n, states[i].n);
    }
}

static void put_present(exposition_t *to, const view_t *view)
{
    put_gauge(to, view, offsetof(row_t, present.runnable), "fanmap_runnable_items",
              "Items here that wait for a slot and for nothing else.");
    put_gauge(to, view, offsetof(row_t, present.running), "fanmap_running_items", "Slots that run an item.");
    metrics_family(to, "fanmap_oldest_runnable_age_seconds", METRIC_GAUGE, "Since Kafka stored the oldest of them.");
    for (size_t i = 0; i < view->n; i++) {
        labels_t labels = labels_of(view->queue, view->worker->names[i], NULL, NULL);
        metrics_seconds(to, labels.at, labels.n, (uint64_t)view->rows[i].present.oldest_ms * 1000);
    }
    put_gauge(to, view, offsetof(row_t, present.tokens_held), "fanmap_tokens_held",
              "Tokens of jobs with a limit that this worker holds.");
    put_gauge(to, view, offsetof(row_t, present.tokens_limit), "fanmap_tokens_limit",
              "Limits of the jobs that this worker has something of, over the whole fleet.");
    put_gauge(to, view, offsetof(row_t, lag), "fanmap_source_lag_records",
              "Records of the partitions read here that are not finished.");
    metrics_family(to, "fanmap_slots", METRIC_GAUGE, "Slots by state; those of jobs serve every task.");
    put_slots(to, view->queue, "", &view->slots);
    for (size_t i = 0; i < view->n; i++)
        if (view->rows[i].has_slots)
            put_slots(to, view->queue, view->worker->names[i], &view->rows[i].slots);
}

static void put_spans(exposition_t *to, const fanmap_worker_t *w)
{
    uint64_t counts[2] = {0, 0};
    static const char *const results[] = {"sent", "dropped"};
    if (w->otlp)
        otlp_counts(w->otlp, &counts[0], &counts[1]);
    metrics_family(to, "fanmap_spans_total", METRIC_COUNTER, "Spans of attempts that the collector took, or nobody.");
    for (size_t i = 0; i < 2; i++)
        metrics_value(to, &(metric_label_t){"result", results[i]}, 1, counts[i]);
}

int fanmap_worker_metrics(const fanmap_worker_t *w, fanmap_text_fn fn, void *arg, fanmap_error_t *err)
{
    buf_t text = {0};
    exposition_t to = {.out = &text};
    view_t view = {.worker = w, .queue = options_text(w->options, OPT_QUEUE), .n = w->catalogue.n};
    view.rows = calloc(view.n + 1, sizeof *view.rows);
    view.present = calloc(view.n + 1, sizeof *view.present);
    if (view.rows && view.present) {
        add_shell(&view, w->shell);
        worker_slots(worker_shell_core(w->shell), &view.slots);
        worker_streams_each(w->streams, add_stream, &view);
        metrics_of_process(&to);
        put_outcomes(&to, &view);
        put_histogram(&to, &view, offsetof(worker_counts_t, duration), "fanmap_item_duration_seconds",
                      "How long the attempt ran that gave an item its outcome.");
        put_histogram(&to, &view, offsetof(worker_counts_t, wait), "fanmap_item_wait_seconds",
                      "From an item's arrival in Kafka to its first attempt.");
        put_histogram(&to, &view, offsetof(worker_counts_t, token_wait), "fanmap_token_wait_seconds",
                      "How long a job with a limit could start nothing here for want of a token.");
        put_present(&to, &view);
        put_spans(&to, w);
    }
    text.failed |= !view.rows || !view.present;
    free(view.rows);
    free(view.present);
    return metrics_tell(&to, fn, arg, err);
}

void fanmap_worker_health(const fanmap_worker_t *w, fanmap_health_t *ret, size_t sizeof_ret)
{
    worker_stats_t stats;
    worker_stats(worker_shell_core(w->shell), &stats);
    bool lacks_redis = w->presence && (!presence_is_up(w->presence) || worker_shell_lacks_tokens(w->shell));
    bool is_ready = w->is_ready && stats.is_dealt && !w->drain_asked;
    const char *why = w->drain_asked        ? "it drains"
                      : !w->is_ready        ? "it has not joined its group yet"
                      : !stats.is_dealt     ? "its group has not said which partitions it has"
                      : lacks_redis         ? "Redis is away: jobs with a limit wait"
                      : !stats.partitions   ? "no partition is left for it: it gets no items"
                      : stats.slots_up == 0 ? "none of its slots is up"
                                            : "";
    health_set(ret, sizeof_ret, is_ready, why);
}
