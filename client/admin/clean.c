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

static void put_tombstones(cleaning_t *c, const fold_entry_t *entry)
{
    char key[JOB_ID_MAX + 17];
    for (int field = JOBS_SPEC; field <= JOBS_HALT; field++) {
        size_t len = jobs_key(key, sizeof key, entry->id, (jobs_field_t)field);
        query_put(&c->query, c->shared, TOPIC_JOBS, 0, key, len, NULL, 0);
    }
}

static void forget_jobs(cleaning_t *c)
{
    fold_entry_t *entry, *next;
    int64_t asked = -1, begin = -1;
    uint64_t n = 0;
    HASH_SRT(hh, c->fold.entries, by_place);
    HASH_ITER(hh, c->fold.entries, entry, next)
    {
        if (!may_forget(entry))
            continue;
        if (entry->results_partition >=
            c->shared->results_n) /* no log, or one on a partition that is newer than we know */
            continue;
        if (asked != entry->results_partition)
            begin = query_first(&c->query, c->shared->results, (int32_t)entry->results_partition);
        asked = entry->results_partition;
        if (begin <= entry->start_offset)
            continue;
        put_tombstones(c, entry);
        if (c->query.result != FANMAP_OK)
            return;
        HASH_DEL(c->fold.entries, entry);
        free(entry);
        n++;
    }
    query_wait_stored(&c->query);
    if (c->query.result == FANMAP_OK)
        c->cleaned.jobs_forgotten = n;
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

static void delete_of(cleaning_t *c, int32_t partition)
{
    int64_t begin = c->keep_from = query_first(&c->query, c->items, partition);
    c->until = c->committed[partition];
    if (begin < 0 || begin >= c->until)
        return;
    int64_t low = query_read(&c->query, c->items, partition, begin, c->until, on_item, c);
    if (c->query.result == FANMAP_ELOST)
        query_clear_error(&c->query);
    if (low >= 0 || c->keep_from <= begin) /* somebody else is at it */
        return;
    const bus_request_t request = {.kind = BUS_DELETE_RECORDS, .partition = partition, .at = c->keep_from};
    (void)query_bus(&c->query, c->items, &request, NULL);
    if (c->query.result == FANMAP_OK)
        c->cleaned.records_deleted += (uint64_t)(c->keep_from - begin);
}

static void delete_items_of(cleaning_t *c, const cleaned_topic_t *topic)
{
    c->items = topic->queue->items;
    c->committed = topic->committed;
    for (uint32_t p = 0; c->query.result == FANMAP_OK && p < topic->queue->items_n; p++)
        if (c->committed[p] > 0)
            delete_of(c, (int32_t)p);
}

static void delete_items(cleaning_t *c)
{
    int64_t begin = query_first(&c->query, c->shared->jobs, 0);
    if (begin > 0) /* compaction moves nothing there: records were deleted, and jobs with them */
        c->query.result = err_set(c->query.err, FANMAP_ELOST,
                                  "the jobs topic has lost its first records: no items are deleted, as nobody knows "
                                  "whose they are (is it compacted?)");
    for (size_t i = 0; begin == 0 && c->query.result == FANMAP_OK && i < c->topics_n; i++)
        delete_items_of(c, &c->topics[i]);
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
static bool is_empty(cleaning_t *c, const cleaned_topic_t *topic)
{
    bool is_empty = true;
    for (uint32_t p = 0; is_empty && p < topic->queue->items_n; p++) {
        int64_t begin = query_first(&c->query, topic->queue->items, (int32_t)p);
        is_empty = begin >= 0 && begin == query_end_of(&c->query, topic->queue->items, (int32_t)p);
    }
    return is_empty;
}

static void delete_topic(cleaning_t *c, const cleaned_topic_t *topic)
{
    const bus_request_t count = {.kind = BUS_COUNT_MEMBERS, .group = c->group}, delete = {.kind = BUS_DELETE_TOPIC};
    if (has_jobs(c, topic->task) || query_bus(&c->query, topic->queue->items, &count, NULL) != 0 || !is_empty(c, topic))
        return;
    (void)query_bus(&c->query, topic->queue->items, &delete, NULL);
    c->cleaned.topics_deleted += c->query.result == FANMAP_OK;
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

static void list_topics(cleaning_t *c)
{
    char prefix[TOPIC_NAME_MAX];
    fanmap_t *f = c->query.f;
    if (c->query.result == FANMAP_OK)
        c->query.result = bus_survey(f->bus, name_items_of_queue(prefix, f->namespace_name, c->queue_name), on_survey,
                                     c, c->query.err);
    query_wait(&c->query, "Kafka");
}

static void read_commits(cleaning_t *c, cleaned_topic_t *topic)
{
    topic->queue = query_queue(&c->query, c->queue_name, topic->task);
    topic->committed = topic->queue ? malloc((topic->queue->items_n + 1) * sizeof *topic->committed) : NULL;
    if (!topic->committed)
        query_out_of_memory(&c->query);
    else
        query_committed(&c->query, topic->queue->items, c->group, topic->queue->items_n, topic->committed);
}

static void clean_namespace(cleaning_t *c, bool with_topics)
{
    list_topics(c);
    for (size_t i = 0; c->query.result == FANMAP_OK && i < c->topics_n; i++)
        read_commits(c, &c->topics[i]);
    if (c->query.result == FANMAP_OK)
        (void)query_read(&c->query, c->shared->jobs, 0, BUS_BEGIN, -1, fold_record, &c->fold);
    if (c->fold.is_out_of_memory)
        query_out_of_memory(&c->query);
    if (c->query.result == FANMAP_OK)
        forget_jobs(c);
    if (c->query.result == FANMAP_OK)
        delete_items(c);
    for (size_t i = 0; with_topics && c->query.result == FANMAP_OK && i < c->topics_n; i++)
        delete_topic(c, &c->topics[i]);
}

int fanmap_clean(fanmap_t *f, const fanmap_options_t *options, int timeout_ms, fanmap_cleaned_t *ret, size_t sizeof_ret,
                 fanmap_error_t *err)
{
    cleaning_t c = {.queue_name = options_text(options, OPT_QUEUE)};
    query_begin(&c.query, f, timeout_ms, err);
    name_of_id(c.group, f->namespace_name, NAME_WORKERS, c.queue_name);
    c.shared = query_queue(&c.query, NULL, NULL);
    clean_namespace(&c, options_switch(options, OPT_CLEAN));
    memcpy(ret, &c.cleaned, sizeof_ret < sizeof c.cleaned ? sizeof_ret : sizeof c.cleaned);
    for (size_t i = 0; i < c.topics_n; i++)
        free(c.topics[i].committed);
    free(c.topics);
    fold_free(&c.fold);
    return query_end(&c.query);
}
