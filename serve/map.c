/* POST /v1/map/TASK: items come in and outcomes go out on one connection, in order, while both run. The reply's head
 * waits for the first outcome, or the end, so that a map that was refused is a status and no broken body.
 *
 * Back-pressure: a job that takes no more pauses the body; a client that reads slowly holds the job, and the job its
 * producer. A client that goes away cancels the job, unless it said detach. A list that an error cut short is a
 * body without its end, whose last line says why; one of a job that was stopped (fail-fast, halt, deadline, cancel) is whole, as `gather` gives
 * it: GET /v1/jobs/JOB has the reason. */
#include <stdlib.h>

#include "serve/failure.h"
#include "serve/handlers.h"
#include "serve/internal.h"
#include "serve/items.h"
#include "serve/policy.h"

enum { TASK_MAX = 256, EXTRA_MAX = 320 };

typedef struct {
    connection_t *c;
    fanmap_job_t *job;
    items_t items;
    bool detach, as_records;
} map_t;

static void begin_reply(map_t *m)
{
    char extra[EXTRA_MAX];
    if (reply_is_begun(m->c))
        return;
    snprintf(extra, sizeof extra, "Fanmap-Job: %s\r\n", fanmap_job_id(m->job));
    reply_begin(m->c, 200, "application/x-ndjson", extra);
}

static void on_outcome(void *arg, fanmap_job_t *job, const fanmap_outcome_t *outcome)
{
    map_t *m = arg;
    fanmap_error_t err;
    const char *line;
    size_t len;
    begin_reply(m);
    if (fanmap_outcome_json(job, outcome, m->as_records, &line, &len, &err) != FANMAP_OK) {
        reply_abort(m->c);
        return;
    }
    reply_line(m->c, line, len);
    if (!reply_has_room(m->c))
        fanmap_hold(job, true);
}

static void on_end(void *arg, fanmap_job_t *job, int result, const fanmap_error_t *err)
{
    map_t *m = arg;
    (void)job;
    if (result < 0 && result != FANMAP_ESTOPPED && !reply_is_begun(m->c)) {
        reply_failure(m->c, err);
        return;
    }
    begin_reply(m);
    if (result == FANMAP_END || result == FANMAP_ESTOPPED)
        reply_end(m->c);
    else
        reply_break(m->c, err);
}

static void on_writable(void *arg, fanmap_job_t *job)
{
    map_t *m = arg;
    (void)job;
    if (items_resume(&m->items))
        connection_resume(m->c);
}

static size_t on_body(void *self, const char *bytes, size_t len)
{
    map_t *m = self;
    return items_feed(&m->items, bytes, len);
}

static void on_body_end(void *self)
{
    map_t *m = self;
    items_end(&m->items);
}

static void on_room(void *self)
{
    map_t *m = self;
    fanmap_hold(m->job, false);
}

static void on_close(void *self)
{
    map_t *m = self;
    fanmap_job_close(m->job, m->detach);
    items_free(&m->items);
    free(m);
}

static const exchange_ops_t map_ops = {on_body, on_body_end, on_room, on_close, .ends_with_client = true};
static const exchange_ops_t map_detached_ops = {on_body, on_body_end, on_room, on_close, .ends_with_client = false};

static int open_map(map_t *m, serve_t *serve, const char *task, fanmap_error_t *err)
{
    policy_t policy;
    int r = policy_read(connection_head(m->c)->query, &policy, err);
    if (r != FANMAP_OK)
        return r;
    m->detach = policy.detach;
    m->as_records = policy.as_records;
    m->items.item_max = (size_t)fanmap_options_number(policy.options, "item-max");
    r = fanmap_map(serve->f, task, policy.options, &m->job, err);
    m->items.job = m->job;
    fanmap_options_free(policy.options);
    return r;
}

void map_begin(connection_t *c)
{
    char task[TASK_MAX];
    fanmap_error_t err;
    map_t *m = connection_attach_new(c, &map_ops, sizeof *m);
    if (!m)
        return;
    m->c = c;
    if (!connection_name(c, task, sizeof task)) {
        reply_problem(c, 400, "usage", "the task's name is not well formed");
    } else if (open_map(m, connection_serve(c), task, &err) != FANMAP_OK) {
        reply_failure(c, &err);
    } else {
        fanmap_on(m->job, on_outcome, on_end, on_writable, m);
        connection_attach(c, m->detach ? &map_detached_ops : &map_ops, m);
    }
}
