/* GET /v1/jobs/ID/outcomes?from=POSITION: the list of a job from a position that was kept, in order.
 *
 *   (nothing)           NDJSON in chunks, until the job has ended, as it grows
 *   live=poll           one page: what is there now or within POLL_S, at most `limit` outcomes; the header Fanmap-Next has
 *                       the position behind it, Fanmap-End says that nothing follows
 *   live=sse, or Accept: text/event-stream
 *                       events: `id:` is the position behind the outcome (none on heartbeats), Last-Event-ID goes on
 *                       from it; at the end an event "end"
 *
 * A position is opaque to its reader and sorts as text: it is the library's (fanmap_position). A client that reads slowly
 * holds its own gathering. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/failure.h"
#include "serve/handlers.h"
#include "serve/http/target.h"
#include "serve/internal.h"

enum {
    JOB_MAX = 256,
    POSITION_MAX = 1500, /* of a job in order, or a stream of some tens of partitions */
    GATHER_MS = 50,      /* what comes together goes together */
    POLL_S = 20,
    HEARTBEAT_S = 15,
    LIMIT_STANDARD = 1000,
    PAGE_BYTES_MAX = 4 << 20
};

/* What waits in memory for a slow reader, of each. */
#define WINDOW "256KiB"

typedef enum { AS_LINES, AS_PAGE, AS_EVENTS } form_t;

typedef struct {
    connection_t *c;
    fanmap_job_t *job;
    serve_timer_t timer; /* of a page: it goes out; of events: a heartbeat */
    form_t form;
    bool as_records;
    char from[POSITION_MAX + 1]; /* "": the start */
    unsigned left;               /* of a page */
    buf_t page;
} reading_t;

/* ---- a page ---- */

static void send_page(reading_t *r, bool has_ended)
{
    char extra[POSITION_MAX + 80];
    const char *position;
    if (fanmap_position(r->job, &position, NULL) != FANMAP_OK) {
        reply_abort(r->c);
        return;
    }
    if (strlen(position) > POSITION_MAX) {
        reply_problem(r->c, 501, "too_many_partitions",
                      "the stream has too many partitions for a position in a header");
        return;
    }
    snprintf(extra, sizeof extra, "Fanmap-Next: %s\r\n%s", position, has_ended ? "Fanmap-End: true\r\n" : "");
    fanmap_hold(r->job, true);
    reply_whole(r->c, 200, "application/x-ndjson", &r->page, extra);
}

static void put_in_page(reading_t *r, const char *line, size_t len)
{
    buf_append(&r->page, line, len);
    buf_append(&r->page, "\n", 1);
    if (--r->left == 0 || r->page.len >= PAGE_BYTES_MAX || r->page.failed)
        send_page(r, false);
    else if (r->page.len == len + 1)
        serve_timer_after(&r->timer, GATHER_MS);
}

/* ---- events ---- */

static void put_event(reading_t *r, const char *line, size_t len)
{
    const char *position;
    buf_t event = {0};
    if (fanmap_position(r->job, &position, NULL) != FANMAP_OK) {
        reply_abort(r->c);
        return;
    }
    buf_printf(&event, "id: %s\ndata: ", position);
    buf_append(&event, line, len);
    buf_append(&event, "\n\n", 2);
    reply_chunk(r->c, event.data, event.len);
    buf_free(&event);
}

static void put_end_event(reading_t *r, int result, const fanmap_error_t *err)
{
    buf_t event = {0};
    buf_append_text(&event, "event: end\ndata: ");
    if (result == FANMAP_END || result == FANMAP_ESTOPPED)
        buf_printf(&event, "{\"result\":\"%s\"}", result == FANMAP_END ? "complete" : failure_word(result));
    else
        failure_put(&event, "result", err);
    buf_append(&event, "\n\n", 2);
    reply_chunk(r->c, event.data, event.len);
    buf_free(&event);
}

/* ---- outcomes ---- */

static void begin_reply(reading_t *r)
{
    if (r->form != AS_PAGE && !reply_is_begun(r->c))
        reply_begin(r->c, 200, r->form == AS_EVENTS ? "text/event-stream" : "application/x-ndjson", NULL);
}

static void on_outcome(void *arg, fanmap_job_t *job, const fanmap_outcome_t *outcome)
{
    reading_t *r = arg;
    const char *line;
    size_t len;
    if (r->form == AS_PAGE && reply_is_begun(r->c))
        return;
    begin_reply(r);
    if (fanmap_outcome_json(job, outcome, r->as_records, &line, &len, NULL) != FANMAP_OK) {
        reply_abort(r->c);
        return;
    }
    if (r->form == AS_LINES)
        reply_line(r->c, line, len);
    else if (r->form == AS_EVENTS)
        put_event(r, line, len);
    else
        put_in_page(r, line, len);
    if (!reply_has_room(r->c))
        fanmap_hold(job, true);
}

static void on_end(void *arg, fanmap_job_t *job, int result, const fanmap_error_t *err)
{
    reading_t *r = arg;
    bool is_whole = result == FANMAP_END || result == FANMAP_ESTOPPED;
    (void)job;
    if (r->form == AS_PAGE && reply_is_begun(r->c))
        return;
    if (!is_whole && !reply_is_begun(r->c)) {
        reply_failure(r->c, err);
        return;
    }
    begin_reply(r);
    if (r->form == AS_PAGE)
        send_page(r, true);
    else if (r->form == AS_EVENTS)
        put_end_event(r, result, err);
    if (r->form != AS_PAGE && is_whole)
        reply_end(r->c);
    else if (r->form == AS_LINES)
        reply_break(r->c, err);
    else if (r->form == AS_EVENTS)
        reply_abort(r->c);
}

static void on_timer(void *arg)
{
    reading_t *r = arg;
    if (r->form == AS_PAGE && !reply_is_begun(r->c))
        send_page(r, false);
    if (r->form != AS_EVENTS)
        return;
    begin_reply(r);
    if (reply_has_room(r->c))
        reply_chunk(r->c, ": alive\n\n", 9);
    serve_timer_after(&r->timer, HEARTBEAT_S * 1000);
}

static void on_room(void *self)
{
    reading_t *r = self;
    if (r->form != AS_PAGE)
        fanmap_hold(r->job, false);
}

static void on_close(void *self)
{
    reading_t *r = self;
    fanmap_job_close(r->job, true);
    serve_timer_stop(&r->timer);
    buf_free(&r->page);
    free(r);
}

static const exchange_ops_t outcomes_ops = {.on_room = on_room, .on_close = on_close};

/* ---- the request ---- */

static const char *read_request(reading_t *r, const http_head_t *head)
{
    char text[32];
    uint64_t limit = LIMIT_STANDARD;
    if (http_query_get(head->query, "live", text, sizeof text)) {
        if (strcmp(text, "poll") != 0 && strcmp(text, "sse") != 0)
            return "live is poll or sse";
        r->form = strcmp(text, "poll") == 0 ? AS_PAGE : AS_EVENTS;
    } else if (http_wants_events(head)) {
        r->form = AS_EVENTS;
    }
    r->as_records = http_query_get(head->query, "records", text, sizeof text) && strcmp(text, "false") != 0;
    if (!http_query_number(head->query, "limit", 100000, &limit) || limit == 0)
        return "limit is 1 to 100000";
    r->left = (unsigned)limit;
    if (!http_query_get(head->query, "from", r->from, sizeof r->from) && r->from[0])
        return "from is a position that was given here, or an index";
    if (head->last_event_id.len > 0 && !http_decode(head->last_event_id, false, r->from, sizeof r->from))
        return "Last-Event-ID is no position that was given here";
    return NULL;
}

static int begin_gather(reading_t *r, const char *id, fanmap_error_t *err)
{
    fanmap_options_t *options;
    int result = fanmap_options_new(&options);
    if (result != FANMAP_OK)
        return result;
    result = fanmap_options_set(options, "value-format", "json", err);
    if (result == FANMAP_OK)
        result = fanmap_options_set(options, "window", WINDOW, err);
    if (result == FANMAP_OK && r->from[0])
        result = fanmap_options_set(options, "from", r->from, err);
    if (result == FANMAP_OK && r->form != AS_LINES)
        result = fanmap_options_set(options, "follow", "true", err);
    if (result == FANMAP_OK)
        result = fanmap_gather(connection_serve(r->c)->f, id, options, &r->job, err);
    fanmap_options_free(options);
    return result;
}

void outcomes_begin(connection_t *c)
{
    char id[JOB_MAX] = "";
    fanmap_error_t err = {0};
    const http_head_t *head = connection_head(c);
    if (http_query_get(head->query, "lane", id, sizeof id) || id[0]) {
        lane_begin(c); /* of a stream */
        return;
    }
    reading_t *r = connection_attach_new(c, &outcomes_ops, sizeof *r);
    if (!r)
        return;
    serve_timer_init(&r->timer, connection_serve(c)->base, on_timer, r);
    r->c = c;
    const char *wrong = read_request(r, head);
    if (!connection_name(c, id, sizeof id))
        wrong = "the job id is not well formed";
    if (wrong) {
        reply_problem(c, 400, "usage", wrong);
    } else if (begin_gather(r, id, &err) != FANMAP_OK) {
        reply_failure(c, &err);
    } else {
        fanmap_on(r->job, on_outcome, on_end, NULL, r);
        serve_timer_after(&r->timer, (r->form == AS_PAGE ? POLL_S : HEARTBEAT_S) * 1000);
    }
}
