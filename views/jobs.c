/* A job in a list, and one job looked at. */
#include <string.h>

#include "views/json.h"
#include "views/views.h"

const char *view_state_word(fanmap_job_state_t state)
{
    static const char *const words[] = {"running", "paused", "ended"};
    return words[state];
}

const char *view_kind_word(const fanmap_job_info_t *job)
{
    return job->is_stream ? "stream" : "job";
}

static void put_job(json_t *json, const fanmap_job_info_t *job)
{
    json_text(json, "job", job->job);
    json_text(json, "kind", view_kind_word(job));
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

void view_job(void *out, const fanmap_job_info_t *job)
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

static void put_failures(json_t *json, const fanmap_show_t *show)
{
    json_open(json, "failures", '[');
    for (size_t i = 0; i < show->failures_n; i++) {
        const fanmap_failures_t *failures = &show->failures[i];
        json_open(json, NULL, '{');
        json_text(json, "group", failures->group);
        json_text(json, "kind", fanmap_kind_name(failures->kind));
        json_text(json, "type", failures->type);
        json_text(json, "message", failures->message);
        json_count(json, "count", failures->count);
        json_count(json, "first", failures->first);
        json_count(json, "last", failures->last);
        json_close(json, '}');
    }
    json_close(json, ']');
    json_count(json, "failures_more", show->failures_more);
}

static void put_changes(json_t *json, const fanmap_show_t *show)
{
    json_open(json, "changes", '[');
    for (size_t i = 0; i < show->changes_n; i++) {
        const fanmap_change_t *change = &show->changes[i];
        json_open(json, NULL, '{');
        json_int(json, "at_ms", change->at_ms);
        json_text(json, "what", change->what);
        if (strcmp(change->what, "limit") == 0)
            json_count(json, "concurrency", change->concurrency);
        if (change->reason[0])
            json_text(json, "reason", change->reason);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void put_waited(json_t *json, const fanmap_show_t *show)
{
    size_t n = FANMAP_WAITED_PLACES;
    while (n > 0 && show->waited[n - 1] == 0)
        n--;
    json_open(json, "waited", '[');
    for (size_t i = 0; i < n; i++)
        json_count(json, NULL, show->waited[i]);
    json_close(json, ']');
}

static void put_stream(json_t *json, const fanmap_show_t *show)
{
    json_open(json, "stream", '{');
    json_text(json, "from", show->from);
    json_text(json, "to", show->to);
    json_text(json, "errors_to", show->errors_to);
    json_int(json, "gatherers", show->gatherers_n);
    json_count(json, "skipped", show->skipped);
    json_open(json, "lanes", '[');
    for (size_t i = 0; i < show->lanes_n; i++) {
        const fanmap_lane_info_t *lane = &show->lanes[i];
        json_open(json, NULL, '{');
        json_count(json, "partition", lane->partition);
        json_int(json, "lag", lane->lag);
        json_int(json, "head", lane->head);
        json_int(json, "head_age_ms", lane->head_age_ms);
        json_int(json, "ungathered", lane->ungathered);
        json_close(json, '}');
    }
    json_close(json, ']');
    json_close(json, '}');
}

void view_show(void *out, const fanmap_show_t *show)
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
    json_text(&json, "token_holders", show->holders);
    json_int(&json, "attempts_running", show->attempts_running);
    json_int(&json, "attempts_queued", show->attempts_queued);
    json_int(&json, "attempts_delayed", show->attempts_delayed);
    json_int(&json, "slots", show->slots);
    json_int(&json, "slots_busy", show->slots_busy);
    json_int(&json, "lag", show->lag);
    json_count(&json, "bad_records", show->bad_records);
    json_int(&json, "log_records", show->log_records);
    json_int(&json, "log_unread", show->log_unread);
    json_open(&json, "waits", '[');
    for (size_t i = 0; i < show->waits_n; i++)
        json_text(&json, NULL, show->waits[i]);
    json_close(&json, ']');
    put_waited(&json, show);
    put_changes(&json, show);
    put_failures(&json, show);
    if (show->from[0])
        put_stream(&json, show);
    json_end(&json);
}

void view_log_line(void *out, const fanmap_log_line_t *line)
{
    json_t json = json_begin(out);
    json_int(&json, "position", line->position);
    json_int(&json, "at_ms", line->at_ms);
    if (line->dropped > 0) {
        json_count(&json, "dropped", line->dropped);
    } else {
        json_count(&json, "index", line->index);
        json_count(&json, "attempt", line->attempt);
        json_text_of(&json, "text", line->text, line->len);
    }
    json_end(&json);
}
