/* A few parts are open at a time, each with a reader of one partition; one that has ended takes the next partition.
 * Where nothing is known of where to begin, the broker is asked first which offset a time has. */
#include "client/mapping/item_scan.h"

#include <stdlib.h>

#include "client/connection/log_queries.h"

enum { AT_ONCE_MAX = 8, CLOCK_SLACK_MS = 3600000 };

/* One partition under way. */
typedef struct {
    item_scan_t *scan;
    int32_t partition;
    bool is_open;
    bus_reader_t *reader; /* NULL: it waits to know from where */
} part_t;

struct item_scan {
    fanmap_job_t *job;
    const item_scan_callbacks_t *callbacks;
    void *arg;
    int64_t since_ms;
    part_t parts[AT_ONCE_MAX];
    uint32_t partitions_n, begun_n;
    unsigned open_n;
};

void item_scan_free(item_scan_t *scan)
{
    for (size_t i = 0; scan && i < AT_ONCE_MAX; i++)
        (void)bus_reader_drop(&scan->parts[i].reader);
    free(scan);
}

static void scan_more(item_scan_t *scan);

static void end_part(part_t *part)
{
    if (!bus_reader_drop(&part->reader))
        return;
    part->is_open = false;
    part->scan->open_n--;
    scan_more(part->scan);
}

static bool on_record(void *arg, const bus_record_t *record)
{
    part_t *part = arg;
    item_scan_t *scan = part->scan;
    if (part->reader && !scan->job->error.code && !scan->callbacks->record(scan->arg, part->partition, record))
        end_part(part);
    return false;
}

static void on_end(void *arg, int64_t position)
{
    (void)position;
    end_part(arg);
}

static void read_part(part_t *part, int64_t from);

static void on_gone(void *arg, int64_t low)
{
    part_t *part = arg;
    item_scan_t *scan = part->scan;
    if (scan->job->error.code || !scan->callbacks->gone(scan->arg, part->partition, low))
        return;
    bus_reader_close(part->reader);
    read_part(part, low);
}

static void read_part(part_t *part, int64_t from)
{
    static const bus_reader_callbacks_t callbacks = {.record = on_record, .at_end = on_end, .gone = on_gone};
    fanmap_job_t *job = part->scan->job;
    fanmap_error_t err;
    part->reader = NULL;
    if (bus_read(job->queue->items, part->partition, from, &callbacks, part, &part->reader, &err) != FANMAP_OK)
        job_fail(job, &err);
}

static void on_time(fanmap_job_t *job, int32_t tag, const bus_answer_t *answer)
{
    if (!job->error.code)
        read_part(&job->mapping->scan->parts[tag], answer->value);
}

static void begin_part(item_scan_t *scan, part_t *part, int32_t partition, int64_t from)
{
    fanmap_job_t *job = scan->job;
    fanmap_error_t err;
    const bus_request_t request = {
        .kind = BUS_FIND_TIME, .partition = partition, .at = scan->since_ms - CLOCK_SLACK_MS};
    *part = (part_t){.scan = scan, .partition = partition, .is_open = true};
    scan->open_n++;
    if (from >= 0)
        read_part(part, from);
    else if (log_query(job, job->queue->items, &request, on_time, (int32_t)(part - scan->parts), &err) != FANMAP_OK)
        job_fail(job, &err);
}

/* The next partition to read; partitions_n: none is left. */
static uint32_t next_partition(item_scan_t *scan, int64_t *ret_from)
{
    while (scan->begun_n < scan->partitions_n) {
        *ret_from = scan->callbacks->from(scan->arg, (int32_t)scan->begun_n);
        if (*ret_from != SCAN_NOT_AT_ALL)
            break;
        scan->begun_n++;
    }
    return scan->begun_n;
}

static void scan_more(item_scan_t *scan)
{
    int64_t from;
    for (size_t i = 0; i < AT_ONCE_MAX && !scan->job->error.code; i++)
        if (!scan->parts[i].is_open && next_partition(scan, &from) < scan->partitions_n)
            begin_part(scan, &scan->parts[i], (int32_t)scan->begun_n++, from);
    if (scan->open_n == 0 && !scan->job->error.code)
        scan->callbacks->done(scan->arg);
}

void item_scan_begin(fanmap_job_t *job, uint32_t partitions_n, int64_t since_ms, const item_scan_callbacks_t *callbacks,
                     void *arg)
{
    item_scan_t *scan = calloc(1, sizeof *scan);
    item_scan_free(job->mapping->scan);
    job->mapping->scan = scan;
    if (!scan) {
        job_fail(job, err_of(FANMAP_ENOMEM, "out of memory"));
        return;
    }
    scan->job = job;
    scan->callbacks = callbacks;
    scan->arg = arg;
    scan->since_ms = since_ms;
    scan->partitions_n = partitions_n;
    scan_more(scan);
}
