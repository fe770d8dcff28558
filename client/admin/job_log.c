#include "client/admin/job_log.h"

enum { KEPT_MAX = 16 };

/* What is known of it already. */
static kept_log_t *find_kept_log(query_t *query, const char *id, const spec_t *spec)
{
    fanmap_t *f = query->f;
    kept_log_t *log = NULL;
    if (!f->shown_logs)
        f->shown_logs = kept_logs_new(KEPT_MAX);
    if (f->shown_logs)
        log = kept_logs_get(f->shown_logs, id, spec->results_partition, spec->start_offset);
    if (log && !log->more) {
        log->more = log->counts->also_arg = show_failures_new();
        log->free_more = show_failures_free;
        log->counts->also = show_failures_add;
    }
    if (log && log->more)
        return log;
    query_out_of_memory(query);
    return NULL;
}

typedef struct {
    query_t *query;
    job_log_t *job_log;
    int64_t until_ms;
} reading_t;

static void on_record(void *arg, const bus_record_t *record)
{
    const reading_t *reading = arg;
    kept_log_record(reading->job_log->log, record);
    if (loop_clock_ms() < reading->until_ms || record->offset + 1 >= reading->job_log->end)
        return;
    reading->job_log->is_cut = true;
    reading->query->is_done = true;
}

static void read_until(query_t *query, queue_t *queue, job_log_t *job_log, int64_t until_ms)
{
    reading_t reading = {query, job_log, until_ms};
    kept_log_t *log = job_log->log;
    if (job_log->is_stream) {
        job_log->end = log->position;
        return;
    }
    job_log->end = query_end_of(query, queue->results, (int32_t)log->partition);
    job_log->is_gone = query->result == FANMAP_OK && !kept_log_reaches(log, job_log->end);
    if (job_log->is_gone)
        return;
    job_log->is_cut = query->result == FANMAP_OK && log->position < job_log->end && loop_clock_ms() >= until_ms;
    if (job_log->is_cut)
        return;
    job_log->is_gone = query_read(query, queue->results, (int32_t)log->partition, log->position, job_log->end,
                                  on_record, &reading) >= 0;
    if (query->result == FANMAP_OK && !job_log->is_gone && list_out_of_memory(log->counts->list))
        query_out_of_memory(query);
    if (query->result == FANMAP_OK && !job_log->is_gone && !job_log->is_cut && log->position < job_log->end)
        log->position = job_log->end; /* the last offsets may be no records */
    job_log->is_gone |= query->result == FANMAP_OK && kept_log_is_another(log);
}

job_log_t job_log_read(query_t *query, queue_t *queue, const char *id, const lookup_result_t *seen, int read_ms)
{
    int64_t until_ms = read_ms < 0 ? INT64_MAX : loop_clock_ms() + read_ms;
    job_log_t ret = {0};
    if (query->result == FANMAP_OK)
        query->result = lookup_check_log(queue, &seen->spec, query->err);
    if (query->result == FANMAP_OK)
        ret.log = find_kept_log(query, id, &seen->spec);
    if (!ret.log)
        return ret;
    const bus_request_t begin = {.kind = BUS_FIND_BEGIN, .partition = (int32_t)ret.log->partition};
    ret.failures = ret.log->more;
    ret.is_stream = seen->spec.stream != STREAM_NOT;
    ret.is_gone = ret.log->position > ret.log->start && query_bus(query, queue->results, &begin, NULL) > ret.log->start;
    if (!ret.is_gone)
        read_until(query, queue, &ret, until_ms);
    if (ret.is_gone)
        ret.log->start = -1; /* the next time it is another one */
    return ret;
}

void job_log_read_on(query_t *query, queue_t *queue, job_log_t *job_log)
{
    read_until(query, queue, job_log, INT64_MAX);
}
