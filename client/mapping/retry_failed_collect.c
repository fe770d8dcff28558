/* Brings the old job's values, the errors that stay, and the inputs of what runs again into one order.
 *
 * The log is read a second time: outcomes with a value, and those that were never sent, go into the order; of the
 * stored progress the newest whose prefix lies before every wanted input says from which offsets the items partitions
 * are to be read. Each is read only as far as it has wanted inputs.
 *
 * What can fail: an item that ran has no record any more, or offsets are gone: Kafka no longer has the inputs, and
 * nothing is begun. An item without a record that never ran was never published; it stays without a value.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/text.h"
#include "client/mapping/item_scan.h"
#include "client/mapping/retry_failed.h"
#include "schemas/item.h"
#include "schemas/place.h"

static const char NEVER_PUBLISHED[] = "the item was never published: its job ended before";
static const char NOT_WHOLE[] = "Kafka no longer has all inputs of its failed items";

static void keep_outcome(retry_failed_t *r, const outcome_t *outcome)
{
    fanmap_error_t err;
    if (!r->job->error.code && order_put(r->order, outcome, &err) != FANMAP_OK)
        job_fail(r->job, &err);
}

/* ---- the inputs ---- */

static bool is_wanted(const retry_failed_t *r, int32_t partition, const bus_record_t *record, item_t *ret)
{
    const retry_origin_t *origin = retry_origin_of(r, record->key, record->key_len);
    if (!origin || !item_decode(record->value, record->value_len, ret) || ret->type != ITEM_RECORD || ret->lane != 0)
        return false;
    return ret->index < r->n && retry_wants(r, ret->index) && !bitset_test(&r->found, ret->index) &&
           (int32_t)place_item(place_job_hash(origin->id), origin->partitions_n, ret->index) == partition;
}

static int64_t scan_from(void *arg, int32_t partition)
{
    const retry_failed_t *r = arg;
    if (r->wanted[partition] == 0)
        return SCAN_NOT_AT_ALL;
    return r->origins_n == 1 && r->offsets[partition] >= 0 ? r->offsets[partition] : SCAN_BY_TIME;
}

static bool on_scanned_record(void *arg, int32_t partition, const bus_record_t *record)
{
    retry_failed_t *r = arg;
    item_t item;
    if (!is_wanted(r, partition, record, &item))
        return true;
    keep_outcome(r, &(outcome_t){.index = item.index,
                                 .kind = FANMAP_VALUE,
                                 .attempts = RETRY_IS_INPUT,
                                 .value = item.in,
                                 .value_len = item.in_len});
    if (!bitset_set(&r->found, item.index))
        retry_fail(r, FANMAP_ENOMEM, "out of memory");
    return --r->wanted[partition] > 0;
}

static bool on_scan_gone(void *arg, int32_t partition, int64_t low)
{
    (void)partition;
    (void)low;
    retry_fail(arg, FANMAP_ELOST, NOT_WHOLE);
    return false;
}

static void warn_without_input(const retry_failed_t *r, uint64_t n, const char *what)
{
    if (n > 0)
        client_log(r->job->f, FANMAP_LOG_WARNING,
                   "--retry-failed %s: no input in Kafka for %" PRIu64 " of its items: %s", r->of, n, what);
}

/* What was not found was never published, or is gone. */
static void on_scanned(void *arg)
{
    retry_failed_t *r = arg;
    uint64_t missing = 0;
    for (uint64_t i = r->lowest; i < r->n && !r->job->error.code; i++) {
        if (!retry_wants(r, i) || bitset_test(&r->found, i))
            continue;
        if (bitset_test(&r->ran, i)) {
            retry_fail(r, FANMAP_ELOST, NOT_WHOLE);
            return;
        }
        missing++;
        keep_outcome(r, &(outcome_t){.index = i,
                                     .kind = FANMAP_CANCELLED,
                                     .type = "",
                                     .message = NEVER_PUBLISHED,
                                     .message_len = sizeof NEVER_PUBLISHED - 1,
                                     .stderr_tail = ""});
    }
    warn_without_input(r, missing, "they were never published and stay cancelled");
    warn_without_input(r, r->never_sent_n, "they could not be parsed or sent, and keep their error");
    if (!r->job->error.code)
        retry_collected(r);
}

/* ---- the log, once more ---- */

/* What has no outcome in the log, and is not chosen. */
static void keep_missing(retry_failed_t *r)
{
    for (uint64_t i = 0; i < r->n && !retry_choice_is_all(&r->choice) && !r->job->error.code; i++)
        if (bitset_test(&r->kept, i) && !list_has(r->list, i))
            keep_outcome(r, &(outcome_t){.index = i, .kind = r->missing, .type = "", .message = "", .stderr_tail = ""});
}

static void on_outcome(void *arg, const outcome_t *outcome)
{
    retry_failed_t *r = arg;
    if (outcome->index < r->n && !retry_wants(r, outcome->index))
        keep_outcome(r, outcome);
}

static void note_progress(retry_failed_t *r, const bus_record_t *record)
{
    joblog_record_t decoded;
    if (!text_is(record->key, record->key_len, r->of) || !joblog_decode(record->value, record->value_len, &decoded))
        return;
    if (decoded.type == JOBLOG_START)
        r->since_ms = record->timestamp_ms;
    if (decoded.type != JOBLOG_PROGRESS || decoded.progress.partitions != r->spec.items_partitions ||
        decoded.progress.prefix > r->lowest)
        return;
    for (uint32_t p = 0; p < r->spec.items_partitions; p++) {
        int64_t offset;
        if (joblog_progress_offset(&decoded.progress, p, &offset) && offset >= 0)
            r->offsets[p] = offset;
    }
}

static bool on_record(void *arg, const bus_record_t *record)
{
    retry_failed_t *r = arg;
    bool counts = list_record(r->again, record->offset, record->key, record->key_len, record->value, record->value_len);
    if (counts && list_start_offset(r->again) >= 0)
        note_progress(r, record);
    return false;
}

/* Of a second try's second try an input may be on any partition. */
static uint32_t scanned_n(const retry_failed_t *r)
{
    return r->origins_n > 1 ? r->job->queue->items_n : r->spec.items_partitions;
}

static int64_t since_ms(const retry_failed_t *r)
{
    int64_t since = r->since_ms;
    for (size_t i = 1; i < r->origins_n; i++)
        since = r->origins[i].submitted_ms < since ? r->origins[i].submitted_ms : since;
    return since;
}

static void on_end(void *arg, int64_t position)
{
    static const item_scan_callbacks_t callbacks = {scan_from, on_scanned_record, on_scan_gone, on_scanned};
    retry_failed_t *r = arg;
    (void)position;
    if (!bus_reader_drop(&r->reader))
        return;
    keep_missing(r);
    if (list_out_of_memory(r->again))
        retry_fail(r, FANMAP_ENOMEM, "out of memory");
    if (!r->job->error.code)
        item_scan_begin(r->job, scanned_n(r), since_ms(r), &callbacks, r);
}

static void on_gone(void *arg, int64_t low)
{
    (void)low;
    retry_fail(arg, FANMAP_ELOST, "its log is no longer whole (retention)");
}

static bool make_room(retry_failed_t *r, fanmap_error_t *err)
{
    static const list_callbacks_t callbacks = {.outcome = on_outcome};
    uint32_t partitions = scanned_n(r);
    r->again = list_new(r->of, &callbacks, r);
    r->offsets = malloc(partitions * sizeof *r->offsets);
    r->wanted = calloc(partitions, sizeof *r->wanted);
    if (!r->again || !r->offsets || !r->wanted) {
        err_set(err, FANMAP_ENOMEM, "out of memory");
        return false;
    }
    for (uint32_t p = 0; p < partitions; p++)
        r->offsets[p] = -1;
    return order_new(options_bytes(r->job->options, OPT_WINDOW), NULL, &r->order, err) == FANMAP_OK;
}

static void count_wanted(retry_failed_t *r)
{
    uint64_t hash = place_job_hash(r->of);
    uint64_t n = 0;
    r->lowest = r->n;
    for (uint64_t i = 0; i < r->n; i++) {
        if (!retry_wants(r, i))
            continue;
        if (r->lowest == r->n)
            r->lowest = i;
        r->wanted[place_item(hash, r->spec.items_partitions, i)]++;
        n++;
    }
    for (uint32_t p = 0; p < scanned_n(r) && r->origins_n > 1; p++)
        r->wanted[p] = n;
}

void retry_collect(retry_failed_t *r)
{
    static const bus_reader_callbacks_t callbacks = {.record = on_record, .at_end = on_end, .gone = on_gone};
    fanmap_error_t err;
    if (r->spec.items_partitions > r->job->queue->items_n) {
        retry_fail(r, FANMAP_ELOST, "the topic of its items has fewer partitions than when it was submitted");
        return;
    }
    if (!retry_find_origins(r))
        return;
    if (!make_room(r, &err)) {
        job_fail(r->job, &err);
        return;
    }
    count_wanted(r);
    if (r->lowest == r->n)
        client_log(r->job->f, FANMAP_LOG_WARNING, "--retry-failed %s: nothing is left to run again", r->of);
    if (bus_read(r->job->queue->results, (int32_t)r->spec.results_partition, r->spec.start_offset, &callbacks, r,
                 &r->reader, &err) != FANMAP_OK)
        job_fail(r->job, &err);
}
