/* POST /v1/jobs?task=NAME and PUT /v1/jobs/ID?task=NAME: items in, and once all are stored the job's id. PUT may be sent
 * again: 201 the first time, 200 when the job is there with the same input (what was missing of it is published), 409
 * when its input or policy differs. A PUT that breaks off leaves the job open for the next; a POST's job is cancelled,
 * since nobody knows its name.
 *
 * POST /v1/jobs/ID/retry-failed is the same with ID's own items: what had no value there runs again, or one group of it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "schemas/value.h"
#include "serve/failure.h"
#include "serve/handlers.h"
#include "serve/internal.h"
#include "serve/items.h"
#include "serve/policy.h"
#include "serve/queries.h"
#include "serve/retry_body.h"

typedef struct {
    connection_t *c;
    fanmap_job_t *job; /* NULL: it is being asked whether the job is there */
    items_t items;
    policy_t policy;
    query_t *query;
    bool has_id, is_there;
    bool is_retry; /* its items are another job's */
} submission_t;

static void answer_stored(submission_t *s)
{
    buf_t body = {0};
    fanmap_stats_t stats;
    const char *id = fanmap_job_id(s->job);
    fanmap_stats(s->job, &stats, sizeof stats);
    buf_append_text(&body, "{\"job\":");
    json_put_string(&body, id, strlen(id));
    buf_printf(&body, ",\"items\":%" PRIu64 "}\n", stats.published);
    reply_json(s->c, s->is_there ? 200 : 201, &body, NULL);
    buf_free(&body);
}

static void on_end(void *arg, fanmap_job_t *job, int result, const fanmap_error_t *err)
{
    submission_t *s = arg;
    (void)job;
    if (result == FANMAP_END)
        answer_stored(s);
    else
        reply_failure(s->c, err);
}

static void on_writable(void *arg, fanmap_job_t *job)
{
    submission_t *s = arg;
    (void)job;
    if (items_resume(&s->items))
        connection_resume(s->c);
}

static size_t on_body(void *self, const char *bytes, size_t len)
{
    submission_t *s = self;
    return s->job ? items_feed(&s->items, bytes, len) : 0;
}

static void on_body_end(void *self)
{
    submission_t *s = self;
    s->items.has_ended = true;
    if (s->job)
        items_end(&s->items);
}

static void on_close(void *self)
{
    submission_t *s = self;
    if (s->query)
        queries_forget(connection_serve(s->c)->queries, s->query);
    fanmap_job_close(s->job, s->has_id);
    items_free(&s->items);
    fanmap_options_free(s->policy.options);
    free(s);
}

static const exchange_ops_t submit_ops = {on_body, on_body_end, NULL, on_close, .ends_with_client = false};

static void begin_job(submission_t *s)
{
    fanmap_error_t err;
    const char *task = s->policy.task[0] ? s->policy.task : NULL;
    if (fanmap_map(connection_serve(s->c)->f, task, s->policy.options, &s->job, &err) != FANMAP_OK) {
        reply_failure(s->c, &err);
        return;
    }
    s->items.job = s->job;
    fanmap_on(s->job, NULL, on_end, s->is_retry ? NULL : on_writable, s);
    if (s->is_retry)
        return;
    if (s->items.has_ended)
        items_end(&s->items);
    else
        connection_resume(s->c);
}

/* ---- is it there already? ---- */

static void on_job(void *arg, const fanmap_job_info_t *job)
{
    query_t *q = arg;
    if (strcmp(job->job, q->job) == 0)
        q->value[0] = 1;
}

static int query_jobs(query_t *q, fanmap_t *f, fanmap_error_t *err)
{
    return fanmap_jobs(f, q->filter, QUERY_TIMEOUT_MS, on_job, q, err);
}

static void on_answer(query_t *q)
{
    submission_t *s = q->arg;
    if (s) {
        s->query = NULL;
        s->is_there = q->value[0] == 1;
        if (q->result == FANMAP_OK)
            begin_job(s);
        else
            reply_failure(s->c, &q->error);
    }
    query_free(q);
}

static void query_job_first(submission_t *s, const char *id)
{
    query_t *q = calloc(1, sizeof *q);
    queries_t *queries = connection_serve(s->c)->queries;
    if (!q || fanmap_options_new(&q->filter) != FANMAP_OK ||
        fanmap_options_set(q->filter, "counts", "false", NULL) != FANMAP_OK || !queries) {
        reply_problem(s->c, queries ? 503 : 501, queries ? "no_memory" : "embedded",
                      queries ? "out of memory" : "an embedded fleet keeps no jobs");
        if (q)
            query_free(q);
        return;
    }
    snprintf(q->job, sizeof q->job, "%s", id);
    q->ask = query_jobs;
    q->answer = on_answer;
    q->arg = s;
    s->query = q;
    if (queries_ask(queries, q))
        return;
    s->query = NULL;
    query_free(q);
    reply_problem(s->c, 503, "busy", "too many questions wait for an answer; try again");
}

static int read_policy(submission_t *s, fanmap_error_t *err)
{
    int r = policy_read(connection_head(s->c)->query, &s->policy, err);
    if (r == FANMAP_OK)
        r = fanmap_options_set(s->policy.options, "detach", "true", err);
    if (r == FANMAP_OK)
        s->items.item_max = (size_t)fanmap_options_number(s->policy.options, "item-max");
    return r;
}

static submission_t *submission_new(connection_t *c)
{
    submission_t *s = connection_attach_new(c, &submit_ops, sizeof *s);
    if (s)
        s->c = c;
    return s;
}

void submit_begin(connection_t *c)
{
    char id[QUERY_JOB_MAX] = "";
    fanmap_error_t err;
    submission_t *s = submission_new(c);
    if (!s)
        return;
    s->has_id = connection_name(c, id, sizeof id);
    int r = read_policy(s, &err);
    if (r == FANMAP_OK && s->has_id)
        r = fanmap_options_set(s->policy.options, "job-id", id, &err);
    if (r != FANMAP_OK)
        reply_failure(c, &err);
    else if (connection_head(c)->method == HTTP_PUT && !s->has_id)
        reply_problem(c, 400, "usage", "the job id is not well formed");
    else if (!s->policy.task[0])
        reply_problem(c, 400, "usage", "which task? ?task=NAME");
    else if (s->has_id)
        query_job_first(s, id);
    else
        begin_job(s);
}

void retry_job(connection_t *c)
{
    char of[QUERY_JOB_MAX];
    fanmap_error_t err;
    submission_t *s = submission_new(c);
    if (!s)
        return;
    s->is_retry = true;
    int r = read_policy(s, &err);
    if (r == FANMAP_OK)
        r = retry_body_read(connection_body(c), s->policy.options, &err);
    if (r == FANMAP_OK && connection_name(c, of, sizeof of))
        r = fanmap_options_set(s->policy.options, "retry-failed", of, &err);
    const char *id = r == FANMAP_OK ? fanmap_options_get(s->policy.options, "job-id", 0) : NULL;
    s->has_id = id != NULL;
    if (r != FANMAP_OK)
        reply_failure(c, &err);
    else if (id)
        query_job_first(s, id);
    else
        begin_job(s);
}
