/* What the worker's shell reports of its jobs, and what the service does with it. */
#include <string.h>

#include "client/services/worker_service.h"

static uint64_t hash_of(const char *text)
{
    uint64_t hash = 14695981039346656037u;
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 1099511628211u;
    return hash;
}

static void on_ready(void *arg)
{
    fanmap_worker_t *w = arg;
    fanmap_error_t err;
    w->is_ready = true;
    worker_log(w, FANMAP_LOG_INFO, "ready: serving %zu tasks on queue %s of namespace %s", w->catalogue.n,
               options_text(w->options, OPT_QUEUE), options_text(w->options, OPT_NAMESPACE));
    worker_on_presence(w);
    worker_streams_ready(w->streams);
    if (cleaner_new(w->loop, w->options, hash_of(w->incarnation), w->log, w->log_arg, &w->cleaner, &err) != FANMAP_OK)
        worker_log(w, FANMAP_LOG_WARNING, "%s", err.message);
    else if (w->has_lost)
        cleaner_look_for_lost(w->cleaner);
}

void worker_on_drained(void *arg, const fanmap_error_t *err)
{
    fanmap_worker_t *w = arg;
    if (++w->left_n == 2 || err)
        worker_leave(w, err);
}

static void on_heard(void *arg, const jobs_record_t *record)
{
    const fanmap_worker_t *w = arg;
    worker_streams_heard(w->streams, record);
    if (w->output.topic)
        log_topic_heard(w->output.topic, record);
}

static void on_connected(void *arg)
{
    ((fanmap_worker_t *)arg)->is_connected = true;
}

static void on_lost(void *arg)
{
    fanmap_worker_t *w = arg;
    w->has_lost = true;
    if (w->cleaner)
        cleaner_look_for_lost(w->cleaner);
}

static void on_cannot_start(void *arg, const char *task, const char *why)
{
    fanmap_worker_t *w = arg;
    for (size_t i = 0; i < w->catalogue.n; i++)
        if (strcmp(w->names[i], task) == 0)
            w->tasks[i].troubles =
                (w->tasks[i].troubles & ~(unsigned)TASK_FAILS_TO_START) | (why ? TASK_FAILS_TO_START : 0);
    if (why)
        worker_log(w, FANMAP_LOG_ERROR, "items of task %s wait, time and again: %s", task, why);
    else
        worker_log(w, FANMAP_LOG_INFO, "task %s starts now", task);
}

static void on_publishes(void *arg, const spec_t *spec)
{
    fanmap_worker_t *w = arg;
    halt_watch_see(w->halts, spec);
}

/* The last one of an item is its outcome, which says all. */
static void on_failed(void *arg, const worker_attempt_t *attempt, const outcome_t *outcome, bool is_last)
{
    fanmap_worker_t *w = arg;
    failures_say(w->failures, attempt, outcome);
    if (w->output.topic && !is_last)
        log_topic_end(w->output.topic, attempt, outcome);
}

static void on_traced(void *arg, const worker_attempt_t *attempt, uint64_t span, fanmap_kind_t kind, const char *cut,
                      uint64_t run_us)
{
    const fanmap_worker_t *w = arg;
    otlp_put(w->otlp, attempt, span, kind, cut, run_us);
}

const worker_shell_callbacks_t worker_events = {
    .log = worker_on_log,
    .connected = on_connected,
    .ready = on_ready,
    .ended = worker_on_drained,
    .lost = on_lost,
    .cannot_start = on_cannot_start,
    .failed = on_failed,
    .publishes = on_publishes,
    .traced = on_traced,
    .heard = on_heard,
};
