/* fanmap_show: the jobs topic says what is asked of the job, its log how far it came, the fleet (connection/fleet.h) who
 * works on it and under which tokens. From that, why it does not go on (joblog/why.h).
 *
 * What the log got while the fleet was asked is read too: an outcome that came meanwhile is not missing. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "client/admin/offsets.h"
#include "client/joblog/job_counts.h"
#include "client/joblog/why.h"
#include "client/options/policy.h"
typedef struct {
    query_t query;
    const char *id;
    queue_t *queue;
    lookup_result_t seen;
    job_counts_t *counts;
    policy_t policy;
    fanmap_show_t show;
    int64_t now_ms;
    int64_t log_end; /* it was read so far */
    queue_t *items;  /* NULL: there are no topics of its task, or we may not see them */
    fleet_t fleet;
    why_t why;
} showing_t;

/* ---- Kafka ---- */

static void on_record(void *arg, const bus_record_t *record)
{
    job_counts_record(((showing_t *)arg)->counts, record);
}

static void read_log(showing_t *s)
{
    query_t *query = &s->query;
    const spec_t *spec = &s->seen.spec;
    s->counts = job_counts_new(s->id);
    if (query->result == FANMAP_OK && !s->seen.view.is_known)
        query->result =
            err_set(query->err, FANMAP_ENOJOB, "there is no job %s in namespace %s", s->id, query->f->namespace_name);
    if (!s->counts)
        query_out_of_memory(query);
    if (query->result == FANMAP_OK)
        query->result = lookup_check_log(s->queue, spec, query->err);
    if (query->result != FANMAP_OK)
        return;
    s->log_end = query_end_of(query, s->queue->results, (int32_t)spec->results_partition);
    s->show.summary.is_log_gone = query_read(query, s->queue->results, (int32_t)spec->results_partition,
                                             spec->start_offset, s->log_end, on_record, s) >= 0;
    if (!s->show.summary.is_log_gone && list_out_of_memory(s->counts->list))
        query_out_of_memory(query);
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

static void fill(showing_t *s)
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
    info->total = -1;
    if (!info->is_log_gone)
        job_counts_info(s->counts, info);
    memcpy(show->kinds, s->counts->kinds, sizeof show->kinds);
    show->rate = job_counts_rate(s->counts, s->now_ms);
    show->last_outcome_ms = s->counts->last_ms;
    show->oldest_index = info->state == FANMAP_JOB_ENDED ? -1 : job_counts_oldest(s->counts);
    show->bad_records = list_bad_records(s->counts->list);
    show->producer_silent_ms = -1;
    if (info->state != FANMAP_JOB_ENDED && info->total < 0 && s->counts->producer_ms > 0)
        show->producer_silent_ms = s->now_ms > s->counts->producer_ms ? s->now_ms - s->counts->producer_ms : 0;
}

/* ---- the fleet ---- */

static void on_fleet(void *arg, const fleet_t *fleet)
{
    showing_t *s = arg;
    s->fleet = *fleet;
    query_answered(&s->query, NULL);
}

/* What cannot be asked is not known: nothing of it is an error. */
static void query_fleet(showing_t *s)
{
    const spec_t *spec = &s->seen.spec;
    fleet_question_t question = {.queue = spec->queue,
                                 .task = spec->task,
                                 .job = s->id,
                                 .parent = "",
                                 .has_limit = s->seen.view.concurrency > 0,
                                 .heard = &s->query.heard};
    fanmap_error_t err;
    s->fleet = (fleet_t){.workers_n = -1, .oldest_index = -1, .owned_n = -1, .lag = -1};
    bool is_ended = s->show.summary.state == FANMAP_JOB_ENDED;
    if (!is_ended && (s->items = query_queue(&s->query, spec->queue, spec->task))) {
        question.items = s->items->items;
        question.partitions_n = s->items->items_n;
    }
    query_forgive(&s->query);
    question.has_limit &= !is_ended;
    if (fleet_ask(s->query.f, &question, on_fleet, s, &err) == FANMAP_OK)
        query_wait(&s->query, "the fleet");
    query_forgive(&s->query);
    fleet_forget(s->query.f, s);
}

/* The exact lag: from the first record that is there, where nothing was committed. */
static int64_t ask_lag(showing_t *s)
{
    int64_t lag = s->items && s->fleet.lag >= 0 ? query_lag(&s->query, s->items) : -1;
    query_forgive(&s->query);
    return lag;
}

static void read_rest(showing_t *s)
{
    int32_t partition = (int32_t)s->seen.spec.results_partition;
    if (!s->show.summary.is_log_gone)
        (void)query_read(&s->query, s->queue->results, partition, s->log_end, -1, on_record, s);
    query_forgive(&s->query);
}

static void fill_fleet(showing_t *s)
{
    fanmap_show_t *show = &s->show;
    const fleet_t *fleet = &s->fleet;
    show->workers_n = fleet->workers_n;
    show->tokens_held = fleet->has_table ? (int64_t)fleet->held : -1;
    bool is_ended = show->summary.state == FANMAP_JOB_ENDED;
    show->running_index = is_ended ? -1 : fleet->oldest_index;
    show->running_attempt = fleet->oldest_attempt;
    show->running_ms = fleet->oldest_ms;
    show->running_worker = show->running_index < 0 ? "" : fleet->oldest_worker;
}

static void explain(showing_t *s, uint64_t published_before)
{
    fanmap_show_t *show = &s->show;
    const fanmap_job_info_t *info = &show->summary;
    const why_facts_t facts = {.job = s->id,
                               .task = info->task,
                               .queue = info->queue,
                               .name_space = s->query.f->namespace_name,
                               .parent = "",
                               .fleet = &s->fleet,
                               .is_over = info->state == FANMAP_JOB_ENDED,
                               .is_log_gone = info->is_log_gone,
                               .is_paused = info->state == FANMAP_JOB_PAUSED,
                               .concurrency = info->concurrency,
                               .known = info->known,
                               .published = info->published,
                               .published_before = published_before,
                               .total = info->total,
                               .producer_silent_ms = show->producer_silent_ms};
    why(&facts, &s->why);
    show->waits_n = s->why.n;
    for (size_t i = 0; i < s->why.n; i++)
        show->waits[i] = s->why.texts[i];
}

static void show_all(showing_t *s)
{
    fill_policy(s);
    fill(s);
    uint64_t published_before = s->show.summary.published;
    query_fleet(s);
    s->show.lag = ask_lag(s);
    read_rest(s);
    fill(s);
    fill_fleet(s);
    explain(s, published_before);
}

int fanmap_show(fanmap_t *f, const char *job_id, int timeout_ms, fanmap_show_fn fn, void *arg, fanmap_error_t *err)
{
    if (!job_id_valid(job_id))
        return err_set(err, FANMAP_EUSAGE, "\"%s\" is not a job id", job_id);
    showing_t *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    s->id = job_id;
    s->now_ms = wall_ms();
    query_begin(&s->query, f, timeout_ms, err);
    s->queue = query_queue(&s->query, NULL, NULL);
    query_job(&s->query, s->queue, s->id, &s->seen);
    read_log(s);
    if (s->query.result == FANMAP_OK) {
        show_all(s);
        fn(arg, &s->show);
    }
    int r = query_end(&s->query);
    job_counts_free(s->counts);
    free(s);
    return r;
}
