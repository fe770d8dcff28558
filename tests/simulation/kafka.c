/* Topics, producing and committing. A request waits in its outbox until its arrival event takes the head of the box: so
 * the order within a partition holds, however long single arrivals are put off. */
#include "kafka.h"

#include <stdlib.h>
#include <string.h>

#include "node.h"
#include "sim.h"

struct request {
    request_t *next;
    uint8_t *key, *value;
    size_t key_len, value_len;
    uint64_t cookie;
    event_fn report;
};

enum { BLOCKED_RETRY_MS = 40 };

void kafka_begin(kafka_t *kafka, uint32_t tasks_n, uint32_t items_partitions, uint32_t results_partitions,
                 const kafka_hooks_t *hooks)
{
    kafka->partitions_n[TOPIC_ITEMS] = tasks_n * items_partitions;
    kafka->partitions_n[TOPIC_RESULTS] = results_partitions;
    kafka->partitions_n[TOPIC_JOBS] = 1;
    kafka->hooks = *hooks;
    for (int i = 0; i < PARTITIONS_MAX; i++)
        kafka->group.owner[i] = -1;
}

static void partition_end(partition_t *partition)
{
    for (size_t i = 0; i < partition->n; i++)
        free(partition->at[i].key);
    free(partition->at);
    free(partition->metadata);
}

static void request_free(request_t *request)
{
    free(request->key);
    free(request);
}

static request_t *box_pop(outbox_t *box)
{
    request_t *request = box->first;
    if (request == NULL)
        return NULL;
    box->first = request->next;
    if (box->first == NULL)
        box->end = &box->first;
    return request;
}

static void box_clear(outbox_t *box)
{
    for (request_t *request; (request = box_pop(box)) != NULL;)
        request_free(request);
}

void kafka_end(kafka_t *kafka)
{
    for (int t = 0; t < TOPICS_N; t++)
        for (int p = 0; p < PARTITIONS_MAX; p++)
            partition_end(&kafka->topics[t][p]);
    for (size_t i = 0; i < kafka->producers_n; i++)
        for (int t = 0; t < TOPICS_N; t++)
            for (int p = 0; p < PARTITIONS_MAX; p++)
                box_clear(&kafka->producers[i].boxes[t][p]);
}

/* Mostly a few ms; a lost packet is a late one. */
int64_t kafka_latency_ms(sim_t *sim)
{
    if (sim->scenario.is_golden)
        return 2;
    if (dice_chance(&sim->clock, sim->kafka.slow_permille))
        return dice_between(&sim->clock, 20, 4000);
    return dice_between(&sim->clock, 1, 8);
}

bool kafka_reaches(const sim_t *sim, const process_t *process)
{
    return !sim->kafka.away && !process->kafka_cut && process->state == PROCESS_RUNS;
}

int64_t kafka_log_end(const sim_t *sim, int topic, int32_t partition)
{
    return (int64_t)sim->kafka.topics[topic][partition].n;
}

const record_t *kafka_record(const sim_t *sim, int topic, int32_t partition, int64_t offset)
{
    const partition_t *p = &sim->kafka.topics[topic][partition];
    return offset >= 0 && (size_t)offset < p->n ? &p->at[offset] : NULL;
}

int64_t kafka_append(sim_t *sim, int topic, int32_t partition, const void *key, size_t key_len, const void *value,
                     size_t value_len)
{
    partition_t *p = &sim->kafka.topics[topic][partition];
    if (p->n == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 64;
        p->at = realloc(p->at, p->cap * sizeof *p->at);
        if (p->at == NULL)
            abort();
    }
    record_t *record = &p->at[p->n++];
    *record = (record_t){.at_ms = sim->wall_ms + sim->clock.now_ms};
    record->key = take(key_len + value_len);
    record->value = record->key + key_len;
    record->key_len = (uint32_t)key_len;
    record->value_len = (uint32_t)value_len;
    if (key_len > 0)
        memcpy(record->key, key, key_len);
    if (value_len > 0)
        memcpy(record->value, value, value_len);
    int64_t offset = (int64_t)p->n - 1;
    record_t as_stored = *record;
    sim->kafka.hooks.appended(sim, topic, partition, offset, &as_stored);
    return offset;
}

void kafka_make_anew(sim_t *sim, int topic, int32_t partition)
{
    partition_t *p = &sim->kafka.topics[topic][partition];
    partition_end(p);
    *p = (partition_t){0};
    sim->kafka.made[partition]++;
}

static kafka_producer_t *producer_of(sim_t *sim, process_t *process)
{
    for (size_t i = 0; i < sim->kafka.producers_n; i++)
        if (sim->kafka.producers[i].process == process)
            return &sim->kafka.producers[i];
    if (sim->kafka.producers_n == PRODUCERS_MAX)
        abort();
    kafka_producer_t *producer = &sim->kafka.producers[sim->kafka.producers_n++];
    producer->process = process;
    for (int t = 0; t < TOPICS_N; t++)
        for (int p = 0; p < PARTITIONS_MAX; p++)
            producer->boxes[t][p].end = &producer->boxes[t][p].first;
    return producer;
}

static void report(sim_t *sim, process_t *process, outbox_t *box, const request_t *request, int32_t partition,
                   int64_t offset)
{
    int64_t at_ms = sim->clock.now_ms + kafka_latency_ms(sim);
    box->report_ms = at_ms > box->report_ms ? at_ms : box->report_ms;
    event_t *event = clock_tell(&sim->clock, box->report_ms - sim->clock.now_ms, process, request->report);
    event->a = request->cookie;
    event->b = (uint64_t)partition;
    event->x = offset;
}

static void store_head(sim_t *sim, process_t *process, outbox_t *box, int topic, int32_t partition)
{
    request_t *request = box_pop(box);
    if (request == NULL)
        return;
    int64_t offset = -1;
    if (topic != TOPIC_ITEMS || !sim_refuses(sim, request->key, request->key_len, request->value, request->value_len)) {
        offset =
            kafka_append(sim, topic, partition, request->key, request->key_len, request->value, request->value_len);
        sim->kafka.topics[topic][partition].at[offset].by = process;
    }
    if (process->state != PROCESS_DEAD)
        report(sim, process, box, request, partition, offset);
    request_free(request);
}

static bool is_gone(const sim_t *sim, int topic, int32_t partition)
{
    return topic == TOPIC_ITEMS && sim->kafka.is_gone[partition];
}

static void on_arrival(sim_t *sim, event_t *event)
{
    kafka_producer_t *producer = event->data;
    process_t *process = producer->process;
    if (event->c != process->life) {
        event->data = NULL; /* kafka_process_died has settled it */
        return;
    }
    int topic = (int)event->a;
    int32_t partition = (int32_t)event->b;
    if (!kafka_reaches(sim, process) || is_gone(sim, topic, partition)) {
        clock_again(&sim->clock, event, BLOCKED_RETRY_MS);
        return;
    }
    event->data = NULL;
    store_head(sim, process, &producer->boxes[topic][partition], topic, partition);
}

static void keep(void *data)
{
    (void)data;
}

void kafka_produce(sim_t *sim, process_t *process, int topic, int32_t partition, const void *key, size_t key_len,
                   const void *value, size_t value_len, uint64_t cookie, event_fn report_fn)
{
    kafka_producer_t *producer = producer_of(sim, process);
    request_t *request = take(sizeof *request);
    request->key = take(key_len + value_len);
    request->value = request->key + key_len;
    memcpy(request->key, key, key_len);
    if (value_len > 0)
        memcpy(request->value, value, value_len);
    request->key_len = key_len;
    request->value_len = value_len;
    request->cookie = cookie;
    request->report = report_fn;
    outbox_t *box = &producer->boxes[topic][partition];
    *box->end = request;
    box->end = &request->next;
    event_t *event = clock_after(&sim->clock, kafka_latency_ms(sim), on_arrival);
    event->a = (uint64_t)topic;
    event->b = (uint64_t)partition;
    event->c = process->life;
    event->data = producer;
    event->drop = keep;
}

bool kafka_outbox_is_empty(sim_t *sim, process_t *process)
{
    const kafka_producer_t *producer = producer_of(sim, process);
    for (int t = 0; t < TOPICS_N; t++)
        for (int32_t p = 0; p < PARTITIONS_MAX; p++)
            if (producer->boxes[t][p].first != NULL)
                return false;
    return true;
}

/* Called before the life ends: of each partition's requests a random first part was already in the network. */
void kafka_process_died(sim_t *sim, process_t *process)
{
    kafka_producer_t *producer = producer_of(sim, process);
    for (int t = 0; t < TOPICS_N; t++)
        for (int32_t p = 0; p < PARTITIONS_MAX; p++) {
            outbox_t *box = &producer->boxes[t][p];
            bool lucky = kafka_reaches(sim, process) && !is_gone(sim, t, p);
            while (box->first != NULL && lucky && dice_chance(&sim->clock, 600))
                store_head(sim, process, box, t, p);
            box_clear(box);
        }
}

/* ---- commits ---- */

bool kafka_is_misled(const sim_t *sim, const consumer_t *consumer, int32_t partition)
{
    return consumer->is_misled[partition] || sim->kafka.made[partition] != consumer->made[partition];
}

static bool store_commit(sim_t *sim, process_t *process, const consumer_t *consumer, int32_t partition, int64_t offset,
                         const char *metadata, size_t metadata_len)
{
    if (!group_accepts(sim, consumer) || is_gone(sim, TOPIC_ITEMS, partition))
        return false;
    partition_t *p = &sim->kafka.topics[TOPIC_ITEMS][partition];
    bool counts = p->was_committed && !p->is_misleading;
    sim->kafka.hooks.committed(sim, process, partition, counts ? p->committed : 0, offset);
    p->was_committed = true;
    p->is_misleading = kafka_is_misled(sim, consumer, partition) && !((node_t *)process->self)->is_remade;
    p->committed = offset;
    free(p->metadata);
    p->metadata = take_copy(metadata, metadata_len);
    p->metadata_len = metadata_len;
    return true;
}

typedef struct {
    consumer_t as_sent; /* only id and generation are read */
    consumer_t *consumer;
    process_t *process;
    uint64_t life, number;
    int64_t offset;
    size_t metadata_len;
    char metadata[];
} commit_request_t;

static void send_commit(sim_t *sim, process_t *process, consumer_t *consumer, int32_t partition);

static void on_commit_answer(sim_t *sim, event_t *event)
{
    process_t *process = event->to;
    consumer_t *consumer = &((node_t *)process->self)->consumer;
    int32_t partition = (int32_t)event->a;
    if (event->c == consumer->join_n) {
        consumer->commits[partition].under_way = false;
        if (consumer->commits[partition].waits)
            send_commit(sim, process, consumer, partition);
    }
    node_committed(sim, process->self, partition, event->x, (uint64_t)event->y, event->b != 0);
}

static void answer(sim_t *sim, const commit_request_t *request, int32_t partition, bool ok, int64_t delay_ms)
{
    process_t *process = request->process;
    if (process->life != request->life)
        return;
    event_t *event = clock_tell(&sim->clock, delay_ms, process, on_commit_answer);
    event->a = (uint64_t)partition;
    event->b = ok;
    event->c = request->as_sent.join_n;
    event->x = request->offset;
    event->y = (int64_t)request->number;
}

static void on_commit(sim_t *sim, event_t *event)
{
    commit_request_t *request = event->data;
    process_t *process = request->process;
    int32_t partition = (int32_t)event->a;
    bool alive = process->life == request->life;
    bool overtaken = request->consumer->commit_epoch != request->as_sent.commit_epoch;
    bool lost = sim->kafka.away || process->kafka_cut || overtaken || (!alive && dice_chance(&sim->clock, 500));
    if (lost) {
        answer(sim, request, partition, false, dice_between(&sim->clock, 500, 5000));
        return;
    }
    bool ok = store_commit(sim, process, &request->as_sent, partition, request->offset, request->metadata,
                           request->metadata_len);
    if (ok && dice_chance(&sim->clock, sim->kafka.lost_commit_permille))
        answer(sim, request, partition, false, dice_between(&sim->clock, 500, 5000));
    else
        answer(sim, request, partition, ok, kafka_latency_ms(sim));
}

static void send_commit(sim_t *sim, process_t *process, consumer_t *consumer, int32_t partition)
{
    size_t len = consumer->commits[partition].metadata_len;
    commit_request_t *request = take(sizeof *request + len);
    request->as_sent = *consumer;
    request->consumer = consumer;
    request->process = process;
    request->life = process->life;
    request->offset = consumer->commits[partition].offset;
    request->number = consumer->commits[partition].number;
    request->metadata_len = len;
    if (len > 0)
        memcpy(request->metadata, consumer->commits[partition].metadata, len);
    consumer->commits[partition].under_way = true;
    consumer->commits[partition].waits = false;
    event_t *event = clock_after(&sim->clock, kafka_latency_ms(sim), on_commit);
    event->a = (uint64_t)partition;
    event->data = request;
}

void kafka_commit(sim_t *sim, process_t *process, consumer_t *consumer, int32_t partition, int64_t offset,
                  const char *metadata, size_t metadata_len, uint64_t number)
{
    consumer->commits[partition].number = number;
    free(consumer->commits[partition].metadata);
    consumer->commits[partition].metadata = take_copy(metadata, metadata_len);
    consumer->commits[partition].metadata_len = metadata_len;
    consumer->commits[partition].offset = offset;
    consumer->commits[partition].waits = true;
    if (!consumer->commits[partition].under_way)
        send_commit(sim, process, consumer, partition);
}

bool kafka_commit_now(sim_t *sim, process_t *process, consumer_t *consumer, int32_t partition, int64_t offset,
                      const char *metadata, size_t metadata_len)
{
    consumer->commit_epoch++;
    consumer->commits[partition].waits &= !sim_protects(sim, PROTECTION_LAST_WORD);
    if (!kafka_reaches(sim, process))
        return false;
    bool ok = store_commit(sim, process, consumer, partition, offset, metadata, metadata_len);
    return ok && !dice_chance(&sim->clock, sim->kafka.lost_commit_permille);
}

/* Leaves the group's generation behind: what is under way is no longer awaited. */
void consumer_forget(consumer_t *consumer)
{
    for (int p = 0; p < PARTITIONS_MAX; p++) {
        free(consumer->commits[p].metadata);
        memset(&consumer->commits[p], 0, sizeof consumer->commits[p]);
        consumer->owns[p] = false;
    }
    consumer->is_member = consumer->is_giving_up = false;
    consumer->join_n++;
}
