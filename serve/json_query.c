#include "serve/json_query.h"

#include <stdlib.h>
#include <string.h>

#include "serve/failure.h"
#include "serve/http/target.h"
#include "serve/internal.h"

static queries_t *queries_for(const query_t *q, const connection_t *c)
{
    const serve_t *serve = connection_serve(c);
    return q->is_long ? serve->long_queries : serve->queries;
}

static void on_close(void *self)
{
    query_t *q = self;
    if (q->is_asked)
        queries_forget(queries_for(q, q->arg), q);
    else
        query_free(q);
}

static const exchange_ops_t query_ops = {.on_close = on_close};

static void on_answer(query_t *q)
{
    connection_t *c = q->arg;
    if (c && q->result == FANMAP_OK && !q->body.failed) {
        buf_append(&q->body, "\n", 1);
        reply_json(c, 200, &q->body, NULL);
    } else if (c && q->result == FANMAP_AGAIN) {
        reply_problem(c, 503, "unreachable", "Kafka did not store it in time; try again");
    } else if (c) {
        reply_failure(c, &q->error);
    }
    /* on_close comes when the connection's turn does: it must not find the query freed */
    if (c)
        connection_attach(c, NULL, NULL);
    query_free(q);
}

query_t *json_query_begin(connection_t *c, json_query_fn ask)
{
    query_t *q = NULL;
    if (!connection_serve(c)->queries)
        reply_problem(c, 501, "embedded", "an embedded fleet cannot be asked this");
    else if (!(q = calloc(1, sizeof *q)))
        reply_problem(c, 503, "no_memory", "out of memory");
    if (!q)
        return NULL;
    q->ask = ask;
    q->answer = on_answer;
    q->arg = c;
    connection_attach(c, &query_ops, q);
    return q;
}

void json_query_send(connection_t *c, query_t *q)
{
    q->is_asked = queries_ask(queries_for(q, c), q);
    if (!q->is_asked)
        reply_problem(c, 503, "busy", "too many questions wait for an answer; try again");
}

bool json_query_filter(connection_t *c, query_t *q, const char *const *names)
{
    http_text_t query = connection_head(c)->query, name, value;
    fanmap_error_t err;
    char key[64], text[512];
    if (fanmap_options_new(&q->filter) != FANMAP_OK) {
        reply_problem(c, 503, "no_memory", "out of memory");
        return false;
    }
    while (http_query_next(&query, &name, &value)) {
        bool is_known = http_decode(name, true, key, sizeof key) && http_decode(value, true, text, sizeof text);
        const char *const *at = names;
        while (is_known && *at && strcmp(*at, key) != 0)
            at++;
        if (!is_known || !*at) {
            reply_problem(c, 400, "usage", "there is no such filter");
            return false;
        }
        if (fanmap_options_set(q->filter, key, text, &err) != FANMAP_OK) {
            reply_failure(c, &err);
            return false;
        }
    }
    return true;
}

void json_query_list(connection_t *c, json_query_fn ask, const char *const *filters)
{
    query_t *q = json_query_begin(c, ask);
    if (q && json_query_filter(c, q, filters))
        json_query_send(c, q);
}

buf_t *json_query_begin_list(query_t *q, const char *name)
{
    buf_printf(&q->body, "{\"%s\":[", name);
    return &q->body;
}

int json_query_end_list(query_t *q, int r)
{
    buf_append_text(&q->body, "]}");
    return r;
}

void json_query_begin_object(buf_t *body)
{
    buf_append_text(body, body->data && body->data[body->len - 1] == '[' ? "\n" : ",\n");
}
