#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/connection/client.h"
#include "client/connection/fleet_limits.h"

static uint32_t free_number(fanmap_t *f)
{
    do
        f->last_number++;
    while (f->last_number == 0 || job_by_number(f, f->last_number));
    return f->last_number;
}

static void link_job(fanmap_t *f, fanmap_job_t *job)
{
    job->f = f;
    job->number = free_number(f);
    job->next = f->jobs;
    f->jobs = job;
}

static void unlink_job(fanmap_job_t *job)
{
    for (fanmap_job_t **at = &job->f->jobs; *at; at = &(*at)->next) {
        if (*at == job) {
            *at = job->next;
            return;
        }
    }
}

void job_rotate(fanmap_job_t *job)
{
    if (!job->next)
        return;
    unlink_job(job);
    fanmap_job_t **at = &job->f->jobs;
    while (*at)
        at = &(*at)->next;
    *at = job;
    job->next = NULL;
}

static fanmap_format_t value_format(const fanmap_options_t *options)
{
    const char *name = options_text(options, "value-format");
    return strcmp(name, "json") == 0 ? FANMAP_JSON : strcmp(name, "text") == 0 ? FANMAP_TEXT : FANMAP_MSGPACK;
}

int job_new(fanmap_t *f, const fanmap_options_t *options, fanmap_job_t **ret, fanmap_error_t *err)
{
    fanmap_job_t *job = calloc(1, sizeof *job);
    if (job)
        job->options = options_merge(f->options, options);
    if (!job || !job->options) {
        free(job);
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    }
    job->stash.last = &job->stash.first;
    job->value_format = value_format(job->options);
    job->check_until = -1;
    job->check_at_ms = job->deadline_ms = job->timer_ms = INT64_MAX;
    job->window_bytes = options_bytes(job->options, "window");
    job->is_unordered = options_switch(job->options, "unordered");
    link_job(f, job);
    int r = order_new(job->window_bytes, NULL, &job->order, err);
    if (r != FANMAP_OK)
        job_free(job);
    else
        *ret = job;
    return r;
}

void job_free(fanmap_job_t *job)
{
    unlink_job(job);
    publisher_close(&job->publisher);
    pipe_forget(job);
    presence_stop(job);
    asks_stop(job);
    lookup_free(job->lookup);
    gather_end(job);
    if (job->timer)
        loop_timer_free(job->timer);
    producer_free(job->producer);
    resuming_free(job->resuming);
    retry_free(job->retry);
    producer_actions_free(&job->actions);
    stash_free(&job->stash);
    order_free(job->order);
    arrival_free(job->arrival);
    free(job->source_error);
    buf_free(&job->bound);
    buf_free(&job->in);
    buf_free(&job->refusal);
    buf_free(&job->value);
    buf_free(&job->text);
    buf_free(&job->line);
    fanmap_options_free(job->options);
    free(job);
}

fanmap_job_t *job_by_number(fanmap_t *f, uint32_t number)
{
    fanmap_job_t *job = f->jobs;
    while (job && job->number != number)
        job = job->next;
    return job;
}

void job_fail(fanmap_job_t *job, const fanmap_error_t *err)
{
    if (job->error.code)
        return;
    job->error = *err;
    presence_stop(job);
}

/* What a caller that left need not wait for any more. */
static bool is_stored(const fanmap_job_t *job)
{
    return job->input_ended ? producer_settled(job->producer) : producer_acknowledged(job->producer) >= job->pushed;
}

bool job_is_over(const fanmap_job_t *job)
{
    if (!job->producer || job->is_finished || (job->error.code && !job->is_giving_up))
        return true;
    return job->is_abandoned && job->is_detached && is_stored(job);
}

static bool wants_cancel(const fanmap_job_t *job)
{
    return job->producer && !job->is_decided && !job->error.code && !(job->is_detached && job->input_ended);
}

void job_give_up(fanmap_job_t *job, const fanmap_error_t *err)
{
    if (job->producer && !job->is_decided && !job->error.code) {
        job->is_giving_up = true;
        map_simple_step(job, PRODUCER_CANCEL);
    }
    job->is_detached = true;
    job_fail(job, err);
}

void fanmap_job_close(fanmap_job_t *job, bool detach)
{
    if (!job || job->is_abandoned)
        return;
    fanmap_t *f = job->f;
    pipe_closed(job, detach);
    job->is_abandoned = f->has_closed = true;
    job->on_outcome = NULL;
    job->on_end = NULL;
    job->on_writable = NULL;
    presence_stop(job);
    if (detach)
        job->is_detached = true;
    else if (wants_cancel(job))
        map_simple_step(job, PRODUCER_CANCEL);
    job->knows_more = job->list != NULL;
    gather_relieve(job);
    jobs_sweep(f);
}

void fanmap_on(fanmap_job_t *job, fanmap_outcome_fn on_outcome, fanmap_end_fn on_end, fanmap_writable_fn on_writable,
               void *arg)
{
    job->on_outcome = on_outcome;
    job->on_end = on_end;
    job->on_writable = on_writable;
    job->callback_arg = arg;
    client_mark(job->f);
}

void fanmap_hold(fanmap_job_t *job, bool hold)
{
    job->is_held = hold;
    client_mark(job->f);
}

const char *fanmap_job_id(const fanmap_job_t *job)
{
    return job->id;
}

void fanmap_stats(const fanmap_job_t *job, fanmap_stats_t *stats, size_t sizeof_stats)
{
    fanmap_stats_t s = {.total = -1, .delivered = job->delivered, .done = job->is_decided};
    s.paused = job->is_paused;
    s.running = local_running(job->f, job->id);
    if (job->producer)
        s.published = producer_published(job->producer);
    else if (job->list)
        s.published = list_progress_prefix(job->list);
    if (job->list) {
        s.known = list_known(job->list);
        s.failed = list_failed(job->list);
        s.retried = list_retried(job->list);
        s.total = list_total(job->list);
    }
    if (job->input_ended)
        s.total = (int64_t)job->pushed;
    s.input_ended = job->input_ended || s.total >= 0;
    memcpy(stats, &s, sizeof_stats < sizeof s ? sizeof_stats : sizeof s);
}
