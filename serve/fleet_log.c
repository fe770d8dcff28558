#include "serve/fleet_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "views/json.h"

enum { NAMED_MAX = 4 /* workers of an event; the others are counted */ };
typedef enum { WORKERS_CAME, WORKERS_GONE, PARTITIONS_MOVED, REDIS_AWAY, REDIS_BACK } fleet_what_t;

typedef struct {
    int64_t at_ms;
    fleet_what_t what;
    char queue[64], names[FLEET_NAMES_BYTES];
    uint64_t workers_n;
} fleet_event_t;

struct fleet_log {
    int64_t since_ms;
    buf_t workers; /* of the last look, by id */
    bool has_looked, is_away;
    uint64_t events_n; /* also those that are not kept any more */
    fleet_event_t events[FLEET_EVENTS_MAX];
};

fleet_log_t *fleet_log_new(int64_t now_ms)
{
    fleet_log_t *log = calloc(1, sizeof *log);
    if (log)
        log->since_ms = now_ms;
    return log;
}

void fleet_log_free(fleet_log_t *log)
{
    if (!log)
        return;
    buf_free(&log->workers);
    free(log);
}

void fleet_log_add_worker(buf_t *look, const fanmap_worker_info_t *worker)
{
    fleet_worker_t one = {.partitions = worker->partitions};
    if (look->len / sizeof one >= FLEET_WORKERS_MAX)
        return;
    snprintf(one.id, sizeof one.id, "%s", worker->id);
    snprintf(one.name, sizeof one.name, "%.64s:%" PRIu64, worker->host, worker->pid);
    snprintf(one.queue, sizeof one.queue, "%s", worker->queue);
    buf_append(look, &one, sizeof one);
}

/* ---- events ---- */

static fleet_event_t *event_at(fleet_log_t *log, uint64_t n)
{
    return &log->events[n % FLEET_EVENTS_MAX];
}

static fleet_event_t *add_event(fleet_log_t *log, int64_t now_ms, fleet_what_t what, const char *queue)
{
    fleet_event_t *event = event_at(log, log->events_n++);
    *event = (fleet_event_t){.at_ms = now_ms, .what = what};
    snprintf(event->queue, sizeof event->queue, "%s", queue);
    return event;
}

/* The event of this look (from `first` on) to which the worker belongs; a new one, if it is the first of its kind. */
static fleet_event_t *event_of(fleet_log_t *log, uint64_t first, int64_t now_ms, fleet_what_t what, const char *queue)
{
    for (uint64_t n = first; n < log->events_n; n++)
        if (event_at(log, n)->what == what && strcmp(event_at(log, n)->queue, queue) == 0)
            return event_at(log, n);
    return add_event(log, now_ms, what, queue);
}

static void add_worker_event(fleet_log_t *log, uint64_t first, int64_t now_ms, fleet_what_t what,
                             const fleet_worker_t *worker)
{
    fleet_event_t *event = event_of(log, first, now_ms, what, worker->queue);
    size_t len = strlen(event->names);
    if (event->workers_n++ < NAMED_MAX)
        snprintf(event->names + len, sizeof event->names - len, "%s%s", len > 0 ? ", " : "", worker->name);
}

/* ---- looks ---- */

static int by_id(const void *a, const void *b)
{
    return strcmp(((const fleet_worker_t *)a)->id, ((const fleet_worker_t *)b)->id);
}

static void compare(fleet_log_t *log, int64_t now_ms, const buf_t *look)
{
    const fleet_worker_t *old = (const void *)log->workers.data, *now = (const void *)look->data;
    size_t old_n = log->workers.len / sizeof *old, now_n = look->len / sizeof *now;
    uint64_t first = log->events_n;
    for (size_t i = 0, j = 0; i < old_n || j < now_n;) {
        int order = i == old_n ? 1 : j == now_n ? -1 : strcmp(old[i].id, now[j].id);
        if (order < 0)
            add_worker_event(log, first, now_ms, WORKERS_GONE, &old[i]);
        else if (order > 0)
            add_worker_event(log, first, now_ms, WORKERS_CAME, &now[j]);
        else if (old[i].partitions != now[j].partitions)
            add_worker_event(log, first, now_ms, PARTITIONS_MOVED, &now[j]);
        i += order <= 0;
        j += order >= 0;
    }
}

void fleet_log_update(fleet_log_t *log, int64_t now_ms, const buf_t *look)
{
    buf_t sorted = {0};
    buf_append(&sorted, look->data, look->len);
    if (sorted.failed || look->failed) {
        buf_free(&sorted);
        return;
    }
    if (sorted.len > 0)
        qsort(sorted.data, sorted.len / sizeof(fleet_worker_t), sizeof(fleet_worker_t), by_id);
    if (log->is_away)
        (void)add_event(log, now_ms, REDIS_BACK, "");
    if (log->has_looked)
        compare(log, now_ms, &sorted);
    log->is_away = false;
    log->has_looked = true;
    buf_free(&log->workers);
    log->workers = sorted;
}

void fleet_log_unreachable(fleet_log_t *log, int64_t now_ms)
{
    if (!log->is_away)
        (void)add_event(log, now_ms, REDIS_AWAY, "");
    log->is_away = true;
}

/* ---- as JSON ---- */

static void put_event(json_t *json, const fleet_event_t *event)
{
    static const char *const words[] = {"came", "gone", "moved", "redis_away", "redis_back"};
    json_open(json, NULL, '{');
    json_int(json, "at_ms", event->at_ms);
    json_text(json, "what", words[event->what]);
    if (event->what < REDIS_AWAY) {
        json_text(json, "queue", event->queue);
        json_count(json, "workers", event->workers_n);
        json_text(json, "names", event->names);
    }
    json_close(json, '}');
}

void fleet_log_json(const fleet_log_t *log, const char *queue, buf_t *out)
{
    uint64_t first = log->events_n > FLEET_EVENTS_MAX ? log->events_n - FLEET_EVENTS_MAX : 0;
    json_t json = json_begin(out);
    json_int(&json, "since_ms", log->since_ms);
    json_open(&json, "events", '[');
    for (uint64_t n = first; n < log->events_n; n++) {
        const fleet_event_t *event = &log->events[n % FLEET_EVENTS_MAX];
        if (!queue || event->what >= REDIS_AWAY || strcmp(event->queue, queue) == 0)
            put_event(&json, event);
    }
    json_close(&json, ']');
    json_end(&json);
}
