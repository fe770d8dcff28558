/* GET /v1/jobs/ID/logs?index=&failed=&follow=&after=: what attempts of a job wrote, as `fanmap logs --json` prints it, or as
 * events with Accept: text/event-stream; and GET /v1/jobs/ID/outcomes?lane=&from=&live=&limit=&records=: the outcomes of one lane of a
 * stream, as those of a job (outcomes.c). Both by tail.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "serve/handlers.h"
#include "serve/http/target.h"
#include "serve/tail.h"
#include "views/views.h"

/* False: it is there, and none. */
static bool read_position(tail_t *t, const http_head_t *head, const char *name)
{
    bool has_last = head->last_event_id.len > 0;
    if (!http_query_get(head->query, name, t->position, sizeof t->position) && t->position[0])
        return false;
    return !has_last || http_decode(head->last_event_id, false, t->position, sizeof t->position);
}

static bool is_on(http_text_t query, const char *name)
{
    char text[16];
    return http_query_get(query, name, text, sizeof text) && strcmp(text, "false") != 0;
}

/* ---- logs ---- */

static void put_line(void *arg, const fanmap_log_line_t *line)
{
    query_t *q = arg;
    char position[24];
    buf_t text = {0};
    snprintf(position, sizeof position, "%" PRId64, line->position);
    if (line->is_end) {
        tail_end_batch(q, line->position < 0 ? "" : position, line->is_over);
        return;
    }
    view_log_line(&text, line);
    tail_put_line(q, position, text.data, text.len);
    q->body.failed |= text.failed;
    buf_free(&text);
}

static int ask_logs(query_t *q, fanmap_t *f, fanmap_error_t *err)
{
    return fanmap_logs(f, q->job, q->filter, QUERY_TIMEOUT_MS, put_line, q, err);
}

static int set_number(fanmap_options_t *filter, const char *name, uint64_t number, fanmap_error_t *err)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, number);
    return fanmap_options_set(filter, name, text, err);
}

static int prepare_logs(const tail_t *t, query_t *q, fanmap_error_t *err)
{
    int r = fanmap_options_new(&q->filter);
    if (r == FANMAP_OK)
        r = set_number(q->filter, "lines", t->limit, err);
    if (r == FANMAP_OK && t->has_index)
        r = set_number(q->filter, "index", t->index, err);
    if (r == FANMAP_OK && t->is_some_only)
        r = fanmap_options_set(q->filter, "failed", "true", err);
    if (r == FANMAP_OK && t->position[0])
        r = fanmap_options_set(q->filter, "after", t->position, err);
    return r;
}

static const char *read_logs_request(tail_t *t, const http_head_t *head)
{
    char text[24];
    uint64_t number;
    t->has_index = http_query_get(head->query, "index", text, sizeof text);
    if (t->has_index && !http_number(text, UINT32_MAX, &t->index))
        return "index is the index of an item";
    t->is_some_only = is_on(head->query, "failed");
    t->follows = is_on(head->query, "follow");
    t->form = http_wants_events(head) ? TAIL_EVENTS : TAIL_LINES;
    if (!read_position(t, head, "after") || (t->position[0] && !http_number(t->position, INT64_MAX, &number)))
        return "after is a position that was given here";
    return NULL;
}

void logs_begin(connection_t *c)
{
    tail_t *t = tail_begin(c);
    if (!t)
        return;
    t->ask = ask_logs;
    t->prepare = prepare_logs;
    tail_start(t, read_logs_request(t, connection_head(c)));
}

/* ---- a lane ---- */

static void put_outcome(void *arg, const fanmap_lane_outcome_t *outcome)
{
    if (outcome->is_end)
        tail_end_batch(arg, outcome->position, outcome->is_over);
    else
        tail_put_line(arg, outcome->position, outcome->line, outcome->len);
}

static int ask_lane(query_t *q, fanmap_t *f, fanmap_error_t *err)
{
    return fanmap_lane(f, q->job, (uint32_t)q->index, q->position, q->limit, q->is_some_only, QUERY_TIMEOUT_MS,
                       put_outcome, q, err);
}

static const char *read_lane_request(tail_t *t, const http_head_t *head)
{
    char text[24];
    if (!http_query_get(head->query, "lane", text, sizeof text) || !http_number(text, UINT32_MAX, &t->index))
        return "lane is the number of a partition of the source";
    t->follows = true;
    t->is_some_only = is_on(head->query, "records");
    t->form = http_wants_events(head) ? TAIL_EVENTS : TAIL_LINES;
    if (http_query_get(head->query, "live", text, sizeof text)) {
        if (strcmp(text, "poll") != 0 && strcmp(text, "sse") != 0)
            return "live is poll or sse";
        t->form = strcmp(text, "poll") == 0 ? TAIL_PAGE : TAIL_EVENTS;
    }
    if (!http_query_number(head->query, "limit", 100000, &t->limit) || t->limit == 0)
        return "limit is 1 to 100000";
    return read_position(t, head, "from") ? NULL : "from is a position that was given here";
}

void lane_begin(connection_t *c)
{
    tail_t *t = tail_begin(c);
    if (!t)
        return;
    t->ask = ask_lane;
    tail_start(t, read_lane_request(t, connection_head(c)));
}
