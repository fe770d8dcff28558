/* How far a stream is: every 10 s a line, for whoever watches its log, and none while nothing moves. The lag of its source is for show to
 * tell, which asks Kafka for it; what is known here without asking is the stream's own log. */
#include <inttypes.h>
#include <stdio.h>

#include "client/services/log_lag.h"
#include "client/services/stream.h"

enum { EVERY_MS = 10000 };

static void log_progress(const fanmap_stream_t *s, double rate, uint64_t lag)
{
    char skipped[48] = "", waits[64] = "";
    if (s->skipped > 0)
        (void)snprintf(skipped, sizeof skipped, ", %" PRIu64 " stepped over", s->skipped);
    if (lag > 0)
        (void)snprintf(waits, sizeof waits, "; %" PRIu64 " records of its log wait", lag);
    client_log(s->f, FANMAP_LOG_INFO, "stream %s: %" PRIu64 " handed out, %.*f/s, %" PRIu64 " failed%s%s", s->spec.job,
               s->handed_out, rate < 10 ? 1 : 0, rate, s->failed, skipped, waits);
}

static void on_timer(void *arg)
{
    fanmap_stream_t *s = arg;
    stream_progress_t *told = &s->progress;
    int64_t now_ms = loop_now_ms(s->f->loop);
    uint64_t lag = log_lag(s->group, s->lanes_n);
    if (s->handed_out != told->handed_out || s->skipped != told->skipped || lag != told->lag)
        log_progress(s, (double)(s->handed_out - told->handed_out) * 1000 / (double)(now_ms - told->at_ms), lag);
    told->at_ms = now_ms;
    told->handed_out = s->handed_out;
    told->skipped = s->skipped;
    told->lag = lag;
    loop_timer_at(told->timer, now_ms + EVERY_MS);
}

int stream_progress_open(fanmap_stream_t *s, fanmap_error_t *err)
{
    int r = loop_timer_new(s->f->loop, on_timer, s, &s->progress.timer, err);
    s->progress.at_ms = loop_now_ms(s->f->loop);
    if (r == FANMAP_OK)
        loop_timer_at(s->progress.timer, s->progress.at_ms + EVERY_MS);
    return r;
}

void stream_progress_close(fanmap_stream_t *s)
{
    if (s->progress.timer)
        loop_timer_free(s->progress.timer);
}
