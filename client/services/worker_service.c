/* fanmap_worker: connects, starts the worker shell, announces it at Redis, and drains when it is asked to. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/connection/connect.h"
#include "client/services/worker_service.h"
#include "io/random_id.h"

enum { LEAVE_MS = 1000, LEAVE_LOOK_MS = 20 };

static void on_log(void *arg, fanmap_log_level_t level, const char *line)
{
    const fanmap_worker_t *w = arg;
    worker_log(w, level, "%s", line);
}

static void end(fanmap_worker_t *w, const fanmap_error_t *err)
{
    if (w->is_ended)
        return;
    w->is_ended = true;
    if (err)
        w->error = *err;
    loop_wake(w->loop);
}

static void on_bus_error(void *arg, const fanmap_error_t *err)
{
    fanmap_worker_t *w = arg;
    if (err->code == FANMAP_EREFUSED)
        end(w, err);
    else
        worker_log(w, w->is_ready ? FANMAP_LOG_WARNING : FANMAP_LOG_DEBUG, "%s", err->message);
}

static void on_connect_timeout(void *arg)
{
    fanmap_worker_t *w = arg;
    fanmap_error_t err;
    if (w->is_ready && w->presence && !presence_was_up(w->presence)) {
        connect_tokens_unanswered(w->options, &err);
        end(w, &err);
    }
    if (w->is_ready)
        return;
    if (w->is_connected) {
        worker_log(w, FANMAP_LOG_INFO, "Kafka makes the topics of %zu tasks, which takes its time", w->catalogue.n);
        loop_timer_at(w->connect_timer, loop_now_ms(w->loop) + (int64_t)options_ms(w->options, OPT_CONNECT_TIMEOUT));
        return;
    }
    connect_bus_unanswered(w->options, &err);
    end(w, &err);
}

static void look_whether_gone(fanmap_worker_t *w)
{
    bool is_busy = attempt_output_flush(&w->output) || !w->has_left;
    if (w->otlp)
        is_busy |= otlp_flush(w->otlp);
    if (is_busy && loop_now_ms(w->loop) < w->leave_by_ms)
        loop_timer_at(w->presence_timer, loop_now_ms(w->loop) + LEAVE_LOOK_MS);
    else
        end(w, NULL);
}

static void on_presence(void *arg)
{
    fanmap_worker_t *w = arg;
    if (w->is_leaving) {
        look_whether_gone(w);
        return;
    }
    if (w->presence && w->is_ready && !w->drain_begun)
        worker_announce(w);
    if (w->cleaner)
        cleaner_stranded(w->cleaner, worker_is_stranded(worker_shell_core(w->shell)));
    loop_timer_at(w->presence_timer, loop_now_ms(w->loop) + PRESENCE_EVERY_MS / 2);
}

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
    on_presence(w);
    worker_streams_ready(w->streams);
    if (cleaner_new(w->loop, w->options, hash_of(w->incarnation), w->log, w->log_arg, &w->cleaner, &err) != FANMAP_OK)
        worker_log(w, FANMAP_LOG_WARNING, "%s", err.message);
    else if (w->has_lost)
        cleaner_look_for_lost(w->cleaner);
}

static void on_left(void *arg, const char *const *texts, size_t n, const fanmap_error_t *err)
{
    fanmap_worker_t *w = arg;
    (void)texts, (void)n, (void)err;
    w->has_left = true;
}

/* Who is drained takes its row along, and sees that the last lines of its attempts are stored, as far as Redis and
 * Kafka can be asked. */
static void leave(fanmap_worker_t *w, const fanmap_error_t *err)
{
    fanmap_error_t ignored;
    if (err) {
        end(w, err);
        return;
    }
    w->is_leaving = true;
    w->leave_by_ms = loop_now_ms(w->loop) + LEAVE_MS;
    w->has_left =
        !w->presence || presence_ask(w->presence, PRESENCE_LEAVE, w->incarnation, on_left, w, &ignored) != FANMAP_OK;
    loop_timer_at(w->presence_timer, loop_now_ms(w->loop) + LEAVE_LOOK_MS);
}

static void on_ended(void *arg, const fanmap_error_t *err)
{
    fanmap_worker_t *w = arg;
    if (++w->left_n == 2 || err)
        leave(w, err);
}

static void on_heard(void *arg, const jobs_record_t *record)
{
    const fanmap_worker_t *w = arg;
    worker_streams_heard(w->streams, record);
    if (w->output.topic)
        log_topic_heard(w->output.topic, record);
}

/* What librdkafka may hold of a partition beside the budget: a 128th of that. */
static uint32_t fetch_kbytes(const fanmap_options_t *options)
{
    uint64_t kbytes = options_bytes(options, OPT_BUDGET) / 128 / 1024;
    return kbytes < 64 ? 64 : kbytes > 512 ? 512 : (uint32_t)kbytes;
}

static int open_connections(fanmap_worker_t *w, fanmap_error_t *err)
{
    int r = loop_new(&w->loop, err);
    if (r == FANMAP_OK)
        r = loop_timer_new(w->loop, on_connect_timeout, w, &w->connect_timer, err);
    if (r == FANMAP_OK)
        r = loop_timer_new(w->loop, on_presence, w, &w->presence_timer, err);
    if (r == FANMAP_OK)
        r = connect_bus(w->loop, w->options, fetch_kbytes(w->options), on_bus_error, on_log, w, &w->bus, err);
    if (r == FANMAP_OK)
        r = connect_tokens(w->loop, w->options, on_bus_error, w, &w->tokens, &w->presence, err);
    return r;
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
        if (strcmp(w->tasks[i], task) == 0)
            w->fails_to_start[i] = why != NULL;
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
    if (w->otlp)
        otlp_put(w->otlp, attempt, span, cut ? cut : fanmap_kind_name(kind), run_us);
}

static int open_traces(fanmap_worker_t *w, fanmap_error_t *err)
{
    const char *url = options_text(w->options, OPT_OTLP);
    int r = url ? otlp_open(w->loop, url, options_text(w->options, OPT_QUEUE), w->incarnation, on_log, w, &w->otlp, err)
                : FANMAP_OK;
    worker_streams_trace(w->streams, w->otlp);
    return r;
}

static int open_parts(fanmap_worker_t *w, fanmap_error_t *err)
{
    static const worker_shell_callbacks_t callbacks = {.log = on_log,
                                                       .connected = on_connected,
                                                       .ready = on_ready,
                                                       .ended = on_ended,
                                                       .lost = on_lost,
                                                       .cannot_start = on_cannot_start,
                                                       .failed = on_failed,
                                                       .publishes = on_publishes,
                                                       .traced = on_traced,
                                                       .heard = on_heard};
    worker_shell_config_t config;
    int r = serve_catalogue(w->options, &w->catalogue, err);
    if (r == FANMAP_OK)
        w->tasks = calloc(w->catalogue.n, sizeof *w->tasks);
    if (r == FANMAP_OK)
        w->fails_to_start = calloc(w->catalogue.n, sizeof *w->fails_to_start);
    if (r == FANMAP_OK) {
        w->fed = calloc(w->catalogue.n, sizeof *w->fed);
        w->is_unfed = calloc(w->catalogue.n, sizeof *w->is_unfed);
        w->had_partition_ms = calloc(w->catalogue.n, sizeof *w->had_partition_ms);
    }
    if (r == FANMAP_OK && (!w->tasks || !w->fails_to_start || !w->fed || !w->is_unfed || !w->had_partition_ms ||
                           random_id(w->incarnation, 20) != FANMAP_OK))
        r = err_set(err, FANMAP_ENOMEM, "out of memory");
    for (size_t i = 0; r == FANMAP_OK && i < w->catalogue.n; i++)
        w->tasks[i] = w->catalogue.tasks[i].name;
    if (r == FANMAP_OK)
        r = open_connections(w, err);
    if (r != FANMAP_OK)
        return r;
    r = halt_watch_open(w->bus, options_text(w->options, OPT_NAMESPACE), &w->halts, err);
    if (r == FANMAP_OK)
        r = failures_open(w->loop, w->log, w->log_arg, &w->failures, err);
    if (r != FANMAP_OK)
        return r;
    w->streams = worker_streams_new(w->loop, w->bus, w->options, &w->catalogue, w->log, w->log_arg, on_ended, w);
    if (!w->streams)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    r = open_traces(w, err);
    if (r != FANMAP_OK)
        return r;
    serve_config(w->options, &w->catalogue, &config);
    config.incarnation = w->incarnation;
    config.name = w->name;
    r = attempt_output_open(&w->output, w->loop, w->bus, w->options, &config, w->log, w->log_arg, err);
    return r != FANMAP_OK ? r : worker_shell_open(w->loop, w->bus, w->tokens, &config, &callbacks, w, &w->shell, err);
}

int fanmap_worker_open(const fanmap_options_t *options, fanmap_log_fn log, void *log_arg, fanmap_worker_t **ret_worker,
                       fanmap_error_t *err)
{
    fanmap_worker_t *w = calloc(1, sizeof *w);
    if (!w)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    w->log = log;
    w->log_arg = log_arg;
    worker_name(w->name);
    w->started_ms = (int64_t)time(NULL) * 1000;
    w->options = options_copy(options);
    int r =
        w->options ? options_check_files(w->options, log, log_arg, err) : err_set(err, FANMAP_ENOMEM, "out of memory");
    if (r == FANMAP_OK)
        r = open_parts(w, err);
    if (r != FANMAP_OK) {
        fanmap_worker_close(w);
        return r;
    }
    loop_timer_at(w->connect_timer, loop_clock_ms() + (int64_t)options_ms(w->options, OPT_CONNECT_TIMEOUT));
    *ret_worker = w;
    return FANMAP_OK;
}

int fanmap_worker_fd(const fanmap_worker_t *worker)
{
    return loop_fd(worker->loop);
}

int fanmap_worker_run(fanmap_worker_t *w, int timeout_ms, fanmap_error_t *err)
{
    if (!w->is_ended && loop_run_once(w->loop, timeout_ms) < 0)
        return err_set(err, FANMAP_EIO, "the event loop stopped: %s", strerror(errno));
    if (w->drain_asked && !w->drain_begun) {
        w->drain_begun = true;
        if (w->presence)
            presence_withdraw(w->presence, w->incarnation, options_text(w->options, OPT_QUEUE), w->tasks,
                              w->catalogue.n);
        worker_shell_drain(w->shell);
        worker_streams_drain(w->streams);
    }
    if (w->is_ended && w->error.code)
        return err_set(err, w->error.code, "%s", w->error.message);
    return w->is_ended ? FANMAP_END : FANMAP_OK;
}

void fanmap_worker_drain(fanmap_worker_t *worker)
{
    worker->drain_asked = 1;
    loop_wake(worker->loop);
}

bool fanmap_worker_is_ready(const fanmap_worker_t *worker)
{
    return worker->is_ready;
}

void fanmap_worker_close(fanmap_worker_t *w)
{
    if (!w)
        return;
    cleaner_free(w->cleaner);
    worker_streams_close(w->streams);
    worker_shell_close(w->shell);
    attempt_output_close(&w->output);
    failures_close(w->failures);
    otlp_close(w->otlp);
    halt_watch_close(w->halts);
    presence_close(w->presence);
    if (w->tokens)
        w->tokens->close(w->tokens);
    bus_close(w->bus, 3000);
    loop_timer_free(w->connect_timer);
    loop_timer_free(w->presence_timer);
    loop_free(w->loop);
    slots_catalogue_free(&w->catalogue);
    free(w->tasks);
    free(w->fails_to_start);
    free(w->fed);
    free(w->is_unfed);
    free(w->had_partition_ms);
    fanmap_options_free(w->options);
    free(w);
}
