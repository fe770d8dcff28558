#include "client/joblog/kept_logs.h"

#include <stdio.h>
#include <stdlib.h>

struct kept_logs {
    size_t max;
    kept_log_t *table; /* in the order in which they were asked for */
};

kept_logs_t *kept_logs_new(size_t max)
{
    kept_logs_t *logs = calloc(1, sizeof *logs);
    if (logs)
        logs->max = max;
    return logs;
}

static void log_free(kept_log_t *log)
{
    if (log->free_more)
        log->free_more(log->more);
    job_counts_free(log->counts);
    free(log);
}

static void log_remove(kept_logs_t *logs, kept_log_t *log)
{
    HASH_DEL(logs->table, log);
    log_free(log);
}

void kept_logs_free(kept_logs_t *logs)
{
    while (logs && logs->table)
        log_remove(logs, logs->table);
    free(logs);
}

void kept_logs_drop(kept_logs_t *logs, const char *id)
{
    kept_log_t *log;
    HASH_FIND_STR(logs->table, id, log);
    if (log)
        log_remove(logs, log);
}

static kept_log_t *log_new(const char *id, uint32_t partition, int64_t start)
{
    kept_log_t *log = calloc(1, sizeof *log);
    if (!log || !(log->counts = job_counts_new(id))) {
        free(log);
        return NULL;
    }
    snprintf(log->id, sizeof log->id, "%s", id);
    log->partition = partition;
    log->start = log->position = start;
    return log;
}

kept_log_t *kept_logs_get(kept_logs_t *logs, const char *id, uint32_t partition, int64_t start)
{
    kept_log_t *log;
    HASH_FIND_STR(logs->table, id, log);
    if (log && (log->partition != partition || log->start != start || list_out_of_memory(log->counts->list))) {
        log_remove(logs, log);
        log = NULL;
    }
    if (log)
        HASH_DEL(logs->table, log);
    else if (!(log = log_new(id, partition, start)))
        return NULL;
    HASH_ADD_STR(logs->table, id, log);
    if (!table_added(log)) {
        log_free(log);
        return NULL;
    }
    if (HASH_COUNT(logs->table) > logs->max)
        log_remove(logs, logs->table);
    return log;
}

void kept_log_record(void *arg, const bus_record_t *record)
{
    kept_log_t *log = arg;
    if (record->offset < log->position)
        return;
    job_counts_record(log->counts, record);
    log->position = record->offset + 1;
}

bool kept_log_reaches(const kept_log_t *log, int64_t end)
{
    return end >= log->position && end > log->start;
}

bool kept_log_is_another(const kept_log_t *log)
{
    return log->position > log->start && list_start_offset(log->counts->list) < 0;
}
