#include "client/services/halt_watch.h"

#include <stdlib.h>
#include <string.h>

#include "client/joblog/job_counts.h"
#include "schemas/names.h"

enum { WATCHED_MAX = 64 };

/* One job; it stays after its end, so that it is not read again. */
typedef struct {
    halt_watch_t *watch;
    char job[JOB_ID_MAX + 1];
    list_t *list;
    bus_reader_t *reader; /* NULL: there is nothing more to see */
    bool halt_published;
    end_reason_t end_reason; /* 0: not decided */
    uint64_t seen;
} watched_t;

struct halt_watch {
    bus_topic_t *results, *jobs;
    watched_t at[WATCHED_MAX];
    watched_t *last;
    uint64_t turns;
};

static void on_delivered(void *arg, uint64_t cookie, int32_t partition, int64_t offset, const fanmap_error_t *err)
{
    (void)arg, (void)cookie, (void)partition, (void)offset, (void)err;
}

int halt_watch_open(bus_t *bus, const char *name_space, halt_watch_t **ret, fanmap_error_t *err)
{
    char results[TOPIC_NAME_MAX], jobs[TOPIC_NAME_MAX];
    halt_watch_t *watch = calloc(1, sizeof *watch);
    if (!watch)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    int r =
        bus_topic_open(bus, name_shared(results, name_space, NAME_RESULTS), on_delivered, watch, &watch->results, err);
    if (r == FANMAP_OK)
        r = bus_topic_open(bus, name_shared(jobs, name_space, NAME_JOBS), on_delivered, watch, &watch->jobs, err);
    if (r == FANMAP_OK)
        *ret = watch;
    else
        free(watch);
    return r;
}

static void on_decided(void *arg, uint64_t n, list_state_t state, end_reason_t reason, fanmap_kind_t missing)
{
    watched_t *w = arg;
    (void)n, (void)state, (void)missing;
    w->end_reason = reason;
}

static void watched_stop(watched_t *w)
{
    (void)bus_reader_drop(&w->reader);
    list_free(w->list);
    w->list = NULL;
}

static bool on_record(void *arg, const bus_record_t *record)
{
    watched_t *w = arg;
    (void)list_record(w->list, record->offset, record->key, record->key_len, record->value, record->value_len);
    if (list_now(w->list)->is_halting && !w->halt_published)
        w->halt_published = job_counts_publish(w->list, w->watch->jobs, w->job, JOBS_HALT, END_HALT);
    bool is_published = w->end_reason && job_counts_publish(w->list, w->watch->jobs, w->job, JOBS_END, w->end_reason);
    if (is_published || list_out_of_memory(w->list))
        watched_stop(w);
    return false;
}

static void on_gone(void *arg, int64_t low)
{
    (void)low;
    watched_stop(arg);
}

static void watched_begin(halt_watch_t *watch, watched_t *w, const spec_t *spec)
{
    static const list_callbacks_t list_callbacks = {.decided = on_decided};
    static const bus_reader_callbacks_t reader_callbacks = {.record = on_record, .gone = on_gone};
    fanmap_error_t err;
    watched_stop(w);
    *w = (watched_t){.watch = watch};
    memcpy(w->job, spec->job, sizeof w->job);
    w->list = list_new(w->job, &list_callbacks, w);
    if (!w->list || bus_read(watch->results, (int32_t)spec->results_partition, spec->start_offset, &reader_callbacks, w,
                             &w->reader, &err) != FANMAP_OK)
        watched_stop(w);
}

/* A single outcome that closes its job is the worker's own to see. */
static bool counts_over_fleet(const halt_t *halt)
{
    return halt->when == HALT_SOON || (halt->when == HALT_NOW && (halt->is_percent || halt->threshold > 1));
}

void halt_watch_see(halt_watch_t *watch, const spec_t *spec)
{
    watched_t *oldest = &watch->at[0], *w = watch->last;
    if (!counts_over_fleet(&spec->halt) || (w && strcmp(w->job, spec->job) == 0))
        return;
    for (w = watch->at; w < watch->at + WATCHED_MAX && strcmp(w->job, spec->job) != 0; w++)
        if (w->seen < oldest->seen)
            oldest = w;
    if (w == watch->at + WATCHED_MAX)
        watched_begin(watch, w = oldest, spec);
    w->seen = ++watch->turns;
    watch->last = w;
}

void halt_watch_close(halt_watch_t *watch)
{
    if (!watch)
        return;
    for (size_t i = 0; i < WATCHED_MAX; i++)
        watched_stop(&watch->at[i]);
    free(watch);
}
