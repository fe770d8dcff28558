#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loose.h"
#include "tokens/script.h"

enum { EVENTS_MAX = 3000000 };

/* The text of sync.lua with the mutant's rule replaced; NULL: as it is. */
static char *mutated_text(const mutant_t *mutant)
{
    if (mutant == NULL || mutant->what != PROTECTION_SCRIPT)
        return NULL;
    const char *found = strstr(script_sync_text, mutant->rule);
    if (found == NULL || strstr(found + 1, mutant->rule) != NULL) {
        fprintf(stderr, "%s: sync.lua does not have this rule once: %s\n", mutant->name, mutant->rule);
        exit(2);
    }
    size_t before = (size_t)(found - script_sync_text);
    size_t cap = strlen(script_sync_text) + strlen(mutant->without) + 1;
    char *text = take(cap);
    snprintf(text, cap, "%.*s%s%s", (int)before, script_sync_text, mutant->without, found + strlen(mutant->rule));
    return text;
}

static void begin(sim_t *sim, const sim_config_t *config)
{
    sim->seed = config->seed;
    sim->mutant = config->mutant;
    sim->speaks = config->speaks;
    loose_begin(!sim_protects(sim, PROTECTION_ALLOW_FALLS), !sim_protects(sim, PROTECTION_VOID));
    clock_begin(&sim->clock, config->seed);
    if (config->golden == NULL)
        scenario_draw(sim);
    else if (!scenario_golden(sim, config->golden) && !scenario_uneven(sim, config->golden)) {
        fprintf(stderr, "no such scenario: %s\n", config->golden);
        exit(2);
    }
    char *text = mutated_text(config->mutant);
    redis_begin(sim, text);
    free(text);
    group_begin(sim);
    for (size_t j = 0; j < sim->jobs_n; j++)
        maker_start(sim, &sim->jobs[j]);
}

sim_t *sim_run(const sim_config_t *config)
{
    sim_t *sim = take(sizeof *sim);
    begin(sim, config);
    int64_t end_ms = CLOCK_START_MS + sim->scenario.end_ms;
    while (sim->broken[0] == '\0' && sim->clock.now_ms < end_ms && !sim_is_done(sim)) {
        if (!clock_step(&sim->clock, sim))
            break;
        control_look(sim);
        if (sim->clock.run_n > EVENTS_MAX)
            sim_break(sim, "%d events: it does not come to rest", EVENTS_MAX);
    }
    if (sim->broken[0] == '\0')
        sim_check_end(sim);
    return sim;
}

void sim_free(sim_t *sim)
{
    for (size_t i = 0; i < sim->nodes_n; i++) {
        node_end(&sim->nodes[i]);
        process_die(&sim->clock, &sim->nodes[i].process);
    }
    for (size_t j = 0; j < sim->jobs_n; j++) {
        for (size_t i = 0; i < sim->jobs[j].makers_n; i++)
            process_die(&sim->clock, &sim->jobs[j].makers[i]->process);
        maker_end(&sim->jobs[j]);
    }
    kafka_end(&sim->kafka);
    redis_end(sim);
    clock_end(&sim->clock);
    pools_free(sim);
    free(sim->lines);
    free(sim);
}
