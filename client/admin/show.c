/* fanmap_show: the jobs topic says what is asked of the job, its log how far it came, the fleet (connection/fleet.h) who
 * works on it and under which tokens. From that, why it does not go on (joblog/why.h).
 *
 * What the log got while the fleet was asked is read too: an outcome that came meanwhile is not missing. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "client/admin/held_topic.h"
#include "client/admin/job_log.h"
#include "client/admin/offsets.h"
#include "client/admin/show_stream.h"
#include "client/admin/waits.h"
#include "client/joblog/why.h"
#include "client/options/policy.h"

typedef struct {
    query_t query;
    const char *id;
    queue_t *queue;
    lookup_result_t seen;
    job_log_t log;
    int read_ms;          /* of the log, as in job_log.h */
    job_counts_t *counts; /* the log's */
    policy_t policy;
    fanmap_show_t show;
    fanmap_change_t changes[LOOKUP_CHANGES_MAX];
    int64_t now_ms;
    queue_t *items; /* NULL: there are no topics of its task, or we may not see them */
    fleet_t fleet;
    why_t why;
    char source_why[WHY_TEXT_MAX];             /* of a stream: what keeps workers from its source */
    char held[FANMAP_WAITS_MAX][WHY_TEXT_MAX]; /* topics that take no records, and lanes that stand still */
} showing_t;

/* ---- Kafka ---- */

static void read_log(showing_t *s)
{
    s->log = job_log_read(&s->query, s->queue, s->id, &s->seen, s->read_ms);
    s->show.summary.is_log_gone = s->log.is_gone;
    if (s->query.result == FANMAP_OK)
        s->counts = s->log.log->counts;
}

static void fill_policy(showing_t *s)
{
    fanmap_show_t *show = &s->show;
    policy_fill(&s->policy, &s->seen.spec);
    show->policy_n = s->policy.n;
    for (size_t i = 0; i < s->policy.n; i++) {
        show->policy_names[i] = s->policy.names[i];
        show->policy_values[i] = s->policy.values[i];
    }
}

static const char *change_word(const lookup_change_t *change)
{
    switch (change->field) {
    case JOBS_SPEC:
        return "submitted";
    case JOBS_CONCURRENCY:
        return "limit";
    case JOBS_PAUSED:
        return change->value ? "paused" : "resumed";
    case JOBS_END:
    case JOBS_HALT:
        break;
    }
    return "ended";
}

static void fill_changes(showing_t *s)
{
    s->show.changes = s->changes;
    s->show.changes_n = s->seen.changes_n;
    for (size_t i = 0; i < s->seen.changes_n; i++) {
        const lookup_change_t *change = &s->seen.changes[i];
        s->changes[i] = (fanmap_change_t){
            .at_ms = change->at_ms,
            .what = change_word(change),
            .reason = change->field == JOBS_END ? end_reason_word(change->reason) : "",
            .concurrency = change->field == JOBS_CONCURRENCY ? change->value : 0,
        };
    }
}

static bool is_stream(const showing_t *s)
{
    return s->seen.spec.stream != STREAM_NOT;
}

/* What the log says, if it was read. */
static void fill_counts(showing_t *s)
{
    fanmap_show_t *show = &s->show;
    fanmap_job_info_t *info = &show->summary;
    if (!info->is_log_gone)
        job_counts_info(s->counts, info);
    memcpy(show->kinds, s->counts->kinds, sizeof show->kinds);
    memcpy(show->waited, s->counts->waited, sizeof show->waited);
    show->rate = job_counts_rate(s->counts, s->now_ms);
    show->last_outcome_ms = s->counts->last_ms;
    show->oldest_index = info->state == FANMAP_JOB_ENDED ? -1 : job_counts_oldest(s->counts);
    show->bad_records = list_bad_records(s->counts->list);
    show->producer_silent_ms = job_counts_silent_ms(s->counts, info, s->now_ms);
}

static void fill_show(showing_t *s)
{
    fanmap_show_t *show = &s->show;
    fanmap_job_info_t *info = &show->summary;
    const spec_t *spec = &s->seen.spec;
    info->job = s->id;
    info->task = spec->task;
    info->queue = spec->queue;
    info->state = s->seen.view.has_end  ? FANMAP_JOB_ENDED
                  : s->seen.view.paused ? FANMAP_JOB_PAUSED
                                        : FANMAP_JOB_RUNNING;
    info->reason = s->seen.view.has_end ? end_reason_word(s->seen.view.end_reason) : "";
    info->concurrency = s->seen.view.concurrency;
    info->submitted_ms = spec->submitted_ms;
    info->is_stream = is_stream(s);
    info->total = show->oldest_index = show->producer_silent_ms = -1;
    show->from = spec->from;
    show->to = spec->to;
    show->errors_to = spec->errors_to;
    show->log_records = s->log.is_gone ? 0 : s->log.end - s->log.log->start;
    show->log_unread = s->log.is_cut ? s->log.end - s->log.log->position : 0;
    if (!s->log.is_cut)
        fill_counts(s);
    else if (s->seen.view.has_end)
        job_counts_at_end(&s->seen.view.counts, info);
}

/* ---- the fleet ---- */

/* The exact lag: from the first record that is there, where nothing was committed. */
static int64_t ask_lag(showing_t *s)
{
    int64_t lag = s->items && s->fleet.lag >= 0 ? query_lag(&s->query, s->items) : -1;
    query_clear_error(&s->query);
    return lag;
}

static void read_rest(showing_t *s)
{
    if (!s->show.summary.is_log_gone && !s->log.is_cut)
        job_log_read_on(&s->query, s->queue, &s->log);
    query_clear_error(&s->query);
}

static void fill_fleet(showing_t *s)
{
    fanmap_show_t *show = &s->show;
    const fleet_t *fleet = &s->fleet;
    show->workers_n = fleet->workers_n;
    show->tokens_held = fleet->has_table ? (int64_t)fleet->held : -1;
    bool is_ended = show->summary.state == FANMAP_JOB_ENDED;
    bool has_rows = !is_ended && fleet->rows_n > 0;
    show->holders = fleet->has_table ? fleet->holders : "";
    show->attempts_running = has_rows ? (int64_t)fleet->job_running : -1;
    show->attempts_queued = has_rows ? (int64_t)fleet->queued : -1;
    show->attempts_delayed = has_rows ? (int64_t)fleet->delayed : -1;
    show->slots = has_rows ? (int64_t)fleet->slots : -1;
    show->slots_busy = has_rows ? (int64_t)fleet->running : -1;
    show->running_index = is_ended ? -1 : fleet->oldest_index;
    show->running_attempt = fleet->oldest_attempt;
    show->running_ms = fleet->oldest_ms;
    show->running_worker = show->running_index < 0 ? "" : fleet->oldest_worker;
}

static void explain(showing_t *s, uint64_t published_before)
{
    fanmap_show_t *show = &s->show;
    const waits_seen_t seen = {.fleet = &s->fleet,
                               .published_before = published_before,
                               .producer_silent_ms = show->producer_silent_ms,
                               .is_uncounted = is_stream(s) || s->log.is_cut,
                               .has_rate = s->seen.spec.start_every_us > 0,
                               .lag = show->lag};
    waits_explain(&s->query, &show->summary, &seen, &s->why);
    show->waits_n = s->why.n;
    for (size_t i = 0; i < s->why.n; i++)
        show->waits[i] = s->why.texts[i];
    if (s->source_why[0] && show->waits_n < FANMAP_WAITS_MAX)
        show->waits[show->waits_n++] = s->source_why;
}

static void explain_topic(showing_t *s, const char *name)
{
    size_t n = s->show.waits_n;
    if (n < FANMAP_WAITS_MAX && held_topic_ask(&s->query, name, s->held[n], WHY_TEXT_MAX))
        s->show.waits[s->show.waits_n++] = s->held[n];
}

/* Where outcomes wait: what may become of them, and what keeps whoever is there from handing them out. */
static void explain_topics(showing_t *s)
{
    const fanmap_show_t *show = &s->show;
    char log[TOPIC_NAME_MAX];
    bool waits = false;
    for (size_t i = 0; i < show->lanes_n; i++)
        waits |= show->lanes[i].ungathered > 0;
    size_t n = s->show.waits_n;
    if (waits && n < FANMAP_WAITS_MAX &&
        held_topic_forgets(&s->query, name_of_id(log, s->query.f->namespace_name, NAME_STREAM, s->id), s->held[n],
                           WHY_TEXT_MAX))
        s->show.waits[s->show.waits_n++] = s->held[n];
    if (!waits || show->gatherers_n <= 0)
        return;
    explain_topic(s, show->to);
    explain_topic(s, show->errors_to);
}

static const char *head_does(const char *state)
{
    return strcmp(state, "runs") == 0      ? "has run for"
           : strcmp(state, "delayed") == 0 ? "is due in"
           : strcmp(state, "waits") == 0   ? "waits for a slot, its key or the limit, here for"
                                           : "is over and not stored, here for";
}

static void explain_heads(showing_t *s)
{
    for (size_t i = 0, n; i < s->fleet.heads_n && (n = s->show.waits_n) < FANMAP_WAITS_MAX; i++) {
        const fleet_head_t *head = &s->fleet.heads[i];
        (void)snprintf(s->held[n], WHY_TEXT_MAX,
                       "partition %" PRId64 " stands at offset %" PRId64 ": attempt %" PRId64 " of it %s %.1f s on %s",
                       head->partition, head->offset, head->attempt, head_does(head->state), (double)head->ms / 1000,
                       head->worker);
        s->show.waits[s->show.waits_n++] = s->held[n];
    }
}

static void show_all(showing_t *s)
{
    fill_policy(s);
    fill_changes(s);
    fill_show(s);
    uint64_t published_before = s->show.summary.published;
    waits_ask(&s->query, &s->show.summary, is_stream(s), &s->items, &s->fleet);
    s->show.gatherers_n = -1;
    s->show.lag = is_stream(s) ? -1 : ask_lag(s);
    if (is_stream(s) && s->show.summary.state != FANMAP_JOB_ENDED)
        show_stream(&s->query, &s->seen.spec, s->now_ms, &s->show, s->source_why);
    read_rest(s);
    fill_show(s);
    if (!s->log.is_cut)
        show_failures_fill(s->log.failures, s->counts, &s->show);
    fill_fleet(s);
    explain(s, published_before);
    explain_topics(s);
    explain_heads(s);
}

int fanmap_show_soon(fanmap_t *f, const char *job_id, int read_ms, int timeout_ms, fanmap_show_fn fn, void *arg,
                     fanmap_error_t *err)
{
    if (!job_id_valid(job_id))
        return err_set(err, FANMAP_EUSAGE, "\"%s\" is not a job id", job_id);
    showing_t *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    s->id = job_id;
    s->read_ms = read_ms;
    s->now_ms = wall_ms();
    query_begin(&s->query, f, timeout_ms, err);
    s->queue = query_queue(&s->query, NULL, NULL);
    query_known_job(&s->query, s->queue, s->id, &s->seen);
    read_log(s);
    if (s->query.result == FANMAP_OK) {
        show_all(s);
        fn(arg, &s->show);
    }
    int r = query_end(&s->query);
    free((void *)(uintptr_t)s->show.lanes);
    free(s);
    return r;
}

int fanmap_show(fanmap_t *f, const char *job_id, int timeout_ms, fanmap_show_fn fn, void *arg, fanmap_error_t *err)
{
    return fanmap_show_soon(f, job_id, -1, timeout_ms, fn, arg, err);
}
