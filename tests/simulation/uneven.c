/* Uneven items over a quiet fleet: how long a job takes, against list scheduling of the same durations on as many places.
 * Time is the simulation's own, so that what is measured is the protocol: who asks whom for items, when, and how many it
 * gets. 400 and 60 items, under a limit, and with a worker that joins at half time. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faults.h"

enum {
    WORKERS_N = 8,
    SLOTS_N = 2,
    PARTITIONS_N = 32,
    SETTLED_MS = 20000,
    FROM_MS = 20,
    CUT_MS = 6000,
    RUNS_N = 20,
};

typedef struct {
    const char *name;
    uint64_t items_n, limit;
    bool joins;
} uneven_t;

static const uneven_t rows[] = {{"400 items", 400, 0, false},
                                {"60 items", 60, 0, false},
                                {"400 items under -j 12", 400, 12, false},
                                {"400 items, a worker joins", 400, 0, true}};

/* Pareto(0.9): the few longest are most of the work. */
static void draw_durations(sim_t *sim, job_t *job)
{
    for (uint64_t i = 0; i < job->items_n; i++) {
        double u = (double)(ROLL(sim, 1 << 30) + 1) / (1 << 30);
        double ms = FROM_MS * pow(u, -1 / 0.9);
        job->durations_ms[i] = ms < CUT_MS ? (int64_t)ms : CUT_MS;
    }
}

/* Each item, in the order of the list, on the place that is free first; those of a worker that joins are free then. */
static int64_t list_scheduling_ms(const job_t *job, size_t places_n, int64_t joins_ms)
{
    int64_t free_at[WORKERS_N * SLOTS_N] = {0}, last = 0;
    for (size_t k = 0; k < SLOTS_N; k++)
        free_at[k] = joins_ms;
    for (uint64_t i = 0; i < job->items_n; i++) {
        size_t first = 0;
        for (size_t k = 1; k < places_n; k++)
            if (free_at[k] < free_at[first])
                first = k;
        free_at[first] += job->durations_ms[i];
        last = free_at[first] > last ? free_at[first] : last;
    }
    return last;
}

static int64_t half_ms(const job_t *job)
{
    return list_scheduling_ms(job, WORKERS_N * SLOTS_N, 0) / 2;
}

static int64_t bound_ms(const job_t *job, const uneven_t *row)
{
    return list_scheduling_ms(job, row->limit > 0 ? (size_t)row->limit : WORKERS_N * SLOTS_N,
                              row->joins ? half_ms(job) : 0);
}

static void on_start(sim_t *sim, event_t *event)
{
    node_start(sim, &sim->nodes[event->a]);
}

static void set_job(sim_t *sim, const uneven_t *row)
{
    job_t *job = &sim->jobs[0];
    job_begin(sim, job, 0, 0);
    job->items_n = row->items_n;
    job->begin_ms = SETTLED_MS;
    job->spec.concurrency = job->limit = row->limit;
    job->cap = job->limit > 0 ? job->limit : UINT64_MAX;
    sim->jobs_n = 1;
    draw_durations(sim, job);
}

bool scenario_uneven(sim_t *sim, const char *name)
{
    size_t i = 0, rows_n = sizeof rows / sizeof rows[0];
    while (i < rows_n && strcmp(rows[i].name, name) != 0)
        i++;
    if (i == rows_n)
        return false;
    sim->scenario = (scenario_t){.is_golden = true,
                                 .has_handoff = true,
                                 .workers_n = WORKERS_N,
                                 .slots_n = SLOTS_N,
                                 .jobs_n = 1,
                                 .tasks_n = 1,
                                 .items_partitions = PARTITIONS_N,
                                 .results_partitions = 1,
                                 .lease_ms = 15000,
                                 .ahead_n = POOL_AHEAD_MAX,
                                 .revoke_ms = 1000,
                                 .revoke_waits = true,
                                 .end_ms = 600000,
                                 .items_max = 50000,
                                 .order_memory = 1 << 20};
    sim->wall_ms = 1700000000000;
    sim->healed = true;
    kafka_begin(&sim->kafka, 1, PARTITIONS_N, 1, &check_hooks);
    sim->kafka.session_ms = 10000;
    sim->kafka.rebalance_ms = 60000;
    set_job(sim, &rows[i]);
    sim->nodes_n = WORKERS_N;
    int64_t late_ms = SETTLED_MS + half_ms(&sim->jobs[0]);
    for (size_t n = 0; n < WORKERS_N; n++) {
        node_begin(&sim->nodes[n], n, SLOTS_N, 0);
        node_offers(sim, &sim->nodes[n], (int64_t)ROLL(sim, NODE_OFFER_EVERY_MS));
        clock_after(&sim->clock, n == 0 && rows[i].joins ? late_ms : (int64_t)n, on_start)->a = n;
    }
    return true;
}

/* 0: it failed. */
static double measure(const uneven_t *row, uint64_t seed)
{
    sim_t *sim = sim_run(&(sim_config_t){.seed = seed, .golden = row->name});
    const job_t *job = &sim->jobs[0];
    double took_ms = (double)(job->maker->decided_ms - CLOCK_START_MS - job->begin_ms);
    double ratio = took_ms / (double)bound_ms(job, row);
    if (sim->broken[0] != '\0') {
        printf("# %s, seed %llu: %s\n", row->name, (unsigned long long)seed, sim->broken);
        ratio = 0;
    }
    sim_free(sim);
    return ratio;
}

int uneven_measure(double target)
{
    unsigned failed = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double sum = 0, worst = 0;
        bool holds = true;
        for (uint64_t seed = 1; seed <= RUNS_N; seed++) {
            double ratio = measure(&rows[i], seed);
            holds = holds && ratio > 0;
            sum += ratio;
            worst = ratio > worst ? ratio : worst;
        }
        holds = holds && sum / RUNS_N <= target;
        failed += !holds;
        printf("%s %zu - %s / list scheduling: %.3f, worst %.3f of %d\n", holds ? "ok" : "not ok", i + 1, rows[i].name,
               sum / RUNS_N, worst, RUNS_N);
    }
    return failed == 0 ? 0 : 1;
}
