#include "client/admin/waits.h"

typedef struct {
    query_t *query;
    fleet_t *fleet;
} asking_t;

static void on_fleet(void *arg, const fleet_t *fleet)
{
    asking_t *asking = arg;
    *asking->fleet = *fleet;
    query_answered(asking->query, NULL);
}

void waits_ask(query_t *query, const fanmap_job_info_t *info, bool is_stream, queue_t **ret_items, fleet_t *ret)
{
    asking_t asking = {query, ret};
    bool is_ended = info->state == FANMAP_JOB_ENDED;
    fleet_question_t question = {.queue = info->queue,
                                 .task = info->task,
                                 .job = info->job,
                                 .parent = "",
                                 .has_limit = info->concurrency > 0 && !is_ended,
                                 .answers_n = &query->answers_n};
    fanmap_error_t err;
    *ret = (fleet_t){.workers_n = -1, .oldest_index = -1, .owned_n = -1, .lag = -1};
    *ret_items = is_ended || is_stream ? NULL : query_queue(query, info->queue, info->task);
    if (*ret_items) {
        question.items = (*ret_items)->items;
        question.partitions_n = (*ret_items)->items_n;
    }
    bool has_no_topic = query->result == FANMAP_EUSAGE; /* that of results was there when the log was read */
    query_clear_error(query);
    if (fleet_ask(query->f, &question, on_fleet, &asking, &err) == FANMAP_OK)
        query_wait(query, "the fleet");
    query_clear_error(query);
    ret->has_no_topic |= has_no_topic;
    fleet_forget(query->f, &asking);
}

void waits_explain(const query_t *query, const fanmap_job_info_t *info, const waits_seen_t *seen, why_t *ret)
{
    uint64_t lag = seen->lag > 0 ? (uint64_t)seen->lag : 0;
    const why_facts_t facts = {.job = info->job,
                               .task = info->task,
                               .queue = info->queue,
                               .name_space = query->f->namespace_name,
                               .parent = "",
                               .fleet = seen->fleet,
                               .is_over = info->state == FANMAP_JOB_ENDED,
                               .is_log_gone = info->is_log_gone,
                               .is_uncounted = seen->is_uncounted,
                               .is_paused = info->state == FANMAP_JOB_PAUSED,
                               .concurrency = info->concurrency,
                               .has_rate = seen->has_rate,
                               .known = seen->is_uncounted ? 0 : info->known,
                               .published = seen->is_uncounted ? lag : info->published,
                               .published_before = seen->is_uncounted ? 0 : seen->published_before,
                               .total = info->total,
                               .producer_silent_ms = seen->producer_silent_ms};
    why(&facts, ret);
}
