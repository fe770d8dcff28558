#include "remake.h"

#include <stdlib.h>

#include "faults.h"
#include "node_internal.h"
#include "schemas/item.h"

enum { SEEN_MIN = 2 };

/* ---- the topic ---- */

/* What it held and had not run may be listed as lost from here on, and nothing else may. */
static void note_wiped(sim_t *sim, const record_t *record)
{
    item_t item;
    size_t j = sim_job(sim, (const char *)record->key, record->key_len);
    if (j < sim->jobs_n && item_decode(record->value, record->value_len, &item) && item.type == ITEM_RECORD &&
        item.index < ITEMS_MAX && !list_has(sim->jobs[j].truth, item.index))
        sim->jobs[j].was_wiped[item.index] = true;
}

static void wipe(sim_t *sim, int32_t lane)
{
    const partition_t *partition = &sim->kafka.topics[TOPIC_ITEMS][lane];
    for (size_t i = 0; i < partition->n; i++)
        note_wiped(sim, &partition->at[i]);
    kafka_make_anew(sim, TOPIC_ITEMS, lane);
}

static void on_made(sim_t *sim, event_t *event)
{
    sim_say(sim, "the topic of task %llu is there again", (unsigned long long)event->a);
    for (uint32_t p = 0; p < sim->scenario.items_partitions; p++)
        sim->kafka.is_gone[event->a * sim->scenario.items_partitions + p] = false;
}

static void on_remake(sim_t *sim, event_t *event)
{
    uint32_t task = draw_task(sim);
    int32_t from = (int32_t)(task * sim->scenario.items_partitions);
    if (sim->healed)
        return;
    clock_again(&sim->clock, event, BETWEEN(sim, 1, CHANCE(sim, 500) ? 6000 : sim->scenario.chaos_ms));
    if (sim->kafka.away || sim->kafka.is_gone[from])
        return;
    sim_say(sim, "the topic of task %u is deleted", task);
    for (uint32_t p = 0; p < sim->scenario.items_partitions; p++) {
        wipe(sim, from + (int32_t)p);
        sim->kafka.is_gone[from + (int32_t)p] = true;
    }
    clock_after(&sim->clock, CHANCE(sim, 500) ? 1 : BETWEEN(sim, 1, 8000), on_made)->a = task;
}

void remake_begin(sim_t *sim)
{
    clock_after(&sim->clock, BETWEEN(sim, 1, sim->scenario.chaos_ms), on_remake);
}

/* ---- who notices ---- */

static bool is_another(const sim_t *sim, const node_t *node, int32_t p)
{
    const consumer_t *consumer = &node->consumer;
    const partition_t *log = &sim->kafka.topics[TOPIC_ITEMS][p];
    if (consumer->position[p] > (int64_t)log->n)
        return true;
    return sim_protects(sim, PROTECTION_WITNESS) && consumer->witness_ms[p] > 0 && consumer->witness[p] >= 0 &&
           log->n > 0 && log->at[0].at_ms > consumer->witness_ms[p];
}

void remake_look(sim_t *sim, node_t *node)
{
    consumer_t *consumer = &node->consumer;
    for (int32_t p = 0; p < (int32_t)sim->kafka.partitions_n[TOPIC_ITEMS]; p++) {
        if (!consumer->is_member || consumer->is_giving_up || !consumer->owns[p] || sim->kafka.is_gone[p])
            continue;
        consumer->short_n[p] = is_another(sim, node, p) ? consumer->short_n[p] + 1 : 0;
        if (consumer->short_n[p] < SEEN_MIN)
            continue;
        sim_say(sim, "%s finds lane %d made anew", node->process.name, (int)p);
        looker_look_soon(sim, node);
        node_step(sim, node, &(worker_event_t){.type = WORKER_REMADE, .gap = {.lane = p}});
        return;
    }
}
