/* A stream whose task nobody serves would stand in silence: so, while nothing comes of it, it is asked who serves the task, and that
 * nobody does is said once until it goes on. Redis is asked, and without it (--redis none) Kafka: who of the workers' group reads
 * the source. */
#include <stdio.h>

#include "client/services/stream.h"
#include "tokens/presence.h"

enum { FIRST_ASK_MS = 2500, ASK_EVERY_MS = 2 * PRESENCE_EVERY_MS };

static void on_counted(fanmap_stream_t *s, int64_t workers_n)
{
    char text[WHY_TEXT_MAX];
    s->workers.is_asked = false;
    if (workers_n != 0 || s->workers.is_said) /* served, or there is no answer */
        return;
    s->workers.is_said = true;
    client_log(s->f, FANMAP_LOG_WARNING, "%s", why_no_worker(text, s->spec.task, s->spec.queue, s->f->namespace_name));
}

static void on_servers(void *arg, const char *const *texts, size_t n, const fanmap_error_t *err)
{
    (void)texts;
    on_counted(arg, err ? -1 : (int64_t)(n - 1) / 2);
}

static void on_members(void *arg, const bus_answer_t *answer)
{
    on_counted(arg, answer->value);
}

static int count_workers(fanmap_stream_t *s, fanmap_error_t *err)
{
    char name[NAME_MAX_LEN + TASK_NAME_MAX + 2];
    const bus_request_t request = {.kind = BUS_COUNT_MEMBERS, .group = s->log_name}; /* the two have one name */
    if (!s->f->presence)
        return bus_request(s->workers.source, &request, on_members, s, err);
    (void)snprintf(name, sizeof name, "%s.%s", s->spec.queue, s->spec.task);
    return presence_ask(s->f->presence, PRESENCE_SERVERS, name, on_servers, s, err);
}

static void on_timer(void *arg)
{
    fanmap_stream_t *s = arg;
    stream_workers_t *w = &s->workers;
    fanmap_error_t ignored; /* out of memory: it is asked the next time */
    uint64_t now = s->handed_out + s->skipped;
    if (now != w->seen && w->is_said)
        client_log(s->f, FANMAP_LOG_WARNING, "stream %s goes on", s->spec.job);
    if (now != w->seen)
        w->is_said = false;
    else if (!w->is_said && !w->is_asked)
        w->is_asked = count_workers(s, &ignored) == FANMAP_OK;
    w->seen = now;
    loop_timer_at(w->timer, loop_now_ms(s->f->loop) + ASK_EVERY_MS);
}

int stream_workers_open(fanmap_stream_t *s, fanmap_error_t *err)
{
    int r = s->f->presence ? FANMAP_OK : bus_topic_open(s->f->bus, s->spec.from, NULL, s, &s->workers.source, err);
    if (r == FANMAP_OK)
        r = loop_timer_new(s->f->loop, on_timer, s, &s->workers.timer, err);
    if (r == FANMAP_OK)
        loop_timer_at(s->workers.timer, loop_now_ms(s->f->loop) + FIRST_ASK_MS);
    return r;
}

void stream_workers_close(fanmap_stream_t *s)
{
    if (!s->workers.timer)
        return;
    presence_forget(s->f->presence, s);
    bus_forget(s->f->bus, s);
    loop_timer_free(s->workers.timer);
}
