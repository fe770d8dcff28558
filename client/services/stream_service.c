#include <stdlib.h>
#include <string.h>

#include "client/services/stream.h"

enum { FETCH_KBYTES = 1024 };

/* What means something for a map and nothing for a stream is refused, rather than not heeded. */
static int check_options(const fanmap_options_t *options, fanmap_error_t *err)
{
    static const char *const of_maps[] = {"fail-fast", "halt",        "deadline",    "retry-failed",
                                          "bind",      "sequences",   "ahead",       "final-exit",
                                          "spill",     "retry-group", "retry-items", "wait"};
    for (size_t i = 0; i < sizeof of_maps / sizeof of_maps[0]; i++) {
        int row = option_find(of_maps[i], strlen(of_maps[i]));
        if (row >= 0 && option_is_set(options, row))
            return err_set(err, FANMAP_EUSAGE, "--%s is for jobs that end, not for streams", of_maps[i]);
    }
    return FANMAP_OK;
}

static int open_parts(fanmap_stream_t *s, const fanmap_options_t *options, const char *task, fanmap_error_t *err)
{
    int r = check_options(options, err);
    if (r == FANMAP_OK)
        r = client_open(options, FETCH_KBYTES, s->log, s->log_arg, &s->f, err);
    if (r == FANMAP_OK && s->f->is_local)
        r = err_set(err, FANMAP_EUSAGE, "a stream needs Kafka: its topics are there");
    if (r == FANMAP_OK)
        r = stream_begin(s, task, err);
    s->is_ended = r == FANMAP_OK && options_switch(options, OPT_DETACH); /* others do the rest */
    if (r == FANMAP_OK && !s->is_ended)
        r = stream_watch_end(s, err);
    return r == FANMAP_OK && !s->is_ended ? stream_gather_open(s, err) : r;
}

int fanmap_stream_open(const fanmap_options_t *options, const char *task, fanmap_log_fn log, void *log_arg,
                       fanmap_stream_t **ret_stream, fanmap_error_t *err)
{
    fanmap_stream_t *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    s->log = log;
    s->log_arg = log_arg;
    int r = open_parts(s, options, task, err);
    if (r != FANMAP_OK) {
        fanmap_stream_close(s);
        return r;
    }
    client_log(s->f, FANMAP_LOG_INFO, "stream %s: %s by task %s to %s", s->spec.job, s->spec.from, s->spec.task,
               s->spec.to[0] ? s->spec.to : "nothing");
    *ret_stream = s;
    return FANMAP_OK;
}

int fanmap_stream_fd(const fanmap_stream_t *stream)
{
    return fanmap_fd(stream->f);
}

int fanmap_stream_run(fanmap_stream_t *s, int timeout_ms, fanmap_error_t *err)
{
    stream_gather_turn(s);
    int r = s->is_ended ? FANMAP_OK : client_turn(s->f, timeout_ms, err);
    if (r == FANMAP_OK)
        stream_gather_turn(s);
    s->f->was_woken = false;
    client_mark(s->f);
    if (r != FANMAP_OK)
        return r;
    if (s->f->error.code)
        return err_copy(err, &s->f->error);
    if (s->error.code)
        return err_copy(err, &s->error);
    if (s->is_ended && s->is_cancelled)
        return err_set(err, FANMAP_ESTOPPED, "stream %s was cancelled", s->spec.job);
    return s->is_ended ? FANMAP_END : FANMAP_OK;
}

void fanmap_stream_drain(fanmap_stream_t *stream)
{
    stream->drain_asked = 1;
    loop_wake(stream->f->loop);
}

void fanmap_stream_close(fanmap_stream_t *s)
{
    if (!s)
        return;
    if (s->f)
        stream_gather_close(s);
    end_watch_close(&s->end);
    fanmap_close(s->f);
    free(s);
}
