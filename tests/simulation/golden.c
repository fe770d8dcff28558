/* Scripted scenarios: short, with fixed latencies, so that their timeline is text that can be read and compared. After
 * a change that is meant: simulation --golden NAME > golden/NAME.txt, and read the difference. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mutants.h"
#include "sim.h"

typedef enum {
    ACT_START,
    ACT_KILL,
    ACT_STOP,
    ACT_CONTINUE,
    ACT_DRAIN,
    ACT_LIMIT,
    ACT_FLUSH,
    ACT_CUT_REDIS,
    ACT_CUT_KAFKA,
    ACT_CANCEL
} act_t;

typedef struct {
    int64_t at_ms;
    act_t what;
    uint64_t value; /* the worker's number from 0, or N */
} line_t;

typedef struct {
    const char *name, *story;
    unsigned workers_n, slots_n;
    uint64_t items_n, n;
    int64_t run_ms;
    unsigned fails_permille;
    const line_t *script;
    size_t script_n;
    bool has_handoff;
} golden_t;

#define SCRIPT(lines)              lines, sizeof lines / sizeof lines[0], false
#define SCRIPT_WITH_HANDOFF(lines) lines, sizeof lines / sizeof lines[0], true

static const line_t plain[] = {{0, ACT_START, 0}};
static const line_t killed[] = {{0, ACT_START, 0}, {10, ACT_START, 1}, {700, ACT_KILL, 0}};
static const line_t lowered[] = {{0, ACT_START, 0}, {10, ACT_START, 1}, {1200, ACT_LIMIT, 1}};
static const line_t wiped[] = {{0, ACT_START, 0}, {10, ACT_START, 1}, {1200, ACT_FLUSH, 0}};
static const line_t lapsed[] = {
    {0, ACT_START, 0}, {10, ACT_START, 1}, {1000, ACT_CUT_REDIS, 0}, {12000, ACT_CUT_REDIS, 0}};
/* Stopped three times, it has most left when the other is done, and is cut off then. */
static const line_t unheard[] = {{0, ACT_START, 0},         {10, ACT_START, 1},       {1000, ACT_STOP, 0},
                                 {5500, ACT_CONTINUE, 0},   {6000, ACT_STOP, 0},      {10000, ACT_CONTINUE, 0},
                                 {12000, ACT_CUT_KAFKA, 0}, {21000, ACT_CUT_KAFKA, 0}};
static const line_t cancelled[] = {{0, ACT_START, 0}, {1000, ACT_CANCEL, 0}};
static const line_t left[] = {{0, ACT_START, 0}, {700, ACT_START, 1}, {1500, ACT_DRAIN, 0}};

static const golden_t goldens[] = {
    {"retries", "One worker, an item that fails at first: its retry waits without a token.", 1, 1, 4, 1, 50, 500,
     SCRIPT(plain)},
    {"killed", "A worker is killed: its tokens and partitions go to the other one, and nothing is missing.", 2, 2, 8, 2,
     300, 0, SCRIPT(killed)},
    {"lowered", "N falls from 3 to 1: nothing is killed, and nothing starts until it holds.", 2, 2, 10, 3, 400, 0,
     SCRIPT(lowered)},
    {"wiped", "FLUSHALL: what runs under a valid lease goes on, and the table learns for a lease.", 2, 1, 6, 2, 5000, 0,
     SCRIPT(wiped)},
    {"lapsed", "Cut off from Redis for 11 s: frozen at half the lease, thawed when the same Redis answers.", 2, 1, 4, 2,
     14000, 0, SCRIPT(lapsed)},
    {"unheard",
     "Cut off from Kafka for 9 s and asked for items: it hands on what it is asked for at first, then nothing until "
     "Kafka answers.",
     2, 1, 60, 0, 400, 0, SCRIPT_WITH_HANDOFF(unheard)},
    {"cancelled", "A cancel closes the job: what runs is killed, what lies behind it does not count.", 1, 2, 8, 0, 600,
     0, SCRIPT(cancelled)},
    {"left", "A worker joins, another leaves: partitions are handed over with nothing running twice.", 2, 1, 8, 0, 250,
     0, SCRIPT(left)},
};
enum { GOLDENS_N = sizeof goldens / sizeof goldens[0] };

static void carry_out(sim_t *sim, act_t what, uint64_t value)
{
    switch (what) {
    case ACT_START:
        node_start(sim, &sim->nodes[value]);
        break;
    case ACT_KILL:
        node_kill(sim, &sim->nodes[value]);
        break;
    case ACT_STOP:
        node_stop(sim, &sim->nodes[value]);
        break;
    case ACT_CONTINUE:
        node_continue(sim, &sim->nodes[value]);
        break;
    case ACT_DRAIN:
        node_drain(sim, &sim->nodes[value]);
        break;
    case ACT_LIMIT:
        sim_set_limit(sim, &sim->jobs[0], value);
        break;
    case ACT_FLUSH:
        redis_flush(sim);
        break;
    case ACT_CUT_REDIS:
        sim->nodes[value].process.redis_cut = !sim->nodes[value].process.redis_cut;
        sim_say(sim, "%s is %s redis", sim->nodes[value].process.name,
                sim->nodes[value].process.redis_cut ? "cut off from" : "back at");
        break;
    case ACT_CUT_KAFKA:
        sim->nodes[value].process.kafka_cut = !sim->nodes[value].process.kafka_cut;
        sim_say(sim, "%s is %s kafka", sim->nodes[value].process.name,
                sim->nodes[value].process.kafka_cut ? "cut off from" : "back at");
        break;
    case ACT_CANCEL:
        maker_cancel(sim, &sim->jobs[0]);
        break;
    }
}

static void on_line(sim_t *sim, event_t *event)
{
    carry_out(sim, (act_t)event->a, event->b);
}

static void set_scenario(sim_t *sim, const golden_t *golden)
{
    scenario_t *s = &sim->scenario;
    *s = (scenario_t){.is_golden = true,
                      .has_handoff = golden->has_handoff,
                      .workers_n = golden->workers_n,
                      .slots_n = golden->slots_n,
                      .jobs_n = 1,
                      .tasks_n = 1,
                      .items_partitions = 2,
                      .results_partitions = 1,
                      .lease_ms = 15000,
                      .revoke_ms = 1000,
                      .revoke_waits = true,
                      .end_ms = 300000,
                      .items_max = 100,
                      .order_memory = 1 << 20};
    sim->wall_ms = 1700000000000;
    sim->healed = true; /* no dice on the way to Redis */
    kafka_begin(&sim->kafka, s->tasks_n, s->items_partitions, s->results_partitions, &check_hooks);
    sim->kafka.session_ms = 10000;
    sim->kafka.rebalance_ms = 60000;
}

static void set_job(sim_t *sim, const golden_t *golden)
{
    job_t *job = &sim->jobs[0];
    job_begin(sim, job, 0, 0);
    job->items_n = golden->items_n;
    job->plan_seed = 7;
    job->run_ms_min = job->run_ms_max = golden->run_ms;
    job->fails_permille = golden->fails_permille;
    job->begin_ms = 300;
    job->spec.retries = 4;
    job->spec.concurrency = job->limit = golden->n;
    job->cap = job->limit > 0 ? job->limit : UINT64_MAX;
    sim->jobs_n = 1;
}

static void set_up(sim_t *sim, const golden_t *golden)
{
    set_scenario(sim, golden);
    set_job(sim, golden);
    sim->nodes_n = golden->workers_n;
    for (size_t i = 0; i < sim->nodes_n; i++)
        node_begin(&sim->nodes[i], i, golden->slots_n, 0);
    for (size_t i = 0; i < sim->nodes_n && golden->has_handoff; i++)
        node_offers(sim, &sim->nodes[i], 0);
    sim_say(sim, "%s", golden->story);
    for (size_t i = 0; i < golden->script_n; i++) {
        event_t *event = clock_after(&sim->clock, golden->script[i].at_ms, on_line);
        event->a = golden->script[i].what;
        event->b = golden->script[i].value;
    }
}

bool scenario_golden(sim_t *sim, const char *name)
{
    for (size_t i = 0; i < GOLDENS_N; i++)
        if (strcmp(goldens[i].name, name) == 0) {
            set_up(sim, &goldens[i]);
            return true;
        }
    return false;
}

/* ---- comparing ---- */

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    buf_t text = {0};
    char part[4096];
    size_t n;
    while (file != NULL && (n = fread(part, 1, sizeof part, file)) > 0)
        buf_append(&text, part, n);
    if (file != NULL)
        fclose(file);
    buf_append(&text, "", 1);
    return (char *)text.data;
}

/* The first line that differs is said; the scenario's own invariants must hold too. */
static bool compare(const sim_t *sim, const char *expected, const char *name)
{
    if (sim->broken[0] != '\0') {
        printf("# %s: %s\n", name, sim->broken);
        return false;
    }
    for (size_t i = 0; i < sim->lines_n; i++) {
        size_t len = strlen(sim->lines[i]);
        if (strncmp(expected, sim->lines[i], len) != 0 || expected[len] != '\n') {
            printf("# %s, line %zu\n# expected: %.*s\n# came:     %s\n", name, i + 1, (int)strcspn(expected, "\n"),
                   expected, sim->lines[i]);
            return false;
        }
        expected += len + 1;
    }
    if (*expected != '\0')
        printf("# %s ends after %zu lines, and more are expected\n", name, sim->lines_n);
    return *expected == '\0';
}

int golden_compare_all(const char *dir)
{
    unsigned failed = 0;
    for (unsigned i = 0; i < GOLDENS_N; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s.txt", dir, goldens[i].name);
        char *expected = read_file(path);
        sim_t *sim = sim_run(&(sim_config_t){.seed = 1, .golden = goldens[i].name, .speaks = true});
        bool same = compare(sim, expected, goldens[i].name);
        failed += !same;
        printf("%s %u - timeline of %s\n", same ? "ok" : "not ok", i + 1, goldens[i].name);
        sim_free(sim);
        free(expected);
    }
    return failed == 0 ? 0 : 1;
}
