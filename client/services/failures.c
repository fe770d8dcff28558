/* Each job has a place as long as something of it was said within the last second. Where many jobs fail at once, those
 * that find no place share one. */
#include "client/services/failures.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum { JOBS_MAX = 64, LINES_MAX = 5, PERIOD_MS = 1000, MESSAGE_MAX = 320, TYPE_MAX = 80 };

typedef struct {
    char job[JOB_ID_MAX + 1]; /* "": free */
    int64_t since_ms;
    uint64_t said, unsaid;
} place_t;

struct failures {
    loop_t *loop;
    loop_timer_t *timer; /* the end of the oldest second */
    fanmap_log_fn log;
    void *arg;
    place_t places[JOBS_MAX], others;
};

static void end_period(const failures_t *f, place_t *place)
{
    if (place->unsaid > 0 && place != &f->others)
        log_to(f->log, f->arg, FANMAP_LOG_WARNING, "job %s: %" PRIu64 " more attempts failed within a second",
               place->job, place->unsaid);
    else if (place->unsaid > 0)
        log_to(f->log, f->arg, FANMAP_LOG_WARNING, "other jobs: %" PRIu64 " more attempts failed within a second",
               place->unsaid);
    *place = (place_t){0};
}

static bool is_in_use(const place_t *place)
{
    return place->said > 0 || place->unsaid > 0;
}

static void look_at(failures_t *f, place_t *place, int64_t *next_ms)
{
    int64_t end_ms = place->since_ms + PERIOD_MS;
    if (is_in_use(place) && end_ms <= loop_now_ms(f->loop))
        end_period(f, place);
    else if (is_in_use(place) && end_ms < *next_ms)
        *next_ms = end_ms;
}

static void on_timer(void *arg)
{
    failures_t *f = arg;
    int64_t next_ms = INT64_MAX;
    for (size_t i = 0; i < JOBS_MAX; i++)
        look_at(f, &f->places[i], &next_ms);
    look_at(f, &f->others, &next_ms);
    if (next_ms != INT64_MAX)
        loop_timer_at(f->timer, next_ms);
}

/* Only its beginning wakes the timer: what is open already ends earlier. */
static place_t *place_of(failures_t *f, const char *job)
{
    place_t *place = NULL;
    bool is_first = true;
    for (size_t i = 0; i < JOBS_MAX; i++) {
        if (is_in_use(&f->places[i]))
            is_first = false;
        if (is_in_use(&f->places[i]) && strcmp(f->places[i].job, job) == 0)
            return &f->places[i];
        if (!place && !is_in_use(&f->places[i]))
            place = &f->places[i];
    }
    place = place ? place : &f->others;
    if (!is_in_use(place))
        place->since_ms = loop_now_ms(f->loop);
    memcpy(place->job, job, strlen(job) + 1);
    if (is_first)
        loop_timer_at(f->timer, place->since_ms + PERIOD_MS);
    return place;
}

int failures_open(loop_t *loop, fanmap_log_fn log, void *arg, failures_t **ret, fanmap_error_t *err)
{
    failures_t *f = calloc(1, sizeof *f);
    if (!f)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    *f = (failures_t){.loop = loop, .log = log, .arg = arg};
    int r = loop_timer_new(loop, on_timer, f, &f->timer, err);
    if (r == FANMAP_OK)
        *ret = f;
    else
        free(f);
    return r;
}

void failures_say(failures_t *f, const worker_attempt_t *attempt, const outcome_t *outcome)
{
    char message[MESSAGE_MAX], type[TYPE_MAX];
    place_t *place = place_of(f, attempt->job);
    if (place->said >= LINES_MAX) {
        place->unsaid++;
        return;
    }
    place->said++;
    text_escape_to(message, sizeof message, outcome->message, outcome->message_len);
    text_escape_to(type, sizeof type, outcome->type, outcome->type_len);
    log_to(f->log, f->arg, FANMAP_LOG_WARNING, "job %s, item %" PRIu64 ": attempt %" PRIu32 " failed: %s%s%s: %s",
           attempt->job, attempt->index, attempt->attempt, fanmap_kind_name(outcome->kind), *type ? " " : "", type,
           *message ? message : "(it says nothing)");
}

void failures_close(failures_t *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < JOBS_MAX; i++)
        end_period(f, &f->places[i]);
    end_period(f, &f->others);
    loop_timer_free(f->timer);
    free(f);
}
