/* fanmap_jobs: the jobs topic folded, then the logs of the jobs that it has no end of.
 *
 * A job may be over although the jobs topic does not say so: whoever sees a completion copies it there, and of a job
 * that was submitted and never gathered nobody did. So those logs are read: partition by partition, each once, from the
 * first of the wanted starts, with every wanted job of it counted on the way. Where retention took a start, its job
 * cannot be gathered any more, which is said, and the others on that partition are read from theirs.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "client/admin/query.h"
#include "client/joblog/fold.h"
#include "client/joblog/job_counts.h"

enum { LOGS_MAX = 10000 }; /* as many jobs without an end are counted; the others are listed without counts */

typedef struct {
    query_t query;
    const fanmap_options_t *filter;
    queue_t *queue;
    fold_t fold;
    int64_t now_ms;
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
    if (!entry || !entry->counts || record->offset < entry->start_offset)
        return;
    job_counts_record(entry->counts, record);
    l->fold.is_out_of_memory |= list_out_of_memory(entry->counts->list);
}

static bool is_counted(const fold_entry_t *entry)
{
    return !entry->view.has_end && !entry->is_log_gone;
}

/* `first` and those behind it on its partition. *ret_next: the first of another. */
static void read_partition(listing_t *l, fold_entry_t *first, size_t *left, fold_entry_t **ret_next)
{
    fold_entry_t *entry = first;
    bool is_there = first->results_partition < l->queue->results_n;
    for (; entry && entry->results_partition == first->results_partition; entry = entry->hh.next) {
        entry->is_log_gone |= !is_there; /* a spec that points elsewhere spoils its own row and no other */
        if (!is_counted(entry) || *left == 0)
            continue;
        entry->counts = job_counts_new(entry->id);
        if (!entry->counts)
            query_out_of_memory(&l->query);
        --*left;
    }
    *ret_next = entry;
    for (entry = first; l->query.result == FANMAP_OK && entry && entry != *ret_next;) {
        if (!entry->counts) {
            entry = entry->hh.next;
            continue;
        }
        int64_t low = query_read(&l->query, l->queue->results, (int32_t)entry->results_partition, entry->start_offset,
                                 -1, on_log_record, l);
        if (low < 0)
            return;
        for (; entry && entry != *ret_next && entry->start_offset < low; entry = entry->hh.next) {
            entry->is_log_gone = true;
            job_counts_free(entry->counts);
            entry->counts = NULL;
        }
    }
}

static void read_logs(listing_t *l)
{
    size_t left = LOGS_MAX;
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

/* As J/end has them; a log is not read for it. */
static void fill_counts(fanmap_job_info_t *info, const jobs_counts_t *counts)
{
    if (!counts->is_known)
        return;
    info->has_counts = true;
    info->known = counts->done;
    info->failed = counts->failed;
    info->retried = counts->retried;
    info->published = counts->total;
    info->total = counts->total > INT64_MAX ? INT64_MAX : (int64_t)counts->total;
}

static void tell(const listing_t *l, const fold_entry_t *entry, fanmap_job_info_fn fn, void *arg)
{
    fanmap_job_info_t info = {.job = entry->id,
                              .task = entry->task,
                              .queue = entry->queue,
                              .reason = "",
                              .concurrency = entry->view.concurrency,
                              .submitted_ms = entry->submitted_ms,
                              .is_log_gone = entry->is_log_gone,
                              .total = -1};
    if (entry->view.has_end) {
        info.state = FANMAP_JOB_ENDED;
        info.reason = end_reason_word(entry->view.end_reason);
        fill_counts(&info, &entry->view.counts);
    } else {
        info.state = entry->view.paused ? FANMAP_JOB_PAUSED : FANMAP_JOB_RUNNING;
        if (entry->counts)
            job_counts_info(entry->counts, &info);
    }
    if (is_in_state(l, info.state))
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
        tell(&l, entry, fn, arg);
    fold_free(&l.fold);
    return query_end(&l.query);
}
