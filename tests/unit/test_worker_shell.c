/* The worker's shell over the bus in memory and the embedded token table, with slots that are played here (their
 * symbols come before the library's). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/bus.h"
#include "schemas/item.h"
#include "schemas/jobs.h"
#include "slots/slots.h"
#include "tokens/local_port.h"
#include "worker/shell/shell.h"

enum { SLOTS = 3, ITEMS_MAX = 3000, RUNS_MAX = 1024, TURNS_MAX = 20000 };

/* ---- slots that answer with the item itself ---- */

typedef struct {
    uint32_t n; /* of the last run */
    struct {
        uint32_t n;
        uint64_t index;
        uint8_t in[16];
        size_t in_len;
    } runs[RUNS_MAX];
    size_t first, runs_n;
    bool is_down;
} fake_slot_t;

struct slots {
    loop_t *loop;
    slots_callbacks_t callbacks;
    void *arg;
    fake_slot_t at[SLOTS];
    bool hold; /* nothing ends */
    unsigned kills, most_running;
};

static slots_t *fake; /* the one that is open */
static bool fake_hold;

static void fake_up(void *arg)
{
    slots_t *s = arg;
    for (uint32_t i = 0; i < SLOTS; i++)
        s->callbacks.up(s->arg, i);
}

const char *slots_abilities(const slots_t *s)
{
    (void)s;
    return "none";
}

int slots_open(loop_t *loop, const slots_config_t *config, const slots_callbacks_t *callbacks, void *arg, slots_t **ret,
               fanmap_error_t *err)
{
    (void)err;
    assert_int_equal(config->slots_n, SLOTS);
    slots_t *s = calloc(1, sizeof *s);
    s->loop = loop;
    s->callbacks = *callbacks;
    s->arg = arg;
    s->hold = fake_hold;
    *ret = fake = s;
    loop_defer(loop, fake_up, s);
    return FANMAP_OK;
}

static void answer(void *arg)
{
    slots_t *s = arg;
    for (uint32_t i = 0; i < SLOTS && !s->hold; i++) {
        fake_slot_t *slot = &s->at[i];
        while (slot->runs_n > 0 && !s->hold) {
            uint64_t index = slot->runs[slot->first % RUNS_MAX].index;
            slot_done_t done = {.n = slot->runs[slot->first % RUNS_MAX].n,
                                .value = slot->runs[slot->first % RUNS_MAX].in,
                                .value_len = slot->runs[slot->first % RUNS_MAX].in_len,
                                .run_us = 5};
            if (index % 10 == 9) {
                done.kind = FANMAP_EXCEPTION;
                done.message = "nine";
                done.message_len = 4;
            }
            slot->first++;
            slot->runs_n--;
            s->callbacks.done(s->arg, i, &done);
        }
    }
}

void slots_close(slots_t *s)
{
    loop_defer_cancel(s->loop, fake_up, s);
    loop_defer_cancel(s->loop, answer, s);
    fake = NULL;
    free(s);
}

void slots_set_job(slots_t *s, uint32_t slot, uint32_t job_key, const slots_job_t *job)
{
    (void)job_key;
    assert_int_equal(s->at[slot].runs_n, 0);
    assert_true(strcmp(job->task->name, "echo") == 0 || strcmp(job->task->name, "again") == 0);
}

void slots_call(slots_t *s, uint32_t slot, uint32_t n)
{
    assert_true(n > 1 && s->at[slot].runs_n == 0);
}

uint32_t slots_run(slots_t *s, uint32_t slot, const slot_run_t *run)
{
    fake_slot_t *f = &s->at[slot];
    assert_true(f->runs_n < RUNS_MAX && run->in_len <= sizeof f->runs[0].in);
    size_t place = (f->first + f->runs_n++) % RUNS_MAX;
    f->runs[place].n = ++f->n;
    f->runs[place].index = run->index;
    f->runs[place].in_len = run->in_len;
    memcpy(f->runs[place].in, run->in, run->in_len);
    return f->n;
}

void slots_flush(slots_t *s)
{
    unsigned running = 0;
    for (uint32_t i = 0; i < SLOTS; i++)
        running += s->at[i].runs_n > 0;
    s->most_running = running > s->most_running ? running : s->most_running;
    if (running > 0 && !s->hold) {
        loop_defer_cancel(s->loop, answer, s);
        loop_defer(s->loop, answer, s);
    }
}

uint32_t slots_take_back(slots_t *s, uint32_t slot)
{
    fake_slot_t *f = &s->at[slot];
    if (f->runs_n > 1)
        f->runs_n = 1;
    return f->runs_n > 0 ? f->runs[f->first % RUNS_MAX].n + 1 : f->n + 1;
}

static void fell(void *arg)
{
    slots_t *s = arg;
    for (uint32_t i = 0; i < SLOTS; i++) {
        fake_slot_t *f = &s->at[i];
        if (!f->is_down)
            continue;
        slot_down_t down = {.why = SLOT_DOWN_KILLED,
                            .has_attempt = f->runs_n > 0,
                            .n = f->runs[f->first % RUNS_MAX].n,
                            .unstarted_from = f->runs[f->first % RUNS_MAX].n + 1,
                            .signo = 9,
                            .message = ""};
        f->is_down = false;
        f->first += f->runs_n;
        f->runs_n = 0;
        s->callbacks.down(s->arg, i, &down);
        s->callbacks.up(s->arg, i);
    }
}

void slots_kill(slots_t *s, uint32_t slot, uint32_t n, bool now)
{
    (void)n;
    (void)now;
    s->kills++;
    s->at[slot].is_down = true;
    loop_defer_cancel(s->loop, fell, s);
    loop_defer(s->loop, fell, s);
}

void slots_freeze(slots_t *s, uint32_t slot, bool freeze)
{
    (void)s;
    (void)slot;
    (void)freeze;
}

void slots_set_lapse(slots_t *s, uint32_t job_key, int64_t lapse_at_ms)
{
    (void)s;
    (void)job_key;
    (void)lapse_at_ms;
}

void slots_set_timeout(slots_t *s, uint32_t timeout_ms)
{
    (void)s;
    (void)timeout_ms;
}

/* ---- the world around the shell ---- */

typedef struct {
    loop_t *loop;
    bus_t *bus;
    tokens_port_t *tokens;
    worker_shell_t *shell;
    bus_topic_t *items, *results, *jobs, *dead;
    bus_reader_t *readers[2];
    bool topics_ready, is_ready, is_ended;
    uint64_t delivered;
    unsigned outcomes[ITEMS_MAX], outcomes_n, failed_n, records_n, dead_n;
    int64_t offsets[4];
    spec_t spec;
    const char *dead_topic; /* where dead letters stood */
} world_t;

static void on_delivered(void *arg, uint64_t cookie, int32_t partition, int64_t offset, const fanmap_error_t *err)
{
    world_t *x = arg;
    (void)cookie;
    (void)partition;
    (void)offset;
    assert_null(err);
    x->delivered++;
}

static bool on_result(void *arg, const bus_record_t *record)
{
    world_t *x = arg;
    joblog_record_t decoded;
    outcome_t outcome;
    assert_true(joblog_decode(record->value, record->value_len, &decoded));
    x->records_n++;
    while (decoded.type == JOBLOG_OUTCOMES && joblog_next_outcome(&decoded, &outcome)) {
        assert_true(outcome.index < ITEMS_MAX);
        x->outcomes_n += x->outcomes[outcome.index]++ == 0;
        x->failed_n += outcome.kind != FANMAP_VALUE;
        assert_int_equal(outcome.kind == FANMAP_VALUE, outcome.index % 10 != 9);
    }
    return false;
}

static bool on_dead(void *arg, const bus_record_t *record)
{
    world_t *x = arg;
    static const char *const names[] = {"fanmap.topic", "fanmap.partition", "fanmap.offset", "fanmap.reason",
                                        "fanmap.stage"};
    assert_int_equal(record->headers_n, 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(record->headers[i].name, names[i]);
    assert_memory_equal(record->headers[0].value, x->dead_topic, record->headers[0].value_len);
    if (record->key_len == 1) {
        assert_memory_equal(record->key, "J", 1);
        assert_int_equal(record->value_len, 4);
        assert_memory_equal(record->value, "junk", 4);
        assert_memory_equal(record->headers[1].value, "0", 1);
        assert_memory_equal(record->headers[2].value, "0", 1);
        assert_memory_equal(record->headers[3].value, "it is not an item", 17);
    }
    x->dead_n++;
    return false;
}

static void on_ready(void *arg)
{
    ((world_t *)arg)->is_ready = true;
}

static void on_ended(void *arg, const fanmap_error_t *err)
{
    assert_null(err);
    ((world_t *)arg)->is_ended = true;
}

static void on_topics(void *arg, const uint32_t *partitions_n, const fanmap_error_t *err)
{
    assert_null(err);
    assert_int_equal(partitions_n[0], 4);
    ((world_t *)arg)->topics_ready = true;
}

/* Turns the loop until the condition holds; bounded. */
#define UNTIL(x, condition)                                                                                            \
    do {                                                                                                               \
        int turns_ = 0;                                                                                                \
        while (!(condition) && turns_++ < TURNS_MAX)                                                                   \
            assert_true(loop_run_once((x)->loop, 10) >= 0);                                                            \
        assert_true(condition);                                                                                        \
    } while (0)

static const slots_task_t tasks[] = {{.name = "echo"}, {.name = "again"}};
static const slots_catalogue_t catalogue = {.tasks = (slots_task_t *)(uintptr_t)tasks, .n = 1};
static const slots_catalogue_t both = {.tasks = (slots_task_t *)(uintptr_t)tasks, .n = 2};

static void open_topics(world_t *x)
{
    static const bus_reader_callbacks_t results = {.record = on_result}, dead = {.record = on_dead};
    const bus_topic_config_t topics[] = {{"t.items.q.echo", 4, false, -1, 1 << 20},
                                         {"t.results", 1, false, -1, 1 << 20},
                                         {"t.jobs", 1, true, -1, 1 << 20},
                                         {"t.dead", 1, false, -1, 1 << 20}};
    fanmap_error_t err;
    assert_int_equal(bus_ensure_topics(x->bus, topics, 4, true, on_topics, x, &err), FANMAP_OK);
    UNTIL(x, x->topics_ready);
    assert_int_equal(bus_topic_open(x->bus, "t.items.q.echo", on_delivered, x, &x->items, &err), FANMAP_OK);
    assert_int_equal(bus_topic_open(x->bus, "t.results", on_delivered, x, &x->results, &err), FANMAP_OK);
    assert_int_equal(bus_topic_open(x->bus, "t.jobs", on_delivered, x, &x->jobs, &err), FANMAP_OK);
    assert_int_equal(bus_topic_open(x->bus, "t.dead", on_delivered, x, &x->dead, &err), FANMAP_OK);
    assert_int_equal(bus_read(x->results, 0, BUS_BEGIN, &results, x, &x->readers[0], &err), FANMAP_OK);
    assert_int_equal(bus_read(x->dead, 0, BUS_BEGIN, &dead, x, &x->readers[1], &err), FANMAP_OK);
}

static void open_shell_of(world_t *x, const slots_catalogue_t *served)
{
    static const worker_shell_callbacks_t callbacks = {.ready = on_ready, .ended = on_ended};
    worker_shell_config_t config = {.name_space = "t",
                                    .queue = "q",
                                    .catalogue = served,
                                    .slots_n = SLOTS,
                                    .budget_bytes = 1 << 20,
                                    .drain_ms = 300,
                                    .partitions = 4,
                                    .retention_ms = -1,
                                    .create_topics = true,
                                    .item_bytes_max = 1 << 20,
                                    .value_bytes_max = 1 << 20,
                                    .task_log_fd = -1};
    fanmap_error_t err;
    x->is_ready = x->is_ended = false;
    assert_int_equal(worker_shell_open(x->loop, x->bus, x->tokens, &config, &callbacks, x, &x->shell, &err), FANMAP_OK);
}

static void open_shell(world_t *x)
{
    open_shell_of(x, &catalogue);
}

static world_t *world_new(void)
{
    world_t *x = calloc(1, sizeof *x);
    fanmap_error_t err;
    fake_hold = false;
    x->dead_topic = "t.items.q.echo";
    assert_int_equal(loop_new(&x->loop, &err), FANMAP_OK);
    assert_int_equal(bus_open_memory(x->loop, &x->bus, &err), FANMAP_OK);
    assert_int_equal(tokens_local_port_open(x->loop, &x->tokens, &err), FANMAP_OK);
    open_topics(x);
    return x;
}

static void world_free(world_t *x)
{
    worker_shell_close(x->shell);
    x->tokens->close(x->tokens);
    bus_reader_close(x->readers[0]);
    bus_reader_close(x->readers[1]);
    bus_close(x->bus, 100);
    loop_free(x->loop);
    free(x);
}

static void put(world_t *x, bus_topic_t *topic, int32_t partition, const char *key, const buf_t *value)
{
    fanmap_error_t err;
    uint64_t before = x->delivered;
    assert_int_equal(bus_produce(topic, partition, key, strlen(key), value->data, value->len, 0, &err), FANMAP_OK);
    UNTIL(x, x->delivered > before);
}

static void put_job_of(world_t *x, const char *job, const char *task, uint64_t concurrency)
{
    char key[JOB_ID_MAX + 16];
    buf_t b = {0};
    spec_init(&x->spec);
    snprintf(x->spec.job, sizeof x->spec.job, "%s", job);
    snprintf(x->spec.task, sizeof x->spec.task, "%s", task);
    snprintf(x->spec.queue, sizeof x->spec.queue, "q");
    if (concurrency > 0)
        snprintf(x->spec.nonce, sizeof x->spec.nonce, "nonce");
    x->spec.items_partitions = 4;
    x->spec.start_offset = 0;
    x->spec.concurrency = concurrency;
    jobs_encode_spec(&b, &x->spec);
    jobs_key(key, sizeof key, job, JOBS_SPEC);
    put(x, x->jobs, 0, key, &b);
    buf_free(&b);
}

static void put_job(world_t *x, const char *job, uint64_t concurrency)
{
    put_job_of(x, job, "echo", concurrency);
}

static void put_items(world_t *x, const char *job, uint64_t from, uint64_t to)
{
    buf_t b = {0}, in = {0};
    for (uint64_t i = from; i < to; i++) {
        buf_clear(&b);
        buf_clear(&in);
        mp_put_uint(&in, i);
        item_encode(&b, i, in.data, in.len);
        put(x, x->items, (int32_t)(i % 4), job, &b);
    }
    buf_free(&b);
    buf_free(&in);
}

static void drain(world_t *x)
{
    worker_shell_drain(x->shell);
    UNTIL(x, x->is_ended);
}

/* ---- tests ---- */

static void items_become_outcomes(void **state)
{
    (void)state;
    world_t *x = world_new();
    put_job(x, "J", 0);
    put_items(x, "J", 0, 200); /* some before the worker, some after */
    open_shell(x);
    UNTIL(x, x->is_ready);
    put_items(x, "J", 200, 1000);
    UNTIL(x, x->outcomes_n == 1000);
    assert_int_equal(x->failed_n, 100);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(x->outcomes[i], 1);
    assert_true(x->records_n < 1000); /* packed */
    drain(x);
    world_free(x);
}

static void what_was_committed_is_not_run_again(void **state)
{
    (void)state;
    world_t *x = world_new();
    put_job(x, "J", 0);
    open_shell(x);
    put_items(x, "J", 0, 100);
    UNTIL(x, x->outcomes_n == 100);
    drain(x);
    worker_shell_close(x->shell);
    open_shell(x);
    UNTIL(x, x->is_ready);
    put_items(x, "J", 100, 200);
    UNTIL(x, x->outcomes_n == 200);
    for (int i = 0; i < 200; i++)
        assert_int_equal(x->outcomes[i], 1);
    world_free(x);
}

static void a_limit_holds(void **state)
{
    (void)state;
    world_t *x = world_new();
    put_job(x, "J", 2);
    open_shell(x);
    put_items(x, "J", 0, 300);
    UNTIL(x, x->outcomes_n == 300);
    assert_true(fake->most_running <= 2);
    world_free(x);
}

static void a_cancelled_job_stops(void **state)
{
    (void)state;
    world_t *x = world_new();
    buf_t b = {0};
    fake_hold = true;
    put_job(x, "J", 0);
    open_shell(x);
    put_items(x, "J", 0, 50);
    worker_stats_t stats = {0};
    UNTIL(x, (worker_stats(worker_shell_core(x->shell), &stats), stats.running == SLOTS));
    jobs_encode_end(&b, END_CANCEL);
    put(x, x->jobs, 0, "J/end", &b);
    UNTIL(x, (worker_stats(worker_shell_core(x->shell), &stats), stats.running == 0 && stats.queued == 0));
    assert_int_equal(fake->kills, SLOTS);
    assert_int_equal(x->outcomes_n, 0);
    buf_free(&b);
    world_free(x);
}

static void strangers_go_to_the_dead_letters(void **state)
{
    (void)state;
    world_t *x = world_new();
    buf_t junk = {0};
    put_job(x, "J", 0);
    open_shell(x);
    buf_append_text(&junk, "junk");
    put(x, x->items, 0, "J", &junk);
    put_items(x, "nobodys-job", 0, 5);
    put_items(x, "J", 0, 8);
    UNTIL(x, x->outcomes_n == 8 && x->dead_n == 6);
    drain(x);
    buf_free(&junk);
    world_free(x);
}

/* A worker of two tasks takes the items of each from its own topic; what stands on another's is buried there. */
static void each_task_has_its_topic(void **state)
{
    (void)state;
    world_t *x = world_new();
    fanmap_error_t err;
    bus_topic_t *again, *items = x->items;
    put_job(x, "jay", 0);
    put_job_of(x, "kay", "again", 0);
    open_shell_of(x, &both);
    UNTIL(x, x->is_ready);
    assert_int_equal(bus_topic_open(x->bus, "t.items.q.again", on_delivered, x, &again, &err), FANMAP_OK);
    put_items(x, "jay", 0, 40);
    x->items = again;
    put_items(x, "kay", 40, 80);
    UNTIL(x, x->outcomes_n == 80);
    assert_int_equal(x->dead_n, 0);
    x->dead_topic = "t.items.q.again";
    put_items(x, "jay", 80, 84);
    UNTIL(x, x->dead_n == 4);
    assert_int_equal(x->outcomes_n, 80);
    x->items = items;
    put_items(x, "jay", 80, 84);
    UNTIL(x, x->outcomes_n == 84);
    drain(x);
    world_free(x);
}

static void a_drain_leaves_the_rest_to_others(void **state)
{
    (void)state;
    world_t *x = world_new();
    fake_hold = true;
    put_job(x, "J", 0);
    open_shell(x);
    put_items(x, "J", 0, 20);
    worker_stats_t stats = {0};
    UNTIL(x, (worker_stats(worker_shell_core(x->shell), &stats), stats.running == SLOTS));
    drain(x); /* nothing ends by itself: killed after drain_ms */
    assert_true(fake->kills >= SLOTS);
    assert_int_equal(x->outcomes_n, 0);
    worker_shell_close(x->shell);
    fake_hold = false;
    open_shell(x);
    UNTIL(x, x->outcomes_n == 20);
    world_free(x);
}

static void closing_in_the_middle_gives_everything_back(void **state)
{
    (void)state;
    world_t *x = world_new();
    fake_hold = true;
    put_job(x, "J", 0);
    open_shell(x);
    put_items(x, "J", 0, 100);
    worker_stats_t stats = {0};
    UNTIL(x, (worker_stats(worker_shell_core(x->shell), &stats), stats.running == SLOTS));
    world_free(x); /* the sanitizers judge */
    x = world_new();
    open_shell(x);
    world_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_become_outcomes),
        cmocka_unit_test(what_was_committed_is_not_run_again),
        cmocka_unit_test(a_limit_holds),
        cmocka_unit_test(a_cancelled_job_stops),
        cmocka_unit_test(strangers_go_to_the_dead_letters),
        cmocka_unit_test(each_task_has_its_topic),
        cmocka_unit_test(a_drain_leaves_the_rest_to_others),
        cmocka_unit_test(closing_in_the_middle_gives_everything_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
