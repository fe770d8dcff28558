/* GET /v1/jobs/ID/watch?from=&to=&bins=: what a page shows of a job (summary.h), as events: at once, then whenever it has changed, at
 * most every TICK_MS.
 *
 * A job that somebody watches is gathered once, in the order of arrival, and summed up; all who watch it look at that one summary. It
 * stays for LINGER_S after the last has gone, since pages are turned back and forth. */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/error.h"
#include "schemas/value.h"
#include "serve/failure.h"
#include "serve/handlers.h"
#include "serve/http/target.h"
#include "serve/internal.h"
#include "serve/summary.h"
#include "serve/watch.h"

enum {
    TICK_MS = 500,
    FIRST_MS = 200,
    FIRST_TICKS = 15,
    LINGER_S = 60,
    HEARTBEAT_TICKS = 20,
    WATCHED_MAX = 64,
    JOB_MAX = 256,
    BINS_STANDARD = 600
};

typedef struct viewer viewer_t;

struct watched {
    serve_t *serve;
    watched_t *next;
    char id[JOB_MAX];
    fanmap_job_t *job;
    summary_t *summary;
    serve_timer_t linger;
    unsigned viewers_n;
    bool has_ended;
    int result; /* of the end */
    fanmap_error_t error;
};

struct viewer {
    connection_t *c;
    watched_t *watched;
    serve_timer_t tick;
    uint64_t from, to, shown; /* to 0: as many items as are known */
    unsigned bins, quiet_ticks;
    bool end_shown;
};

/* ---- the jobs that are watched ---- */

static void watched_free(watched_t *w)
{
    LL_DELETE(w->serve->watched, w);
    w->serve->watched_n--;
    fanmap_job_close(w->job, true);
    serve_timer_stop(&w->linger);
    summary_free(w->summary);
    free(w);
}

void watch_close_all(serve_t *serve)
{
    while (serve->watched)
        watched_free(serve->watched);
}

static void on_linger(void *arg)
{
    watched_free(arg);
}

static void on_outcome(void *arg, fanmap_job_t *job, const fanmap_outcome_t *outcome)
{
    watched_t *w = arg;
    (void)job;
    summary_add(w->summary, outcome);
}

static void on_end(void *arg, fanmap_job_t *job, int result, const fanmap_error_t *err)
{
    watched_t *w = arg;
    w->has_ended = true;
    w->result = result;
    if (err)
        w->error = *err;
    fanmap_job_close(job, true);
    w->job = NULL;
}

static int begin_gather(watched_t *w, fanmap_error_t *err)
{
    fanmap_options_t *options;
    int r = fanmap_options_new(&options);
    if (r != FANMAP_OK)
        return err_set(err, r, "out of memory");
    r = fanmap_options_set(options, "unordered", "true", err);
    if (r == FANMAP_OK)
        r = fanmap_gather(w->serve->f, w->id, options, &w->job, err);
    if (r == FANMAP_OK)
        fanmap_on(w->job, on_outcome, on_end, NULL, w);
    fanmap_options_free(options);
    return r;
}

static watched_t *watched_find(serve_t *serve, const char *id)
{
    watched_t *w = serve->watched;
    while (w && strcmp(w->id, id) != 0)
        w = w->next;
    return w;
}

static int watched_begin(serve_t *serve, const char *id, watched_t **ret, fanmap_error_t *err)
{
    watched_t *w = watched_find(serve, id);
    int r = FANMAP_OK;
    if (!w) {
        if (!(w = calloc(1, sizeof *w)))
            return err_set(err, FANMAP_ENOMEM, "out of memory");
        w->serve = serve;
        memcpy(w->id, id, strlen(id) + 1);
        LL_PREPEND(serve->watched, w);
        serve->watched_n++;
        w->summary = summary_new();
        serve_timer_init(&w->linger, serve->base, on_linger, w);
        r = w->summary ? begin_gather(w, err) : err_set(err, FANMAP_ENOMEM, "out of memory");
    }
    if (r != FANMAP_OK)
        watched_free(w);
    else
        *ret = w;
    return r;
}

/* ---- who watches ---- */

static const char *end_word(const watched_t *w)
{
    return w->result == FANMAP_END ? "complete" : w->result == FANMAP_ESTOPPED ? "stopped" : failure_word(w->result);
}

static void send_summary(viewer_t *v)
{
    buf_t event = {0};
    const watched_t *w = v->watched;
    v->shown = summary_known(w->summary);
    v->end_shown = w->has_ended;
    v->quiet_ticks = 0;
    buf_append_text(&event, "data: {");
    summary_json(w->summary, v->from, v->to > 0 ? v->to : summary_items_end(w->summary), v->bins, &event);
    if (w->has_ended) {
        buf_printf(&event, ",\"end\":\"%s\",\"end_message\":", end_word(w));
        json_put_string(&event, w->error.message, strlen(w->error.message));
    }
    buf_append_text(&event, "}\n\n");
    reply_chunk(v->c, event.data, event.len);
    buf_free(&event);
}

static void on_tick(void *arg)
{
    viewer_t *v = arg;
    const watched_t *w = v->watched;
    if (!reply_is_begun(v->c) && w->has_ended && w->result < 0 && w->result != FANMAP_ESTOPPED) {
        reply_failure(v->c, &w->error);
        return;
    }
    bool is_first = !reply_is_begun(v->c);
    if (is_first && !w->has_ended && summary_known(w->summary) == 0 && ++v->quiet_ticks < FIRST_TICKS) {
        serve_timer_after(&v->tick, FIRST_MS); /* it may turn out that there is no such job */
        return;
    }
    if (is_first)
        reply_begin(v->c, 200, "text/event-stream", NULL);
    if (reply_has_room(v->c) && (is_first || v->shown != summary_known(w->summary) || v->end_shown != w->has_ended))
        send_summary(v);
    else if (++v->quiet_ticks % HEARTBEAT_TICKS == 0)
        reply_chunk(v->c, ": alive\n\n", 9);
    serve_timer_after(&v->tick, TICK_MS);
}

static void on_close(void *self)
{
    viewer_t *v = self;
    bool is_last = v->watched && --v->watched->viewers_n == 0;
    if (is_last && v->watched->has_ended && v->watched->result < 0 && v->watched->result != FANMAP_ESTOPPED)
        watched_free(v->watched); /* it may be there the next time */
    else if (is_last)
        serve_timer_after(&v->watched->linger, LINGER_S * 1000);
    serve_timer_stop(&v->tick);
    free(v);
}

static const exchange_ops_t viewer_ops = {.on_close = on_close};

void watch_begin(connection_t *c)
{
    char id[JOB_MAX];
    fanmap_error_t err = {0};
    uint64_t bins = BINS_STANDARD;
    http_text_t query = connection_head(c)->query;
    serve_t *serve = connection_serve(c);
    viewer_t *v = connection_attach_new(c, &viewer_ops, sizeof *v);
    if (!v)
        return;
    serve_timer_init(&v->tick, serve->base, on_tick, v);
    v->c = c;
    if (!connection_name(c, id, sizeof id) || !http_query_number(query, "from", UINT32_MAX, &v->from) ||
        !http_query_number(query, "to", UINT32_MAX, &v->to) ||
        !http_query_number(query, "bins", SUMMARY_BINS_MAX, &bins)) {
        reply_problem(c, 400, "usage", "from and to are indexes, bins is at most 4096");
    } else if (serve->watched_n >= WATCHED_MAX && !watched_find(serve, id)) {
        reply_problem(c, 503, "busy", "too many jobs are watched; close a page");
    } else if (watched_begin(serve, id, &v->watched, &err) != FANMAP_OK) {
        reply_failure(c, &err);
    } else {
        v->bins = (unsigned)bins;
        v->watched->viewers_n++;
        serve_timer_stop(&v->watched->linger);
        serve_timer_after(&v->tick, FIRST_MS);
    }
}
