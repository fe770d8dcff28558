/* GET /v1/events?queue=: what happened to the fleet (fleet_log.h) since this server began to look, which it does every LOOK_EVERY_S,
 * whether anybody asks or not: one question to Redis. Without Redis nobody looks. */
#include "serve/events.h"

#include <stdlib.h>

#include "base/clock.h"
#include "serve/fleet_log.h"
#include "serve/handlers.h"
#include "serve/http/target.h"
#include "serve/internal.h"
#include "serve/queries.h"

enum { LOOK_EVERY_S = 2, LOOK_AGAIN_S = 10, LOOK_TIMEOUT_MS = 1000, QUEUE_BYTES = 64 };

struct events {
    serve_t *serve;
    fleet_log_t *log;
    serve_timer_t timer;
};

static void look_later(events_t *events, int seconds)
{
    serve_timer_after(&events->timer, seconds * INT64_C(1000));
}

static void note_worker(void *arg, const fanmap_worker_info_t *worker)
{
    fleet_log_add_worker(arg, worker);
}

static int ask_workers(query_t *q, fanmap_t *f, fanmap_error_t *err)
{
    return fanmap_workers(f, LOOK_TIMEOUT_MS, note_worker, &q->body, err);
}

static void on_looked(query_t *q)
{
    events_t *events = q->arg;
    if (q->result == FANMAP_OK)
        fleet_log_update(events->log, wall_ms(), &q->body);
    else if (q->result == FANMAP_EUNREACHABLE)
        fleet_log_unreachable(events->log, wall_ms());
    if (q->result != FANMAP_EUSAGE && q->result != FANMAP_AGAIN) /* there is no Redis; the server ends */
        look_later(events, q->result == FANMAP_OK ? LOOK_EVERY_S : LOOK_AGAIN_S);
    query_free(q);
}

static void on_timer(void *arg)
{
    events_t *events = arg;
    query_t *q = calloc(1, sizeof *q);
    if (q) {
        q->ask = ask_workers;
        q->answer = on_looked;
        q->arg = events;
    }
    if (q && queries_ask(events->serve->queries, q))
        return;
    free(q);
    look_later(events, LOOK_EVERY_S);
}

events_t *events_start(serve_t *serve)
{
    events_t *events = calloc(1, sizeof *events);
    if (!events)
        return NULL;
    events->serve = serve;
    events->log = fleet_log_new(wall_ms());
    serve_timer_init(&events->timer, serve->base, on_timer, events);
    if (events->log) {
        serve_timer_soon(&events->timer);
        return events;
    }
    events_free(events);
    return NULL;
}

void events_free(events_t *events)
{
    if (!events)
        return;
    serve_timer_stop(&events->timer);
    fleet_log_free(events->log);
    free(events);
}

void list_events(connection_t *c)
{
    char queue[QUEUE_BYTES];
    buf_t body = {0};
    const events_t *events = connection_serve(c)->events;
    if (!events) {
        reply_problem(c, 501, "embedded", "an embedded fleet has no workers");
        return;
    }
    bool is_of_queue = http_query_get(connection_head(c)->query, "queue", queue, sizeof queue);
    fleet_log_json(events->log, is_of_queue ? queue : NULL, &body);
    buf_append(&body, "\n", 1);
    reply_json(c, 200, &body, NULL);
    buf_free(&body);
}
