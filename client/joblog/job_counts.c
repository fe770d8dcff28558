/* The list (aggregator/list.h) says what counts; here it is counted by kind, and by second for the rate. */
#include "client/joblog/job_counts.h"

#include <stdlib.h>

static size_t place_of_wait(uint64_t wait_ms)
{
    size_t place = 0;
    while ((wait_ms /= 2) > 0 && place < FANMAP_WAITED_PLACES - 1)
        place++;
    return place;
}

static void on_outcome(void *arg, const outcome_t *outcome)
{
    job_counts_t *counts = arg;
    if (outcome->has_wait)
        counts->waited[place_of_wait(outcome->wait_ms)]++;
    if ((unsigned)outcome->kind < FANMAP_KINDS)
        counts->kinds[outcome->kind]++;
    counts->in_record_n++;
    if (counts->also)
        counts->also(counts->also_arg, outcome);
}

static void on_decided(void *arg, uint64_t n, list_state_t state, end_reason_t reason, fanmap_kind_t missing)
{
    job_counts_t *counts = arg;
    uint64_t known = list_now(counts->list)->known;
    counts->is_decided = true;
    counts->state = state;
    counts->reason = reason;
    counts->missing = missing;
    if (n > known)
        counts->kinds[missing] += n - known;
}

job_counts_t *job_counts_new(const char *job)
{
    static const list_callbacks_t callbacks = {on_outcome, on_decided};
    job_counts_t *counts = calloc(1, sizeof *counts);
    if (!counts || !(counts->list = list_new(job, &callbacks, counts))) {
        free(counts);
        return NULL;
    }
    return counts;
}

void job_counts_free(job_counts_t *counts)
{
    if (!counts)
        return;
    list_free(counts->list);
    free(counts);
}

static void count_seconds(job_counts_t *counts)
{
    int64_t second = counts->at_ms / 1000;
    size_t place = (size_t)(second % JOB_COUNTS_RATE_S);
    if (counts->at_ms <= 0)
        return;
    if (counts->second[place] != second)
        counts->in_second[place] = 0;
    counts->second[place] = second;
    counts->in_second[place] += counts->in_record_n;
    if (counts->first_ms == 0)
        counts->first_ms = counts->at_ms;
    counts->last_ms = counts->at_ms;
}

static bool is_of_producer(const bus_record_t *record)
{
    joblog_record_t decoded;
    if (!joblog_decode(record->value, record->value_len, &decoded))
        return false;
    return decoded.type == JOBLOG_START || decoded.type == JOBLOG_PROGRESS || decoded.type == JOBLOG_PRODUCER;
}

void job_counts_record(void *arg, const bus_record_t *record)
{
    job_counts_t *counts = arg;
    counts->at_ms = record->timestamp_ms;
    counts->in_record_n = 0;
    (void)list_record(counts->list, record->offset, record->key, record->key_len, record->value, record->value_len);
    if (counts->in_record_n > 0)
        count_seconds(counts);
    else if (is_of_producer(record))
        counts->producer_ms = record->timestamp_ms;
}

double job_counts_rate(const job_counts_t *counts, int64_t now_ms)
{
    uint64_t n = 0;
    int64_t from = now_ms / 1000 - JOB_COUNTS_RATE_S;
    if (counts->last_ms == 0)
        return 0;
    if (counts->is_decided) {
        int64_t took_ms = counts->last_ms - counts->first_ms;
        return (double)list_now(counts->list)->known * 1000 / (double)(took_ms < 1 ? 1 : took_ms);
    }
    for (size_t i = 0; i < JOB_COUNTS_RATE_S; i++)
        if (counts->second[i] > from)
            n += counts->in_second[i];
    int64_t over_ms = now_ms - counts->first_ms;
    over_ms = over_ms > JOB_COUNTS_RATE_S * 1000 ? JOB_COUNTS_RATE_S * 1000 : over_ms < 1000 ? 1000 : over_ms;
    return (double)n * 1000 / (double)over_ms;
}

int64_t job_counts_oldest(const job_counts_t *counts)
{
    uint64_t index = 0, published = list_now(counts->list)->prefix;
    int64_t total = list_now(counts->list)->total;
    while (list_has(counts->list, index))
        index++;
    if (total >= 0)
        return index < (uint64_t)total ? (int64_t)index : -1;
    return index < published ? (int64_t)index : -1;
}

const char *end_reason_word(end_reason_t reason)
{
    static const char *const words[] = {
        [END_CANCEL] = "cancel",       [END_DEADLINE] = "deadline", [END_COMPLETE] = "complete",
        [END_FAIL_FAST] = "fail-fast", [END_HALT] = "halt",         [END_INPUT_ERROR] = "input error"};
    const char *word = reason < sizeof words / sizeof *words ? words[reason] : NULL;
    return word ? word : "";
}

void job_counts_info(const job_counts_t *counts, fanmap_job_info_t *info)
{
    int64_t total = list_now(counts->list)->total;
    info->has_counts = list_spec(counts->list) != NULL;
    info->known = list_now(counts->list)->known;
    info->failed = list_failed(counts->list);
    info->retried = list_now(counts->list)->retried;
    info->total = total;
    info->published = total >= 0 ? (uint64_t)total : list_now(counts->list)->prefix;
    if (info->published < info->known)
        info->published = info->known;
    if (counts->is_decided) {
        jobs_counts_t of_list = list_counts(counts->list); /* also of what a closing left out */
        info->known = of_list.done;
        info->published = of_list.total;
        info->total = (int64_t)info->published;
        info->state = FANMAP_JOB_ENDED;
        info->reason = end_reason_word(counts->reason);
    }
}

void job_counts_at_end(const jobs_counts_t *said, fanmap_job_info_t *info)
{
    if (!said->is_known)
        return;
    info->has_counts = true;
    info->known = said->done;
    info->failed = said->failed;
    info->retried = said->retried;
    info->published = said->total;
    info->total = said->total > INT64_MAX ? INT64_MAX : (int64_t)said->total;
}

int64_t job_counts_silent_ms(const job_counts_t *counts, const fanmap_job_info_t *info, int64_t now_ms)
{
    if (info->state == FANMAP_JOB_ENDED || info->total >= 0 || counts->producer_ms == 0)
        return -1;
    return now_ms > counts->producer_ms ? now_ms - counts->producer_ms : 0;
}

bool job_counts_publish(const list_t *list, bus_topic_t *jobs, const char *job, jobs_field_t field, end_reason_t reason)
{
    char key[JOB_ID_MAX + 17];
    fanmap_error_t err;
    buf_t value = {0};
    size_t key_len = jobs_key(key, sizeof key, job, field);
    jobs_counts_t counts = list_counts(list);
    jobs_encode_end_counted(&value, reason, &counts);
    bool is_taken = !value.failed && bus_produce(jobs, 0, key, key_len, value.data, value.len, 0, &err) == FANMAP_OK;
    buf_free(&value);
    return is_taken;
}
