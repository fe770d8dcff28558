/* Submitting a job id again whose producer is gone.
 *
 * The jobs topic says that the job exists (map.c). Its log is read once up to its present end: what was published, how
 * far, and when the last producer was heard of. Then the producer core begins, with what was found: it compares the
 * input that is read again, and asks for the items partitions to be read (resubmit_scan) once the job is its own.
 *
 * Refused here: another task, queue, bound arguments or shape of the items; a producer that was heard of within the
 * last 10 s. The rest of the policy is what the job was submitted with; where that differs it is said. How long ago a
 * record was written is judged by the broker's clock alone: a record of our own tells what it says now. Where the topics
 * do not have its time nobody is refused; nothing breaks, because the newest announcement stops whoever made an older
 * one as soon as it reads it.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "client/mapping/item_scan.h"
#include "client/mapping/mapping.h"
#include "client/mapping/same_job.h"
#include "client/options/policy.h"

enum { SILENT_MS = 10000 };

struct resubmit {
    fanmap_job_t *job;
    spec_t wanted; /* what this caller asks for */
    prior_t known;
    list_t *list;
    bus_reader_t *reader;
    int64_t spoke_ms; /* by the broker's clock (0: not known): of the newest `progress`, or of `start` */
    int64_t began_ms; /* the same, of `start` */
    int64_t since_ms; /* what its record says, whoever's clock that is */
    bool awaits_clock;
    end_reason_t reason;
    queue_ready_fn produce; /* what comes then */
};

void resubmit_free(resubmit_t *r)
{
    if (!r)
        return;
    (void)bus_reader_drop(&r->reader);
    list_free(r->list);
    prior_free(&r->known);
    free(r);
}

static void fail_resubmit(fanmap_job_t *job, int code, const char *why)
{
    job_fail(job, err_of(code, "job %s: %s", job->id, why));
}

/* ---- the log ---- */

static void on_outcome(void *arg, const outcome_t *outcome)
{
    resubmit_t *r = arg;
    prior_outcome(&r->known, outcome);
}

static void on_decided(void *arg, uint64_t n, list_state_t state, end_reason_t reason, fanmap_kind_t missing)
{
    resubmit_t *r = arg;
    (void)n, (void)state, (void)missing;
    r->reason = reason;
}

/* What a producer said, beside what is in the list. */
static void note_producer(resubmit_t *r, const bus_record_t *record)
{
    joblog_record_t decoded;
    if (!text_is(record->key, record->key_len, r->job->id) || list_start_offset(r->list) < 0 ||
        !joblog_decode(record->value, record->value_len, &decoded))
        return;
    if (decoded.type == JOBLOG_PROGRESS)
        prior_progress(&r->known, &decoded.progress, list_producer(r->list));
    if (decoded.type == JOBLOG_PROGRESS || decoded.type == JOBLOG_START)
        r->spoke_ms = record->appended_ms;
    if (decoded.type == JOBLOG_START) {
        r->began_ms = record->appended_ms;
        r->since_ms = record->timestamp_ms;
    }
}

static bool on_record(void *arg, const bus_record_t *record)
{
    resubmit_t *r = arg;
    bool was_open = list_state(r->list) == LIST_OPEN;
    bool counts = list_record(r->list, record->offset, record->key, record->key_len, record->value, record->value_len);
    if (was_open && counts)
        note_producer(r, record);
    return false;
}

/* Of what the broker stored at this time; -1: not known. */
static int64_t age_ms(const resubmit_t *r, int64_t appended_ms)
{
    int64_t now_ms;
    if (appended_ms == 0 || !bus_clock(r->job->f->bus, &now_ms))
        return -1;
    return now_ms > appended_ms ? now_ms - appended_ms : 0;
}

int64_t resubmit_age_ms(const resubmit_t *r)
{
    int64_t age = r ? age_ms(r, r->began_ms) : 0;
    return age > 0 ? age : 0;
}

/* True: another producer may still be at work; the job has failed with that. */
static bool is_too_early(resubmit_t *r)
{
    fanmap_error_t err;
    int64_t silent_ms = age_ms(r, r->spoke_ms);
    if (list_state(r->list) != LIST_OPEN || list_now(r->list)->total >= 0 || silent_ms < 0 || silent_ms >= SILENT_MS)
        return false;
    int64_t silent_s = silent_ms / 1000;
    err_set_retry(&err, FANMAP_ECONFLICT,
                  "job %s: another producer was heard of %" PRId64 " s ago and may still be publishing it; if it is "
                  "gone, try again in %" PRId64 " s",
                  r->job->id, silent_s, SILENT_MS / 1000 - silent_s);
    job_fail(r->job, &err);
    return true;
}

static void begin_producer(resubmit_t *r)
{
    char stays[400];
    fanmap_job_t *job = r->job;
    const spec_t *spec = list_spec(r->list);
    const char *other =
        spec ? same_job_difference(spec, &r->wanted, job->queue->items_n) : "its log does not hold its beginning";
    if (list_out_of_memory(r->list) || r->known.failed) {
        fail_resubmit(job, FANMAP_ENOMEM, "out of memory");
        return;
    }
    if (other) {
        fail_resubmit(job, spec ? FANMAP_ECONFLICT : FANMAP_ELOST, other);
        return;
    }
    if (is_too_early(r))
        return;
    policy_stays(spec, &r->wanted, stays, sizeof stays);
    if (stays[0])
        client_log(job->f, FANMAP_LOG_WARNING, "job %s keeps the policy that it was submitted with: %s", job->id,
                   stays);
    prior_input(&r->known, list_input_n(r->list));
    r->known.is_halting = list_now(r->list)->is_halting;
    r->known.is_closed = list_state(r->list) == LIST_CLOSED;
    r->known.reason = r->reason;
    job->spec = *spec; /* its bound arguments live in r->list */
    r->produce(job);
}

static void put_clock_record(resubmit_t *r)
{
    fanmap_job_t *job = r->job;
    fanmap_error_t err;
    r->awaits_clock = publisher_put(&job->mapping->publisher, job->queue, TOPIC_JOBS, 0, jobs_clock_key,
                                    strlen(jobs_clock_key), NULL, 0, 0, &err) == FANMAP_OK;
    if (!r->awaits_clock)
        begin_producer(r);
}

void resubmit_clock_stored(resubmit_t *r)
{
    if (!r || !r->awaits_clock)
        return;
    r->awaits_clock = false;
    begin_producer(r);
}

static void on_end(void *arg, int64_t position)
{
    resubmit_t *r = arg;
    (void)position;
    if (bus_reader_drop(&r->reader))
        put_clock_record(r);
}

static void on_gone(void *arg, int64_t low)
{
    resubmit_t *r = arg;
    (void)low;
    fail_resubmit(r->job, FANMAP_ELOST, "its log is no longer whole (retention): it cannot be resumed");
}

int resubmit_begin(fanmap_job_t *job, const lookup_result_t *found, queue_ready_fn produce, fanmap_error_t *err)
{
    static const list_callbacks_t list_callbacks = {on_outcome, on_decided};
    static const bus_reader_callbacks_t reader_callbacks = {.record = on_record, .at_end = on_end, .gone = on_gone};
    int checked = lookup_check_list(job->queue, &found->spec, err);
    if (checked != FANMAP_OK)
        return checked;
    resubmit_t *r = calloc(1, sizeof *r);
    if (!r)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    job->mapping->resubmit = r;
    r->job = job;
    r->produce = produce;
    r->wanted = job->spec;
    r->list = list_new(job->id, &list_callbacks, r);
    if (!r->list || !prior_init(&r->known, job->id, found->spec.items_partitions))
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    return bus_read(job->queue->results, (int32_t)found->spec.results_partition, found->spec.start_offset,
                    &reader_callbacks, r, &r->reader, err);
}

prior_t *resubmit_known(resubmit_t *r)
{
    return r ? &r->known : NULL;
}

/* ---- the items partitions ---- */

static int64_t scan_from(void *arg, int32_t partition)
{
    const resubmit_t *r = arg;
    int64_t from = r->known.offsets[partition];
    return from >= 0 ? from : SCAN_BY_TIME;
}

static bool on_scanned_record(void *arg, int32_t partition, const bus_record_t *record)
{
    resubmit_t *r = arg;
    prior_record(&r->known, partition, record->offset, record->key, record->key_len, record->value, record->value_len);
    return true;
}

/* Items behind the prefix were deleted before we looked: those without an outcome are published again. */
static bool on_scan_gone(void *arg, int32_t partition, int64_t low)
{
    const resubmit_t *r = arg;
    if (low < 0) {
        fail_resubmit(r->job, FANMAP_ELOST, "a partition of its items cannot be read");
        return false;
    }
    client_log(r->job->f, FANMAP_LOG_WARNING,
               "job %s: Kafka deleted items before offset %" PRId64
               " of partition %d; what of them has no outcome is published again",
               r->job->id, low, (int)partition);
    return true;
}

static void on_scanned(void *arg)
{
    resubmit_t *r = arg;
    if (r->known.failed) {
        fail_resubmit(r->job, FANMAP_ENOMEM, "out of memory for the items that were found");
        return;
    }
    prior_sort(&r->known);
    map_simple_step(r->job, PRODUCER_SCANNED);
}

void resubmit_scan(resubmit_t *r)
{
    static const item_scan_callbacks_t callbacks = {scan_from, on_scanned_record, on_scan_gone, on_scanned};
    item_scan_begin(r->job, r->known.partitions, r->since_ms, &callbacks, r);
}
