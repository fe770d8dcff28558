/* Submitting a job id again whose producer is gone.
 *
 * The jobs topic says that the job exists (map.c). Its log is read once up to its present end: what was published, how
 * far, and when the last producer was heard of. Then the producer core begins, with what was found: it compares the
 * input that is read again, and asks for the items partitions to be read (resume_scan) once the job is its own.
 *
 * Refused here: another task, queue, bound arguments or shape of the items; a producer that was heard of within the
 * last 10 s. The rest of the policy is what the job was submitted with; where that differs it is said. How long ago a
 * record was written is judged by two clocks; if they are apart nothing breaks, because the newest announcement stops
 * whoever made an older one as soon as it reads it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/connection/log_queries.h"
#include "client/mapping/resubmit.h"

enum { SILENT_MS = 10000, SCANS_MAX = 8, CLOCK_SLACK_MS = 3600000 };

typedef struct {
    resubmit_t *resubmit;
    int32_t partition;
    bool is_open;
    bus_reader_t *reader; /* NULL: it waits to know from where */
} scan_t;

struct resubmit {
    fanmap_job_t *job;
    spec_t wanted; /* what this caller asks for */
    resume_t known;
    list_t *list;
    bus_reader_t *reader;
    int64_t heard_ms; /* unix time: of the newest `progress`, or of `start` */
    end_reason_t reason;
    scan_t scans[SCANS_MAX];
    uint32_t scanned_n; /* partitions begun */
    unsigned open_n;
};

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void resubmit_free(resubmit_t *r)
{
    if (!r)
        return;
    (void)bus_reader_drop(&r->reader);
    for (size_t i = 0; i < SCANS_MAX; i++)
        (void)bus_reader_drop(&r->scans[i].reader);
    list_free(r->list);
    resume_free(&r->known);
    free(r);
}

static void fail(fanmap_job_t *job, int code, const char *why)
{
    fanmap_error_t err;
    err_set(&err, code, "job %s: %s", job->id, why);
    job_fail(job, &err);
}

/* ---- the same job ---- */

static bool same_bound(const spec_t *a, const spec_t *b)
{
    return a->bound_len == b->bound_len && (a->bound_len == 0 || memcmp(a->bound, b->bound, a->bound_len) == 0);
}

static const char *other_job(const resubmit_t *r, const spec_t *spec)
{
    const spec_t *wanted = &r->wanted;
    if (strcmp(spec->task, wanted->task) != 0)
        return "it exists, with another task";
    if (strcmp(spec->queue, wanted->queue) != 0)
        return "it exists, on another queue";
    if (!same_bound(spec, wanted))
        return "it exists, with other bound arguments (--bind)";
    if (spec->sequences_n != wanted->sequences_n)
        return "it exists, with another number of zipped inputs";
    if (strcmp(spec->retry_of, wanted->retry_of) != 0)
        return spec->retry_of[0] ? "it exists, as the second try of another job (--retry-failed)"
                                 : "it exists, and is no second try of another job (--retry-failed)";
    if (spec->items_partitions > r->job->queue->items_n)
        return "the topic of its items has fewer partitions than when it was submitted";
    return NULL;
}

static int64_t deadline_span(const spec_t *spec)
{
    return spec->deadline_ms ? spec->deadline_ms - spec->submitted_ms : 0;
}

/* What of the policy is another now: it stays what it was. */
static void say_policy(const resubmit_t *r, const spec_t *is)
{
    const spec_t *asked = &r->wanted;
    bool backoff = asked->backoff_base_ms != is->backoff_base_ms || asked->backoff_cap_ms != is->backoff_cap_ms ||
                   asked->backoff_factor_milli != is->backoff_factor_milli;
    bool limits = asked->memory_bytes != is->memory_bytes || asked->cpus_milli != is->cpus_milli ||
                  asked->cpu_time_ms != is->cpu_time_ms;
    bool halt = asked->fail_fast != is->fail_fast || asked->halt.when != is->halt.when ||
                asked->halt.what != is->halt.what || asked->halt.threshold != is->halt.threshold ||
                asked->halt.is_percent != is->halt.is_percent;
    char names[200];
    snprintf(names, sizeof names, "%s%s%s%s%s%s%s%s", asked->concurrency != is->concurrency ? " concurrency" : "",
             asked->retries != is->retries ? " retries" : "", backoff ? " backoff" : "",
             asked->timeout_ms != is->timeout_ms || asked->grace_ms != is->grace_ms ? " timeout" : "",
             deadline_span(asked) != deadline_span(is) ? " deadline" : "", halt ? " fail-fast/halt" : "",
             asked->crash_cap != is->crash_cap ? " crash-cap" : "", limits ? " limits" : "");
    if (names[0])
        client_log(r->job->f, FANMAP_LOG_WARNING, "job %s keeps the policy that it was submitted with; not taken:%s",
                   r->job->id, names);
}

/* ---- the log ---- */

static void on_outcome(void *arg, const outcome_t *outcome)
{
    resubmit_t *r = arg;
    resume_outcome(&r->known, outcome);
}

static void on_decided(void *arg, uint64_t n, list_state_t state, end_reason_t reason, fanmap_kind_t missing)
{
    resubmit_t *r = arg;
    (void)n;
    (void)state;
    (void)missing;
    r->reason = reason;
}

/* What a producer said, beside what is in the list. */
static void note_producer(resubmit_t *r, const bus_record_t *record)
{
    joblog_record_t decoded;
    size_t id_len = strlen(r->job->id);
    if (record->key_len != id_len || memcmp(record->key, r->job->id, id_len) != 0 || list_start_offset(r->list) < 0 ||
        !joblog_decode(record->value, record->value_len, &decoded))
        return;
    if (decoded.type == JOBLOG_PROGRESS)
        resume_progress(&r->known, &decoded.progress);
    if (decoded.type == JOBLOG_PROGRESS || decoded.type == JOBLOG_START)
        r->heard_ms = record->timestamp_ms;
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

/* True: another producer may still be at work; it was said. */
static bool is_too_early(resubmit_t *r)
{
    fanmap_error_t err;
    int64_t silent_ms = wall_ms() - r->heard_ms;
    if (list_state(r->list) != LIST_OPEN || list_total(r->list) >= 0 || silent_ms >= SILENT_MS ||
        silent_ms <= -SILENT_MS)
        return false;
    int64_t silent_s = silent_ms < 0 ? 0 : silent_ms / 1000;
    err_set_retry(&err, FANMAP_ECONFLICT,
                  "job %s: another producer was heard of %" PRId64 " s ago and may still be publishing it; if it is "
                  "gone, try again in %" PRId64 " s",
                  r->job->id, silent_s, SILENT_MS / 1000 - silent_s);
    job_fail(r->job, &err);
    return true;
}

static void begin(resubmit_t *r)
{
    fanmap_job_t *job = r->job;
    const spec_t *spec = list_spec(r->list);
    const char *other = spec ? other_job(r, spec) : "its log does not hold its beginning";
    if (list_out_of_memory(r->list) || r->known.failed) {
        fail(job, FANMAP_ENOMEM, "out of memory");
        return;
    }
    if (other) {
        fail(job, spec ? FANMAP_ECONFLICT : FANMAP_ELOST, other);
        return;
    }
    if (is_too_early(r))
        return;
    say_policy(r, spec);
    r->known.total = list_input_n(r->list);
    r->known.is_halting = list_is_halting(r->list);
    r->known.is_closed = list_state(r->list) == LIST_CLOSED;
    r->known.reason = r->reason;
    job->spec = *spec; /* its bound arguments live in r->list */
    map_produce(job);
}

static void on_end(void *arg, int64_t position)
{
    resubmit_t *r = arg;
    (void)position;
    if (bus_reader_drop(&r->reader))
        begin(r);
}

static void on_gone(void *arg, int64_t low)
{
    resubmit_t *r = arg;
    (void)low;
    fail(r->job, FANMAP_ELOST, "its log is no longer whole (retention): it cannot be resumed");
}

int resubmit_begin(fanmap_job_t *job, const lookup_result_t *found, fanmap_error_t *err)
{
    static const list_callbacks_t list_callbacks = {on_outcome, on_decided};
    static const bus_reader_callbacks_t reader_callbacks = {on_record, on_end, on_gone};
    int checked = lookup_check_log(job->queue, &found->spec, err);
    if (checked != FANMAP_OK)
        return checked;
    resubmit_t *r = calloc(1, sizeof *r);
    if (!r)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    job->mapping->resubmit = r;
    r->job = job;
    r->wanted = job->spec;
    r->list = list_new(job->id, &list_callbacks, r);
    if (!r->list || !resume_init(&r->known, job->id, found->spec.items_partitions))
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    return bus_read(job->queue->results, (int32_t)found->spec.results_partition, found->spec.start_offset,
                    &reader_callbacks, r, &r->reader, err);
}

resume_t *resubmit_known(resubmit_t *r)
{
    return r ? &r->known : NULL;
}

/* ---- the items partitions ---- */

static void scan_more(resubmit_t *r);

static bool on_scanned_record(void *arg, const bus_record_t *record)
{
    scan_t *scan = arg;
    resume_record(&scan->resubmit->known, scan->partition, record->offset, record->key, record->key_len, record->value,
                  record->value_len);
    return false;
}

static void on_scanned(void *arg, int64_t position)
{
    scan_t *scan = arg;
    resubmit_t *r = scan->resubmit;
    (void)position;
    if (!bus_reader_drop(&scan->reader))
        return;
    scan->is_open = false;
    r->open_n--;
    scan_more(r);
}

static void read_partition(scan_t *scan, int64_t from);

/* Which of the scans is `tag`; it waited for where to begin. */
static void on_time(fanmap_job_t *job, int32_t tag, int64_t offset)
{
    read_partition(&job->mapping->resubmit->scans[tag], offset);
}

/* Where no progress says where to begin, the time of the submission does: no record of the job is older. */
static void find_beginning(scan_t *scan)
{
    resubmit_t *r = scan->resubmit;
    fanmap_error_t err;
    if (log_query_time(r->job, r->job->queue->items, scan->partition, r->job->spec.submitted_ms - CLOCK_SLACK_MS,
                       on_time, (int32_t)(scan - r->scans), &err) != FANMAP_OK)
        job_fail(r->job, &err);
}

/* Items behind the prefix were deleted before we looked: those without an outcome are published again. */
static void on_scan_gone(void *arg, int64_t low)
{
    scan_t *scan = arg;
    resubmit_t *r = scan->resubmit;
    if (low < 0) {
        fail(r->job, FANMAP_ELOST, "a partition of its items cannot be read");
        return;
    }
    client_log(r->job->f, FANMAP_LOG_WARNING,
               "job %s: Kafka deleted items before offset %" PRId64
               " of partition %d; what of them has no outcome is published again",
               r->job->id, low, (int)scan->partition);
    bus_reader_close(scan->reader);
    read_partition(scan, low);
}

static void read_partition(scan_t *scan, int64_t from)
{
    static const bus_reader_callbacks_t callbacks = {on_scanned_record, on_scanned, on_scan_gone};
    fanmap_job_t *job = scan->resubmit->job;
    fanmap_error_t err;
    scan->reader = NULL;
    if (bus_read(job->queue->items, scan->partition, from, &callbacks, scan, &scan->reader, &err) != FANMAP_OK)
        job_fail(job, &err);
}

static void scan_done(resubmit_t *r)
{
    if (r->known.failed) {
        fail(r->job, FANMAP_ENOMEM, "out of memory for the items that were found");
        return;
    }
    resume_sort(&r->known);
    map_simple_step(r->job, PRODUCER_SCANNED);
}

static void scan_more(resubmit_t *r)
{
    for (size_t i = 0; i < SCANS_MAX && !r->job->error.code && r->scanned_n < r->known.partitions; i++) {
        scan_t *scan = &r->scans[i];
        if (scan->is_open)
            continue;
        *scan = (scan_t){.resubmit = r, .partition = (int32_t)r->scanned_n, .is_open = true};
        int64_t from = r->known.offsets[r->scanned_n++];
        r->open_n++;
        if (from >= 0)
            read_partition(scan, from);
        else
            find_beginning(scan);
    }
    if (r->open_n == 0 && r->scanned_n == r->known.partitions)
        scan_done(r);
}

void resubmit_scan(resubmit_t *r)
{
    scan_more(r);
}
