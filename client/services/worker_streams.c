/* A stream of a task that is served here begins when its spec is heard, and goes when its end is.
 *
 * What can fail: its topics are gone, or may not be read: that is said, and tried again; the worker's jobs go on. It has a limit,
 * and this worker no Redis: then it is in no group of the stream, so that others have the partitions. There are too many: the
 * stream waits until another one has gone. */
#include "client/services/worker_streams.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "client/connection/connect.h"
#include "client/tasks/serve.h"
#include "tokens/presence.h"

enum { STREAMS_MAX = 64, KNOWN_MAX = 4096, AGAIN_MS = 5000 };

typedef struct hosted hosted_t;
struct hosted {
    hosted_t *next;
    worker_streams_t *of;
    spec_t spec;
    worker_shell_t *shell; /* NULL: not begun, or ended */
    tokens_port_t *tokens;
    presence_t *presence;
    uint64_t concurrency, concurrency_version;
    const char *why;     /* it waits, as was logged; NULL: it does not */
    fanmap_error_t said; /* why it could not be begun; code 0: it was ready since */
    loop_timer_t *again; /* it is begun anew */
    bool is_over;        /* the stream has ended */
    bool has_left;       /* its shell is to be closed */
};

struct worker_streams {
    loop_t *loop;
    bus_t *bus;
    const fanmap_options_t *options;
    const slots_catalogue_t *catalogue;
    fanmap_log_fn log;
    void *log_arg;
    void (*drained)(void *arg, const fanmap_error_t *none);
    void *arg;
    otlp_t *otlp; /* NULL: spans go nowhere */
    hosted_t *first;
    size_t n, open_n; /* known, and served */
    bool is_ready, is_draining, was_drained;
};

worker_streams_t *worker_streams_new(loop_t *loop, bus_t *bus, const fanmap_options_t *options,
                                     const slots_catalogue_t *catalogue, fanmap_log_fn log, void *log_arg,
                                     void (*drained)(void *arg, const fanmap_error_t *none), void *arg)
{
    worker_streams_t *streams = calloc(1, sizeof *streams);
    if (streams)
        *streams = (worker_streams_t){.loop = loop,
                                      .bus = bus,
                                      .options = options,
                                      .catalogue = catalogue,
                                      .log = log,
                                      .log_arg = log_arg,
                                      .drained = drained,
                                      .arg = arg};
    return streams;
}

/* ---- one stream ---- */

/* What is tried again and again says nothing new of how. */
static void on_log(void *arg, fanmap_log_level_t level, const char *line)
{
    const hosted_t *h = arg;
    if (h->said.code == 0 || level < FANMAP_LOG_INFO)
        log_to(h->of->log, h->of->log_arg, level, "stream %s: %s", h->spec.job, line);
}

/* Once, until it is another, or the stream was ready. */
static void say_failure(hosted_t *h, const fanmap_error_t *err)
{
    if (h->said.code != err->code || strcmp(h->said.message, err->message) != 0)
        on_log(h, FANMAP_LOG_ERROR, err->message);
    h->said = *err;
}

static void on_refused(void *arg, const fanmap_error_t *err)
{
    on_log(arg, FANMAP_LOG_WARNING, err->message);
}

static void on_ready(void *arg)
{
    hosted_t *h = arg;
    h->said.code = 0;
    log_to(h->of->log, h->of->log_arg, FANMAP_LOG_INFO, "stream %s: takes records of topic %s for task %s", h->spec.job,
           h->spec.from, h->spec.task);
}

static void on_traced(void *arg, const worker_attempt_t *attempt, uint64_t span, fanmap_kind_t kind, const char *cut,
                      uint64_t run_us)
{
    const hosted_t *h = arg;
    otlp_put(h->of->otlp, attempt, span, kind, cut, run_us);
}

static void close_ended(void *arg);

static void on_ended(void *arg, const fanmap_error_t *err)
{
    hosted_t *h = arg;
    if (err)
        say_failure(h, err);
    h->has_left = true;
    loop_defer(h->of->loop, close_ended, h->of);
}

static void close_shell(hosted_t *h)
{
    h->of->open_n -= h->shell != NULL;
    worker_shell_close(h->shell);
    presence_close(h->presence);
    if (h->tokens)
        h->tokens->close(h->tokens);
    h->shell = NULL;
    h->presence = NULL;
    h->tokens = NULL;
    h->has_left = false;
}

static int open_shell(hosted_t *h, fanmap_error_t *err)
{
    static const worker_shell_callbacks_t callbacks = {
        .log = on_log, .ready = on_ready, .ended = on_ended, .traced = on_traced};
    worker_streams_t *streams = h->of;
    worker_shell_config_t config;
    serve_config(streams->options, streams->catalogue, &config);
    config.stream = &h->spec;
    int r = connect_tokens(streams->loop, streams->options, on_refused, h, &h->tokens, &h->presence, err);
    if (r == FANMAP_OK)
        r = worker_shell_open(streams->loop, streams->bus, h->tokens, &config, &callbacks, h, &h->shell, err);
    return r;
}

static bool lacks_tokens(const hosted_t *h)
{
    return h->concurrency > 0 && !connect_has_redis(h->of->options);
}

/* NULL: it may begin. */
static const char *why_it_waits(const hosted_t *h)
{
    return lacks_tokens(h)                ? "it has a limit, and this worker has no Redis"
           : h->of->open_n >= STREAMS_MAX ? "this worker takes part in as many streams as it can"
                                          : NULL;
}

/* By the timer, too: again after something of it could not be begun. */
static void begin_hosted(void *arg)
{
    hosted_t *h = arg;
    fanmap_error_t err;
    if (h->shell || h->is_over || h->of->is_draining || !h->of->is_ready)
        return;
    const char *logged = h->why;
    h->why = why_it_waits(h);
    if (h->why && h->why != logged)
        log_to(h->of->log, h->of->log_arg, FANMAP_LOG_WARNING, "stream %s waits: %s", h->spec.job, h->why);
    if (h->why)
        return;
    if (open_shell(h, &err) == FANMAP_OK) {
        h->of->open_n++;
        return;
    }
    say_failure(h, &err);
    close_shell(h);
    loop_timer_at(h->again, loop_now_ms(h->of->loop) + AGAIN_MS);
}

static void hosted_free(hosted_t *h)
{
    close_shell(h);
    loop_timer_free(h->again);
    free(h);
}

/* Shells that have ended, outside of their own callbacks. */
static void close_ended(void *arg)
{
    worker_streams_t *streams = arg;
    bool has_shells = false;
    for (hosted_t **at = &streams->first, *h; (h = *at) != NULL;) {
        if (h->has_left)
            close_shell(h);
        has_shells |= h->shell != NULL;
        if (h->is_over && !h->shell) {
            *at = h->next;
            streams->n--;
            hosted_free(h);
            continue;
        }
        if (!h->shell && !streams->is_draining)
            loop_timer_at(h->again, loop_now_ms(streams->loop) + AGAIN_MS);
        at = &h->next;
    }
    if (!streams->is_draining || has_shells || streams->was_drained)
        return;
    streams->was_drained = true;
    streams->drained(streams->arg, NULL);
}

/* ---- all of them ---- */

static bool is_served(const worker_streams_t *streams, const spec_t *spec)
{
    if (spec->stream == STREAM_NOT || strcmp(spec->queue, options_text(streams->options, OPT_QUEUE)) != 0)
        return false;
    for (size_t i = 0; i < streams->catalogue->n; i++)
        if (strcmp(streams->catalogue->tasks[i].name, spec->task) == 0)
            return true;
    return false;
}

static hosted_t *find_stream(const worker_streams_t *streams, const char *id)
{
    hosted_t *h = streams->first;
    while (h && strcmp(h->spec.job, id) != 0)
        h = h->next;
    return h;
}

/* Also one that had ended, was taken away, and is there again under the same name. */
static void begin_anew(hosted_t *h, const spec_t *spec)
{
    h->spec = *spec;
    h->spec.bound = NULL;
    h->spec.bound_len = 0;
    h->is_over = false;
    h->concurrency = spec->concurrency;
    h->concurrency_version = 0;
    begin_hosted(h);
}

static void add_stream(worker_streams_t *streams, const spec_t *spec)
{
    fanmap_error_t err;
    if (streams->n == KNOWN_MAX) {
        log_to(streams->log, streams->log_arg, FANMAP_LOG_ERROR,
               "stream %s is not served here: this worker knows %d already", spec->job, KNOWN_MAX);
        return;
    }
    hosted_t *h = calloc(1, sizeof *h);
    if (!h || loop_timer_new(streams->loop, begin_hosted, h, &h->again, &err) != FANMAP_OK) {
        free(h);
        return;
    }
    h->of = streams;
    h->next = streams->first;
    streams->first = h;
    streams->n++;
    begin_anew(h, spec);
}

/* Who has no Redis leaves a stream that gets a limit to others, and takes part in one whose limit is taken away. */
static void change_limit(hosted_t *h, const jobs_record_t *record)
{
    if (record->version <= h->concurrency_version && !record->tombstone)
        return;
    h->concurrency = record->tombstone ? h->spec.concurrency : record->value;
    h->concurrency_version = record->tombstone ? 0 : record->version;
    if (h->shell && lacks_tokens(h))
        worker_shell_drain(h->shell);
    begin_hosted(h);
}

void worker_streams_heard(worker_streams_t *streams, const jobs_record_t *record)
{
    hosted_t *h = find_stream(streams, record->job);
    if (record->field == JOBS_SPEC && !record->tombstone && !h && is_served(streams, &record->spec))
        add_stream(streams, &record->spec);
    else if (record->field == JOBS_SPEC && !record->tombstone && h && h->is_over && !h->shell &&
             strcmp(record->spec.nonce, h->spec.nonce) != 0)
        begin_anew(h, &record->spec);
    if (record->field == JOBS_CONCURRENCY && h)
        change_limit(h, record);
    if (record->field != JOBS_END || record->tombstone || !h)
        return;
    h->is_over = true;
    if (h->shell)
        worker_shell_drain(h->shell);
    else
        loop_defer(streams->loop, close_ended, streams);
}

void worker_streams_ready(worker_streams_t *streams)
{
    streams->is_ready = true;
    for (hosted_t *h = streams->first; h; h = h->next)
        begin_hosted(h);
}

void worker_streams_each(const worker_streams_t *streams,
                         void (*fn)(void *arg, const worker_shell_t *shell, const spec_t *spec), void *arg)
{
    for (const hosted_t *h = streams->first; h; h = h->next)
        if (h->shell)
            fn(arg, h->shell, &h->spec);
}

void worker_streams_trace(worker_streams_t *streams, otlp_t *otlp)
{
    streams->otlp = otlp;
}

void worker_streams_drain(worker_streams_t *streams)
{
    streams->is_draining = true;
    for (hosted_t *h = streams->first; h; h = h->next)
        if (h->shell)
            worker_shell_drain(h->shell);
    loop_defer(streams->loop, close_ended, streams);
}

void worker_streams_close(worker_streams_t *streams)
{
    if (!streams)
        return;
    loop_defer_cancel(streams->loop, close_ended, streams);
    while (streams->first) {
        hosted_t *h = streams->first;
        streams->first = h->next;
        hosted_free(h);
    }
    free(streams);
}
