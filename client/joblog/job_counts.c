#include "client/joblog/job_counts.h"

#include <stdlib.h>

static void on_outcome(void *arg, const outcome_t *outcome)
{
    tally_t *tally = arg;
    if ((unsigned)outcome->kind < FANMAP_KINDS)
        tally->kinds[outcome->kind]++;
    tally->in_record_n++;
}

static void on_decided(void *arg, uint64_t n, list_state_t state, end_reason_t reason, fanmap_kind_t missing)
{
    tally_t *tally = arg;
    uint64_t known = list_known(tally->list);
    tally->is_decided = true;
    tally->state = state;
    tally->reason = reason;
    if (n > known)
        tally->kinds[missing] += n - known;
}

tally_t *tally_new(const char *job)
{
    static const list_callbacks_t callbacks = {on_outcome, on_decided};
    tally_t *tally = calloc(1, sizeof *tally);
    if (!tally || !(tally->list = list_new(job, &callbacks, tally))) {
        free(tally);
        return NULL;
    }
    return tally;
}

void tally_free(tally_t *tally)
{
    if (!tally)
        return;
    list_free(tally->list);
    free(tally);
}

static void count_seconds(tally_t *tally)
{
    int64_t second = tally->at_ms / 1000;
    size_t place = (size_t)(second % TALLY_RATE_S);
    if (tally->at_ms <= 0)
        return;
    if (tally->second[place] != second)
        tally->in_second[place] = 0;
    tally->second[place] = second;
    tally->in_second[place] += tally->in_record_n;
    if (tally->first_ms == 0)
        tally->first_ms = tally->at_ms;
    tally->last_ms = tally->at_ms;
}

static bool is_of_producer(const bus_record_t *record)
{
    joblog_record_t decoded;
    if (!joblog_decode(record->value, record->value_len, &decoded))
        return false;
    return decoded.type == JOBLOG_START || decoded.type == JOBLOG_PROGRESS || decoded.type == JOBLOG_PRODUCER;
}

void tally_record(tally_t *tally, const bus_record_t *record)
{
    tally->at_ms = record->timestamp_ms;
    tally->in_record_n = 0;
    (void)list_record(tally->list, record->offset, record->key, record->key_len, record->value, record->value_len);
    if (tally->in_record_n > 0)
        count_seconds(tally);
    else if (is_of_producer(record))
        tally->producer_ms = record->timestamp_ms;
}

double tally_rate(const tally_t *tally, int64_t now_ms)
{
    uint64_t n = 0;
    int64_t from = now_ms / 1000 - TALLY_RATE_S;
    if (tally->last_ms == 0)
        return 0;
    if (tally->is_decided) {
        int64_t took_ms = tally->last_ms - tally->first_ms;
        return (double)list_known(tally->list) * 1000 / (double)(took_ms < 1 ? 1 : took_ms);
    }
    for (size_t i = 0; i < TALLY_RATE_S; i++)
        if (tally->second[i] > from)
            n += tally->in_second[i];
    int64_t over_ms = now_ms - tally->first_ms;
    over_ms = over_ms > TALLY_RATE_S * 1000 ? TALLY_RATE_S * 1000 : over_ms < 1000 ? 1000 : over_ms;
    return (double)n * 1000 / (double)over_ms;
}

int64_t tally_oldest(const tally_t *tally)
{
    uint64_t index = 0, published = list_progress_prefix(tally->list);
    int64_t total = list_total(tally->list);
    while (list_has(tally->list, index))
        index++;
    if (total >= 0)
        return index < (uint64_t)total ? (int64_t)index : -1;
    return index < published ? (int64_t)index : -1;
}

const char *tally_reason_word(end_reason_t reason)
{
    switch (reason) {
    case END_CANCEL:
        return "cancel";
    case END_DEADLINE:
        return "deadline";
    case END_COMPLETE:
        return "complete";
    case END_FAIL_FAST:
        return "fail-fast";
    case END_HALT:
        return "halt";
    case END_INPUT_ERROR:
        return "input error";
    }
    return "";
}

void tally_info(const tally_t *tally, fanmap_job_info_t *info)
{
    int64_t total = list_total(tally->list);
    info->has_counts = list_spec(tally->list) != NULL;
    info->known = list_known(tally->list);
    info->failed = list_failed(tally->list);
    info->retried = list_retried(tally->list);
    info->total = total;
    info->published = total >= 0 ? (uint64_t)total : list_progress_prefix(tally->list);
    if (info->published < info->known)
        info->published = info->known;
    if (tally->is_decided) {
        info->state = FANMAP_JOB_ENDED;
        info->reason = tally_reason_word(tally->reason);
    }
}
