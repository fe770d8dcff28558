#include "serve/tail.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/failure.h"
#include "serve/http/target.h"
#include "serve/internal.h"

enum { AGAIN_MS = 1000, HEARTBEAT_ROUNDS = 15, FAILURES_MAX = 10, OVER_ROUNDS = 2, PAGE_ROUNDS = 20 };

/* ---- in the thread ---- */

void tail_put_line(query_t *q, const char *position, const void *line, size_t len)
{
    q->lines_n++;
    if (q->as_events)
        buf_printf(&q->body, "id: %s\ndata: ", position);
    buf_append(&q->body, line, len);
    buf_append_text(&q->body, q->as_events ? "\n\n" : "\n");
}

void tail_end_batch(query_t *q, const char *position, bool is_over)
{
    snprintf(q->position, sizeof q->position, "%s", position);
    q->is_over = is_over;
}

/* ---- in the loop ---- */

static void begin_reply(tail_t *t)
{
    if (!reply_is_begun(t->c))
        reply_begin(t->c, 200, t->form == TAIL_EVENTS ? "text/event-stream" : "application/x-ndjson", NULL);
}

static void query_later(tail_t *t)
{
    serve_timer_after(&t->again, AGAIN_MS);
}

static void query_next(tail_t *t);

static void end(tail_t *t)
{
    static const char event[] = "event: end\ndata: {}\n\n";
    if (t->form == TAIL_EVENTS)
        reply_chunk(t->c, event, sizeof event - 1);
    reply_end(t->c);
}

static void send_page(tail_t *t, query_t *q)
{
    char extra[QUERY_POSITION_MAX + 80];
    bool is_end = q->is_over && q->lines_n == 0;
    if (q->lines_n == 0 && !is_end && ++t->rounds < PAGE_ROUNDS) {
        query_later(t);
        return;
    }
    snprintf(extra, sizeof extra, "Fanmap-Next: %s\r\n%s", q->position, is_end ? "Fanmap-End: true\r\n" : "");
    reply_whole(t->c, 200, "application/x-ndjson", &q->body, extra);
}

static void send_lines(tail_t *t, query_t *q)
{
    bool is_last_round = q->is_over && q->lines_n == 0 && ++t->over_rounds > OVER_ROUNDS;
    begin_reply(t);
    reply_chunk(t->c, q->body.data, q->body.len);
    t->quiet_rounds = q->lines_n > 0 ? 0 : t->quiet_rounds + 1;
    if (q->lines_n >= t->limit && reply_has_room(t->c))
        query_next(t);
    else if (q->lines_n >= t->limit)
        t->waits_for_room = true;
    else if (!t->follows || is_last_round)
        end(t);
    else
        query_later(t);
    if (t->quiet_rounds % HEARTBEAT_ROUNDS == HEARTBEAT_ROUNDS - 1 && t->form == TAIL_EVENTS)
        reply_chunk(t->c, ": alive\n\n", 9);
}

static void handle_answer(tail_t *t, query_t *q)
{
    memcpy(t->position, q->position, sizeof t->position);
    t->failures = 0;
    if (t->form == TAIL_PAGE)
        send_page(t, q);
    else
        send_lines(t, q);
}

static void on_answer(query_t *q)
{
    tail_t *t = q->arg;
    if (t) {
        t->query = NULL;
        if (q->result == FANMAP_OK && !q->body.failed)
            handle_answer(t, q);
        else if (!reply_is_begun(t->c))
            reply_failure(t->c, &q->error);
        else if (q->result == FANMAP_EUNREACHABLE && ++t->failures < FAILURES_MAX)
            query_later(t);
        else if (t->form == TAIL_LINES && q->result < 0)
            reply_break(t->c, &q->error);
        else
            reply_abort(t->c);
    }
    query_free(q);
}

static query_t *make_query(tail_t *t)
{
    fanmap_error_t err = {0};
    query_t *q = calloc(1, sizeof *q);
    if (!q)
        return NULL;
    memcpy(q->job, t->job, sizeof q->job);
    memcpy(q->position, t->position, sizeof q->position);
    q->index = t->index;
    q->limit = t->limit;
    q->is_some_only = t->is_some_only;
    q->as_events = t->form == TAIL_EVENTS;
    q->ask = t->ask;
    q->answer = on_answer;
    q->arg = t;
    if (!t->prepare || t->prepare(t, q, &err) == FANMAP_OK)
        return q;
    query_free(q);
    return NULL;
}

static void query_next(tail_t *t)
{
    t->query = make_query(t);
    if (!t->query) {
        reply_abort(t->c);
        return;
    }
    if (queries_ask(connection_serve(t->c)->queries, t->query))
        return;
    query_free(t->query); /* too many questions wait */
    t->query = NULL;
    query_later(t);
}

static void on_again(void *arg)
{
    tail_t *t = arg;
    if (reply_has_room(t->c))
        query_next(t);
    else
        t->waits_for_room = true;
}

static void on_room(void *self)
{
    tail_t *t = self;
    if (t->waits_for_room && !t->query) {
        t->waits_for_room = false;
        query_next(t);
    }
}

static void on_close(void *self)
{
    tail_t *t = self;
    if (t->query)
        queries_forget(connection_serve(t->c)->queries, t->query);
    serve_timer_stop(&t->again);
    free(t);
}

static const exchange_ops_t tail_ops = {.on_room = on_room, .on_close = on_close};

tail_t *tail_begin(connection_t *c)
{
    tail_t *t = connection_attach_new(c, &tail_ops, sizeof *t);
    if (!t)
        return NULL;
    serve_timer_init(&t->again, connection_serve(c)->base, on_again, t);
    t->c = c;
    t->limit = TAIL_LINES_A_TIME;
    return t;
}

void tail_start(tail_t *t, const char *wrong)
{
    if (!connection_name(t->c, t->job, sizeof t->job))
        wrong = "the job id is not well formed";
    if (wrong)
        reply_problem(t->c, 400, "usage", wrong);
    else if (!connection_serve(t->c)->queries)
        reply_problem(t->c, 501, "embedded", "an embedded fleet keeps none");
    else
        query_next(t);
}
