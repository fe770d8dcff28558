/* One record at a time, in the order of the log. `start` opens the list, outcomes fill it, `input` says how long it is,
 * and whichever comes first decides it: the closing outcome, the closing record, or the last outcome that was missing.
 *
 * Nothing here may depend on anything but the records: not on when they were read, nor on what was read before the
 * job's `start`, nor on what the reader wants. Two readers that have the same log have the same list.
 */
#include "aggregator/list_state.h"

#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"

enum { FRAMING_BYTES = 64 * 1024 };

list_t *list_new(const char *job, const list_callbacks_t *callbacks, void *arg)
{
    list_t *list = calloc(1, sizeof *list);
    if (!list)
        return NULL;
    list->job_len = strnlen(job, JOB_ID_MAX);
    memcpy(list->job, job, list->job_len);
    list->callbacks = *callbacks;
    list->arg = arg;
    list->start_offset = list->now.input_at = list->now.closed_by = -1;
    list->now.total = -1;
    return list;
}

void list_free(list_t *list)
{
    if (!list)
        return;
    bitset_free(&list->known);
    free(list->bound);
    free(list->input_error);
    free(list);
}

/* Whether a producer may have published items 0..n-1 by now. */
static bool within_reach(const list_t *list, uint64_t n)
{
    return n <= list->now.prefix || n - list->now.prefix <= JOBLOG_AHEAD_MAX;
}

bool list_outcome_valid(const list_t *list, const outcome_t *outcome)
{
    if (list->now.total >= 0 && outcome->index >= list->now.input_n)
        return false;
    return outcome->index < UINT64_MAX && within_reach(list, outcome->index + 1) &&
           outcome->value_len <= (size_t)list->spec.value_bytes_max + FRAMING_BYTES;
}

static void count_outcome(list_t *list, const outcome_t *outcome)
{
    list->now.known++;
    list->given_n++;
    list->now.failed += outcome->kind != FANMAP_VALUE;
    list->now.cancelled += outcome->kind == FANMAP_CANCELLED;
    list->now.retried += outcome->attempts > 1 ? outcome->attempts - 1 : 0;
    if (outcome->index >= list->now.end)
        list->now.end = outcome->index + 1;
    invariant(list->now.known == bitset_count(&list->known) && list->now.known <= list->now.end &&
              list->now.failed <= list->given_n);
}

/* False: it must not count. A duplicate is valid and changes nothing. */
static bool fold_outcome(list_t *list, const outcome_t *outcome)
{
    if (!list_outcome_valid(list, outcome))
        return false;
    if (!bitset_set(&list->known, outcome->index)) {
        list->out_of_memory |= list->known.failed;
        return true;
    }
    count_outcome(list, outcome);
    if (list->callbacks.outcome)
        list->callbacks.outcome(list->arg, outcome);
    list_judge(list, outcome);
    return true;
}

static bool fold_outcomes(list_t *list, joblog_record_t *record)
{
    bool all_valid = true;
    outcome_t outcome;
    while (list->now.state == LIST_OPEN && !list->out_of_memory && joblog_next_outcome(record, &outcome))
        all_valid &= fold_outcome(list, &outcome);
    return all_valid && !record->outcomes.bad;
}

static bool fold_start(list_t *list, int64_t offset, const spec_t *spec)
{
    if (strcmp(spec->job, list->job) != 0)
        return false;
    if (list->start_offset >= 0)
        return true;
    if (spec->bound_len > 0) {
        list->bound = malloc(spec->bound_len);
        if (!list->bound) {
            list->out_of_memory = true;
            return true;
        }
        memcpy(list->bound, spec->bound, spec->bound_len);
    }
    list->spec = *spec;
    list->spec.bound = list->bound;
    list->spec.start_offset = offset;
    list->start_offset = offset;
    return true;
}

bool list_fold_progress(list_t *list, const progress_t *progress)
{
    if (!within_reach(list, progress->prefix))
        return false;
    if (progress->prefix > list->now.prefix)
        list->now.prefix = progress->prefix;
    return true;
}

static uint64_t known_from(list_t *list, uint64_t at)
{
    uint64_t n = 0;
    while ((at = bitset_next(&list->known, at, list->now.end, true)) < list->now.end) {
        n++;
        at++;
    }
    return n;
}

/* Outcomes at or beyond n that stand before `input` may have been handed out: they stay, and the list reaches over
 * them. What has no outcome between n and the last of them does not get one any more. */
static void set_length(list_t *list, uint64_t n)
{
    list->now.input_n = n;
    list->now.wanted = n + known_from(list, n);
    list->now.total = (int64_t)(n > list->now.end ? n : list->now.end);
}

static bool fold_input(list_t *list, int64_t offset, const joblog_record_t *record)
{
    if (list->now.total >= 0)
        return true;
    if (record->input_n > INT64_MAX || !within_reach(list, record->input_n))
        return false;
    if (record->input_error_len > 0) {
        list->input_error = strndup(record->input_error, record->input_error_len);
        if (!list->input_error) {
            list->out_of_memory = true;
            return true;
        }
    }
    list->now.input_at = offset;
    set_length(list, record->input_n);
    list_decide_if_whole(list);
    return true;
}

static bool fold_record(list_t *list, int64_t offset, joblog_record_t *record)
{
    if (record->type == JOBLOG_START)
        return fold_start(list, offset, &record->start);
    if (list->start_offset < 0)
        return true;
    switch (record->type) {
    case JOBLOG_OUTCOMES:
        return fold_outcomes(list, record);
    case JOBLOG_PROGRESS:
        return list_fold_progress(list, &record->progress);
    case JOBLOG_INPUT:
        return fold_input(list, offset, record);
    case JOBLOG_END:
        list_decide(list, LIST_CLOSED, record->end_reason);
        return true;
    case JOBLOG_PRODUCER:
        memcpy(list->producer, record->producer, sizeof list->producer);
        return true;
    case JOBLOG_START:
        break;
    }
    return false;
}

bool list_record(list_t *list, int64_t offset, const void *key, size_t key_len, const void *value, size_t value_len)
{
    if (list->now.state != LIST_OPEN || list->out_of_memory || list->resume.is_misfit)
        return true;
    if (key_len != list->job_len || memcmp(key, list->job, key_len) != 0)
        return true;
    if (list->resume.left > 0 && offset >= list->resume.read_to) {
        list->resume.is_misfit = true;
        return true;
    }
    joblog_record_t record;
    bool good = joblog_decode(value, value_len, &record) &&
                (offset < list->resume.read_to ? list_resume_record : fold_record)(list, offset, &record);
    list->bad_n += !good;
    return good;
}

/* ---- what is known ---- */

const position_list_t *list_now(const list_t *list)
{
    return &list->now;
}

list_state_t list_state(const list_t *list)
{
    return (list_state_t)list->now.state;
}

bool list_out_of_memory(const list_t *list)
{
    return list->out_of_memory;
}

const spec_t *list_spec(const list_t *list)
{
    return list->start_offset >= 0 ? &list->spec : NULL;
}

int64_t list_start_offset(const list_t *list)
{
    return list->start_offset;
}

uint64_t list_failed(const list_t *list)
{
    return list->now.failed - list->now.cancelled;
}

int64_t list_input_n(const list_t *list)
{
    return list->now.total >= 0 ? (int64_t)list->now.input_n : -1;
}

const char *list_input_error(const list_t *list)
{
    return list->input_error;
}

jobs_counts_t list_counts(const list_t *list)
{
    if (list->now.state == LIST_OPEN)
        return (jobs_counts_t){0};
    return (jobs_counts_t){true, list->now.decided_n, list->now.known - list->now.cancelled, list_failed(list),
                           list->now.retried};
}

bool list_has(const list_t *list, uint64_t index)
{
    return bitset_test(&list->known, index);
}

const char *list_producer(const list_t *list)
{
    return list->producer;
}

uint64_t list_bad_records(const list_t *list)
{
    return list->bad_n;
}
