/* How much of a stream's lane a worker takes: by records, and by the bytes of all that it keeps of them. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "worker/core/core.h"

enum { BYTES_MAX = 1000, VALUE_BYTES = 10 };

static worker_t *a_worker(stream_order_t order, worker_actions_t *actions)
{
    static const char *const tasks[] = {"task"};
    const worker_config_t config = {.queue = "default",
                                    .incarnation = "i",
                                    .slots_n = 1,
                                    .tasks = tasks,
                                    .tasks_n = 1,
                                    .budget_bytes = 1 << 20,
                                    .items_max = 1000,
                                    .commit_every_ms = 200,
                                    .publishing_max = 64,
                                    .window_max = 100,
                                    .window_bytes_max = BYTES_MAX,
                                    .seed = 1};
    worker_t *w = worker_new(&config);
    jobs_record_t record = {.field = JOBS_SPEC};
    assert_non_null(w);
    spec_init(&record.spec);
    strcpy(record.job, "stream");
    strcpy(record.spec.job, "stream");
    strcpy(record.spec.task, "task");
    strcpy(record.spec.queue, "default");
    record.spec.stream = order;
    worker_step(w, &(worker_event_t){.type = WORKER_JOBS, .jobs = &record}, actions);
    worker_event_t assigned = {.type = WORKER_ASSIGNED};
    assigned.assigned.metadata = "";
    assigned.assigned.was_committed = true;
    assigned.assigned.member = "m";
    assigned.assigned.stream = "stream";
    worker_actions_clear(actions);
    worker_step(w, &assigned, actions);
    return w;
}

/* Records until no more of the lane are wanted. */
static int taken(size_t beside_len)
{
    static uint8_t value[VALUE_BYTES], payload;
    worker_actions_t actions = {0};
    worker_t *w = a_worker(STREAM_BY_PARTITION, &actions);
    int n = 0;
    for (bool is_full = false; !is_full; n++) {
        worker_event_t event = {.type = WORKER_ITEM};
        event.item.offset = n;
        event.item.value = value;
        event.item.value_len = sizeof value;
        event.item.beside_len = beside_len;
        event.item.payload = &payload;
        worker_actions_clear(&actions);
        worker_step(w, &event, &actions);
        for (size_t i = 0; i < actions.n; i++)
            is_full |= actions.at[i].type == WORKER_LANE && !actions.at[i].lane.on;
    }
    worker_actions_clear(&actions);
    worker_abandon(w, &actions);
    worker_free(w);
    worker_actions_free(&actions);
    return n;
}

static void what_is_kept_beside_values_counts(void **state)
{
    (void)state;
    assert_int_equal(taken(0), 100); /* by records */
    assert_int_equal(taken(40), BYTES_MAX / 50);
    assert_int_equal(taken(5000), 1);
}

static bool has_action(const worker_actions_t *actions, worker_action_type_t type)
{
    for (size_t i = 0; i < actions->n; i++)
        if (actions->at[i].type == type)
            return true;
    return false;
}

/* Who begins a stream commits without a word of metadata, and no record is suspected to have killed anybody. */
static void the_first_records_run_at_once(void **state)
{
    static uint8_t value[VALUE_BYTES], payload;
    worker_actions_t actions = {0};
    worker_t *w = a_worker(STREAM_BY_PARTITION, &actions);
    (void)state;
    worker_event_t committed = {.type = WORKER_COMMITTED};
    for (size_t i = 0; i < actions.n; i++)
        if (actions.at[i].type == WORKER_COMMIT)
            committed.committed.number = actions.at[i].commit.number;
    committed.committed.ok = true;
    worker_actions_clear(&actions);
    worker_step(w, &committed, &actions);
    worker_step(w, &(worker_event_t){.type = WORKER_SLOT_UP}, &actions);
    worker_event_t event = {.type = WORKER_ITEM};
    event.item.value = value;
    event.item.value_len = sizeof value;
    event.item.payload = &payload;
    worker_actions_clear(&actions);
    worker_step(w, &event, &actions);
    assert_true(has_action(&actions, WORKER_RUN));
    worker_actions_clear(&actions);
    worker_abandon(w, &actions);
    worker_free(w);
    worker_actions_free(&actions);
}

/* ---- by key ---- */

typedef struct {
    worker_t *w;
    worker_actions_t actions;
    uint32_t next_n;
    bool has_run, has_item, has_commit;
    worker_item_t *item;
    uint64_t commit_number;
    int64_t commit_offset, stored_n;
} rig_t;

/* One event, and what the worker asks for after it. */
static void give(rig_t *rig, const worker_event_t *event)
{
    worker_actions_clear(&rig->actions);
    worker_step(rig->w, event, &rig->actions);
    for (size_t i = 0; i < rig->actions.n; i++) {
        const worker_action_t *a = &rig->actions.at[i];
        if (a->type == WORKER_RUN) {
            worker_ran(rig->w, a->run.item, ++rig->next_n);
            rig->has_run = true;
        } else if (a->type == WORKER_PUBLISH) {
            rig->item = a->publish.item;
            rig->has_item = true;
        } else if (a->type == WORKER_COMMIT) {
            rig->commit_number = a->commit.number;
            rig->commit_offset = a->commit.offset;
            rig->has_commit = true;
        }
    }
}

/* Everything that was asked for is done. */
static void answer(rig_t *rig, int64_t now_ms)
{
    while (rig->has_run || rig->has_item || rig->has_commit) {
        worker_event_t event = {.now_ms = now_ms};
        if (rig->has_commit) {
            event.type = WORKER_COMMITTED;
            event.committed.number = rig->commit_number;
            event.committed.offset = rig->commit_offset;
            event.committed.ok = true;
            rig->has_commit = false;
        } else if (rig->has_item) {
            event.type = WORKER_STORED;
            event.stored.items = &rig->item;
            event.stored.n = 1;
            rig->has_item = false;
            rig->stored_n++;
        } else {
            event.type = WORKER_ATTEMPT_DONE;
            event.done.n = rig->next_n;
            event.done.kind = FANMAP_VALUE;
            event.done.outcome = (outcome_t){.kind = FANMAP_VALUE, .value = (const uint8_t *)"\xc0", .value_len = 1};
            rig->has_run = false;
        }
        give(rig, &event);
    }
}

/* A million records, each of a key of its own: no more is remembered than what is in hand. */
static void a_million_keys(void **state)
{
    enum { KEYS = 1000000 };
    static uint8_t value[VALUE_BYTES], payload;
    rig_t rig = {0};
    struct mallinfo2 before = {0}, now;
    (void)state;
    rig.w = a_worker(STREAM_BY_KEY, &rig.actions);
    give(&rig, &(worker_event_t){.type = WORKER_SLOT_UP});
    for (int64_t n = 0; n < KEYS; n++) {
        worker_event_t event = {.type = WORKER_ITEM, .now_ms = n / 100};
        event.item.offset = n;
        event.item.key = (const char *)&n;
        event.item.key_len = sizeof n;
        event.item.value = value;
        event.item.value_len = sizeof value;
        event.item.payload = &payload;
        give(&rig, &event);
        answer(&rig, n / 100);
        if (n == KEYS / 4)
            before = mallinfo2();
    }
    now = mallinfo2(); /* all 0 under a sanitizer */
    assert_true(now.uordblks + now.hblkhd <= before.uordblks + before.hblkhd + (1u << 20));
    assert_int_equal(rig.stored_n, KEYS);
    worker_actions_clear(&rig.actions);
    worker_abandon(rig.w, &rig.actions);
    worker_free(rig.w);
    worker_actions_free(&rig.actions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_kept_beside_values_counts),
                                       cmocka_unit_test(the_first_records_run_at_once),
                                       cmocka_unit_test(a_million_keys)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
