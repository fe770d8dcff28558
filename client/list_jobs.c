/* fanmap_jobs: the jobs topic folded, then the logs of the jobs that it has no end of.
 *
 * A job may be over although the jobs topic does not say so: whoever sees a completion copies it there, and of a job
 * that was submitted and never gathered nobody did. So those logs are read: partition by partition, each once, from the
 * first of the wanted starts, with every wanted job of it counted on the way. Where retention took a start, its job
 * cannot be gathered any more, which is said, and the others on that partition are read from theirs.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/table.h"
#include "client/ask.h"
#include "client/tally.h"
#include "schemas/jobs.h"

enum { LOGS_MAX = 10000 }; /* as many jobs without an end are counted; the others are listed without counts */

typedef struct {
    char id[JOB_ID_MAX + 1];
    char task[TASK_NAME_MAX + 1], queue[NAME_MAX_LEN + 1];
    bool is_known; /* there is a spec */
    uint32_t results_partition;
    int64_t start_offset, submitted_ms;
    uint64_t concurrency, concurrency_version, paused_version;
    bool paused, has_end, is_log_gone;
    end_reason_t reason;
    tally_t *tally; /* while and after its log is read */
    UT_hash_handle hh;
} entry_t;

typedef struct {
    ask_t ask;
    const fanmap_options_t *filter;
    queue_t *queue;
    entry_t *entries;
    int64_t now_ms;
    bool is_out_of_memory;
} listing_t;

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- the jobs topic ---- */

static entry_t *entry_get(listing_t *l, const char *id)
{
    entry_t *entry = NULL;
    HASH_FIND_STR(l->entries, id, entry);
    if (entry)
        return entry;
    entry = calloc(1, sizeof *entry);
    if (entry) {
        memcpy(entry->id, id, strlen(id) + 1);
        HASH_ADD_STR(l->entries, id, entry);
        if (table_added(entry))
            return entry;
    }
    free(entry);
    l->is_out_of_memory = true;
    return NULL;
}

static void note_spec(entry_t *entry, const jobs_record_t *record)
{
    entry->is_known = !record->tombstone;
    if (record->tombstone)
        return;
    memcpy(entry->task, record->spec.task, sizeof entry->task);
    memcpy(entry->queue, record->spec.queue, sizeof entry->queue);
    entry->results_partition = record->spec.results_partition;
    entry->start_offset = record->spec.start_offset;
    entry->submitted_ms = record->spec.submitted_ms;
    if (entry->concurrency_version == 0)
        entry->concurrency = record->spec.concurrency;
}

static void note(entry_t *entry, const jobs_record_t *record)
{
    switch (record->field) {
    case JOBS_SPEC:
        note_spec(entry, record);
        break;
    case JOBS_CONCURRENCY:
        if (!record->tombstone && record->version >= entry->concurrency_version) {
            entry->concurrency_version = record->version;
            entry->concurrency = record->value;
        }
        break;
    case JOBS_PAUSED:
        if (!record->tombstone && record->version >= entry->paused_version) {
            entry->paused_version = record->version;
            entry->paused = record->value != 0;
        }
        break;
    case JOBS_HALT:
        break;
    case JOBS_END:
        entry->has_end = !record->tombstone;
        entry->reason = record->end_reason;
        break;
    }
}

static void on_jobs_record(void *arg, const bus_record_t *record)
{
    listing_t *l = arg;
    jobs_record_t decoded;
    if (!jobs_decode(record->key, record->key_len, record->value, record->value_len, &decoded))
        return;
    entry_t *entry = entry_get(l, decoded.job);
    if (entry)
        note(entry, &decoded);
}

/* ---- which are wanted ---- */

static bool is_wanted(const listing_t *l, const entry_t *entry)
{
    const char *task = options_text(l->filter, "task");
    if (!entry->is_known || (task && strcmp(task, entry->task) != 0))
        return false;
    if (options_is_set(l->filter, "queue") && strcmp(options_text(l->filter, "queue"), entry->queue) != 0)
        return false;
    if (options_is_set(l->filter, "since") && entry->submitted_ms < l->now_ms - (int64_t)options_ms(l->filter, "since"))
        return false;
    const char *state = options_text(l->filter, "state");
    if (!state || !entry->has_end)
        return true;
    return strcmp(state, "ended") == 0;
}

static void drop_unwanted(listing_t *l)
{
    entry_t *entry, *next;
    HASH_ITER(hh, l->entries, entry, next)
    {
        if (is_wanted(l, entry))
            continue;
        HASH_DEL(l->entries, entry);
        free(entry);
    }
}

static int by_place(const entry_t *a, const entry_t *b)
{
    if (a->results_partition != b->results_partition)
        return a->results_partition < b->results_partition ? -1 : 1;
    return a->start_offset < b->start_offset ? -1 : a->start_offset > b->start_offset;
}

static int by_age(const entry_t *a, const entry_t *b)
{
    if (a->submitted_ms != b->submitted_ms)
        return a->submitted_ms < b->submitted_ms ? -1 : 1;
    return strcmp(a->id, b->id);
}

/* ---- their logs ---- */

static void on_log_record(void *arg, const bus_record_t *record)
{
    listing_t *l = arg;
    entry_t *entry = NULL;
    if (!record->key || record->key_len > JOB_ID_MAX)
        return;
    HASH_FIND(hh, l->entries, record->key, (unsigned)record->key_len, entry);
    if (!entry || !entry->tally || record->offset < entry->start_offset)
        return;
    tally_record(entry->tally, record);
    l->is_out_of_memory |= list_out_of_memory(entry->tally->list);
}

static bool is_counted(const entry_t *entry)
{
    return !entry->has_end && !entry->is_log_gone;
}

/* `first` and those behind it on its partition. *ret_next: the first of another. */
static int read_partition(listing_t *l, entry_t *first, size_t *left, entry_t **ret_next, fanmap_error_t *err)
{
    entry_t *entry = first;
    int64_t low = -1;
    for (; entry && entry->results_partition == first->results_partition; entry = entry->hh.next) {
        if (!is_counted(entry) || *left == 0)
            continue;
        entry->tally = tally_new(entry->id);
        if (!entry->tally)
            return err_set(err, FANMAP_ENOMEM, "out of memory");
        --*left;
    }
    *ret_next = entry;
    for (entry = first; entry && entry != *ret_next;) {
        if (!entry->tally) {
            entry = entry->hh.next;
            continue;
        }
        int r = ask_read(&l->ask, l->queue->results, (int32_t)entry->results_partition, entry->start_offset, -1,
                         on_log_record, l, &low, err);
        if (r != FANMAP_ELOST || low < 0)
            return r;
        for (; entry && entry != *ret_next && entry->start_offset < low; entry = entry->hh.next) {
            entry->is_log_gone = true;
            tally_free(entry->tally);
            entry->tally = NULL;
        }
    }
    return FANMAP_OK;
}

static int read_logs(listing_t *l, fanmap_error_t *err)
{
    size_t left = LOGS_MAX;
    int r = FANMAP_OK;
    HASH_SRT(hh, l->entries, by_place);
    for (entry_t *entry = l->entries, *next = NULL; r == FANMAP_OK && entry; entry = next)
        r = read_partition(l, entry, &left, &next, err);
    return r;
}

/* ---- telling ---- */

static bool is_in_state(const listing_t *l, fanmap_job_state_t state)
{
    static const char *const words[] = {"running", "paused", "ended"};
    const char *wanted = options_text(l->filter, "state");
    return !wanted || strcmp(wanted, words[state]) == 0;
}

static void tell(const listing_t *l, const entry_t *entry, fanmap_job_info_fn fn, void *arg)
{
    fanmap_job_info_t info = {.job = entry->id,
                              .task = entry->task,
                              .queue = entry->queue,
                              .reason = "",
                              .concurrency = entry->concurrency,
                              .submitted_ms = entry->submitted_ms,
                              .is_log_gone = entry->is_log_gone,
                              .total = -1};
    if (entry->has_end) {
        info.state = FANMAP_JOB_ENDED;
        info.reason = tally_reason_word(entry->reason);
    } else {
        info.state = entry->paused ? FANMAP_JOB_PAUSED : FANMAP_JOB_RUNNING;
        if (entry->tally)
            tally_info(entry->tally, &info);
    }
    if (is_in_state(l, info.state))
        fn(arg, &info);
}

static void entries_free(listing_t *l)
{
    entry_t *entry, *next;
    HASH_ITER(hh, l->entries, entry, next)
    {
        HASH_DEL(l->entries, entry);
        tally_free(entry->tally);
        free(entry);
    }
}

int fanmap_jobs(fanmap_t *f, const fanmap_options_t *filter, int timeout_ms, fanmap_job_info_fn fn, void *arg,
                fanmap_error_t *err)
{
    listing_t l = {.filter = filter, .now_ms = wall_ms()};
    int r = ask_begin(&l.ask, f, timeout_ms, err);
    if (r == FANMAP_OK)
        r = ask_topics(&l.ask, &l.queue, err);
    if (r == FANMAP_OK)
        r = ask_read(&l.ask, l.queue->jobs, 0, BUS_BEGIN, -1, on_jobs_record, &l, NULL, err);
    drop_unwanted(&l);
    if (r == FANMAP_OK && options_switch(filter, "counts"))
        r = read_logs(&l, err);
    if (r == FANMAP_OK && l.is_out_of_memory)
        r = err_set(err, FANMAP_ENOMEM, "out of memory for the list of jobs");
    if (r == FANMAP_OK) {
        HASH_SRT(hh, l.entries, by_age);
        for (const entry_t *entry = l.entries; entry; entry = entry->hh.next)
            tell(&l, entry, fn, arg);
    }
    entries_free(&l);
    client_mark(f);
    return r;
}
