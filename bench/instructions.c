/* The per-item path without the outside world, for counting its instructions (bench/instructions):
 *
 *   instructions producer|worker|slot|list N
 *
 * producer: items through the producer core, acknowledged in runs; worker: records through the worker core, run, published,
 * acknowledged in packs; slot: results through the ring of a board, as frames; list: packs of outcomes through list and order.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/list.h"
#include "aggregator/order.h"
#include "producer/core.h"
#include "schemas/item.h"
#include "schemas/slotwire.h"
#include "slots/shared/ring.h"
#include "worker/core/core.h"

#define ANNOUNCED "0123456789abcdef"

enum { RUN = 256, ITEM_BYTES = 102, SLOT = 0 };

static const uint8_t NIL[1] = {0xc0};
static uint8_t item[ITEM_BYTES] = {0xd9, ITEM_BYTES - 2}; /* a string */

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "instructions: %s\n", what);
    exit(1);
}

static spec_t make_spec(void)
{
    spec_t spec;
    spec_init(&spec);
    snprintf(spec.job, sizeof spec.job, "abcdefghij0123456789");
    snprintf(spec.nonce, sizeof spec.nonce, "0123456789abcdef");
    snprintf(spec.task, sizeof spec.task, "noop");
    snprintf(spec.queue, sizeof spec.queue, "default");
    spec.items_partitions = 8;
    spec.value_bytes_max = spec.item_bytes_max = 1 << 20;
    return spec;
}

/* ---- producer ---- */

static size_t answer(producer_t *p, producer_actions_t *actions)
{
    static producer_actions_t more;
    size_t items_n = 0;
    for (size_t i = 0; i < actions->n; i++) {
        const producer_action_t *a = &actions->at[i];
        producer_event_t event = {.cookie = a->cookie, .index = a->cookie, .offset = 1, .partition = a->partition};
        event.type = a->type == PRODUCER_PUT_LOG    ? PRODUCER_LOG_STORED
                     : a->type == PRODUCER_PUT_JOBS ? PRODUCER_JOBS_STORED
                     : a->type == PRODUCER_PUT_ITEM ? PRODUCER_ITEM_STORED
                                                    : PRODUCER_LOG_CHECKED;
        event.announced = ANNOUNCED;
        items_n += a->type == PRODUCER_PUT_ITEM;
        producer_actions_clear(&more);
        producer_step(p, &event, &more);
        if (more.n > 0) {
            producer_actions_t now = more;
            more = (producer_actions_t){0};
            items_n += answer(p, &now);
            producer_actions_free(&now);
        }
    }
    return items_n;
}

static void run_producer(size_t n)
{
    producer_config_t config = {.spec = make_spec(),
                                .announce = ANNOUNCED,
                                .ahead_n = 2 * n + 1,
                                .spill_bytes = 1,
                                .attached = true,
                                .outbox_n = 50000};
    producer_t *p = producer_new(&config);
    producer_actions_t actions = {0};
    size_t stored_n = 0;
    check(p != NULL, "no producer");
    producer_step(p, &(producer_event_t){.type = PRODUCER_BEGIN}, &actions);
    stored_n += answer(p, &actions);
    for (size_t i = 0; i < n; i += RUN) {
        producer_actions_clear(&actions);
        for (size_t j = i; j < i + RUN && j < n; j++)
            producer_step(p, &(producer_event_t){.type = PRODUCER_ITEM, .in = item, .in_len = sizeof item}, &actions);
        stored_n += answer(p, &actions);
    }
    check(stored_n == n && producer_acknowledged(p) == n, "the producer has not published all");
}

/* ---- worker ---- */

typedef struct {
    worker_t *worker;
    worker_actions_t actions;
    uint32_t run;
    uint32_t runs[RUN * 2];
    size_t runs_n, items_n;
    worker_item_t *items[RUN * 2];
    size_t stored_n;
    worker_event_t commit; /* the answer that is owed; TICK: none */
} bed_t;

static void step(bed_t *bed, worker_event_t event)
{
    event.now_ms = 1000;
    worker_actions_clear(&bed->actions);
    worker_step(bed->worker, &event, &bed->actions);
    for (size_t i = 0; i < bed->actions.n; i++) {
        const worker_action_t *a = &bed->actions.at[i];
        if (a->type == WORKER_RUN && bed->runs_n < RUN * 2) {
            worker_ran(bed->worker, a->run.item, bed->run);
            bed->runs[bed->runs_n++] = bed->run++;
        } else if (a->type == WORKER_PUBLISH && bed->items_n < RUN * 2) {
            bed->items[bed->items_n++] = a->publish.item;
        } else if (a->type == WORKER_COMMIT) {
            bed->commit.type = WORKER_COMMITTED;
            bed->commit.committed.lane = a->commit.lane;
            bed->commit.committed.offset = a->commit.offset;
            bed->commit.committed.number = a->commit.number;
            bed->commit.committed.ok = true;
        }
    }
}

static void answer_commit(bed_t *bed)
{
    worker_event_t commit = bed->commit;
    bed->commit.type = WORKER_TICK;
    if (commit.type == WORKER_COMMITTED)
        step(bed, commit);
}

static void finish_runs(bed_t *bed)
{
    answer_commit(bed);
    while (bed->runs_n > 0) {
        uint32_t runs[RUN * 2];
        size_t n = bed->runs_n;
        memcpy(runs, bed->runs, n * sizeof runs[0]);
        bed->runs_n = 0;
        for (size_t i = 0; i < n; i++)
            step(bed, (worker_event_t){.type = WORKER_ATTEMPT_DONE,
                                       .more = true,
                                       .done = {.slot = SLOT,
                                                .n = runs[i],
                                                .kind = FANMAP_VALUE,
                                                .outcome = {.value = NIL, .value_len = 1}}});
        step(bed, (worker_event_t){.type = WORKER_SETTLE}); /* as a turn of the worker's loop ends */
    }
    size_t n = bed->items_n;
    bed->items_n = 0;
    bed->stored_n += n;
    step(bed, (worker_event_t){.type = WORKER_STORED, .stored = {bed->items, n}});
}

static void run_worker(size_t n)
{
    static bed_t bed;
    static const char *const tasks[] = {"noop"};
    worker_config_t config = {.queue = "default",
                              .incarnation = "me",
                              .slots_n = 1,
                              .tasks = tasks,
                              .tasks_n = 1,
                              .budget_bytes = 64 << 20,
                              .items_max = 50000,
                              .item_bytes_max = 1 << 20,
                              .commit_every_ms = 1000,
                              .drain_ms = 1000,
                              .revoke_ms = 1000,
                              .ahead_n = 256,
                              .ahead_bytes = 128 * 1024,
                              .publishing_max = 50000,
                              .seed = 1};
    jobs_record_t jobs = {.field = JOBS_SPEC, .spec = make_spec()};
    buf_t value = {0};
    memcpy(jobs.job, jobs.spec.job, sizeof jobs.job);
    bed.worker = worker_new(&config);
    check(bed.worker != NULL, "no worker");
    step(&bed, (worker_event_t){.type = WORKER_JOBS, .jobs = &jobs});
    step(&bed, (worker_event_t){.type = WORKER_JOBS_POSITION, .position = {1, true}});
    step(&bed, (worker_event_t){.type = WORKER_ASSIGNED, .assigned = {.metadata = "", .member = "m"}});
    step(&bed, (worker_event_t){.type = WORKER_REBALANCED, .member = "m"});
    step(&bed, (worker_event_t){.type = WORKER_SLOT_UP, .slot = {SLOT}});
    for (size_t i = 0; i < n; i++) {
        buf_clear(&value);
        item_encode(&value, i, item, sizeof item);
        step(&bed, (worker_event_t){.type = WORKER_ITEM,
                                    .more = true,
                                    .item = {.offset = (int64_t)i,
                                             .key = jobs.job,
                                             .key_len = strlen(jobs.job),
                                             .value = value.data,
                                             .value_len = value.len,
                                             .payload = &value}});
        if (i % RUN != RUN - 1 && i != n - 1)
            continue;
        step(&bed, (worker_event_t){.type = WORKER_SETTLE});
        finish_runs(&bed);
    }
    check(bed.stored_n == n, "the worker has not published all");
}

/* ---- slot ---- */

static void run_slot(size_t n)
{
    int fd;
    board_t *board = board_create(0, &fd);
    buf_t frame = {0}, in = {0};
    size_t read_n = 0;
    check(board != NULL, "no board");
    for (size_t i = 0; i < n; i++) {
        slot_done_t done = {.n = (uint32_t)i, .kind = FANMAP_VALUE, .value = NIL, .value_len = 1};
        buf_clear(&frame);
        slot_put_done(&frame, &done);
        check(ring_write(board, frame.data, frame.len) == frame.len, "the ring is full");
        if (i % RUN == RUN - 1 || i == n - 1)
            check(ring_read(board, &in) >= 0, "the ring cannot be read");
        size_t used;
        slot_frame_t got;
        while (in.len > 0 && slot_frame_decode(in.data + read_n, in.len - read_n, 1 << 20, &got, &used) > 0)
            read_n += used;
        if (read_n == in.len) {
            buf_clear(&in);
            read_n = 0;
        }
    }
    check(in.len == 0, "frames are left");
}

/* ---- list ---- */

static void on_outcome(void *arg, const outcome_t *outcome)
{
    fanmap_error_t err;
    check(order_put(arg, outcome, &err) == FANMAP_OK, "order");
}

static void run_list(size_t n)
{
    static const list_callbacks_t callbacks = {.outcome = on_outcome};
    fanmap_error_t err;
    order_t *order;
    outcome_t out;
    spec_t spec = make_spec();
    buf_t body = {0}, value = {0};
    size_t out_n = 0;
    check(order_new(16 << 20, NULL, &order, &err) == FANMAP_OK, "no order");
    list_t *list = list_new(spec.job, &callbacks, order);
    check(list != NULL, "no list");
    joblog_encode_start(&value, &spec);
    (void)list_record(list, 0, spec.job, strlen(spec.job), value.data, value.len);
    for (size_t i = 0; i < n; i += RUN) {
        uint32_t count = 0;
        buf_clear(&body);
        buf_clear(&value);
        for (size_t j = i; j < i + RUN && j < n; j++, count++)
            joblog_put_outcome(
                &body, &(outcome_t){.index = j, .attempts = 1, .kind = FANMAP_VALUE, .value = NIL, .value_len = 1});
        joblog_encode_pack(&value, body.data, body.len, count);
        (void)list_record(list, (int64_t)(i / RUN) + 1, spec.job, strlen(spec.job), value.data, value.len);
        while (order_next(order, &out, &err) == FANMAP_OK)
            out_n++;
    }
    check(out_n == n, "the list does not have all");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(size_t n);
    } parts[] = {{"producer", run_producer}, {"worker", run_worker}, {"slot", run_slot}, {"list", run_list}};
    for (size_t i = 0; argc == 3 && i < sizeof parts / sizeof parts[0]; i++) {
        if (strcmp(argv[1], parts[i].name) != 0)
            continue;
        parts[i].run(strtoul(argv[2], NULL, 10));
        return 0;
    }
    fprintf(stderr, "usage: instructions producer|worker|slot|list N\n");
    return 2;
}
