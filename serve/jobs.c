/* Routes of jobs and workers that ask the fleet something and answer with one JSON body, and control of a job; the probes. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "schemas/mp.h"
#include "schemas/value.h"
#include "serve/handlers.h"
#include "serve/http/target.h"
#include "serve/internal.h"
#include "serve/json_query.h"
#include "views/views.h"

enum { READ_MS_MAX = 60000 };

static bool read_job(connection_t *c, query_t *q)
{
    if (connection_name(c, q->job, sizeof q->job))
        return true;
    reply_problem(c, 400, "usage", "the job id is not well formed");
    return false;
}

/* ---- lists ---- */

static void put_job(void *arg, const fanmap_job_info_t *job)
{
    json_query_begin_object(arg);
    view_job(arg, job);
}

static int ask_jobs(query_t *q, fanmap_t *f, fanmap_error_t *err)
{
    return json_query_end_list(
        q, fanmap_jobs(f, q->filter, QUERY_TIMEOUT_MS, put_job, json_query_begin_list(q, "jobs"), err));
}

void list_jobs(connection_t *c)
{
    query_t *q = json_query_begin(c, ask_jobs);
    if (!q || !json_query_filter(c, q, (const char *const[]){"state", "task", "queue", "since", "counts", NULL}))
        return;
    const char *counts = fanmap_options_get(q->filter, "counts", 0);
    q->is_long = !counts || strcmp(counts, "false") != 0;
    json_query_send(c, q);
}

static void put_worker(void *arg, const fanmap_worker_info_t *worker)
{
    json_query_begin_object(arg);
    view_worker(arg, worker);
}

static int ask_workers(query_t *q, fanmap_t *f, fanmap_error_t *err)
{
    return json_query_end_list(
        q, fanmap_workers(f, QUERY_TIMEOUT_MS, put_worker, json_query_begin_list(q, "workers"), err));
}

void list_workers(connection_t *c)
{
    query_t *q = json_query_begin(c, ask_workers);
    if (q)
        json_query_send(c, q);
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
    query_t *q = json_query_begin(c, ask_show);
    if (!q)
        return;
    if (!http_query_number(connection_head(c)->query, "read_ms", READ_MS_MAX, &read_ms)) {
        reply_problem(c, 400, "usage", "read_ms is a number of at most 60000");
    } else if (read_job(c, q)) {
        q->read_ms = read_ms == UINT64_MAX ? -1 : (int)read_ms;
        q->is_long = q->read_ms < 0;
        json_query_send(c, q);
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
    query_t *q = json_query_begin(c, ask_item);
    if (!q)
        return;
    if (!http_query_get(connection_head(c)->query, "index", text, sizeof text) ||
        !http_number(text, INT64_MAX, &q->index)) {
        reply_problem(c, 400, "usage", "index is the index of an item");
    } else if (read_job(c, q)) {
        q->is_long = true;
        json_query_send(c, q);
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
    query_t *q = json_query_begin(c, ask_control);
    if (!q || !read_job(c, q) || verb_len >= sizeof q->verb || value_len >= sizeof q->value)
        return;
    memcpy(q->verb, verb, verb_len);
    memcpy(q->value, value, value_len);
    json_query_send(c, q);
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

void send_liveness(connection_t *c)
{
    buf_t body = {0};
    buf_append_text(&body, "{\"status\":\"ok\"}\n");
    reply_json(c, 200, &body, NULL);
    buf_free(&body);
}

void send_readiness(connection_t *c)
{
    buf_t body = {0};
    fanmap_health_t health;
    serve_health(connection_serve(c), &health);
    reply_whole(c, view_health(&body, &health), "application/json", &body, NULL);
    buf_free(&body);
}
