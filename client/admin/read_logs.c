/* fanmap_logs: the job's partition of NS.logs, read from its beginning to its end, or on and on while the job is not
 * over. What failed is what the job's own log says. */
#include <stdlib.h>
#include <string.h>

#include "aggregator/list.h"
#include "base/bitset.h"
#include "client/admin/query.h"
#include "schemas/logs.h"
#include "schemas/place.h"

enum { FOLLOW_TURN_MS = 100, LOOK_UP_MS = 2000, LAST_LINES_MS = 1000, FAILURES_MAX = 10 };

typedef struct {
    query_t query;
    const char *job;
    fanmap_log_line_fn fn;
    void *arg;
    const fanmap_options_t *filter;
    queue_t *queue;
    lookup_result_t seen;
    bus_topic_t *topic;
    int32_t partition;
    list_t *list;
    bitset_t failed;
    int64_t at_ms; /* of the record in hand */
} reading_t;

/* ---- what failed ---- */

static void on_outcome(void *arg, const outcome_t *outcome)
{
    reading_t *r = arg;
    if (outcome->kind != FANMAP_VALUE && !bitset_set(&r->failed, outcome->index))
        query_out_of_memory(&r->query);
}

static void on_list_record(void *arg, const bus_record_t *record)
{
    reading_t *r = arg;
    (void)list_record(r->list, record->offset, record->key, record->key_len, record->value, record->value_len);
}

static void read_failed(reading_t *r)
{
    static const list_callbacks_t callbacks = {.outcome = on_outcome};
    r->list = list_new(r->job, &callbacks, r);
    if (!r->list) {
        query_out_of_memory(&r->query);
        return;
    }
    (void)query_read(&r->query, r->queue->results, (int32_t)r->seen.spec.results_partition, r->seen.spec.start_offset,
                     -1, on_list_record, r);
}

/* ---- the lines ---- */

static void on_line(void *arg, const logs_line_t *line)
{
    reading_t *r = arg;
    if (options_is_set(r->filter, OPT_INDEX) && options_count(r->filter, OPT_INDEX) != line->index)
        return;
    if (options_switch(r->filter, OPT_FAILED) && !bitset_test(&r->failed, line->index))
        return;
    const fanmap_log_line_t told = {line->index, line->attempt, r->at_ms, line->text, line->len, 0};
    r->fn(r->arg, &told);
}

static void on_record(void *arg, const bus_record_t *record)
{
    reading_t *r = arg;
    uint64_t dropped = 0;
    if (record->key_len != strlen(r->job) || memcmp(record->key, r->job, record->key_len) != 0)
        return;
    r->at_ms = record->timestamp_ms;
    if (!logs_decode(record->value, record->value_len, on_line, r, &dropped) || dropped == 0)
        return;
    const fanmap_log_line_t told = {.at_ms = r->at_ms, .text = "", .dropped = dropped};
    r->fn(r->arg, &told);
}

/* A topic that is not there is one that nobody has written to yet. */
static bool has_topic(reading_t *r)
{
    uint32_t partitions_n = 0;
    if (r->query.result != FANMAP_OK || r->topic)
        return r->topic != NULL;
    r->topic = query_logs(&r->query, &partitions_n);
    if (r->topic)
        r->partition = (int32_t)place_results(r->job, partitions_n);
    else if (r->query.result == FANMAP_EUSAGE)
        query_forgive(&r->query);
    return r->topic != NULL;
}

/* From `from` to where the log ends now, which is returned. */
static int64_t read_on(reading_t *r, int64_t from)
{
    if (!has_topic(r))
        return from;
    int64_t end = query_end_of(&r->query, r->topic, r->partition);
    if (r->query.result != FANMAP_OK || end <= from)
        return from;
    int64_t low = query_read(&r->query, r->topic, r->partition, from, end, on_record, r);
    if (low >= 0)
        (void)query_read(&r->query, r->topic, r->partition, low, end, on_record, r);
    return end;
}

static void follow(reading_t *r, int64_t from)
{
    int64_t look_up_ms = 0, until_ms = INT64_MAX;
    for (unsigned failures = 0; r->query.result == FANMAP_OK && loop_clock_ms() < until_ms;) {
        from = read_on(r, from);
        failures = r->query.result == FANMAP_EUNREACHABLE ? failures + 1 : 0;
        if (failures > 0 && failures < FAILURES_MAX)
            query_forgive(&r->query); /* of a topic that was just made nobody knows where it ends */
        if (r->query.result == FANMAP_OK && loop_clock_ms() >= look_up_ms && until_ms == INT64_MAX) {
            query_job(&r->query, r->queue, r->job, &r->seen);
            look_up_ms = loop_clock_ms() + LOOK_UP_MS;
            if (r->seen.view.has_end)
                until_ms = loop_clock_ms() + LAST_LINES_MS;
        }
        if (r->query.result == FANMAP_OK)
            r->query.result = client_turn(r->query.f, FOLLOW_TURN_MS, r->query.err);
    }
    if (r->query.result == FANMAP_OK)
        (void)read_on(r, from);
}

static void look_up(reading_t *r)
{
    r->queue = query_queue(&r->query, NULL, NULL);
    query_job(&r->query, r->queue, r->job, &r->seen);
    if (r->query.result == FANMAP_OK && !r->seen.view.is_known)
        r->query.result = err_set(r->query.err, FANMAP_ENOJOB, "there is no job %s in namespace %s", r->job,
                                  r->query.f->namespace_name);
    if (r->query.result == FANMAP_OK && options_switch(r->filter, OPT_FAILED))
        read_failed(r);
}

int fanmap_logs(fanmap_t *f, const char *job_id, const fanmap_options_t *filter, int timeout_ms, fanmap_log_line_fn fn,
                void *arg, fanmap_error_t *err)
{
    reading_t r = {.job = job_id, .fn = fn, .arg = arg, .filter = filter};
    if (!job_id_valid(job_id))
        return err_set(err, FANMAP_EUSAGE, "\"%s\" is not a job id", job_id);
    query_begin(&r.query, f, timeout_ms, err);
    look_up(&r);
    if (r.query.result == FANMAP_OK && options_switch(filter, OPT_FOLLOW))
        follow(&r, BUS_BEGIN);
    else if (r.query.result == FANMAP_OK)
        (void)read_on(&r, BUS_BEGIN);
    list_free(r.list);
    bitset_free(&r.failed);
    return query_end(&r.query);
}
