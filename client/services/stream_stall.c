/* What is handed out is not stored: a topic has too few replicas in sync, or Kafka stores nothing for another reason. Its
 * client tries again without a word until the transaction's time is over, and then the stream begins anew; so who looks is told
 * in between, once until something is stored. Kafka is asked why, and answers only while it is there: that it is away is said by others. */

#include "client/admin/held_topic.h"
#include "client/services/stream.h"

enum { STALL_MS = 3000 };

static void log_stall(fanmap_stream_t *s)
{
    s->stall.is_said = true;
    client_log(
        s->f, FANMAP_LOG_WARNING,
        "stream %s: what it handed out is not stored for more than %d s: %s; it is tried again, and nothing is lost",
        s->spec.job, STALL_MS / 1000,
        s->stall.why[0] ? s->stall.why : "its topics have their replicas, so Kafka is slow or holds it up");
}

/* The topics that may hold it up, one after the other. */
static const char *asked_topic(const fanmap_stream_t *s)
{
    const char *const topics[] = {s->spec.to, s->spec.errors_to};
    return s->stall.asked_n < sizeof topics / sizeof topics[0] ? topics[s->stall.asked_n] : NULL;
}

static void on_survey(void *arg, const bus_topic_state_t *topics, size_t n, const fanmap_error_t *err);

static void ask_next(fanmap_stream_t *s)
{
    fanmap_error_t ignored; /* out of memory: then it is not known why */
    for (const char *topic; (topic = asked_topic(s)) && !s->stall.why[0]; s->stall.asked_n++)
        if (topic[0] && bus_survey(s->f->bus, topic, on_survey, s, &ignored) == FANMAP_OK)
            return;
    s->stall.is_asking = false;
    if (s->writer_state == WRITER_BUSY && !s->stall.is_said)
        log_stall(s);
}

static void on_survey(void *arg, const bus_topic_state_t *topics, size_t n, const fanmap_error_t *err)
{
    fanmap_stream_t *s = arg;
    if (!err)
        (void)held_topic_why(s->stall.why, sizeof s->stall.why, asked_topic(s), topics, n);
    s->stall.asked_n++;
    ask_next(s);
}

static void on_timer(void *arg)
{
    fanmap_stream_t *s = arg;
    if (s->writer_state != WRITER_BUSY || s->stall.is_said || s->stall.is_asking)
        return;
    s->stall.why[0] = '\0';
    s->stall.asked_n = 0;
    s->stall.is_asking = true;
    ask_next(s);
}

int stream_stall_open(fanmap_stream_t *s, fanmap_error_t *err)
{
    return loop_timer_new(s->f->loop, on_timer, s, &s->stall.timer, err);
}

void stream_stall_close(fanmap_stream_t *s)
{
    if (!s->stall.timer)
        return;
    loop_timer_free(s->stall.timer);
    bus_forget(s->f->bus, s);
}

void stream_stall_begin(fanmap_stream_t *s)
{
    loop_timer_at(s->stall.timer, loop_now_ms(s->f->loop) + STALL_MS);
}

void stream_stall_end(fanmap_stream_t *s, bool is_stored)
{
    loop_timer_stop(s->stall.timer);
    if (s->stall.is_said && is_stored) {
        s->stall.is_said = false;
        client_log(s->f, FANMAP_LOG_INFO, "stream %s: what it hands out is stored again", s->spec.job);
    }
}
