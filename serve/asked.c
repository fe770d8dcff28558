/* Routes that ask the fleet something and answer with one JSON body: jobs, a job, workers, dead letters, and control of
 * a job. The query may outlive the connection that asked: then its answer goes nowhere. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schemas/mp.h"
#include "schemas/value.h"
#include "serve/asking.h"
#include "serve/failure.h"
#include "serve/handlers.h"
#include "serve/http/target.h"
#include "serve/internal.h"
#include "views/views.h"

enum { READ_MS_MAX = 60000 };

/* ---- from request to answer ---- */

static queries_t *queries_for(const query_t *q, const connection_t *c)
{
    const serve_t *serve = connection_serve(c);
    return q->is_long ? serve->long_queries : serve->queries;
}

static void forget(void *self)
{
    query_t *q = self;
    if (q->is_asked)
        queries_forget(queries_for(q, q->arg), q);
    else
        query_free(q);
}

static const exchange_ops_t asking = {.on_close = forget};

static void answer(query_t *q)
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
        connection_take(c, NULL, NULL);
    query_free(q);
}

query_t *asking_begin(connection_t *c, int (*ask)(query_t *q, fanmap_t *f, fanmap_error_t *err))
{
    query_t *q = NULL;
    if (!connection_serve(c)->queries)
        reply_problem(c, 501, "embedded", "an embedded fleet cannot be asked this");
    else if (!(q = calloc(1, sizeof *q)))
        reply_problem(c, 503, "no_memory", "out of memory");
    if (!q)
        return NULL;
    q->ask = ask;
    q->answer = answer;
    q->arg = c;
    connection_take(c, &asking, q);
    return q;
}

void asking_ask(connection_t *c, query_t *q)
{
    q->is_asked = queries_ask(queries_for(q, c), q);
    if (!q->is_asked)
        reply_problem(c, 503, "busy", "too many questions wait for an answer; try again");
}

/* NAME=VALUE of the query among `names` become options. */
bool asking_filter(connection_t *c, query_t *q, const char *const *names)
{
    http_text_t query = connection_head(c)->query, name, value;
    fanmap_error_t err;
    char key[64], text[512];
    if (fanmap_options_new(&q->filter) != FANMAP_OK)
        return false;
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

static bool read_job(connection_t *c, query_t *q)
{
    if (connection_name(c, q->job, sizeof q->job))
        return true;
    reply_problem(c, 400, "usage", "the job id is not well formed");
    return false;
}

/* ---- lists ---- */

/* Only with what is in `filters`, if the request has it. */
void asking_list(connection_t *c, int (*ask)(query_t *q, fanmap_t *f, fanmap_error_t *err), const char *const *filters)
{
    query_t *q = asking_begin(c, ask);
    if (q && asking_filter(c, q, filters))
        asking_ask(c, q);
}

/* {"NAME":[...]}, an object a line. */
buf_t *asking_begin_list(query_t *q, const char *name)
{
    buf_printf(&q->body, "{\"%s\":[", name);
    return &q->body;
}

int asking_end_list(query_t *q, int r)
{
    buf_append_text(&q->body, "]}");
    return r;
}

void asking_begin_object(buf_t *body)
{
    buf_append_text(body, body->data && body->data[body->len - 1] == '[' ? "\n" : ",\n");
}

static void put_job(void *arg, const fanmap_job_info_t *job)
{
    asking_begin_object(arg);
    view_job(arg, job);
}

static int ask_jobs(query_t *q, fanmap_t *f, fanmap_error_t *err)
{
    return asking_end_list(q, fanmap_jobs(f, q->filter, QUERY_TIMEOUT_MS, put_job, asking_begin_list(q, "jobs"), err));
}

void list_jobs(connection_t *c)
{
    query_t *q = asking_begin(c, ask_jobs);
    if (!q || !asking_filter(c, q, (const char *const[]){"state", "task", "queue", "since", "counts", NULL}))
        return;
    const char *counts = fanmap_options_get(q->filter, "counts", 0);
    q->is_long = !counts || strcmp(counts, "false") != 0;
    asking_ask(c, q);
}

static void put_worker(void *arg, const fanmap_worker_info_t *worker)
{
    asking_begin_object(arg);
    view_worker(arg, worker);
}

static int ask_workers(query_t *q, fanmap_t *f, fanmap_error_t *err)
{
    return asking_end_list(q, fanmap_workers(f, QUERY_TIMEOUT_MS, put_worker, asking_begin_list(q, "workers"), err));
}

void list_workers(connection_t *c)
{
    query_t *q = asking_begin(c, ask_workers);
    if (q)
        asking_ask(c, q);
}

/* ---- one job ---- */

static int ask_show(query_t *q, fanmap_t *f, fanmap_error_t *err)
{
    return fanmap_show_soon(f, q->job, q->read_ms, QUERY_TIMEOUT_MS, view_show, &q->body, err);
}

/* ?read_ms=N */
void show_job(connection_t *c)
{
    uint64_t read_ms = UINT64_MAX;
    query_t *q = asking_begin(c, ask_show);
    if (!q)
        return;
    if (!http_query_number(connection_head(c)->query, "read_ms", READ_MS_MAX, &read_ms)) {
        reply_problem(c, 400, "usage", "read_ms is a number of at most 60000");
    } else if (read_job(c, q)) {
        q->read_ms = read_ms == UINT64_MAX ? -1 : (int)read_ms;
        q->is_long = q->read_ms < 0;
        asking_ask(c, q);
    }
}

static int ask_item(query_t *q, fanmap_t *f, fanmap_error_t *err)
{
    return fanmap_item(f, q->job, q->index, QUERY_TIMEOUT_MS, view_item, &q->body, err);
}

/* ?index=N */
void show_item(connection_t *c)
{
    char text[32];
    query_t *q = asking_begin(c, ask_item);
    if (!q)
        return;
    if (!http_query_get(connection_head(c)->query, "index", text, sizeof text) ||
        !http_number(text, INT64_MAX, &q->index)) {
        reply_problem(c, 400, "usage", "index is the index of an item");
    } else if (read_job(c, q)) {
        q->is_long = true;
        asking_ask(c, q);
    }
}

static int ask_control(query_t *q, fanmap_t *f, fanmap_error_t *err)
{
    int r = fanmap_control(f, q->job, q->verb, q->value[0] ? q->value : NULL, QUERY_TIMEOUT_MS, err);
    buf_append_text(&q->body, "{\"job\":");
    json_put_string(&q->body, q->job, strlen(q->job));
    buf_append_text(&q->body, "}");
    return r;
}

static void control(connection_t *c, const char *verb, size_t verb_len, const char *value, size_t value_len)
{
    query_t *q = asking_begin(c, ask_control);
    if (!q || !read_job(c, q) || verb_len >= sizeof q->verb || value_len >= sizeof q->value)
        return;
    memcpy(q->verb, verb, verb_len);
    memcpy(q->value, value, value_len);
    asking_ask(c, q);
}

void control_job(connection_t *c)
{
    http_text_t path = connection_head(c)->path;
    const char *verb = path.at + path.len;
    while (verb[-1] != '/')
        verb--;
    control(c, verb, (size_t)(path.at + path.len - verb), "", 0);
}

/* {"concurrency": N}, and nothing else. */
static bool read_limit(const buf_t *body, uint64_t *ret)
{
    buf_t packed = {0};
    char key[16] = "";
    mp_reader_t r;
    bool is_read = value_from_json(&packed, (const char *)body->data, body->len, NULL) == FANMAP_OK;
    mp_reader_init(&r, packed.data, packed.len);
    if (is_read && mp_read_map(&r) == 1) {
        mp_read_text(&r, key, sizeof key);
        *ret = mp_read_uint(&r);
    }
    is_read = is_read && mp_done(&r) && strcmp(key, "concurrency") == 0;
    buf_free(&packed);
    return is_read;
}

void patch_job(connection_t *c)
{
    char number[32];
    uint64_t limit = 0;
    if (read_limit(connection_body(c), &limit))
        control(c, "concurrency", 11, number, (size_t)snprintf(number, sizeof number, "%" PRIu64, limit));
    else
        reply_problem(c, 400, "usage", "the body is {\"concurrency\": N}");
}

void say_alive(connection_t *c)
{
    buf_t body = {0};
    buf_append_text(&body, "{\"status\":\"ok\"}\n");
    reply_json(c, 200, &body, NULL);
    buf_free(&body);
}

void say_ready(connection_t *c)
{
    buf_t body = {0};
    fanmap_health_t health;
    serve_health(connection_serve(c), &health);
    reply_whole(c, view_health(&body, &health), "application/json", &body, NULL);
    buf_free(&body);
}
