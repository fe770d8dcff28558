/* fanmap_worker: connects, starts the worker shell, announces it at Redis, and drains when it is asked to. What the shell reports
 * is in worker_events.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/connection/connect.h"
#include "client/services/worker_service.h"
#include "io/random_id.h"

enum { LEAVE_MS = 1000, LEAVE_LOOK_MS = 20 };

void worker_on_log(void *arg, fanmap_log_level_t level, const char *line)
{
    const fanmap_worker_t *w = arg;
    worker_log(w, level, "%s", line);
}

static void end_service(fanmap_worker_t *w, const fanmap_error_t *err)
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
        end_service(w, err);
    else
        worker_log(w, w->is_ready ? FANMAP_LOG_WARNING : FANMAP_LOG_DEBUG, "%s", err->message);
}

static void on_connect_timeout(void *arg)
{
    fanmap_worker_t *w = arg;
    fanmap_error_t err;
    if (w->is_ready && w->presence && !presence_was_up(w->presence)) {
        connect_tokens_unanswered(w->options, &err);
        end_service(w, &err);
    }
    if (w->is_ready)
        return;
    if (w->is_connected) {
        worker_log(w, FANMAP_LOG_INFO, "Kafka makes the topics of %zu tasks, which takes its time", w->catalogue.n);
        loop_timer_at(w->connect_timer, loop_now_ms(w->loop) + (int64_t)options_ms(w->options, OPT_CONNECT_TIMEOUT));
        return;
    }
    connect_bus_unanswered(w->options, &err);
    end_service(w, &err);
}

static void end_if_gone(fanmap_worker_t *w)
{
    bool is_busy = attempt_output_flush(&w->output) || !w->has_left;
    if (w->otlp)
        is_busy |= otlp_flush(w->otlp);
    if (is_busy && loop_now_ms(w->loop) < w->leave_by_ms)
        loop_timer_at(w->presence_timer, loop_now_ms(w->loop) + LEAVE_LOOK_MS);
    else
        end_service(w, NULL);
}

void worker_on_presence(void *arg)
{
    fanmap_worker_t *w = arg;
    if (w->is_leaving) {
        end_if_gone(w);
        return;
    }
    if (w->presence && w->is_ready && !w->drain_begun)
        worker_announce(w);
    if (w->cleaner)
        cleaner_stranded(w->cleaner, worker_is_stranded(worker_shell_core(w->shell)));
    loop_timer_at(w->presence_timer, loop_now_ms(w->loop) + PRESENCE_EVERY_MS / 2);
}

static void on_left(void *arg, const char *const *texts, size_t n, const fanmap_error_t *err)
{
    fanmap_worker_t *w = arg;
    (void)texts, (void)n, (void)err;
    w->has_left = true;
}

/* Who is drained takes its row along, and sees that the last lines of its attempts are stored, as far as Redis and
 * Kafka can be asked. */
void worker_leave(fanmap_worker_t *w, const fanmap_error_t *err)
{
    fanmap_error_t ignored;
    if (err) {
        end_service(w, err);
        return;
    }
    w->is_leaving = true;
    w->leave_by_ms = loop_now_ms(w->loop) + LEAVE_MS;
    w->has_left =
        !w->presence || presence_ask(w->presence, PRESENCE_LEAVE, w->incarnation, on_left, w, &ignored) != FANMAP_OK;
    loop_timer_at(w->presence_timer, loop_now_ms(w->loop) + LEAVE_LOOK_MS);
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
        r = loop_timer_new(w->loop, worker_on_presence, w, &w->presence_timer, err);
    if (r == FANMAP_OK)
        r = connect_bus(w->loop, w->options, fetch_kbytes(w->options), true, on_bus_error, worker_on_log, w, &w->bus,
                        err);
    if (r == FANMAP_OK)
        r = connect_tokens(w->loop, w->options, on_bus_error, w, &w->tokens, &w->presence, err);
    return r;
}

static int open_traces(fanmap_worker_t *w, fanmap_error_t *err)
{
    const char *url = options_text(w->options, OPT_OTLP);
    int r = url ? otlp_open(w->loop, url, options_text(w->options, OPT_QUEUE), w->incarnation, worker_on_log, w,
                            &w->otlp, err)
                : FANMAP_OK;
    worker_streams_trace(w->streams, w->otlp);
    return r;
}

static int open_tasks(fanmap_worker_t *w, fanmap_error_t *err)
{
    int r = serve_catalogue(w->options, &w->catalogue, err);
    if (r != FANMAP_OK)
        return r;
    size_t n = w->catalogue.n;
    w->names = calloc(n + 1, sizeof *w->names);
    w->fed = calloc(n + 1, sizeof *w->fed);
    w->tasks = calloc(n + 1, sizeof *w->tasks);
    if (!w->names || !w->fed || !w->tasks)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    for (size_t i = 0; i < n; i++)
        w->names[i] = w->catalogue.tasks[i].name;
    return FANMAP_OK;
}

static int open_parts(fanmap_worker_t *w, fanmap_error_t *err)
{
    worker_shell_config_t config;
    int r = open_tasks(w, err);
    if (r == FANMAP_OK && random_id(w->incarnation, 20) != FANMAP_OK)
        r = err_set(err, FANMAP_EIO, "no random numbers");
    if (r == FANMAP_OK)
        r = open_connections(w, err);
    if (r == FANMAP_OK)
        r = halt_watch_open(w->bus, options_text(w->options, OPT_NAMESPACE), &w->halts, err);
    if (r == FANMAP_OK)
        r = failures_open(w->loop, w->log, w->log_arg, &w->failures, err);
    if (r != FANMAP_OK)
        return r;
    w->streams =
        worker_streams_new(w->loop, w->bus, w->options, &w->catalogue, w->log, w->log_arg, worker_on_drained, w);
    if (!w->streams)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    r = open_traces(w, err);
    if (r != FANMAP_OK)
        return r;
    serve_config(w->options, &w->catalogue, &config);
    config.incarnation = w->incarnation;
    config.name = w->name;
    r = attempt_output_open(&w->output, w->loop, w->bus, w->options, &config, w->log, w->log_arg, err);
    return r != FANMAP_OK ? r
                          : worker_shell_open(w->loop, w->bus, w->tokens, &config, &worker_events, w, &w->shell, err);
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
            presence_withdraw(w->presence, w->incarnation, options_text(w->options, OPT_QUEUE), w->names,
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
    free(w->names);
    free(w->fed);
    free(w->tasks);
    fanmap_options_free(w->options);
    free(w);
}
