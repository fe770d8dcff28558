#include "remake.h"

#include <stdlib.h>
#include <string.h>

#include "faults.h"
#include "node_internal.h"
#include "schemas/item.h"

enum { TICK_MS = 500, WATCH_TICKS = 4, AGAIN_MS = 4000, LOOK_AFTER_MS = 10000, BLOCKED_MS = 300 };

/* ---- one look, in the order of client/admin/lost.c ---- */

static void next_job(sim_t *sim, node_t *node);

static void read_log(const sim_t *sim, looker_t *looker, const job_t *job)
{
    int32_t partition = (int32_t)job->spec.results_partition;
    for (; looker->log_offset < kafka_log_end(sim, TOPIC_RESULTS, partition); looker->log_offset++) {
        const record_t *record = kafka_record(sim, TOPIC_RESULTS, partition, looker->log_offset);
        list_record(looker->list, looker->log_offset, record->key, record->key_len, record->value, record->value_len);
    }
}

static void write_lost(sim_t *sim, const node_t *node, const job_t *job, uint64_t end)
{
    const looker_t *looker = &node->looker;
    buf_t body = {0}, pack = {0};
    uint32_t count = 0;
    for (uint64_t i = missing_next(looker->list, &looker->records, 0, end); i < end;
         i = missing_next(looker->list, &looker->records, i + 1, end)) {
        joblog_put_outcome(&body, &(outcome_t){.index = i, .kind = FANMAP_LOST, .message = "", .type = ""});
        count++;
    }
    sim_say(sim, "%s lists %u items of %s as lost", node->process.name, count, job->id);
    joblog_encode_pack(&pack, body.data, body.len, count);
    kafka_append(sim, TOPIC_RESULTS, (int32_t)job->spec.results_partition, job->id, strlen(job->id), pack.data,
                 pack.len);
    buf_free(&body);
    buf_free(&pack);
}

static void judge(sim_t *sim, node_t *node)
{
    looker_t *looker = &node->looker;
    const job_t *job = &sim->jobs[looker->job];
    uint64_t end = looker->published, missing;
    read_log(sim, looker, job);
    missing = missing_count(looker->list, &looker->records, end);
    looker->again |= missing > 0 && list_state(looker->list) == LIST_OPEN;
    if (list_state(looker->list) == LIST_OPEN && missing > 0 &&
        missing_confirm(&looker->before, &looker->now, job->id, list_now(looker->list)->known, missing))
        write_lost(sim, node, job, end);
    looker->job++;
    next_job(sim, node);
}

static void read_lane(const sim_t *sim, looker_t *looker, int32_t p)
{
    const job_t *job = &sim->jobs[looker->job];
    item_t item;
    for (int64_t offset = 0; offset < kafka_log_end(sim, TOPIC_ITEMS, p); offset++) {
        const record_t *record = kafka_record(sim, TOPIC_ITEMS, p, offset);
        if (record->key_len == strlen(job->id) && memcmp(record->key, job->id, record->key_len) == 0 &&
            item_decode(record->value, record->value_len, &item) && item.type == ITEM_RECORD)
            (void)bitset_set(&looker->records, item.index);
    }
}

static void on_lane(sim_t *sim, event_t *event)
{
    node_t *node = event->to->self;
    looker_t *looker = &node->looker;
    int32_t from = sim->jobs[looker->job].lanes_from;
    if (!kafka_reaches(sim, &node->process) || sim->kafka.is_gone[from]) {
        clock_again(&sim->clock, event, BLOCKED_MS);
        return;
    }
    if (looker->lane == (int32_t)sim->scenario.items_partitions) {
        judge(sim, node);
        return;
    }
    read_lane(sim, looker, from + looker->lane++);
    clock_again(&sim->clock, event, kafka_latency_ms(sim));
}

/* False: nothing of it can be missing. */
static bool begin_job(sim_t *sim, looker_t *looker)
{
    const job_t *job = &sim->jobs[looker->job];
    list_free(looker->list);
    bitset_free(&looker->records);
    looker->list = NULL;
    if (job->start_offset < 0 || job->is_ended)
        return false;
    looker->list = list_new(job->id, &sim_deaf, NULL);
    if (looker->list == NULL)
        abort();
    looker->log_offset = job->start_offset;
    read_log(sim, looker, job);
    looker->published = missing_published(looker->list);
    looker->lane = 0;
    return list_state(looker->list) == LIST_OPEN &&
           missing_count(looker->list, &looker->records, looker->published) > 0;
}

static void next_job(sim_t *sim, node_t *node)
{
    looker_t *looker = &node->looker;
    while (looker->job < sim->jobs_n && !begin_job(sim, looker))
        looker->job++;
    if (looker->job < sim->jobs_n) {
        clock_tell(&sim->clock, kafka_latency_ms(sim), &node->process, on_lane);
        return;
    }
    looker->is_running = false;
    looker->before = looker->now;
    if (looker->again)
        looker->due_ms = sim->clock.now_ms + AGAIN_MS;
}

/* ---- when ---- */

static void look_when_idle(const sim_t *sim, node_t *node)
{
    looker_t *looker = &node->looker;
    if (!worker_is_stranded(node->worker)) {
        looker->idle_since_ms = sim->clock.now_ms;
        looker->look_after_ms = LOOK_AFTER_MS;
    } else if (sim->clock.now_ms - looker->idle_since_ms >= looker->look_after_ms) {
        looker->look_after_ms *= 2;
        looker->idle_since_ms = sim->clock.now_ms;
        looker_look_soon(sim, node);
    }
}

static void on_tick(sim_t *sim, event_t *event)
{
    node_t *node = event->to->self;
    looker_t *looker = &node->looker;
    uint64_t life = node->process.life;
    clock_again(&sim->clock, event, TICK_MS);
    if (!kafka_reaches(sim, &node->process))
        return;
    if (sim_protects(sim, PROTECTION_IDLE_LOOK))
        look_when_idle(sim, node);
    if (!looker->is_running && looker->due_ms <= sim->clock.now_ms) {
        looker->due_ms = INT64_MAX;
        looker->is_running = true;
        looker->again = false;
        looker->now = (missing_t){0};
        looker->job = 0;
        next_job(sim, node);
    }
    if (++looker->ticks % WATCH_TICKS == 0 && node->process.life == life)
        remake_look(sim, node);
}

void looker_look_soon(const sim_t *sim, node_t *node)
{
    int64_t due_ms = sim->clock.now_ms + AGAIN_MS;
    node->looker.due_ms = due_ms < node->looker.due_ms ? due_ms : node->looker.due_ms;
}

void looker_forget(node_t *node)
{
    list_free(node->looker.list);
    bitset_free(&node->looker.records);
    node->looker = (looker_t){.due_ms = INT64_MAX};
}

void looker_start(sim_t *sim, node_t *node)
{
    looker_forget(node);
    node->looker.idle_since_ms = sim->clock.now_ms;
    node->looker.look_after_ms = LOOK_AFTER_MS;
    if (sim->scenario.is_remade)
        clock_tell(&sim->clock, TICK_MS, &node->process, on_tick);
}
