#include "client/gathering/kept_place.h"

#include <stdio.h>
#include <stdlib.h>

#include "client/connection/client.h"
#include "client/connection/log_queries.h"
#include "client/gathering/gather.h"
#include "io/random_id.h"

struct kept_place {
    fanmap_job_t *job;
    bus_topic_t *topic;
    char topic_name[TOPIC_NAME_MAX], group[TOPIC_NAME_MAX];
    uint32_t n;
    kept_place_fn ready; /* NULL: it was called */
    bus_writer_t *writer;
    const char *name; /* NULL: it has none */
    bool is_storing;
    uint64_t mark, storing_mark;
};

static void fail_job(kept_place_t *place, const fanmap_error_t *why)
{
    fanmap_error_t err = *why;
    if (place->name && why->code == FANMAP_ECONFLICT)
        err_set(&err, FANMAP_ECONFLICT, "%s is read by another process as %s now: it goes on where this one was",
                place->job->id, place->name);
    else if (gather_output(place->job))
        err_wrap(&err, "--to %s", options_text(place->job->options, OPT_TO));
    else
        err_wrap(&err, "--as %s", place->name);
    job_fail(place->job, &err);
    loop_wake(place->job->f->loop);
}

static void begin_at(kept_place_t *place, const bus_answer_t *answer)
{
    kept_place_fn ready = place->ready;
    place->ready = NULL;
    ready(place->job, answer);
}

static void on_stored_before(fanmap_job_t *job, int32_t tag, const bus_answer_t *answer)
{
    kept_place_t *place = gather_kept_place(job);
    (void)tag;
    if (job->error.code || job->is_abandoned)
        return;
    if (answer->err)
        fail_job(place, answer->err);
    else
        begin_at(place, answer);
}

static void find_place(kept_place_t *place)
{
    fanmap_error_t err;
    if (log_query_committed(place->job, place->topic, place->group, place->n, on_stored_before, &err) != FANMAP_OK)
        fail_job(place, &err);
}

static void on_answer(void *arg, bus_written_t what, const fanmap_error_t *why)
{
    kept_place_t *place = arg;
    fanmap_error_t err;
    if (place->job->is_abandoned)
        return;
    if (!place->is_storing && what == BUS_WRITER_STORED) {
        if (place->name)
            find_place(place);
        else
            begin_at(place, NULL);
        return;
    }
    place->is_storing = false;
    if (what == BUS_WRITER_STORED)
        place->mark = place->storing_mark;
    loop_wake(place->job->f->loop);
    bool is_refused = why && why->code == FANMAP_EREFUSED;
    if (what == BUS_WRITER_STORED || (what == BUS_WRITER_DROPPED && !is_refused && !gather_output(place->job)))
        return; /* of a place that was dropped the next store says more */
    err_set_retry(&err, FANMAP_EUNREACHABLE, "it is not known whether Kafka has stored everything");
    fail_job(place, why ? why : &err);
}

int kept_place_open(fanmap_job_t *job, bus_topic_t *topic, const char *topic_name, uint32_t n, kept_place_fn ready,
                    kept_place_t **ret, fanmap_error_t *err)
{
    kept_place_t *place = calloc(1, sizeof *place);
    if (!place)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    *place = (kept_place_t){.job = job, .topic = topic, .n = n, .ready = ready};
    place->name = job->mapping ? NULL : options_text(job->options, OPT_AS);
    (void)snprintf(place->topic_name, sizeof place->topic_name, "%s", topic_name);
    const job_output_t *output = gather_output(job);
    char random[21];
    *ret = place;
    if (!place->name && random_id(random, 20) != FANMAP_OK)
        return err_set(err, FANMAP_EIO, "no random numbers");
    name_of_reader(place->group, job->f->namespace_name, NAME_READER, job->id, place->name ? place->name : random);
    return bus_writer_open(job->f->bus, place->group, output && job_output_is_plain(output),
                           output ? job_output_batch_bytes(output) : 0, on_answer, place, &place->writer, err);
}

void kept_place_close(kept_place_t *place)
{
    if (!place)
        return;
    bus_writer_close(place->writer);
    free(place);
}

bus_writer_t *kept_place_writer(const kept_place_t *place)
{
    return place->writer;
}

bool kept_place_has_name(const kept_place_t *place)
{
    return place->name != NULL;
}

bool kept_place_is_busy(const kept_place_t *place)
{
    return place->is_storing || place->ready;
}

int kept_place_store(kept_place_t *place, const bus_position_t *positions, size_t n, uint64_t mark, fanmap_error_t *err)
{
    int r = place->name ? bus_writer_commit_alone(place->writer, place->group, place->topic_name, positions, n, err)
                        : bus_writer_commit(place->writer, NULL, place->topic_name, NULL, 0, err);
    place->is_storing = r == FANMAP_OK;
    place->storing_mark = mark;
    return r;
}

uint64_t kept_place_mark(const kept_place_t *place)
{
    return place->mark;
}
