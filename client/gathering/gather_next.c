/* What is known of a gathering, and what it hands out next: of its list, of its share of one, or of a stream. */
#include "client/connection/client.h"
#include "client/gathering/gather_state.h"

const list_t *gather_list(const fanmap_job_t *job)
{
    return job->gathering->list;
}

const decision_t *gather_decision(const fanmap_job_t *job)
{
    return &job->gathering->decision;
}

bool gather_is_closed(const fanmap_job_t *job)
{
    return job->gathering->decision.is_decided && job->gathering->decision.state == LIST_CLOSED;
}

int64_t gather_position(const fanmap_job_t *job)
{
    return job->gathering->reading.next_offset;
}

int64_t gather_told_end(const fanmap_job_t *job)
{
    return job->gathering->reader ? bus_reader_told_end(job->gathering->reader) : -1;
}

uint64_t gather_waiting_bytes(const fanmap_job_t *job)
{
    return order_waiting_bytes(job->gathering->order);
}

void gather_reorder(const fanmap_job_t *job, uint64_t *ret_items, uint64_t *ret_spilled_bytes)
{
    bool has_order = job->gathering && job->gathering->order;
    *ret_items = has_order ? order_waiting_n(job->gathering->order) : 0;
    *ret_spilled_bytes = has_order ? order_spilled_bytes(job->gathering->order) : 0;
}

uint64_t gather_next_index(const fanmap_job_t *job)
{
    const gathering_t *g = job->gathering;
    return g->is_unordered ? list_now(g->list)->known : order_position(g->order);
}

bool gather_has_next(const fanmap_job_t *job)
{
    const gathering_t *g = job->gathering;
    if (g->kept && job->error.code) /* another goes on */
        return false;
    if (g->follow)
        return follow_has_next(g->follow);
    if (job->is_detached || !gather_output_takes(job))
        return false;
    if (g->share && !share_hands_out(g->share))
        return share_is_new(g->share) || share_is_over(g->share);
    return gather_list_has_next(g);
}

static int next_of_stream(gathering_t *g, outcome_t *ret)
{
    int r = follow_next(g->follow, &g->followed);
    if (r == FANMAP_OK)
        *ret = g->followed.outcome.outcome;
    if (r == FANMAP_END && follow_is_cancelled(g->follow))
        g->decision = (decision_t){true, UINT64_MAX, LIST_CLOSED, END_CANCEL};
    return r;
}

const followed_t *gather_followed(const fanmap_job_t *job)
{
    return job->gathering->follow ? &job->gathering->followed : NULL;
}

int gather_next(fanmap_job_t *job, outcome_t *ret, fanmap_error_t *err)
{
    if (!gather_has_next(job))
        return FANMAP_AGAIN;
    gathering_t *g = job->gathering;
    if (g->follow)
        return next_of_stream(g, ret);
    if (g->share && share_is_new(g->share)) {
        int begun = gather_anew(job, err);
        begun = begun == FANMAP_OK ? gather_begin(job, err) : begun;
        return begun == FANMAP_OK ? FANMAP_AGAIN : begun;
    }
    int r = g->share ? gather_next_of_share(job, ret, err) : gather_next_of_list(job, ret, err);
    gather_relieve(job);
    return r;
}
