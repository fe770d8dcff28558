/* fanmap_item: what came of one item, from the log of its job; what it was, from the topic of items; how its earlier attempts ended,
 * from NS.logs.
 *
 * Where on its partition the item lies is bounded by what the producer said of its progress: behind what one said that had not come so
 * far, before what the next one said. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "client/admin/query.h"
#include "client/handle/handle.h"
#include "schemas/item.h"
#include "schemas/logs.h"
#include "schemas/place.h"
#include "schemas/value.h"

enum { ENDED_MAX = 100, TEXT_MAX = 1000, FIND_SLACK_MS = 300000 };

typedef struct {
    char worker[LOGS_WORKER_MAX + 1], type[TEXT_MAX + 1], message[TEXT_MAX + 1];
} ended_t;

typedef struct {
    query_t query;
    const char *id;
    uint64_t index;
    lookup_result_t seen;
    list_t *list;
    int64_t at_ms; /* of the record in hand */
    uint32_t partition;
    int64_t from, to; /* where the item lies; -1: not known */
    uint64_t from_prefix;
    outcome_view_t view;
    buf_t record, input;
    char worker[LOGS_WORKER_MAX + 1], why[sizeof((fanmap_error_t *)NULL)->message];
    fanmap_item_info_t item;
    ended_t *ended;
    fanmap_ended_t told[ENDED_MAX];
} asked_t;

static void copy_text(char *ret, size_t cap, const char *text, size_t len)
{
    snprintf(ret, cap, "%.*s", (int)(len < cap ? len : cap - 1), text ? text : "");
}

/* ---- the log of the job ---- */

static void put_outcome(asked_t *a, const outcome_t *outcome)
{
    a->view.format = FANMAP_JSON;
    if (a->query.result == FANMAP_OK)
        a->query.result = outcome_view_fill(&a->view, outcome, a->query.err);
    if (a->query.result != FANMAP_OK)
        return;
    outcome_put_json(&a->record, &a->view.outcome, true);
    buf_append(&a->record, "", 1);
}

static void on_outcome(void *arg, const outcome_t *outcome)
{
    asked_t *a = arg;
    if (outcome->index != a->index)
        return;
    put_outcome(a, outcome);
    copy_text(a->worker, sizeof a->worker, outcome->worker, outcome->worker_len);
    a->item.stored_ms = a->at_ms;
    a->item.run_us = outcome->run_us;
    a->item.wait_ms = outcome->has_wait && outcome->wait_ms <= INT64_MAX ? (int64_t)outcome->wait_ms : -1;
}

/* What has none is one too, once the list is decided. */
static void on_decided(void *arg, uint64_t n, list_state_t state, end_reason_t reason, fanmap_kind_t missing)
{
    asked_t *a = arg;
    (void)state, (void)reason;
    if (a->record.len == 0 && a->index < n)
        put_outcome(a, &(outcome_t){.index = a->index, .kind = missing});
}

static void see_progress(asked_t *a, const progress_t *progress)
{
    int64_t offset;
    if (!joblog_progress_offset(progress, a->partition, &offset) || offset < 0)
        return;
    if (progress->prefix <= a->index && progress->prefix >= a->from_prefix) {
        a->from_prefix = progress->prefix;
        a->from = offset;
    } else if (progress->prefix > a->index && a->to < 0) {
        a->to = offset;
    }
}

static void on_log_record(void *arg, const bus_record_t *record)
{
    asked_t *a = arg;
    joblog_record_t decoded;
    a->at_ms = record->timestamp_ms;
    if (text_is(record->key, record->key_len, a->id) && joblog_decode(record->value, record->value_len, &decoded) &&
        decoded.type == JOBLOG_PROGRESS)
        see_progress(a, &decoded.progress);
    (void)list_record(a->list, record->offset, record->key, record->key_len, record->value, record->value_len);
    a->query.is_done |= a->record.len > 0 && a->to >= 0; /* all is known */
}

static void read_log(asked_t *a, const queue_t *queue)
{
    static const list_callbacks_t callbacks = {on_outcome, on_decided};
    const spec_t *spec = &a->seen.spec;
    a->list = list_new(a->id, &callbacks, a);
    if (!a->list)
        query_out_of_memory(&a->query);
    if (query_read(&a->query, queue->results, (int32_t)spec->results_partition, spec->start_offset, -1, on_log_record,
                   a) >= 0 &&
        a->query.result == FANMAP_OK)
        a->query.result =
            err_set(a->query.err, FANMAP_ELOST, "retention took the beginning of the log of job %s", a->id);
}

/* ---- the item ---- */

static void on_item_record(void *arg, const bus_record_t *record)
{
    asked_t *a = arg;
    item_t item;
    if (!text_is(record->key, record->key_len, a->id) || !item_decode(record->value, record->value_len, &item) ||
        item.type != ITEM_RECORD || item.index != a->index)
        return;
    fanmap_error_t why;
    if (value_to_json(&a->input, item.in, item.in_len, &why) == FANMAP_OK)
        buf_append(&a->input, "", 1);
    else
        copy_text(a->why, sizeof a->why, why.message, strlen(why.message));
    a->query.is_done = true;
}

static void read_item(asked_t *a, const queue_t *queue)
{
    const bus_request_t since = {
        .kind = BUS_FIND_TIME, .partition = (int32_t)a->partition, .at = a->seen.spec.submitted_ms - FIND_SLACK_MS};
    int64_t from = a->from >= 0 ? a->from : query_bus(&a->query, queue->items, &since, NULL);
    if (a->query.result != FANMAP_OK || from == BUS_END)
        return;
    query_read_on(&a->query, queue->items, (int32_t)a->partition, from, a->to, on_item_record, a);
}

/* That it cannot be had is no error: it is said. */
static void find_input(asked_t *a)
{
    const queue_t *queue = query_queue(&a->query, a->seen.spec.queue, a->seen.spec.task);
    if (queue && a->partition < queue->items_n)
        read_item(a, queue);
    if (a->query.result != FANMAP_OK)
        copy_text(a->why, sizeof a->why, a->query.err->message, strlen(a->query.err->message));
    else if (a->input.len == 0 && !a->why[0])
        snprintf(a->why, sizeof a->why, "it is not in Kafka: not stored yet, or deleted after it was done");
    query_clear_error(&a->query);
}

/* ---- what its workers said ---- */

static void on_ended(void *arg, const logs_end_t *end)
{
    asked_t *a = arg;
    if (end->index != a->index || a->item.ended_n == ENDED_MAX)
        return;
    ended_t *e = &a->ended[a->item.ended_n];
    copy_text(e->worker, sizeof e->worker, end->worker, end->worker_len);
    copy_text(e->type, sizeof e->type, end->type, end->type_len);
    copy_text(e->message, sizeof e->message, end->message, end->message_len);
    a->told[a->item.ended_n++] = (fanmap_ended_t){.attempt = end->attempt,
                                                  .kind = end->kind,
                                                  .ended_ms = end->ended_ms,
                                                  .run_us = end->run_us,
                                                  .worker = e->worker,
                                                  .type = e->type,
                                                  .message = e->message,
                                                  .exit_status = end->exit_status,
                                                  .signo = end->signo};
}

static void on_logs_record(void *arg, const bus_record_t *record)
{
    static const logs_callbacks_t callbacks = {.end = on_ended};
    const asked_t *a = arg;
    uint64_t dropped;
    if (text_is(record->key, record->key_len, a->id))
        (void)logs_decode(record->value, record->value_len, &callbacks, arg, &dropped);
}

static void find_ended(asked_t *a)
{
    uint32_t partitions_n = 0;
    bus_topic_t *topic = query_logs(&a->query, &partitions_n);
    if (topic)
        query_read_on(&a->query, topic, (int32_t)place_results(a->id, partitions_n), BUS_BEGIN, -1, on_logs_record, a);
    query_clear_error(&a->query);
}

/* ---- all of it ---- */

static void look_up(asked_t *a)
{
    queue_t *queue = query_queue(&a->query, NULL, NULL);
    query_known_job(&a->query, queue, a->id, &a->seen);
    if (a->query.result == FANMAP_OK)
        a->query.result = lookup_check_list(queue, &a->seen.spec, a->query.err);
    if (a->query.result != FANMAP_OK)
        return;
    a->partition = place_item(place_job_hash(a->id), a->seen.spec.items_partitions, a->index);
    read_log(a, queue);
}

static void report_item(asked_t *a, fanmap_item_fn fn, void *arg)
{
    fanmap_item_info_t *item = &a->item;
    item->index = a->index;
    item->outcome = a->record.len > 0 ? (const char *)a->record.data : NULL;
    item->worker = a->worker;
    item->input = a->input.len > 0 ? (const char *)a->input.data : NULL;
    item->input_why = item->input ? "" : a->why;
    item->ended = a->told;
    fn(arg, item);
}

int fanmap_item(fanmap_t *f, const char *job_id, uint64_t index, int timeout_ms, fanmap_item_fn fn, void *arg,
                fanmap_error_t *err)
{
    if (!job_id_valid(job_id))
        return err_set(err, FANMAP_EUSAGE, "\"%s\" is not a job id", job_id);
    asked_t *a = calloc(1, sizeof *a);
    if (a)
        a->ended = calloc(ENDED_MAX, sizeof *a->ended);
    if (!a || !a->ended) {
        free(a);
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    }
    a->id = job_id;
    a->index = index;
    a->from = a->to = -1;
    a->item.wait_ms = -1;
    query_begin(&a->query, f, timeout_ms, err);
    look_up(a);
    if (a->query.result == FANMAP_OK) {
        find_input(a);
        find_ended(a);
    }
    if (a->record.failed || a->input.failed)
        query_out_of_memory(&a->query);
    if (a->query.result == FANMAP_OK)
        report_item(a, fn, arg);
    int r = query_end(&a->query);
    list_free(a->list);
    outcome_view_free(&a->view);
    buf_free(&a->record);
    buf_free(&a->input);
    free(a->ended);
    free(a);
    return r;
}
