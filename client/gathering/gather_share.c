/* A gathering that is one of several which divide the list: all of the list goes through it, and what is for others is
 * passed over. */
#include <stdlib.h>

#include "client/gathering/gather_state.h"

int gather_anew(fanmap_job_t *job, fanmap_error_t *err)
{
    gathering_t *g = job->gathering;
    order_t *order = NULL;
    position_t *from = g->from ? g->from : malloc(sizeof *from);
    g->from = from;
    if (!from || order_new(g->window_bytes, NULL, &order, err) != FANMAP_OK)
        return err_set(err, FANMAP_ENOMEM, "out of memory for the list of job %s", job->id);
    *from = (position_t){.kind = POSITION_INDEX, .number = share_start(g->share)};
    (void)bus_reader_drop(&g->reader);
    list_free(g->list);
    order_free(g->order);
    reading_free(&g->reading);
    g->list = NULL;
    g->order = order;
    g->reading = (reading_t){0};
    g->decision = (decision_t){0};
    g->is_reader_held = false;
    return FANMAP_OK;
}

void gather_on_items(fanmap_job_t *job)
{
    fanmap_error_t err;
    if (share_open(job, &job->gathering->share, &err) != FANMAP_OK)
        job_fail(job, &err);
}

int gather_next_of_list(const fanmap_job_t *job, outcome_t *ret, fanmap_error_t *err)
{
    gathering_t *g = job->gathering;
    int r = order_next(g->order, ret, err);
    while (r == FANMAP_OK && reading_skips(&g->reading, ret->index))
        r = order_next(g->order, ret, err);
    if (r == FANMAP_OK && !reading_out(&g->reading, ret->index, order_out_mark(g->order)))
        r = err_set(err, FANMAP_ENOMEM, "out of memory for the list of job %s", job->id);
    return r;
}

int gather_next_of_share(fanmap_job_t *job, outcome_t *ret, fanmap_error_t *err)
{
    const gathering_t *g = job->gathering;
    int r;
    if (share_is_over(g->share))
        return FANMAP_END;
    do
        r = gather_next_of_list(job, ret, err);
    while (r == FANMAP_OK && !share_has(g->share, ret->index));
    if (r == FANMAP_OK)
        share_handed_out(g->share, ret->index);
    if (r != FANMAP_END)
        return r;
    share_ended(g->share, g->decision.n);
    return FANMAP_AGAIN;
}
