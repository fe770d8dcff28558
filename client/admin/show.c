/* fanmap_show: the jobs topic says what is asked of the job, its log how far it came, Redis who works on it and under
 * which tokens. From that, why it does not go on, in the order in which an operator would look. What cannot be asked
 * (Redis is away) is said and stops nothing. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "client/admin/offsets.h"
#include "client/joblog/job_counts.h"
#include "client/options/policy.h"
#include "tokens/presence.h"

enum { WAIT_TEXT_MAX = 400, PRODUCER_SILENT_MS = 15000, WORKER_SILENT_MS = 15000, HOST_TEXT_MAX = 96 };

typedef struct {
    query_t query;
    const char *id;
    queue_t *queue;
    lookup_result_t seen;
    job_counts_t *counts;
    policy_t policy;
    fanmap_show_t show;
    int64_t now_ms;
    char waits[FANMAP_WAITS_MAX][WAIT_TEXT_MAX], running_worker[HOST_TEXT_MAX];
    /* Redis */
    bool has_table;
    int64_t table_now_ms, held, learn, clock, last;
    uint64_t waiting_workers;
} showing_t;

static void put_wait(showing_t *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put_wait(showing_t *s, const char *format, ...)
{
    if (s->show.waits_n == FANMAP_WAITS_MAX)
        return;
    char *text = s->waits[s->show.waits_n];
    va_list args;
    va_start(args, format);
    vsnprintf(text, WAIT_TEXT_MAX, format, args);
    va_end(args);
    s->show.waits[s->show.waits_n++] = text;
}

/* ---- Kafka ---- */

static int look_up(showing_t *s, fanmap_error_t *err)
{
    int r = query_job(&s->query, s->queue, s->id, &s->seen, err);
    if (r == FANMAP_OK && !s->seen.view.is_known)
        r = err_set(err, FANMAP_ENOJOB, "there is no job %s in namespace %s", s->id, s->query.f->namespace_name);
    return r;
}

static void on_record(void *arg, const bus_record_t *record)
{
    job_counts_record(((showing_t *)arg)->counts, record);
}

static int read_log(showing_t *s, fanmap_error_t *err)
{
    int64_t low = -1;
    s->counts = job_counts_new(s->id);
    if (!s->counts)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    int r = lookup_check_log(s->queue, &s->seen.spec, err);
    if (r != FANMAP_OK)
        return r;
    r = query_read(&s->query, s->queue->results, (int32_t)s->seen.spec.results_partition, s->seen.spec.start_offset, -1,
                   on_record, s, &low, err);
    s->show.summary.is_log_gone = r == FANMAP_ELOST && low >= 0;
    if (s->show.summary.is_log_gone)
        return FANMAP_OK;
    if (r == FANMAP_OK && list_out_of_memory(s->counts->list))
        r = err_set(err, FANMAP_ENOMEM, "out of memory for the list of job %s", s->id);
    return r;
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
    policy_fill(&s->policy, spec);
    show->policy_n = s->policy.n;
    for (size_t i = 0; i < s->policy.n; i++) {
        show->policy_names[i] = s->policy.names[i];
        show->policy_values[i] = s->policy.values[i];
    }
    memcpy(show->kinds, s->counts->kinds, sizeof show->kinds);
    show->rate = job_counts_rate(s->counts, s->now_ms);
    show->last_outcome_ms = s->counts->last_ms;
    show->oldest_index = info->state == FANMAP_JOB_ENDED ? -1 : job_counts_oldest(s->counts);
    show->bad_records = list_bad_records(s->counts->list);
    show->running_index = -1;
    show->running_worker = s->running_worker;
    show->producer_silent_ms = -1;
    if (info->state != FANMAP_JOB_ENDED && info->total < 0 && s->counts->producer_ms > 0)
        show->producer_silent_ms = s->now_ms > s->counts->producer_ms ? s->now_ms - s->counts->producer_ms : 0;
}

/* What cannot be asked (the topic is gone, a right is missing) is not known. */
static int64_t ask_lag(showing_t *s)
{
    queue_t *queue;
    fanmap_error_t err;
    int64_t lag = -1;
    const spec_t *spec = &s->seen.spec;
    if (s->show.summary.state == FANMAP_JOB_ENDED ||
        query_queue(&s->query, spec->queue, spec->task, &queue, &err) != FANMAP_OK)
        return -1;
    (void)query_lag(&s->query, queue, &lag, &err);
    return lag;
}

/* ---- Redis ---- */

static void on_servers(void *arg, const char *const *texts, size_t n, const fanmap_error_t *err)
{
    (void)texts, (void)err;
    ((showing_t *)arg)->show.workers_n = (int)((n - 1) / 2);
}

static void note_oldest(showing_t *s, const fanmap_worker_info_t *worker)
{
    fanmap_show_t *show = &s->show;
    size_t id_len = strlen(s->id);
    for (const char *at = worker->oldest; *at; at += strcspn(at, ","), at += *at == ',') {
        uint64_t index, attempt;
        int64_t ms;
        if (strncmp(at, s->id, id_len) != 0 || at[id_len] != '/' ||
            sscanf(at + id_len, "/%" SCNu64 "/%" SCNu64 "/%" SCNd64, &index, &attempt, &ms) != 3)
            continue;
        if (show->running_index >= 0 && ms <= show->running_ms)
            return;
        show->running_index = (int64_t)index;
        show->running_attempt = (int64_t)attempt;
        show->running_ms = ms;
        snprintf(s->running_worker, sizeof s->running_worker, "%s:%" PRIu64, worker->host, worker->pid);
        return;
    }
}

static void on_worker(void *arg, const fanmap_worker_info_t *worker)
{
    showing_t *s = arg;
    if (worker->silent_ms <= WORKER_SILENT_MS && s->show.summary.state != FANMAP_JOB_ENDED)
        note_oldest(s, worker);
}

static void take_field(showing_t *s, const char *field, const char *value)
{
    uint64_t held, expiry, want;
    if (strcmp(field, "clock") == 0)
        s->clock = strtoll(value, NULL, 10);
    else if (strcmp(field, "last") == 0)
        s->last = strtoll(value, NULL, 10);
    else if (strcmp(field, "learn") == 0)
        s->learn = strtoll(value, NULL, 10);
    else if (strncmp(field, "r:", 2) == 0 &&
             sscanf(value, "%" SCNu64 " %" SCNu64 " %" SCNu64, &held, &expiry, &want) == 3) {
        s->held += (int64_t)held;
        s->waiting_workers += want > held;
    }
}

static void on_table(void *arg, const char *const *texts, size_t n, const fanmap_error_t *err)
{
    showing_t *s = arg;
    (void)err;
    s->has_table = n > 1;
    s->table_now_ms = strtoll(texts[0], NULL, 10);
    for (size_t i = 1; i + 1 < n; i += 2)
        take_field(s, texts[i], texts[i + 1]);
    if (s->has_table)
        s->show.tokens_held = s->held;
}

/* False: Redis does not say, which was put down. */
static bool query_fleet(showing_t *s)
{
    char name[NAME_MAX_LEN + TASK_NAME_MAX + 2];
    const char *url = options_text(s->query.f->options, OPT_REDIS);
    fanmap_error_t err;
    s->show.workers_n = -1;
    s->show.tokens_held = -1;
    if (!url || strcmp(url, "none") == 0)
        return false;
    snprintf(name, sizeof name, "%s.%s", s->seen.spec.queue, s->seen.spec.task);
    int r = query_redis(&s->query, INSPECT_SERVERS, name, on_servers, s, &err);
    if (r == FANMAP_OK && s->show.summary.concurrency > 0 && s->show.summary.state != FANMAP_JOB_ENDED)
        r = query_redis(&s->query, INSPECT_TABLE, s->id, on_table, s, &err);
    if (r == FANMAP_OK)
        r = query_workers(&s->query, on_worker, s, &err);
    if (r != FANMAP_OK && s->show.summary.state != FANMAP_JOB_ENDED)
        put_wait(s, "%s%s", s->show.summary.concurrency > 0 ? "a job with a limit starts nothing without Redis: " : "",
                 err.message);
    return r == FANMAP_OK;
}

/* ---- why ---- */

static void explain_tokens(showing_t *s)
{
    const fanmap_job_info_t *info = &s->show.summary;
    if (info->concurrency == 0 || s->show.workers_n <= 0)
        return;
    int64_t passed = s->table_now_ms > s->last ? s->table_now_ms - s->last : 0;
    if (!s->has_table)
        put_wait(s, "its token table is not in Redis: it is made anew, and learns for one lease, when a worker asks");
    else if (s->clock + passed < s->learn)
        put_wait(s,
                 "its token table is learning what runs: nothing new starts for about %" PRId64 " ms (docs/tokens.md)",
                 s->learn - s->clock - passed);
    else if ((uint64_t)s->held > info->concurrency)
        put_wait(s,
                 "more tokens are held (%" PRId64 ") than the limit allows now (%" PRIu64
                 "): nothing starts until enough attempts have ended",
                 s->held, info->concurrency);
    else if ((uint64_t)s->held == info->concurrency && s->waiting_workers > 0)
        put_wait(s, "all %" PRIu64 " tokens are held: the limit is what it waits for (fanmap set %s --concurrency N)",
                 info->concurrency, s->id);
}

static void explain_input(showing_t *s)
{
    const fanmap_job_info_t *info = &s->show.summary;
    if (info->total >= 0)
        return;
    if (s->show.producer_silent_ms > PRODUCER_SILENT_MS)
        put_wait(s,
                 "its producer has said nothing for %" PRId64
                 " s and its input has not ended: what was published runs, the job stays open until it is cancelled",
                 s->show.producer_silent_ms / 1000);
    else if (info->known >= info->published)
        put_wait(s, "everything published so far is done: it waits for its producer's next items");
}

static void explain(showing_t *s, bool knows_fleet)
{
    const fanmap_job_info_t *info = &s->show.summary;
    if (info->state == FANMAP_JOB_ENDED)
        return;
    if (info->is_log_gone) {
        put_wait(s, "retention took the beginning of its log: it cannot be gathered any more (fanmap cancel %s)",
                 s->id);
        return;
    }
    if (info->state == FANMAP_JOB_PAUSED)
        put_wait(s, "it is paused (fanmap resume %s)", s->id);
    if (knows_fleet && s->show.workers_n == 0)
        put_wait(
            s,
            "no worker serves task %s on queue %s (fanmap worker --queue %s --namespace %s --tasks F.so, or --exec "
            "'%s=CMD')",
            info->task, info->queue, info->queue, s->query.f->namespace_name, info->task);
    if (knows_fleet && info->state == FANMAP_JOB_RUNNING)
        explain_tokens(s);
    explain_input(s);
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
    int r = query_begin(&s->query, f, timeout_ms, err);
    if (r == FANMAP_OK)
        r = query_queue(&s->query, NULL, NULL, &s->queue, err);
    if (r == FANMAP_OK)
        r = look_up(s, err);
    if (r == FANMAP_OK)
        r = read_log(s, err);
    if (r == FANMAP_OK) {
        fill(s);
        s->show.lag = ask_lag(s);
        explain(s, query_fleet(s));
        fn(arg, &s->show);
    }
    job_counts_free(s->counts);
    free(s);
    client_mark(f);
    return r;
}
