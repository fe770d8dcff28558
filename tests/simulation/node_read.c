/* What a worker reads from Kafka: the jobs topic from its beginning, then the items of its partitions as long as it
 * wants any. */
#include <stdlib.h>
#include <string.h>

#include "node_internal.h"

enum { BATCH_MAX = 24, BLOCKED_MS = 100, DEAF_MS = 3000 };

payload_t *payload_new(node_t *node, const record_t *record)
{
    payload_t *payload = take(sizeof *payload);
    payload->key = take_copy(record->key, record->key_len);
    payload->key_len = record->key_len;
    payload->value = take_copy(record->value, record->value_len);
    payload->value_len = record->value_len;
    payload->next = node->payloads;
    payload->at = &node->payloads;
    if (payload->next != NULL)
        payload->next->at = &payload->next;
    node->payloads = payload;
    node->payloads_n++;
    return payload;
}

void payload_release(node_t *node, payload_t *payload)
{
    *payload->at = payload->next;
    if (payload->next != NULL)
        payload->next->at = payload->at;
    node->payloads_n--;
    free(payload->key);
    free(payload->value);
    free(payload);
}

/* ---- jobs ---- */

static void note_limit(sim_t *sim, node_t *node, const jobs_record_t *record)
{
    size_t j = sim_job(sim, record->job, strlen(record->job));
    if (j < sim->jobs_n && record->field == JOBS_CONCURRENCY && !record->tombstone &&
        record->version > node->limit_version[j])
        node->limit_version[j] = record->version;
}

/* As the bus does: from each record that comes. */
static void hear_clock(const sim_t *sim, node_t *node, int64_t at_ms)
{
    int64_t off_ms = at_ms - node_now_ms(sim, node);
    if (!node->knows_broker || off_ms > node->broker_off_ms)
        node->broker_off_ms = off_ms;
    node->knows_broker = true;
}

/* Its own record of the clock was stored. */
static void on_clock(sim_t *sim, event_t *event)
{
    node_t *node = event->to->self;
    if (!kafka_reaches(sim, &node->process)) {
        clock_again(&sim->clock, event, BLOCKED_MS);
        return;
    }
    hear_clock(sim, node, sim->wall_ms + sim->clock.now_ms);
    node_step(sim, node, &(worker_event_t){.type = WORKER_TICK});
}

static void ask_clock(sim_t *sim, node_t *node, const jobs_record_t *record)
{
    if (record->field != JOBS_SPEC || record->tombstone || record->spec.deadline_ms == 0 || node->has_asked_clock)
        return;
    node->has_asked_clock = true;
    clock_tell(&sim->clock, kafka_latency_ms(sim), &node->process, on_clock);
}

static void read_job(sim_t *sim, node_t *node)
{
    const record_t *record = kafka_record(sim, TOPIC_JOBS, 0, node->jobs_position);
    payload_t *copy = payload_new(node, record);
    node->jobs_position++;
    jobs_record_t decoded;
    if (jobs_decode(copy->key, copy->key_len, copy->value, copy->value_len, &decoded)) {
        worker_event_t event = {.type = WORKER_JOBS};
        event.jobs = &decoded;
        event.appended_ms = record->at_ms;
        hear_clock(sim, node, record->at_ms);
        ask_clock(sim, node, &decoded);
        note_limit(sim, node, &decoded);
        node_step(sim, node, &event);
    }
    payload_release(node, copy);
}

static void say_position(sim_t *sim, node_t *node)
{
    uint64_t life = node->process.life;
    worker_event_t event = {.type = WORKER_JOBS_POSITION};
    event.position.offset = node->jobs_position;
    while (node->jobs_asked_n > 0 && node->jobs_asked[0] <= node->jobs_position && sim->broken[0] == '\0') {
        node->jobs_asked_n--;
        memmove(node->jobs_asked, node->jobs_asked + 1, node->jobs_asked_n * sizeof node->jobs_asked[0]);
        event.position.at_end = true;
        node_step(sim, node, &event);
        if (node->process.life != life)
            return;
    }
    if (node->has_joined || node->jobs_position < node->jobs_start_end)
        return;
    event.position.at_end = false;
    node_step(sim, node, &event);
    node->has_joined = true;
    worker_stats_t stats;
    worker_stats(node->worker, &stats);
    node->wants = stats.wants_intake;
    group_join(sim, &node->process, &node->consumer);
}

static void on_jobs(sim_t *sim, event_t *event)
{
    node_t *node = event->to->self;
    if (!kafka_reaches(sim, &node->process)) {
        clock_again(&sim->clock, event, BLOCKED_MS);
        return;
    }
    node->is_reading_jobs = false;
    uint64_t life = node->process.life;
    while (node->jobs_position < kafka_log_end(sim, TOPIC_JOBS, 0) && sim->broken[0] == '\0') {
        read_job(sim, node);
        if (node->process.life != life)
            return;
    }
    say_position(sim, node);
}

void node_poke_jobs(sim_t *sim, node_t *node)
{
    if (node->process.state == PROCESS_DEAD || node->is_reading_jobs)
        return;
    node->is_reading_jobs = true;
    int64_t deaf_ms = sim_protects(sim, PROTECTION_CONTROL) ? 0 : DEAF_MS;
    clock_tell(&sim->clock, kafka_latency_ms(sim) + deaf_ms, &node->process, on_jobs);
}

/* ---- items ---- */

static void read_item(sim_t *sim, node_t *node, worker_event_type_t type, int32_t p, int64_t offset)
{
    const record_t *record = kafka_record(sim, TOPIC_ITEMS, p, offset);
    payload_t *payload = payload_new(node, record);
    hear_clock(sim, node, record->at_ms);
    worker_event_t event = {.type = type};
    event.item.lane = p;
    event.item.offset = offset;
    event.item.key = (const char *)payload->key;
    event.item.key_len = payload->key_len;
    event.item.value = payload->value;
    event.item.value_len = payload->value_len;
    event.item.payload = payload;
    event.appended_ms = record->at_ms;
    node_step(sim, node, &event);
}

static bool has_more(const sim_t *sim, const node_t *node, int32_t p)
{
    return node->consumer.owns[p] && node->consumer.position[p] < kafka_log_end(sim, TOPIC_ITEMS, p);
}

/* False: the worker wants no more, or there is none. */
static bool read_some(sim_t *sim, node_t *node)
{
    uint64_t life = node->process.life;
    int32_t n = (int32_t)sim->kafka.partitions_n[TOPIC_ITEMS];
    int32_t from = (int32_t)dice(&sim->clock, (uint64_t)n);
    bool more = false;
    for (int32_t k = 0; k < n; k++) {
        int32_t p = (from + k) % n;
        for (int batch = 0; batch < BATCH_MAX && node->wants && node->consumer.is_member &&
                            !node->consumer.is_giving_up && has_more(sim, node, p);
             batch++) {
            read_item(sim, node, WORKER_ITEM, p, node->consumer.position[p]++);
            if (node->process.life != life || sim->broken[0] != '\0')
                return false;
        }
        more = more || has_more(sim, node, p);
    }
    return more && node->wants;
}

static void on_items(sim_t *sim, event_t *event)
{
    node_t *node = event->to->self;
    if (!node->wants || !node->consumer.is_member) {
        node->is_fetching = false;
        return;
    }
    if (!kafka_reaches(sim, &node->process)) {
        clock_again(&sim->clock, event, BLOCKED_MS);
        return;
    }
    uint64_t life = node->process.life;
    if (read_some(sim, node))
        clock_again(&sim->clock, event, 1);
    else if (node->process.life == life)
        node->is_fetching = false;
}

void node_poke_items(sim_t *sim, node_t *node)
{
    if (node->process.state == PROCESS_DEAD || node->is_fetching || !node->wants || !node->consumer.is_member)
        return;
    node->is_fetching = true;
    clock_tell(&sim->clock, kafka_latency_ms(sim), &node->process, on_items);
}

/* ---- what was put off ---- */

static bool may_fetch(const sim_t *sim, const node_t *node, int32_t p)
{
    return node->fetched[p] >= 0 && node->fetched[p] < kafka_log_end(sim, TOPIC_ITEMS, p);
}

static void on_fetches(sim_t *sim, event_t *event)
{
    node_t *node = event->to->self;
    uint64_t life = node->process.life;
    bool more = false;
    if (!kafka_reaches(sim, &node->process)) {
        clock_again(&sim->clock, event, BLOCKED_MS);
        return;
    }
    node->is_fetching_again = false;
    for (int32_t p = 0; p < (int32_t)sim->kafka.partitions_n[TOPIC_ITEMS]; p++) {
        for (int batch = 0; batch < BATCH_MAX && may_fetch(sim, node, p); batch++) {
            read_item(sim, node, WORKER_FETCHED, p, node->fetched[p]++);
            if (node->process.life != life || sim->broken[0] != '\0')
                return;
        }
        more = more || node->fetched[p] >= 0;
    }
    if (more)
        node_poke_fetches(sim, node);
}

void node_poke_fetches(sim_t *sim, node_t *node)
{
    if (node->process.state == PROCESS_DEAD || node->is_fetching_again)
        return;
    node->is_fetching_again = true;
    clock_tell(&sim->clock, kafka_latency_ms(sim), &node->process, on_fetches);
}

/* ---- notes ---- */

static void hear(sim_t *sim, node_t *node, int32_t p)
{
    const record_t *record = kafka_record(sim, TOPIC_ITEMS, p, node->watched[p]);
    uint8_t *value = take_copy(record->value, record->value_len);
    worker_event_t event = {.type = WORKER_HEARD};
    event.item.lane = p;
    event.item.offset = node->watched[p]++;
    event.item.value = value;
    event.item.value_len = record->value_len;
    node_step(sim, node, &event);
    free(value);
}

static void on_notes(sim_t *sim, event_t *event)
{
    node_t *node = event->to->self;
    uint64_t life = node->process.life;
    if (!kafka_reaches(sim, &node->process)) {
        clock_again(&sim->clock, event, BLOCKED_MS);
        return;
    }
    node->is_watching = false;
    for (int32_t p = 0; p < (int32_t)sim->kafka.partitions_n[TOPIC_ITEMS]; p++)
        while (node->process.life == life && node->watched[p] >= 0 && sim->broken[0] == '\0' &&
               node->watched[p] < kafka_log_end(sim, TOPIC_ITEMS, p))
            hear(sim, node, p);
}

void node_poke_notes(sim_t *sim, node_t *node)
{
    bool any = false;
    for (int p = 0; p < PARTITIONS_MAX; p++)
        any = any || node->watched[p] >= 0;
    if (node->process.state == PROCESS_DEAD || node->is_watching || !any)
        return;
    node->is_watching = true;
    clock_tell(&sim->clock, kafka_latency_ms(sim), &node->process, on_notes);
}
