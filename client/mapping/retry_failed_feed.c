/* The producer of a second try is fed with what was collected, in order. */
#include "client/mapping/retry_failed.h"

enum { FEED_TURN = 1024 };

static bool is_due(const fanmap_job_t *job)
{
    const retry_failed_t *r = job->mapping->retry;
    return r && r->is_collected && !r->is_fed && !job->error.code && !job->is_abandoned && map_writable(job);
}

bool maps_due(const fanmap_t *f)
{
    const fanmap_job_t *job = f->retries_n ? f->jobs : NULL;
    while (job && !is_due(job))
        job = job->next;
    return job != NULL;
}

static int push_collected(retry_failed_t *r, const outcome_t *outcome, fanmap_error_t *err)
{
    fanmap_job_t *job = r->job;
    producer_event_t event = {.kind = FANMAP_VALUE, .in = outcome->value, .in_len = outcome->value_len};
    if (outcome->attempts != RETRY_IS_INPUT)
        item_fill_error(job, outcome, &event);
    return map_put(job, &event, outcome->value_len, err);
}

static void feed_producer(fanmap_job_t *job)
{
    retry_failed_t *r = job->mapping->retry;
    outcome_t outcome;
    fanmap_error_t err;
    int code = FANMAP_OK;
    for (int i = 0; i < FEED_TURN && code == FANMAP_OK && is_due(job); i++) {
        if (order_position(r->order) == r->n) {
            r->is_fed = true;
            map_end_input(job);
            return;
        }
        code = order_next(r->order, &outcome, &err);
        if (code == FANMAP_OK)
            code = push_collected(r, &outcome, &err);
    }
    if (code < 0)
        job_fail(job, &err);
}

void maps_run(fanmap_t *f)
{
    fanmap_job_t *job = f->retries_n ? f->jobs : NULL;
    for (; job; job = job->next)
        if (is_due(job))
            feed_producer(job);
}
