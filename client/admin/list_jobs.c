/* fanmap_jobs: the jobs topic folded, then the logs of the jobs that it has no end of.
 *
 * A job may be over although the jobs topic does not say so: whoever sees a completion copies it there, and of a job
 * that was submitted and never gathered nobody did. So those logs are read: partition by partition, each once, from the
 * first of the wanted starts (or from where the last listing of this connection ended), with every wanted job of it
 * counted on the way. Where retention took a start, its job cannot be gathered any more, which is said, and the others
 * on that partition are read from theirs.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "client/admin/waits.h"
#include "client/joblog/fold.h"
#include "client/joblog/job_counts.h"

enum {
    LOGS_MAX = 10000, /* as many jobs without an end are counted; the others are listed without counts */
    WAITS_MAX = 64    /* of so many it is asked what they wait for, the oldest first */
};

typedef struct {
    query_t query;
    const fanmap_options_t *filter;
    queue_t *queue;
    fold_t fold;
    int64_t now_ms;
    size_t waits_n;
    bool is_silent; /* nobody answers what jobs wait for */
} listing_t;

/* ---- which are wanted ---- */

static bool is_of_task(const fanmap_options_t *filter, const char *task)
{
    const char *wanted = options_nth(filter, OPT_TASK, 0);
    for (size_t i = 0; wanted && strcmp(wanted, task) != 0; i++)
        if (!(wanted = options_nth(filter, OPT_TASK, i + 1)))
            return false;
    return true;
}

static bool is_wanted(const listing_t *l, const fold_entry_t *entry)
{
    if (!entry->view.is_known || !is_of_task(l->filter, entry->task))
        return false;
    if (options_is_set(l->filter, OPT_QUEUE) && strcmp(options_text(l->filter, OPT_QUEUE), entry->queue) != 0)
        return false;
    if (options_is_set(l->filter, OPT_SINCE) &&
        entry->submitted_ms < l->now_ms - (int64_t)options_ms(l->filter, OPT_SINCE))
        return false;
    const char *state = options_text(l->filter, OPT_STATE);
    if (!state || !entry->view.has_end)
        return true;
    return strcmp(state, "ended") == 0;
}

static void drop_unwanted(listing_t *l)
{
    fold_entry_t *entry, *next;
    HASH_ITER(hh, l->fold.entries, entry, next)
    {
        if (is_wanted(l, entry))
            continue;
        HASH_DEL(l->fold.entries, entry);
        free(entry);
    }
}

static int by_place(const fold_entry_t *a, const fold_entry_t *b)
{
    if (a->results_partition != b->results_partition)
        return a->results_partition < b->results_partition ? -1 : 1;
    return a->start_offset < b->start_offset ? -1 : a->start_offset > b->start_offset;
}

static int by_age(const fold_entry_t *a, const fold_entry_t *b)
{
    if (a->submitted_ms != b->submitted_ms)
        return a->submitted_ms < b->submitted_ms ? -1 : 1;
    return strcmp(a->id, b->id);
}

/* ---- their logs ---- */

static void on_log_record(void *arg, const bus_record_t *record)
{
    listing_t *l = arg;
    fold_entry_t *entry = NULL;
    if (!record->key || record->key_len > JOB_ID_MAX)
        return;
    HASH_FIND(hh, l->fold.entries, record->key, (unsigned)record->key_len, entry);
    if (!entry || !entry->log)
        return;
    kept_log_record(entry->log, record);
    l->fold.is_out_of_memory |= list_out_of_memory(entry->log->counts->list);
}

static bool is_counted(const fold_entry_t *entry)
{
    return !entry->view.has_end && !entry->is_log_gone && !entry->is_stream;
}

static bool has_open(const fold_entry_t *first, const fold_entry_t *next)
{
    while (first != next && first->view.has_end)
        first = first->hh.next;
    return first != next;
}

/* What is kept of their logs, and whether Kafka has them. Returns how many of them are read. */
static size_t find_logs(listing_t *l, fold_entry_t *first, const fold_entry_t *next, size_t max)
{
    const bus_request_t find_begin = {.kind = BUS_FIND_BEGIN, .partition = (int32_t)first->results_partition};
    bool is_there =
        first->results_partition < l->queue->results_n; /* a spec that points elsewhere spoils its own row */
    bool is_asked = is_there && has_open(first, next);
    int64_t begin = is_asked ? query_bus(&l->query, l->queue->results, &find_begin, NULL) : -1;
    size_t n = 0;
    for (fold_entry_t *entry = first; entry != next && l->query.result == FANMAP_OK; entry = entry->hh.next) {
        entry->is_log_gone |= !entry->is_stream && (!is_there || entry->start_offset < begin);
        if (!is_counted(entry))
            kept_logs_drop(l->query.f->listed_logs, entry->id);
        if (!is_counted(entry) || n == max)
            continue;
        entry->log = kept_logs_get(l->query.f->listed_logs, entry->id, entry->results_partition, entry->start_offset);
        if (!entry->log)
            query_out_of_memory(&l->query);
        n++;
    }
    return n;
}

/* From where the first of them was not read; -1: none is to be read. */
static int64_t first_unread(const fold_entry_t *first, const fold_entry_t *next)
{
    int64_t from = -1;
    for (const fold_entry_t *entry = first; entry != next; entry = entry->hh.next)
        if (entry->log && (from < 0 || entry->log->position < from))
            from = entry->log->position;
    return from;
}

/* What is read of a partition has been read for all of them. */
static void note_read(fold_entry_t *first, const fold_entry_t *next, int64_t end)
{
    for (fold_entry_t *entry = first; entry != next; entry = entry->hh.next)
        if (entry->log && entry->log->position < end)
            entry->log->position = end;
}

/* Of a topic that was made anew. */
static bool is_another(const fold_entry_t *entry, int64_t end)
{
    return !kept_log_reaches(entry->log, end) || kept_log_is_another(entry->log);
}

/* Retention was at work meanwhile, or the topic is another one, which ends at `end`. */
static void drop_gone(listing_t *l, fold_entry_t *first, const fold_entry_t *next, int64_t low, int64_t end)
{
    for (fold_entry_t *entry = first; entry != next; entry = entry->hh.next) {
        if (!entry->log || (entry->start_offset >= low && !is_another(entry, end)))
            continue;
        entry->is_log_gone = true;
        entry->log = NULL;
        kept_logs_drop(l->query.f->listed_logs, entry->id);
    }
}

/* `first` and those behind it on its partition. *ret_next: the first of another. */
static void read_partition(listing_t *l, fold_entry_t *first, size_t *left, fold_entry_t **ret_next)
{
    fold_entry_t *next = first;
    int64_t from, low = 0;
    while (next && next->results_partition == first->results_partition)
        next = next->hh.next;
    *ret_next = next;
    *left -= find_logs(l, first, next, *left);
    while (low >= 0 && l->query.result == FANMAP_OK && (from = first_unread(first, next)) >= 0) {
        int32_t partition = (int32_t)first->results_partition;
        int64_t end = query_end_of(&l->query, l->queue->results, partition);
        if (l->query.result != FANMAP_OK)
            return;
        low = query_read(&l->query, l->queue->results, partition, from, end, on_log_record, l);
        if (low < 0 && l->query.result == FANMAP_OK)
            note_read(first, next, end);
        if (l->query.result == FANMAP_OK)
            drop_gone(l, first, next, low, end);
    }
}

static void read_logs(listing_t *l)
{
    size_t left = LOGS_MAX;
    fanmap_t *f = l->query.f;
    if (!f->listed_logs && !(f->listed_logs = kept_logs_new(LOGS_MAX)))
        query_out_of_memory(&l->query);
    query_results_n(&l->query, l->queue);
    HASH_SRT(hh, l->fold.entries, by_place);
    for (fold_entry_t *entry = l->fold.entries, *next = NULL; l->query.result == FANMAP_OK && entry; entry = next)
        read_partition(l, entry, &left, &next);
}

/* ---- telling ---- */

static bool is_in_state(const listing_t *l, fanmap_job_state_t state)
{
    static const char *const words[] = {"running", "paused", "ended"};
    const char *wanted = options_text(l->filter, OPT_STATE);
    return !wanted || strcmp(wanted, words[state]) == 0;
}

/* What it waits for, as of now, as the fleet and what was read of its log say. */
static const char *waits_for(listing_t *l, const fold_entry_t *entry, const fanmap_job_info_t *info)
{
    fleet_t fleet;
    queue_t *items;
    why_t said;
    if (!entry->log && !(entry->is_stream && options_switch(l->filter, OPT_COUNTS)))
        return "";
    if (l->is_silent || l->waits_n >= WAITS_MAX)
        return "";
    waits_seen_t seen = {.fleet = &fleet,
                         .published_before = info->published,
                         .producer_silent_ms =
                             entry->log ? job_counts_silent_ms(entry->log->counts, info, l->now_ms) : -1,
                         .is_uncounted = entry->is_stream,
                         .has_rate = entry->has_rate,
                         .lag = -1};
    l->waits_n++;
    waits_ask(&l->query, info, seen.is_uncounted, &items, &fleet);
    l->is_silent = fleet.is_kafka_silent || fleet.redis_why[0];
    waits_explain(&l->query, info, &seen, &said);
    return said.n > 0 ? why_word(said.causes[0]) : "";
}

static void report_job(listing_t *l, const fold_entry_t *entry, fanmap_job_info_fn fn, void *arg)
{
    fanmap_job_info_t info = {.job = entry->id,
                              .task = entry->task,
                              .queue = entry->queue,
                              .reason = "",
                              .concurrency = entry->view.concurrency,
                              .submitted_ms = entry->submitted_ms,
                              .is_log_gone = entry->is_log_gone,
                              .is_stream = entry->is_stream,
                              .total = -1};
    info.state = entry->view.has_end ? FANMAP_JOB_ENDED : entry->view.paused ? FANMAP_JOB_PAUSED : FANMAP_JOB_RUNNING;
    if (entry->view.has_end) {
        info.reason = end_reason_word(entry->view.end_reason);
        job_counts_at_end(&entry->view.counts, &info);
    } else if (entry->log) {
        job_counts_info(entry->log->counts, &info);
    }
    if (!is_in_state(l, info.state))
        return;
    if (info.state != FANMAP_JOB_ENDED)
        info.reason = waits_for(l, entry, &info);
    fn(arg, &info);
}

int fanmap_jobs(fanmap_t *f, const fanmap_options_t *filter, int timeout_ms, fanmap_job_info_fn fn, void *arg,
                fanmap_error_t *err)
{
    listing_t l = {.filter = filter, .now_ms = wall_ms()};
    query_begin(&l.query, f, timeout_ms, err);
    l.queue = query_queue(&l.query, NULL, NULL);
    if (l.queue)
        (void)query_read(&l.query, l.queue->jobs, 0, BUS_BEGIN, -1, fold_record, &l.fold);
    drop_unwanted(&l);
    if (l.query.result == FANMAP_OK && options_switch(filter, OPT_COUNTS))
        read_logs(&l);
    if (l.fold.is_out_of_memory)
        query_out_of_memory(&l.query);
    HASH_SRT(hh, l.fold.entries, by_age);
    for (const fold_entry_t *entry = l.fold.entries; l.query.result == FANMAP_OK && entry; entry = entry->hh.next)
        report_job(&l, entry, fn, arg);
    fold_free(&l.fold);
    return query_end(&l.query);
}
