/* fanmap_logs: the job's partition of NS.logs, read from its beginning to its end, or on and on while the job is not
 * over. What failed is what the job's own log says. */

#include "aggregator/list.h"
#include "base/bitset.h"
#include "base/text.h"
#include "client/admin/job_log.h"
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
    int64_t at_ms; /* of the record in hand, and its position */
    int64_t position;
    uint64_t told_n;
    bool is_full;  /* as many as were wanted */
    bool was_over; /* before what was read last */
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
    const fanmap_log_line_t told = {.index = line->index,
                                    .attempt = line->attempt,
                                    .at_ms = r->at_ms,
                                    .text = line->text,
                                    .len = line->len,
                                    .position = r->position};
    r->told_n++;
    r->fn(r->arg, &told);
}

static void on_record(void *arg, const bus_record_t *record)
{
    static const logs_callbacks_t callbacks = {.line = on_line};
    reading_t *r = arg;
    uint64_t dropped = 0, lines_max = options_count(r->filter, OPT_LINES);
    r->position = record->offset;
    if (!text_is(record->key, record->key_len, r->job))
        return;
    r->at_ms = record->timestamp_ms;
    bool is_sound = logs_decode(record->value, record->value_len, &callbacks, r, &dropped);
    r->is_full = lines_max > 0 && r->told_n >= lines_max;
    r->query.is_done |= r->is_full;
    if (!is_sound || dropped == 0)
        return;
    const fanmap_log_line_t told = {.at_ms = r->at_ms, .text = "", .dropped = dropped, .position = r->position};
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
        query_clear_error(&r->query);
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
    query_read_on(&r->query, r->topic, r->partition, from, end, on_record, r);
    r->position = r->is_full || r->query.result != FANMAP_OK ? r->position : end - 1;
    return end;
}

static bool tells_end(const reading_t *r)
{
    return options_is_set(r->filter, OPT_AFTER) || options_count(r->filter, OPT_LINES) > 0;
}

static void tell_end(reading_t *r)
{
    const fanmap_log_line_t end = {
        .text = "", .position = r->position, .is_end = true, .is_over = r->was_over && !r->is_full};
    if (tells_end(r))
        r->fn(r->arg, &end);
}

/* The jobs topic may not say so of a job that nobody gathers. */
static bool is_over(reading_t *r)
{
    if (r->query.result != FANMAP_OK || r->seen.view.has_end)
        return r->seen.view.has_end;
    job_log_t log = job_log_read(&r->query, r->queue, r->job, &r->seen, -1);
    return log.log && !log.is_gone && log.log->counts->is_decided;
}

static void follow(reading_t *r, int64_t from)
{
    int64_t look_up_ms = 0, until_ms = INT64_MAX;
    for (unsigned failures = 0; r->query.result == FANMAP_OK && loop_clock_ms() < until_ms && !r->is_full;) {
        from = read_on(r, from);
        failures = r->query.result == FANMAP_EUNREACHABLE ? failures + 1 : 0;
        if (failures > 0 && failures < FAILURES_MAX)
            query_clear_error(&r->query); /* of a topic that was just made nobody knows where it ends */
        if (r->query.result == FANMAP_OK && loop_clock_ms() >= look_up_ms && until_ms == INT64_MAX) {
            query_known_job(&r->query, r->queue, r->job, &r->seen);
            look_up_ms = loop_clock_ms() + LOOK_UP_MS;
            r->was_over = is_over(r);
            if (r->was_over)
                until_ms = loop_clock_ms() + LAST_LINES_MS;
        }
        if (r->query.result == FANMAP_OK)
            r->query.result = client_turn(r->query.f, FOLLOW_TURN_MS, r->query.err);
    }
    if (r->query.result == FANMAP_OK && !r->is_full)
        (void)read_on(r, from);
}

static void look_up(reading_t *r)
{
    r->queue = query_queue(&r->query, NULL, NULL);
    query_known_job(&r->query, r->queue, r->job, &r->seen);
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
    bool goes_on = options_is_set(filter, OPT_AFTER);
    if (goes_on && options_count(filter, OPT_AFTER) >= INT64_MAX && r.query.result == FANMAP_OK)
        r.query.result = err_set(err, FANMAP_EUSAGE, "no line of the log has that position");
    goes_on = goes_on && r.query.result == FANMAP_OK;
    r.position = goes_on ? (int64_t)options_count(filter, OPT_AFTER) : -1;
    int64_t from = goes_on ? r.position + 1 : BUS_BEGIN;
    if (r.query.result == FANMAP_OK && options_switch(filter, OPT_FOLLOW))
        follow(&r, from);
    else if (r.query.result == FANMAP_OK) {
        r.was_over = tells_end(&r) && is_over(&r);
        (void)read_on(&r, from);
    }
    if (r.query.result == FANMAP_OK)
        tell_end(&r);
    list_free(r.list);
    bitset_free(&r.failed);
    return query_end(&r.query);
}
