/* A job in a list, and one job looked at. */
#include "views/json.h"
#include "views/views.h"

const char *view_state_word(fanmap_job_state_t state)
{
    static const char *const words[] = {"running", "paused", "ended"};
    return words[state];
}

static void put_job(json_t *json, const fanmap_job_info_t *job)
{
    json_text(json, "job", job->job);
    json_text(json, "task", job->task);
    json_text(json, "queue", job->queue);
    json_text(json, "state", view_state_word(job->state));
    if (job->reason[0])
        json_text(json, "reason", job->reason);
    json_count(json, "concurrency", job->concurrency);
    json_int(json, "submitted_ms", job->submitted_ms);
    if (job->is_log_gone)
        json_bool(json, "log_gone", true);
    if (!job->has_counts)
        return;
    json_count(json, "known", job->known);
    json_count(json, "failed", job->failed);
    json_count(json, "retried", job->retried);
    json_count(json, "published", job->published);
    if (job->total >= 0)
        json_int(json, "total", job->total);
}

void view_job(buf_t *out, const fanmap_job_info_t *job)
{
    json_t json = json_begin(out);
    put_job(&json, job);
    json_end(&json);
}

static void put_lists(json_t *json, const fanmap_show_t *show)
{
    json_open(json, "policy", '{');
    for (size_t i = 0; i < show->policy_n; i++)
        json_text(json, show->policy_names[i], show->policy_values[i]);
    json_close(json, '}');
    json_open(json, "kinds", '{');
    for (int kind = 0; kind < FANMAP_KINDS; kind++)
        if (show->kinds[kind] > 0)
            json_count(json, fanmap_kind_name((fanmap_kind_t)kind), show->kinds[kind]);
    json_close(json, '}');
}

void view_show(buf_t *out, const fanmap_show_t *show)
{
    json_t json = json_begin(out);
    put_job(&json, &show->summary);
    put_lists(&json, show);
    json_rate(&json, "rate", show->rate);
    json_int(&json, "last_outcome_ms", show->last_outcome_ms);
    json_int(&json, "producer_silent_ms", show->producer_silent_ms);
    json_int(&json, "oldest_index", show->oldest_index);
    json_int(&json, "running_index", show->running_index);
    json_int(&json, "running_attempt", show->running_attempt);
    json_int(&json, "running_ms", show->running_ms);
    json_text(&json, "running_worker", show->running_worker);
    json_int(&json, "workers", show->workers_n);
    json_int(&json, "tokens_held", show->tokens_held);
    json_int(&json, "lag", show->lag);
    json_count(&json, "bad_records", show->bad_records);
    json_open(&json, "waits", '[');
    for (size_t i = 0; i < show->waits_n; i++)
        json_text(&json, NULL, show->waits[i]);
    json_close(&json, ']');
    json_end(&json);
}
