/* What a worker says of itself at Redis, every second: which tasks it serves, what it does, what it allows. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/services/worker_service.h"

enum { OLDEST_MAX = 16 /* jobs that a presence row names */, UNFED_MS = 15000 /* longer than a rebalance takes */ };

/* oldest=JOB/INDEX/ATTEMPT/MS,... */
static size_t put_oldest(const fanmap_worker_t *w, char *row, size_t cap)
{
    worker_oldest_t oldest[OLDEST_MAX];
    size_t n = worker_shell_oldest(w->shell, oldest, OLDEST_MAX), len = 0;
    for (size_t i = 0; i < n && len < cap; i++)
        len +=
            (size_t)snprintf(row + len, cap - len, "%s%s/%" PRIu64 "/%" PRIu32 "/%" PRId64, i == 0 ? " oldest=" : ",",
                             oldest[i].job, oldest[i].index, oldest[i].attempt, oldest[i].running_ms);
    return len < cap ? len : cap - 1;
}

/* waiting=JOB/QUEUED/DELAYED/RUNNING/RETRY_MS/PAUSED,... */
static size_t put_waiting(const fanmap_worker_t *w, char *row, size_t cap)
{
    worker_waiting_t waiting[OLDEST_MAX];
    char one[JOB_ID_MAX + 96];
    size_t n = worker_shell_waiting(w->shell, waiting, OLDEST_MAX), len = 0;
    row[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        const worker_waiting_t *at = &waiting[i];
        int size = snprintf(one, sizeof one, "%s%s/%" PRIu64 "/%" PRIu64 "/%" PRIu64 "/%" PRId64 "/%d",
                            i == 0 ? " waiting=" : ",", at->job, at->queued, at->delayed, at->running, at->retry_ms,
                            at->is_paused);
        if (len + (size_t)size >= cap)
            break;
        memcpy(row + len, one, (size_t)size + 1);
        len += (size_t)size;
    }
    return len;
}

/* KEY=TASK,...: of all, or those of `which`. */
static size_t put_tasks(const fanmap_worker_t *w, const char *key, const bool *which, char *row, size_t cap)
{
    size_t len = 0;
    row[0] = '\0';
    for (size_t i = 0; i < w->catalogue.n; i++) {
        if (which && !which[i])
            continue;
        const char *before = len == 0 ? key : ",";
        if (len + strlen(before) + strlen(w->tasks[i]) >= cap)
            break;
        len += (size_t)snprintf(row + len, cap - len, "%s%s", before, w->tasks[i]);
    }
    return len;
}

/* What `fanmap workers` shows of us. Names cannot hold a blank; the host's is made to fit. */
static void announce_row(fanmap_worker_t *w)
{
    char row[PRESENCE_ROW_MAX], host[65] = "";
    worker_stats_t stats;
    worker_shell_stats(w->shell, &stats);
    (void)gethostname(host, sizeof host - 1);
    for (char *c = host; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr(".-_:", *c))
            *c = '?';
    int n = snprintf(row, sizeof row,
                     "host=%s pid=%d queue=%s slots=%u running=%" PRIu64 " queued=%" PRIu64
                     " partitions=%u started=%" PRId64,
                     host, (int)getpid(), options_text(w->options, OPT_QUEUE), stats.slots_up, stats.running,
                     stats.queued + stats.delayed, stats.partitions, w->started_ms);
    n += (int)put_oldest(w, row + n, PRESENCE_ROW_MAX / 2 - (size_t)n);
    n += (int)put_waiting(w, row + n, PRESENCE_ROW_MAX * 3 / 4 - (size_t)n);
    n += (int)put_tasks(w, " dead=", w->fails_to_start, row + n, PRESENCE_ROW_MAX * 7 / 8 - (size_t)n);
    n += (int)put_tasks(w, " unfed=", w->is_unfed, row + n, PRESENCE_ROW_MAX * 15 / 16 - (size_t)n);
    (void)put_tasks(w, " tasks=", NULL, row + n, sizeof row - (size_t)n);
    presence_announce_row(w->presence, w->incarnation, row);
}

/* Only of tasks that have any: then a job that asks for more can be refused before it begins. */
static void announce_bounds(fanmap_worker_t *w)
{
    for (size_t i = 0; i < w->catalogue.n; i++) {
        const limits_t *l = &w->catalogue.tasks[i].terms.limits;
        const uint64_t bounds[PRESENCE_BOUNDS_N] = {l->memory_bytes, l->cpus_milli, l->cpu_time_ms};
        if (bounds[0] || bounds[1] || bounds[2])
            presence_announce_bounds(w->presence, w->incarnation, options_text(w->options, OPT_QUEUE), w->tasks[i],
                                     bounds);
    }
}

/* Who has no partition of a task's topic gets none of its items, and does not serve it. Returns how many it does. */
static size_t find_fed(fanmap_worker_t *w)
{
    size_t n = 0;
    int64_t now_ms = loop_now_ms(w->loop);
    for (size_t i = 0; i < w->catalogue.n; i++) {
        if (w->had_partition_ms[i] == 0 || worker_shell_has_partition(w->shell, i))
            w->had_partition_ms[i] = now_ms;
        bool is_unfed = now_ms - w->had_partition_ms[i] > UNFED_MS;
        if (is_unfed && !w->is_unfed[i])
            worker_log(w, FANMAP_LOG_WARNING,
                       "no partition of the topic of task %s is left for this worker: it gets none of its items (fewer "
                       "workers, or more partitions)",
                       w->tasks[i]);
        w->is_unfed[i] = is_unfed;
        if (!is_unfed)
            w->fed[n++] = w->tasks[i];
    }
    return n;
}

void worker_announce(fanmap_worker_t *w)
{
    size_t fed_n = find_fed(w);
    presence_announce(w->presence, w->incarnation, options_text(w->options, OPT_QUEUE), w->fed, fed_n);
    announce_row(w);
    announce_bounds(w);
}
