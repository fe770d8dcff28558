/* A large quiet fleet: what it asks of Redis and of Kafka, and how fair and how fast it is.
 *
 * The cores of the workers and the token table are the real ones; around them is only what they need: partitions that are dealt
 * out evenly, slots whose items last half a second to one and a half, a network of two ms that loses nothing. Each job has a limit of its
 * share of the slots, and items in every partition, so that every worker has something of every job: the most that a fleet can be
 * asked for. What it costs is reckoned in scale_table.c. */
#include "scale.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/heap.h"
#include "base/random.h"
#include "schemas/item.h"
#include "schemas/place.h"
#include "tests/lib/token_table/token_table.h"
#include "worker/core/core.h"

enum {
    NETWORK_MS = 2, /* one way */
    STORE_MS = 5,   /* until Kafka has acknowledged */
    LINGER_MS = 4,  /* worker/shell/packs.c */
    PACK_MAX = 64,
    LEASE_MS = 15000
};
static const int64_t WALL_MS = 1700000000000;

typedef struct {
    size_t job;
    uint8_t value[16];
    size_t len;
} entry_t;

typedef struct {
    entry_t *at;
    size_t n, cap;
} shelf_t; /* a partition */

typedef enum { TICK, DONE, STORED, COMMITTED, TOKENS, WAKE, SYNC } what_t;

typedef struct {
    heap_node_t node;
    what_t what;
    size_t worker, job, items_n;
    uint32_t slot, n;
    worker_event_t event; /* COMMITTED */
    tokens_request_t request;
    tokens_reply_t reply;
    worker_item_t *items[PACK_MAX];
} call_t;

typedef struct {
    worker_t *core;
    worker_actions_t actions;
    uint32_t next_n[SCALE_SLOTS_N];
    call_t **open; /* of each job: the pack that lingers */
    int64_t tick_ms, commit_ms;
} member_t;

typedef struct {
    size_t workers_n, jobs_n, items_n, stored_n;
    int64_t now_ms, last_ms;
    random_t random;
    heap_t calls;
    shelf_t *shelves;
    member_t *members;
    spec_t *specs;
    int64_t *ends_ms;
    size_t *left;
    token_table_t *table;
    uint64_t syncs, wakes, packs, commits;
} fleet_t;

static call_t *put(fleet_t *f, what_t what, size_t worker, int64_t in_ms)
{
    call_t *call = calloc(1, sizeof *call);
    if (call == NULL)
        abort();
    call->what = what;
    call->worker = worker;
    if (!heap_put(&f->calls, &call->node, f->now_ms + in_ms))
        abort();
    return call;
}

static void on_publish(void *arg, const char *channel, const char *message)
{
    fleet_t *f = arg;
    call_t *call = put(f, WAKE, strtoul(strrchr(channel, '.') + 2, NULL, 10), NETWORK_MS);
    call->job = strtoul(message + 3, NULL, 10);
    f->wakes++;
}

static void set_time(fleet_t *f)
{
    token_table_set_time_us(f->table, (WALL_MS + f->now_ms) * 1000);
}

/* ---- actions ---- */

static void publish(fleet_t *f, size_t w, const worker_action_t *a)
{
    member_t *m = &f->members[w];
    size_t job = strtoul(a->publish.spec->job + 3, NULL, 10);
    call_t *pack = m->open[job];
    if (pack == NULL || pack->items_n == PACK_MAX) {
        pack = m->open[job] = put(f, STORED, w, LINGER_MS + STORE_MS);
        pack->job = job;
        f->packs++;
    }
    pack->items[pack->items_n++] = a->publish.item;
}

static void carry_out(fleet_t *f, size_t w, const worker_action_t *a)
{
    member_t *m = &f->members[w];
    call_t *call;
    switch (a->type) {
    case WORKER_RUN:
        call = put(f, DONE, w, SCALE_ITEM_MS / 2 + (int64_t)random_below(&f->random, SCALE_ITEM_MS));
        call->slot = a->run.slot;
        call->n = m->next_n[a->run.slot]++;
        worker_ran(m->core, a->run.item, call->n);
        break;
    case WORKER_PUBLISH:
        publish(f, w, a);
        break;
    case WORKER_COMMIT:
        f->commits += m->commit_ms != f->now_ms; /* one request for all that a turn commits */
        m->commit_ms = f->now_ms;
        call = put(f, COMMITTED, w, STORE_MS);
        call->event.committed.lane = a->commit.lane;
        call->event.committed.offset = a->commit.offset;
        call->event.committed.number = a->commit.number;
        call->event.committed.ok = true;
        break;
    case WORKER_SYNC:
        put(f, SYNC, w, NETWORK_MS)->request = a->sync.request;
        break;
    default: /* nothing that this fleet would do */
        break;
    }
}

static void step(fleet_t *f, size_t w, worker_event_t event)
{
    member_t *m = &f->members[w];
    event.now_ms = f->now_ms;
    worker_actions_clear(&m->actions);
    worker_step(m->core, &event, &m->actions);
    for (size_t i = 0; i < m->actions.n; i++)
        carry_out(f, w, &m->actions.at[i]);
    int64_t next_ms = worker_next_ms(m->core);
    if (event.more || next_ms == INT64_MAX || (m->tick_ms > f->now_ms && next_ms >= m->tick_ms))
        return;
    m->tick_ms = next_ms > f->now_ms ? next_ms : f->now_ms + 1;
    put(f, TICK, w, m->tick_ms - f->now_ms)->n = 0;
}

/* ---- what is answered ---- */

static void stored(fleet_t *f, call_t *call)
{
    member_t *m = &f->members[call->worker];
    if (m->open[call->job] == call)
        m->open[call->job] = NULL;
    f->stored_n += call->items_n;
    f->left[call->job] -= call->items_n;
    if (f->left[call->job] == 0)
        f->ends_ms[call->job] = f->now_ms;
    step(f, call->worker, (worker_event_t){.type = WORKER_STORED, .stored = {call->items, call->items_n}});
}

static void sync_now(fleet_t *f, const call_t *call)
{
    fanmap_error_t err;
    call_t *answer = put(f, TOKENS, call->worker, NETWORK_MS);
    f->syncs++;
    answer->request = call->request;
    set_time(f);
    if (token_table_sync(f->table, &answer->request, &answer->reply, &err) != FANMAP_OK)
        abort();
}

static void answer(fleet_t *f, call_t *call)
{
    static const uint8_t nil[] = {0xc0};
    switch (call->what) {
    case TICK:
        if (f->members[call->worker].tick_ms == f->now_ms)
            step(f, call->worker, (worker_event_t){.type = WORKER_TICK});
        break;
    case DONE:
        step(f, call->worker,
             (worker_event_t){.type = WORKER_ATTEMPT_DONE,
                              .done = {.slot = call->slot,
                                       .n = call->n,
                                       .kind = FANMAP_VALUE,
                                       .outcome = {.run_us = SCALE_ITEM_MS * 1000, .value = nil, .value_len = 1}}});
        break;
    case STORED:
        stored(f, call);
        break;
    case COMMITTED:
        call->event.type = WORKER_COMMITTED;
        step(f, call->worker, call->event);
        break;
    case SYNC:
        sync_now(f, call);
        break;
    case TOKENS:
        step(f, call->worker,
             (worker_event_t){.type = WORKER_TOKENS, .tokens = {call->request.job, call->request.seq, &call->reply}});
        break;
    case WAKE:
        step(f, call->worker, (worker_event_t){.type = WORKER_WAKE, .wake = {f->specs[call->job].job}});
        break;
    }
}

/* ---- a fleet ---- */

static void make_jobs(fleet_t *f)
{
    fanmap_error_t err;
    token_table_config_t config = {.name_space = "scale", .publish = on_publish, .publish_arg = f};
    if (token_table_new(&config, &f->table, &err) != FANMAP_OK)
        abort();
    token_table_set_run_id(f->table, "run1");
    set_time(f);
    size_t places_n = SCALE_SLOTS_N * f->workers_n / f->jobs_n;
    for (size_t j = 0; j < f->jobs_n; j++) {
        spec_t *spec = &f->specs[j];
        bool created;
        spec_init(spec);
        snprintf(spec->job, sizeof spec->job, "job%zu", j);
        snprintf(spec->nonce, sizeof spec->nonce, "0123456789abcdef");
        snprintf(spec->task, sizeof spec->task, "task");
        snprintf(spec->queue, sizeof spec->queue, "default");
        spec->items_partitions = (uint32_t)f->workers_n;
        spec->value_bytes_max = spec->item_bytes_max = 1 << 20;
        spec->concurrency = places_n;
        spec->lease_ms = LEASE_MS;
        f->left[j] = places_n * SCALE_ROUNDS_N;
        f->items_n += f->left[j];
        if (token_table_create(f->table, spec->job, spec->nonce, spec->concurrency, LEASE_MS, &created, &err) !=
            FANMAP_OK)
            abort();
    }
}

static void put_item(fleet_t *f, size_t job, uint64_t index)
{
    buf_t value = {0};
    shelf_t *shelf = &f->shelves[place_item(place_job_hash(f->specs[job].job), (uint32_t)f->workers_n, index)];
    if (!array_has_room(shelf->at, shelf->n, shelf->cap, 256))
        abort();
    item_encode(&value, index, "\x01", 1);
    entry_t *entry = &shelf->at[shelf->n++];
    entry->job = job;
    entry->len = value.len;
    memcpy(entry->value, value.data, value.len);
    buf_free(&value);
}

static void begin_worker(fleet_t *f, size_t w)
{
    static const char *const tasks[] = {"task"};
    char incarnation[24];
    snprintf(incarnation, sizeof incarnation, "w%zu", w);
    worker_config_t config = {.queue = "default",
                              .incarnation = incarnation,
                              .slots_n = SCALE_SLOTS_N,
                              .tasks = tasks,
                              .tasks_n = 1,
                              .budget_bytes = 64 << 20,
                              .items_max = 50000,
                              .item_bytes_max = 1 << 20,
                              .commit_every_ms = 1000,
                              .session_ms = 45000,
                              .drain_ms = 1000,
                              .revoke_ms = 1000,
                              .ahead_n = 256,
                              .ahead_bytes = 128 * 1024,
                              .publishing_max = 50000,
                              .has_tokens = true,
                              .seed = w + 1};
    f->members[w].core = worker_new(&config);
    f->members[w].open = calloc(f->jobs_n, sizeof *f->members[w].open);
    for (size_t j = 0; j < f->jobs_n; j++) {
        jobs_record_t record = {.field = JOBS_SPEC, .spec = f->specs[j]};
        memcpy(record.job, f->specs[j].job, sizeof record.job);
        step(f, w, (worker_event_t){.type = WORKER_JOBS, .jobs = &record});
    }
    step(f, w, (worker_event_t){.type = WORKER_JOBS_POSITION, .position = {(int64_t)f->jobs_n, true}});
    step(f, w,
         (worker_event_t){.type = WORKER_ASSIGNED,
                          .assigned = {.metadata = "", .member = incarnation, .lane = 0, .partition = (int32_t)w}});
    step(f, w, (worker_event_t){.type = WORKER_REBALANCED, .member = incarnation});
    for (uint32_t s = 0; s < SCALE_SLOTS_N; s++)
        step(f, w, (worker_event_t){.type = WORKER_SLOT_UP, .slot = {s}});
    for (size_t i = 0; i < f->shelves[w].n; i++) {
        entry_t *entry = &f->shelves[w].at[i];
        const char *key = f->specs[entry->job].job;
        step(f, w,
             (worker_event_t){.type = WORKER_ITEM,
                              .more = true,
                              .item = {.offset = (int64_t)i,
                                       .key = key,
                                       .key_len = strlen(key),
                                       .value = entry->value,
                                       .value_len = entry->len,
                                       .payload = entry}});
    }
    step(f, w, (worker_event_t){.type = WORKER_SETTLE});
}

static scale_t sum_up(const fleet_t *f)
{
    int64_t first = INT64_MAX, last = 0;
    for (size_t j = 0; j < f->jobs_n; j++) {
        first = f->ends_ms[j] < first ? f->ends_ms[j] : first;
        last = f->ends_ms[j] > last ? f->ends_ms[j] : last;
    }
    double s = (double)last / 1000;
    return (scale_t){(double)f->syncs / s,
                     (double)f->wakes / s,
                     (double)f->packs / s,
                     (double)f->commits / s,
                     s / (SCALE_ROUNDS_N * SCALE_ITEM_MS / 1000.0),
                     (double)last / (double)first};
}

static void end_fleet(fleet_t *f)
{
    heap_node_t *node;
    while ((node = heap_pop(&f->calls)) != NULL)
        free(heap_of(node, call_t, node));
    for (size_t w = 0; w < f->workers_n; w++) {
        worker_free(f->members[w].core);
        worker_actions_free(&f->members[w].actions);
        free(f->members[w].open);
        free(f->shelves[w].at);
    }
    heap_free(&f->calls);
    token_table_free(f->table);
    free(f->members);
    free(f->shelves);
    free(f->specs);
    free(f->ends_ms);
    free(f->left);
}

scale_t scale_run(size_t workers_n, size_t jobs_n)
{
    fleet_t f = {.workers_n = workers_n,
                 .jobs_n = jobs_n,
                 .shelves = calloc(workers_n, sizeof *f.shelves),
                 .members = calloc(workers_n, sizeof *f.members),
                 .specs = calloc(jobs_n, sizeof *f.specs),
                 .ends_ms = calloc(jobs_n, sizeof *f.ends_ms),
                 .left = calloc(jobs_n, sizeof *f.left)};
    heap_node_t *node;
    random_seed(&f.random, 1);
    make_jobs(&f);
    for (uint64_t i = 0; i < f.items_n / jobs_n; i++)
        for (size_t j = 0; j < jobs_n; j++)
            put_item(&f, j, i);
    for (size_t w = 0; w < workers_n; w++)
        begin_worker(&f, w);
    while (f.stored_n < f.items_n && (node = heap_pop(&f.calls)) != NULL) {
        f.now_ms = node->key;
        answer(&f, heap_of(node, call_t, node));
        free(heap_of(node, call_t, node));
    }
    scale_t got = sum_up(&f);
    end_fleet(&f);
    return got;
}
