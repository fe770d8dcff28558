/* What is lost: an item that its job's log shows as published, that has no outcome there, and of which no record stands on
 * the topic of its task.
 *
 * The order makes it sound. First the log is read: how far the items were published. Then the topic of items, all of it,
 * for a copy may stand on any partition: whatever was published is found, unless it is gone. Then the rest of the log:
 * whatever ran meanwhile has its outcome. It is done twice, and a job that had an outcome in between is left for later.
 *
 * What can fail: an item whose record went while an attempt of it goes on is listed as lost if the attempt takes longer
 * than everything else of its job. Its own outcome then stands behind that, and counts for nothing.
 */
#include "client/admin/lost.h"

#include <string.h>

#include "base/text.h"
#include "client/admin/offsets.h"
#include "client/joblog/fold.h"
#include "schemas/item.h"

enum { PACK_N = 1000, CLOCK_SLACK_MS = 3600000 };

typedef struct {
    query_t query;
    queue_t *shared; /* jobs and results */
    fold_t fold;
    lost_look_t *look, next;
    bool again;
    /* one job */
    const fold_entry_t *entry;
    job_counts_t *counts;
    int64_t since_ms; /* of its first record */
    bitset_t present;
} looking_t;

/* ---- reading ---- */

static void on_log_record(void *arg, const bus_record_t *record)
{
    looking_t *l = arg;
    if (l->since_ms == 0)
        l->since_ms = record->timestamp_ms;
    job_counts_record(l->counts, record);
}

/* False: the log is not whole. */
static bool read_log(looking_t *l, int64_t from, int64_t end)
{
    return query_read(&l->query, l->shared->results, (int32_t)l->entry->results_partition, from, end, on_log_record,
                      l) < 0 &&
           l->query.result == FANMAP_OK && !list_out_of_memory(l->counts->list);
}

static void on_item(void *arg, const bus_record_t *record)
{
    looking_t *l = arg;
    item_t item;
    if (text_is(record->key, record->key_len, l->entry->id) && item_decode(record->value, record->value_len, &item) &&
        item.type == ITEM_RECORD)
        (void)bitset_set(&l->present, item.index);
}

static bool read_items(looking_t *l)
{
    const queue_t *queue = query_queue(&l->query, l->entry->queue, l->entry->task);
    for (uint32_t p = 0; l->query.result == FANMAP_OK && p < queue->items_n; p++) {
        const bus_request_t request = {
            .kind = BUS_FIND_TIME, .partition = (int32_t)p, .at = l->since_ms - CLOCK_SLACK_MS};
        int64_t from = query_bus(&l->query, queue->items, &request, NULL);
        int64_t first = query_first(&l->query, queue->items, (int32_t)p);
        if (l->query.result == FANMAP_OK)
            (void)query_read(&l->query, queue->items, (int32_t)p, from > first ? from : first, -1, on_item, l);
    }
    return l->query.result == FANMAP_OK && !l->present.failed;
}

/* ---- one job ---- */

static void send_pack(looking_t *l, buf_t *body, uint32_t count)
{
    buf_t pack = {0};
    joblog_encode_pack(&pack, body->data, body->len, count);
    if (body->failed || pack.failed)
        query_out_of_memory(&l->query);
    query_put(&l->query, l->shared, TOPIC_RESULTS, (int32_t)l->entry->results_partition, l->entry->id,
              strlen(l->entry->id), pack.data, pack.len);
    buf_free(&pack);
    buf_clear(body);
}

static void write_lost(looking_t *l, uint64_t end)
{
    static const char message[] = "Kafka no longer has the item, and nothing says that it ran";
    buf_t body = {0};
    uint32_t count = 0;
    for (uint64_t i = missing_next(l->counts->list, &l->present, 0, end); i < end && l->query.result == FANMAP_OK;
         i = missing_next(l->counts->list, &l->present, i + 1, end)) {
        const outcome_t outcome = {
            .index = i, .kind = FANMAP_LOST, .message = message, .message_len = sizeof message - 1};
        joblog_put_outcome(&body, &outcome);
        l->next.told++;
        if (++count == PACK_N) {
            send_pack(l, &body, count);
            count = 0;
        }
    }
    if (count > 0)
        send_pack(l, &body, count);
    buf_free(&body);
    query_wait_stored(&l->query);
}

static void count_missing(looking_t *l, uint64_t end)
{
    const list_t *list = l->counts->list;
    uint64_t missing = missing_count(list, &l->present, end);
    l->again |= missing > 0;
    if (missing > 0 &&
        missing_confirm(&l->look->missing, &l->next.missing, l->entry->id, list_now(list)->known, missing))
        write_lost(l, end);
}

static void look_at(looking_t *l)
{
    int64_t partition_end = query_end_of(&l->query, l->shared->results, (int32_t)l->entry->results_partition);
    if (l->query.result != FANMAP_OK || !read_log(l, l->entry->start_offset, partition_end))
        return;
    const list_t *list = l->counts->list;
    uint64_t end = missing_published(list);
    if (list_state(list) != LIST_OPEN || !list_spec(list) ||
        missing_next(l->counts->list, &l->present, 0, end) == end || !read_items(l) ||
        !read_log(l, partition_end, -1) || list_state(list) != LIST_OPEN)
        return;
    count_missing(l, end);
}

static void look_at_job(looking_t *l)
{
    l->since_ms = 0;
    l->counts = job_counts_new(l->entry->id);
    if (l->counts)
        look_at(l);
    else
        query_out_of_memory(&l->query);
    job_counts_free(l->counts);
    bitset_free(&l->present);
    l->present = (bitset_t){0};
    if (l->query.result != FANMAP_OK && l->query.result != FANMAP_EUNREACHABLE) { /* of this job: the others go on */
        l->again = true;
        query_clear_error(&l->query);
    }
}

/* ---- all of them ---- */

static void look_at_all(looking_t *l, const char *queue)
{
    if (l->query.result == FANMAP_OK)
        (void)query_read(&l->query, l->shared->jobs, 0, BUS_BEGIN, -1, fold_record, &l->fold);
    if (l->fold.is_out_of_memory)
        query_out_of_memory(&l->query);
    for (l->entry = l->fold.entries; l->entry && l->query.result == FANMAP_OK; l->entry = l->entry->hh.next)
        if (l->entry->view.is_known && !l->entry->view.has_end && !l->entry->is_opaque &&
            strcmp(l->entry->queue, queue) == 0 && l->entry->results_partition < l->shared->results_n)
            look_at_job(l);
}

int lost_look(fanmap_t *f, const char *queue, int timeout_ms, lost_look_t *look, bool *ret_again, fanmap_error_t *err)
{
    looking_t l = {.look = look};
    query_begin(&l.query, f, timeout_ms, err);
    l.shared = query_queue(&l.query, NULL, NULL);
    look_at_all(&l, queue);
    fold_free(&l.fold);
    *look = l.next;
    *ret_again = l.again;
    return query_end(&l.query);
}
