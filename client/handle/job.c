/* One handle, from map or gather to close. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/connection/local.h"
#include "client/gathering/share.h"
#include "client/handle/handle.h"
#include "client/mapping/map.h"

static fanmap_format_t value_format(const fanmap_options_t *options)
{
    const char *name = options_text(options, OPT_VALUE_FORMAT);
    return strcmp(name, "json") == 0 ? FANMAP_JSON : strcmp(name, "text") == 0 ? FANMAP_TEXT : FANMAP_MSGPACK;
}

static int job_new(fanmap_t *f, const fanmap_options_t *options, fanmap_job_t **ret, fanmap_error_t *err)
{
    fanmap_job_t *job = calloc(1, sizeof *job + sizeof *job->handout);
    if (job)
        job->options = options_merge(f->options, options);
    if (!job || !job->options) {
        free(job);
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    }
    job->handout = (struct handout *)(job + 1);
    job->handout->view.format = value_format(job->options);
    job_link(f, job);
    *ret = job;
    return FANMAP_OK;
}

void job_free(fanmap_job_t *job)
{
    pipe_forget(job);
    local_ended(job);
    job_unlink(job);
    map_free(job);
    gather_free(job);
    outcome_view_free(&job->handout->view);
    batch_free(&job->handout->batch);
    buf_free(&job->handout->line);
    buf_free(&job->handout->position);
    fanmap_options_free(job->options);
    free(job);
}

void jobs_sweep(fanmap_t *f)
{
    if (!f->has_closed || f->in_turn)
        return;
    f->has_closed = false;
    for (fanmap_job_t *job = f->jobs, *next; job; job = next) {
        next = job->next;
        if (!job->is_abandoned)
            continue;
        if (job->pins == 0 && map_is_over(job))
            job_free(job);
        else
            f->has_closed = true;
    }
    local_forget(f);
}

/* It is the caller's, or it is gone. */
static int begun(fanmap_job_t *job, int r, fanmap_job_t **ret_job)
{
    if (r != FANMAP_OK) {
        job_free(job);
        return r;
    }
    *ret_job = job;
    client_mark(job->f);
    return FANMAP_OK;
}

int fanmap_map(fanmap_t *f, const char *task, const fanmap_options_t *options, fanmap_job_t **ret_job,
               fanmap_error_t *err)
{
    if (f->error.code)
        return err_copy(err, &f->error);
    fanmap_job_t *job;
    int r = job_new(f, options, &job, err);
    if (r != FANMAP_OK)
        return r;
    r = map_new(job, task, err);
    for (fanmap_job_t *other = f->jobs; r == FANMAP_OK && other && f->is_local; other = other->next)
        gather_relieve(other); /* it is not alone any more */
    return begun(job, r, ret_job);
}

/* A job of that id whose log somebody else writes. */
static int gather_of(fanmap_t *f, const char *job_id, const fanmap_options_t *options, fanmap_job_t **ret_job,
                     fanmap_error_t *err)
{
    int r = job_new(f, options, ret_job, err);
    if (r != FANMAP_OK)
        return r;
    snprintf((*ret_job)->id, sizeof(*ret_job)->id, "%s", job_id);
    return gather_new(*ret_job, NULL, err);
}

int gather_at(fanmap_t *f, const char *job_id, int32_t results_partition, int64_t start_offset,
              const fanmap_options_t *options, fanmap_job_t **ret_job, fanmap_error_t *err)
{
    fanmap_job_t *job = NULL;
    int r = gather_of(f, job_id, options, &job, err);
    if (r == FANMAP_OK)
        r = queue_get(f, NULL, NULL, &job->queue, err);
    if (r == FANMAP_OK) {
        job->spec.results_partition = (uint32_t)results_partition;
        job->spec.start_offset = start_offset;
        r = gather_begin(job, err);
    }
    return job ? begun(job, r, ret_job) : r;
}

int fanmap_gather(fanmap_t *f, const char *job_id, const fanmap_options_t *options, fanmap_job_t **ret_job,
                  fanmap_error_t *err)
{
    if (f->error.code)
        return err_copy(err, &f->error);
    if (!job_id_valid(job_id))
        return err_set(err, FANMAP_EUSAGE, "\"%s\" is not a job id", job_id);
    if (f->is_local)
        return err_set(err, FANMAP_EUSAGE, "an embedded map leaves nothing to gather");
    fanmap_job_t *job = NULL;
    int r = gather_of(f, job_id, options, &job, err);
    const char *from = job ? options_text(job->options, OPT_FROM) : NULL;
    if (r == FANMAP_OK)
        r = share_check(job, err);
    if (r == FANMAP_OK && from)
        r = gather_from(job, from, err);
    if (r == FANMAP_OK)
        r = queue_wait(job, NULL, NULL, gather_lookup, err);
    return job ? begun(job, r, ret_job) : r;
}

void fanmap_job_close(fanmap_job_t *job, bool detach)
{
    if (!job || job->is_abandoned)
        return;
    fanmap_t *f = job->f;
    pipe_closed(job, detach);
    job->is_abandoned = f->has_closed = true;
    job->handout->on_outcome = NULL;
    job->handout->on_end = NULL;
    job->handout->on_writable = NULL;
    map_close(job, detach);
    job->is_detached |= detach;
    gather_relieve(job);
    jobs_sweep(f);
}

void fanmap_on(fanmap_job_t *job, fanmap_outcome_fn on_outcome, fanmap_end_fn on_end, fanmap_writable_fn on_writable,
               void *arg)
{
    job->handout->on_outcome = on_outcome;
    job->handout->on_end = on_end;
    job->handout->on_writable = on_writable;
    job->handout->callback_arg = arg;
    client_mark(job->f);
}

void fanmap_hold(fanmap_job_t *job, bool hold)
{
    job->handout->is_held = hold;
    client_mark(job->f);
}

int fanmap_position(fanmap_job_t *job, const char **ret_text, fanmap_error_t *err)
{
    buf_t *text = &job->handout->position;
    if (options_text(job->options, OPT_SHARE))
        return err_set(err, FANMAP_EUSAGE, "who shares a list has a place in Kafka only");
    if (job->f->is_local || job->is_detached)
        return err_set(err, FANMAP_EUSAGE, "%s",
                       job->is_detached ? "a detached job is not gathered"
                                        : "an embedded map leaves nothing to go on with");
    buf_clear(text);
    if (!gather_put_position(job, text))
        text->failed = true;
    buf_append(text, "", 1);
    if (text->failed)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    *ret_text = (const char *)text->data;
    return FANMAP_OK;
}

const char *fanmap_job_id(const fanmap_job_t *job)
{
    return job->id;
}

void fanmap_stats(const fanmap_job_t *job, fanmap_stats_t *stats, size_t sizeof_stats)
{
    const list_t *list = gather_list(job);
    fanmap_stats_t s = {.total = -1,
                        .delivered = job->handout->delivered,
                        .done = gather_decision(job)->is_decided,
                        .halted = gather_is_closed(job) && gather_decision(job)->reason == END_HALT,
                        .paused = job->is_paused,
                        .running = local_running(job)};
    if (list) {
        s.published = list_now(list)->prefix;
        s.known = list_now(list)->known;
        s.failed = list_failed(list);
        s.retried = list_now(list)->retried;
        s.total = list_now(list)->total;
        s.input_ended = s.total >= 0;
    }
    if (gather_followed(job)) /* of a stream's log only what was handed out is known */
        s.known = s.published = s.delivered;
    map_stats(job, &s);
    memcpy(stats, &s, sizeof_stats < sizeof s ? sizeof_stats : sizeof s);
}
