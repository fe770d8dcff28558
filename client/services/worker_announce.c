/* What a worker says of itself at Redis, every second: which tasks it serves, what it does, what it allows. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/services/worker_service.h"
#include "worker/core/metrics.h"

enum {
    OLDEST_MAX = 32 /* attempts that a presence row names */,
    WAITING_MAX = 16 /* jobs */,
    UNFED_MS = 15000 /* longer than a rebalance takes */
};

/* Whole, or not at all. */
static void put_one(char *row, size_t cap, size_t *len, const char *one, size_t size)
{
    if (*len + size >= cap)
        return;
    memcpy(row + *len, one, size + 1);
    *len += size;
}

/* oldest=JOB/INDEX/ATTEMPT/MS,... */
static size_t put_oldest(const fanmap_worker_t *w, char *row, size_t cap)
{
    worker_oldest_t oldest[OLDEST_MAX];
    char one[JOB_ID_MAX + 80];
    size_t n = worker_oldest(worker_shell_core(w->shell), oldest, OLDEST_MAX), len = 0;
    for (size_t i = 0; i < n; i++) {
        int size = snprintf(one, sizeof one, "%s%s/%" PRIu64 "/%" PRIu32 "/%" PRId64, len == 0 ? " oldest=" : ",",
                            oldest[i].job, oldest[i].index, oldest[i].attempt, oldest[i].running_ms);
        put_one(row, cap, &len, one, (size_t)size);
    }
    return len;
}

/* waiting=JOB/QUEUED/DELAYED/RUNNING/RETRY_MS/PAUSED,... */
static size_t put_waiting(const fanmap_worker_t *w, char *row, size_t cap)
{
    worker_waiting_t waiting[WAITING_MAX];
    char one[JOB_ID_MAX + 96];
    size_t n = worker_waiting(worker_shell_core(w->shell), waiting, WAITING_MAX), len = 0;
    row[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        const worker_waiting_t *at = &waiting[i];
        int size = snprintf(one, sizeof one, "%s%s/%" PRIu64 "/%" PRIu64 "/%" PRIu64 "/%" PRId64 "/%d",
                            len == 0 ? " waiting=" : ",", at->job, at->queued, at->delayed, at->running, at->retry_ms,
                            at->is_paused);
        put_one(row, cap, &len, one, (size_t)size);
    }
    return len;
}

/* runnable=TASK/ITEMS/MS,...: what only a slot is missing for, and for how long the oldest of it has waited. */
static size_t put_runnable(const fanmap_worker_t *w, char *row, size_t cap)
{
    char one[TASK_NAME_MAX + 64];
    size_t len = 0;
    const worker_t *core = worker_shell_core(w->shell);
    worker_present_t *present = calloc(w->catalogue.n + 1, sizeof *present);
    row[0] = '\0';
    if (core && present)
        worker_present(core, loop_clock_ms(), present);
    for (size_t i = 0; present && i < w->catalogue.n; i++) {
        if (present[i].runnable == 0)
            continue;
        int size = snprintf(one, sizeof one, "%s%s/%" PRIu64 "/%" PRId64, len == 0 ? " runnable=" : ",", w->names[i],
                            present[i].runnable, present[i].oldest_ms);
        put_one(row, cap, &len, one, (size_t)size);
    }
    free(present);
    return len;
}

static const char *const HEAD_STATES[] = {
    [HEAD_WAITS] = "waits", [HEAD_DELAYED] = "delayed", [HEAD_RUNS] = "runs", [HEAD_IS_STORED] = "stored"};

typedef struct {
    char *row;
    size_t len, cap;
} heads_t;

static void put_heads_of(void *arg, const worker_shell_t *shell, const spec_t *spec)
{
    heads_t *to = arg;
    worker_head_t heads[OLDEST_MAX];
    char one[JOB_ID_MAX + 128];
    const worker_t *core = worker_shell_core(shell);
    size_t n = core ? worker_heads(core, loop_clock_ms(), heads, OLDEST_MAX) : 0;
    for (size_t i = 0; i < n; i++) {
        const worker_head_t *at = &heads[i];
        int size = snprintf(one, sizeof one, "%s%s/%" PRId32 "/%" PRId64 "/%" PRIu32 "/%s/%" PRId64,
                            to->len == 0 ? " heads=" : ",", spec->job, at->partition, at->offset, at->attempt,
                            HEAD_STATES[at->state], at->ms);
        put_one(to->row, to->cap, &to->len, one, (size_t)size);
    }
}

/* heads=JOB/PARTITION/OFFSET/ATTEMPT/STATE/MS,... of its streams. */
static size_t put_heads(const fanmap_worker_t *w, char *row, size_t cap)
{
    heads_t to = {.row = row, .cap = cap};
    row[0] = '\0';
    if (w->streams)
        worker_streams_each(w->streams, put_heads_of, &to);
    return to.len;
}

/* KEY=TASK,...: all of them, or those with a trouble of `which`. */
static size_t put_tasks(const fanmap_worker_t *w, const char *key, unsigned which, char *row, size_t cap)
{
    size_t len = 0;
    row[0] = '\0';
    for (size_t i = 0; i < w->catalogue.n; i++) {
        if (which && !(w->tasks[i].troubles & which))
            continue;
        const char *before = len == 0 ? key : ",";
        if (len + strlen(before) + strlen(w->names[i]) >= cap)
            break;
        len += (size_t)snprintf(row + len, cap - len, "%s%s", before, w->names[i]);
    }
    return len;
}

/* Names cannot hold a blank; the host's is made to fit. */
void worker_name(char ret[WORKER_NAME_BYTES])
{
    char host[WORKER_HOST_MAX + 1] = "";
    (void)gethostname(host, sizeof host - 1);
    for (char *c = host; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr(".-_:", *c))
            *c = '?';
    snprintf(ret, WORKER_NAME_BYTES, "%s:%d", host, (int)getpid());
}

/* What `fanmap workers` shows of us. */
static void announce_row(fanmap_worker_t *w)
{
    char row[PRESENCE_ROW_MAX];
    worker_stats_t stats;
    worker_stats(worker_shell_core(w->shell), &stats);
    int n = snprintf(row, sizeof row,
                     "host=%.*s pid=%d queue=%s slots=%u running=%" PRIu64 " queued=%" PRIu64
                     " partitions=%u started=%" PRId64 " version=%s",
                     (int)(strrchr(w->name, ':') - w->name), w->name, (int)getpid(),
                     options_text(w->options, OPT_QUEUE), stats.slots_up, stats.running, stats.queued + stats.delayed,
                     stats.partitions, w->started_ms, fanmap_version());
    n += (int)put_oldest(w, row + n, PRESENCE_ROW_MAX / 2 - (size_t)n);
    n += (int)put_waiting(w, row + n, PRESENCE_ROW_MAX * 3 / 4 - (size_t)n);
    n += (int)put_runnable(w, row + n, PRESENCE_ROW_MAX * 13 / 16 - (size_t)n);
    n += (int)put_heads(w, row + n, PRESENCE_ROW_MAX * 27 / 32 - (size_t)n);
    n += (int)put_tasks(w, " dead=", TASK_FAILS_TO_START, row + n, PRESENCE_ROW_MAX * 7 / 8 - (size_t)n);
    n += (int)put_tasks(w, " unfed=", TASK_IS_UNFED, row + n, PRESENCE_ROW_MAX * 15 / 16 - (size_t)n);
    (void)put_tasks(w, " tasks=", 0, row + n, sizeof row - (size_t)n);
    presence_announce_row(w->presence, w->incarnation, row);
}

/* Only of tasks that have any: then a job that asks for more can be refused before it begins. */
static void announce_bounds(fanmap_worker_t *w)
{
    for (size_t i = 0; i < w->catalogue.n; i++) {
        const limits_t *l = &w->catalogue.tasks[i].terms.limits;
        const uint64_t bounds[PRESENCE_BOUNDS_N] = {l->memory_bytes, l->cpus_milli, l->cpu_time_ms};
        if (bounds[0] || bounds[1] || bounds[2])
            presence_announce_bounds(w->presence, w->incarnation, options_text(w->options, OPT_QUEUE), w->names[i],
                                     bounds);
    }
}

/* The group deals anew, and waits for each of its members: for one that died until its session is over. */
static bool is_dealt(fanmap_worker_t *w, int64_t now_ms)
{
    bool is_dealt = worker_shell_is_dealt(w->shell);
    if (is_dealt || w->dealt_ms == 0)
        w->dealt_ms = now_ms;
    bool waits = now_ms - w->dealt_ms > UNFED_MS;
    if (waits && !w->waits_for_group)
        worker_log(w, FANMAP_LOG_WARNING,
                   "the group of queue %s has dealt no partitions out for %d s: it waits for a member that died, until "
                   "its session is over (--session-timeout, here %s), or for one that is stuck",
                   options_text(w->options, OPT_QUEUE), UNFED_MS / 1000, options_text(w->options, OPT_SESSION_TIMEOUT));
    if (!waits && w->waits_for_group)
        worker_log(w, FANMAP_LOG_INFO, "the group has dealt its partitions out");
    w->waits_for_group = waits;
    return is_dealt;
}

/* Who has no partition of a task's topic gets none of its items, and does not serve it. Returns how many it does. */
static size_t find_fed(fanmap_worker_t *w)
{
    size_t n = 0;
    int64_t now_ms = loop_now_ms(w->loop);
    bool dealt = is_dealt(w, now_ms);
    for (size_t i = 0; i < w->catalogue.n; i++) {
        worker_task_t *task = &w->tasks[i];
        if (!dealt || task->had_partition_ms == 0 || worker_has_partition(worker_shell_core(w->shell), (uint32_t)i))
            task->had_partition_ms = now_ms;
        bool is_unfed = now_ms - task->had_partition_ms > UNFED_MS;
        if (is_unfed && !(task->troubles & TASK_IS_UNFED))
            worker_log(w, FANMAP_LOG_WARNING,
                       "no partition of the topic of task %s is left for this worker: it gets none of its items (fewer "
                       "workers, or more partitions)",
                       w->names[i]);
        task->troubles = (task->troubles & ~(unsigned)TASK_IS_UNFED) | (is_unfed ? TASK_IS_UNFED : 0);
        if (!is_unfed)
            w->fed[n++] = w->names[i];
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
