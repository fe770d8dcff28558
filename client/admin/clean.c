/* fanmap_clean: what nobody can need any more.
 *
 * A job that has ended is forgotten, by tombstones on the jobs topic, once retention has taken the first record of its
 * log: it cannot be gathered, resubmitted or retried any more. A record of an items partition is deleted when it lies
 * below what the workers have committed and belongs to no job that is still known. Kafka deletes from the front only,
 * so one old record of a known job keeps those behind it.
 *
 * The order makes it safe. First the commits are read, then the jobs topic to its end: a record below a commit was
 * finished by a worker that knew its job (or buried it), so its job stands in what is read afterwards, or is forgotten.
 * What cannot be read (a newer version) counts as known. Nothing is deleted where the jobs topic itself has lost
 * records.
 *
 * With the option "clean" topics of items go too, whose task nobody uses: no member of the queue's group subscribes, no
 * known job is of that task, and no record is left.
 */
#include <stdlib.h>
#include <string.h>

#include "client/admin/offsets.h"
#include "client/joblog/fold.h"
#include "io/bus_admin.h"

/* The topic of one task. */
typedef struct {
    char task[TASK_NAME_MAX + 1];
    queue_t *queue;
    int64_t *committed; /* of each partition; -1: nothing */
} cleaned_topic_t;

typedef struct {
    query_t query;
    const char *queue_name;
    queue_t *shared; /* jobs and results */
    fold_t fold;
    fanmap_cleaned_t cleaned;
    char group[TOPIC_NAME_MAX];
    cleaned_topic_t *topics;
    size_t topics_n;
    /* answers */
    int64_t begin;
    /* one partition */
    bus_topic_t *items;
    const int64_t *committed; /* of all of its topic */
    int64_t until, keep_from;
} cleaning_t;

/* ---- jobs ---- */

static bool may_forget(const fold_entry_t *entry)
{
    return entry->view.is_known && entry->view.has_end && !entry->is_opaque;
}

static int by_place(const fold_entry_t *a, const fold_entry_t *b)
{
    return a->results_partition < b->results_partition ? -1 : a->results_partition > b->results_partition;
}

static int bury(cleaning_t *c, const fold_entry_t *entry, fanmap_error_t *err)
{
    char key[JOB_ID_MAX + 17];
    int r = FANMAP_OK;
    for (int field = JOBS_SPEC; r == FANMAP_OK && field <= JOBS_HALT; field++) {
        size_t len = jobs_key(key, sizeof key, entry->id, (jobs_field_t)field);
        r = query_put(&c->query, c->shared, TOPIC_JOBS, 0, key, len, NULL, 0, err);
    }
    return r;
}

static int forget_jobs(cleaning_t *c, fanmap_error_t *err)
{
    fold_entry_t *entry, *next;
    int64_t asked = -1;
    uint64_t n = 0;
    int r = FANMAP_OK;
    HASH_SRT(hh, c->fold.entries, by_place);
    HASH_ITER(hh, c->fold.entries, entry, next)
    {
        if (!may_forget(entry))
            continue;
        if (entry->results_partition >=
            c->shared->results_n) /* no log, or one on a partition that is newer than we know */
            continue;
        if (asked != entry->results_partition)
            r = query_first(&c->query, c->shared->results, (int32_t)entry->results_partition, &c->begin, err);
        if (r != FANMAP_OK)
            return r;
        asked = entry->results_partition;
        if (c->begin <= entry->start_offset)
            continue;
        r = bury(c, entry, err);
        if (r != FANMAP_OK)
            return r;
        HASH_DEL(c->fold.entries, entry);
        free(entry);
        n++;
    }
    r = query_stored(&c->query, err);
    if (r == FANMAP_OK)
        c->cleaned.jobs_forgotten = n;
    return r;
}

/* ---- items ---- */

static bool is_needed(const cleaning_t *c, const bus_record_t *record)
{
    fold_entry_t *entry = NULL;
    if (!record->key || record->key_len == 0 || record->key_len > JOB_ID_MAX)
        return false;
    HASH_FIND(hh, c->fold.entries, record->key, (unsigned)record->key_len, entry);
    return entry && (entry->view.is_known || entry->is_opaque);
}

static void on_item(void *arg, const bus_record_t *record)
{
    cleaning_t *c = arg;
    if (record->offset >= c->until || is_needed(c, record))
        c->query.is_done = true;
    else
        c->keep_from = record->offset + 1;
}

static int delete_of(cleaning_t *c, int32_t partition, fanmap_error_t *err)
{
    int r = query_first(&c->query, c->items, partition, &c->begin, err);
    int64_t ignored, begin = c->keep_from = c->begin;
    c->until = c->committed[partition];
    if (r != FANMAP_OK || begin < 0 || begin >= c->until)
        return r;
    r = query_read(&c->query, c->items, partition, begin, c->until, on_item, c, NULL, err);
    if (r != FANMAP_OK || c->keep_from <= begin)
        return r == FANMAP_ELOST ? FANMAP_OK : r; /* somebody else is at it */
    const bus_request_t request = {.kind = BUS_DELETE_RECORDS, .partition = partition, .at = c->keep_from};
    r = query_bus(&c->query, c->items, &request, &ignored, err);
    if (r == FANMAP_OK)
        c->cleaned.records_deleted += (uint64_t)(c->keep_from - begin);
    return r;
}

static int delete_items_of(cleaning_t *c, const cleaned_topic_t *topic, fanmap_error_t *err)
{
    int r = FANMAP_OK;
    c->items = topic->queue->items;
    c->committed = topic->committed;
    for (uint32_t p = 0; r == FANMAP_OK && p < topic->queue->items_n; p++)
        if (c->committed[p] > 0)
            r = delete_of(c, (int32_t)p, err);
    return r;
}

static int delete_items(cleaning_t *c, fanmap_error_t *err)
{
    int r = query_first(&c->query, c->shared->jobs, 0, &c->begin, err);
    if (r == FANMAP_OK && c->begin != 0) /* compaction moves nothing there: records were deleted, and jobs with them */
        return c->begin < 0
                   ? FANMAP_OK
                   : err_set(err, FANMAP_ELOST,
                             "the jobs topic has lost its first records: no items are deleted, as nobody knows "
                             "whose they are (is it compacted?)");
    for (size_t i = 0; r == FANMAP_OK && i < c->topics_n; i++)
        r = delete_items_of(c, &c->topics[i], err);
    return r;
}

/* ---- topics ---- */

static bool has_jobs(const cleaning_t *c, const char *task)
{
    for (const fold_entry_t *entry = c->fold.entries; entry; entry = entry->hh.next)
        if (entry->is_opaque ||
            (entry->view.is_known && strcmp(entry->task, task) == 0 && strcmp(entry->queue, c->queue_name) == 0))
            return true;
    return false;
}

/* Not empty where the broker does not say. */
static int is_empty(cleaning_t *c, const cleaned_topic_t *topic, bool *ret, fanmap_error_t *err)
{
    int r = FANMAP_OK;
    *ret = true;
    for (uint32_t p = 0; r == FANMAP_OK && *ret && p < topic->queue->items_n; p++) {
        r = query_first(&c->query, topic->queue->items, (int32_t)p, &c->begin, err);
        if (r == FANMAP_OK)
            r = query_end(&c->query, topic->queue->items, (int32_t)p, &c->until, err);
        *ret = c->begin >= 0 && c->begin == c->until;
    }
    return r;
}

static int delete_topic(cleaning_t *c, const cleaned_topic_t *topic, fanmap_error_t *err)
{
    const bus_request_t count = {.kind = BUS_COUNT_MEMBERS, .group = c->group}, delete = {.kind = BUS_DELETE_TOPIC};
    bool may_go = !has_jobs(c, topic->task);
    int64_t members_n = 0;
    int r = may_go ? query_bus(&c->query, topic->queue->items, &count, &members_n, err) : FANMAP_OK;
    may_go = may_go && members_n == 0;
    if (may_go && r == FANMAP_OK)
        r = is_empty(c, topic, &may_go, err);
    if (!may_go || r != FANMAP_OK)
        return r;
    r = query_bus(&c->query, topic->queue->items, &delete, &members_n, err);
    c->cleaned.topics_deleted += r == FANMAP_OK;
    return r;
}

/* ---- the pass ---- */

static void on_survey(void *arg, const bus_topic_state_t *topics, size_t n, const fanmap_error_t *err)
{
    cleaning_t *c = arg;
    char queue[NAME_MAX_LEN + 1];
    query_answered(&c->query, err);
    if (!err && !(c->topics = calloc(n + 1, sizeof *c->topics)))
        err_set(&c->query.error, FANMAP_ENOMEM, "out of memory");
    for (size_t i = 0; c->topics && i < n; i++)
        if (name_items_parse(topics[i].name, c->query.f->namespace_name, queue, c->topics[c->topics_n].task) &&
            strcmp(queue, c->queue_name) == 0)
            c->topics_n++;
}

static int list_topics(cleaning_t *c, fanmap_error_t *err)
{
    char prefix[TOPIC_NAME_MAX];
    int r = bus_survey(c->query.f->bus, name_items_of_queue(prefix, c->query.f->namespace_name, c->queue_name),
                       on_survey, c, err);
    return r == FANMAP_OK ? query_wait(&c->query, "Kafka", err) : r;
}

static int read_commits(cleaning_t *c, cleaned_topic_t *topic, fanmap_error_t *err)
{
    int r = query_queue(&c->query, c->queue_name, topic->task, &topic->queue, err);
    if (r != FANMAP_OK)
        return r;
    topic->committed = malloc((topic->queue->items_n + 1) * sizeof *topic->committed);
    if (!topic->committed)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    return query_committed(&c->query, topic->queue->items, c->group, topic->queue->items_n, topic->committed, err);
}

static int clean(cleaning_t *c, bool with_topics, fanmap_error_t *err)
{
    int r = list_topics(c, err);
    for (size_t i = 0; r == FANMAP_OK && i < c->topics_n; i++)
        r = read_commits(c, &c->topics[i], err);
    if (r == FANMAP_OK)
        r = query_read(&c->query, c->shared->jobs, 0, BUS_BEGIN, -1, fold_record, &c->fold, NULL, err);
    if (r == FANMAP_OK && c->fold.is_out_of_memory)
        r = err_set(err, FANMAP_ENOMEM, "out of memory for the list of jobs");
    if (r == FANMAP_OK)
        r = forget_jobs(c, err);
    if (r == FANMAP_OK)
        r = delete_items(c, err);
    for (size_t i = 0; with_topics && r == FANMAP_OK && i < c->topics_n; i++)
        r = delete_topic(c, &c->topics[i], err);
    return r;
}

static int begin(cleaning_t *c, fanmap_t *f, const fanmap_options_t *options, int timeout_ms, fanmap_error_t *err)
{
    int r = query_begin(&c->query, f, timeout_ms, err);
    c->queue_name = options_text(options, OPT_QUEUE);
    name_group(c->group, f->namespace_name, c->queue_name);
    return r == FANMAP_OK ? query_queue(&c->query, NULL, NULL, &c->shared, err) : r;
}

int fanmap_clean(fanmap_t *f, const fanmap_options_t *options, int timeout_ms, fanmap_cleaned_t *ret, size_t sizeof_ret,
                 fanmap_error_t *err)
{
    cleaning_t c = {0};
    int r = begin(&c, f, options, timeout_ms, err);
    if (r == FANMAP_OK)
        r = clean(&c, options_switch(options, OPT_CLEAN), err);
    memcpy(ret, &c.cleaned, sizeof_ret < sizeof c.cleaned ? sizeof_ret : sizeof c.cleaned);
    query_finish(&c.query);
    for (size_t i = 0; i < c.topics_n; i++)
        free(c.topics[i].committed);
    free(c.topics);
    fold_free(&c.fold);
    client_mark(f);
    return r;
}
