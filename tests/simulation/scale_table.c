/* What a fleet costs those that it asks: rates that were counted (scale.c), times costs that were measured on a real broker and a
 * real Redis. The last rows are too large to be run here: their rates are those of the largest fleet that was run, by pair of a
 * worker and a job for Redis, by worker for Kafka. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scale.h"

enum { LINE_BYTES = 200, FLEETS_N = 6, SIMULATED_N = 4 };

/* Processor microseconds; docs/scale.md says how they were measured. */
static const double REDIS_SYNC_US = 120, KAFKA_REQUEST_US = 250, KAFKA_IDLE_US = 480;
/* Of each worker, whatever it does: empty fetches of its items and of the jobs topic, each after fetch.wait.max.ms; heartbeats. */
static const double IDLE_FETCHES_S = 24, HEARTBEATS_S = 1.0 / 3;
/* Of each member in each rebalance: JoinGroup, SyncGroup, OffsetFetch. */
static const double REBALANCE_REQUESTS = 3;

static const struct {
    size_t workers_n, jobs_n;
} fleets[FLEETS_N] = {{10, 10}, {30, 30}, {100, 10}, {60, 60}, {1000, 100}, {1000, 1000}};

static scale_t reckoned(scale_t of, size_t from, size_t to)
{
    double pairs =
        (double)(fleets[to].workers_n * fleets[to].jobs_n) / (double)(fleets[from].workers_n * fleets[from].jobs_n);
    double workers = (double)fleets[to].workers_n / (double)fleets[from].workers_n;
    return (scale_t){of.syncs_s * pairs, of.wakes_s * pairs, of.packs_s * workers, of.commits_s * workers, 0, 0};
}

static void put_line(char *ret, size_t i, const scale_t *m)
{
    double workers = (double)fleets[i].workers_n;
    double requests_s = m->packs_s + m->commits_s + workers * HEARTBEATS_S, idle_s = workers * IDLE_FETCHES_S;
    double redis = m->syncs_s * REDIS_SYNC_US / 1e6;
    double kafka = (requests_s * KAFKA_REQUEST_US + idle_s * KAFKA_IDLE_US) / 1e6;
    int n = snprintf(ret, LINE_BYTES, "| %zu x %d | %zu | %.0f | %.2f | %.0f | %.0f | %.2f | %.0f | ",
                     fleets[i].workers_n, SCALE_SLOTS_N, fleets[i].jobs_n, m->syncs_s, redis, requests_s, idle_s, kafka,
                     workers * REBALANCE_REQUESTS);
    if (m->makespan > 0)
        snprintf(ret + n, LINE_BYTES - (size_t)n, "%.2f | %.2f |", m->makespan, m->fairness);
    else
        snprintf(ret + n, LINE_BYTES - (size_t)n, "reckoned | |");
}

static char *read_page(const char *path)
{
    enum { PAGE_BYTES = 1 << 20 };
    FILE *f = fopen(path, "r");
    char *text = f != NULL ? calloc(1, PAGE_BYTES) : NULL;
    if (text != NULL)
        (void)!fread(text, 1, PAGE_BYTES - 1, f);
    if (f != NULL)
        (void)fclose(f);
    return text;
}

int scale_table(const char *page)
{
    char line[LINE_BYTES], *text = page != NULL ? read_page(page) : NULL;
    scale_t largest = {0};
    int failed = page != NULL && text == NULL;
    for (size_t i = 0; i < FLEETS_N; i++) {
        bool is_run = i < SIMULATED_N;
        scale_t got = is_run ? scale_run(fleets[i].workers_n, fleets[i].jobs_n) : reckoned(largest, SIMULATED_N - 1, i);
        if (is_run)
            largest = got;
        put_line(line, i, &got);
        bool is_there = page == NULL || (text != NULL && strstr(text, line) != NULL);
        failed |= !is_there;
        if (page == NULL)
            puts(line);
        else
            printf("%s %zu - the page has: %s\n", is_there ? "ok" : "not ok", i + 1, line);
    }
    free(text);
    return failed;
}
