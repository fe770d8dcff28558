/* From what is known of a job to why it waits: every cause, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "client/connection/worker_row.h"
#include "client/joblog/why.h"

/* Two workers of two slots each, nothing of the job runs, 10 items are published and 4 have an outcome. */
static fleet_t fleet(void)
{
    return (fleet_t){
        .workers_n = 2, .rows_n = 2, .slots = 4, .oldest_index = -1, .partitions_n = 8, .owned_n = 8, .lag = 6};
}

static why_facts_t facts(const fleet_t *of)
{
    return (why_facts_t){.job = "j",
                         .task = "t",
                         .queue = "q",
                         .name_space = "ns",
                         .parent = "p",
                         .fleet = of,
                         .known = 4,
                         .published = 10,
                         .published_before = 10,
                         .total = 10,
                         .producer_silent_ms = -1};
}

static void check_first(const why_facts_t *given, why_cause_t cause, const char *part)
{
    why_t ret;
    why(given, &ret);
    assert_true(ret.n > 0);
    assert_int_equal(ret.causes[0], cause);
    if (!strstr(ret.texts[0], part))
        fail_msg("\"%s\" is not in: %s", part, ret.texts[0]);
}

static void check_nothing(const why_facts_t *given)
{
    why_t ret;
    why(given, &ret);
    if (ret.n > 0)
        fail_msg("nothing is wrong, but: %s", ret.texts[0]);
}

static void test_what_runs_does_not_wait(void **state)
{
    fleet_t f = fleet();
    why_facts_t given = facts(&f);
    (void)state;
    f.running = f.job_running = 4;
    f.queued = 2;
    check_nothing(&given);
    f.job_running = 0;
    given.is_over = true;
    given.is_paused = true;
    check_nothing(&given);
}

static void test_a_task_that_does_not_start(void **state)
{
    fleet_t f = fleet();
    why_facts_t given = facts(&f);
    (void)state;
    f.dead_n = 1;
    (void)snprintf(f.dead_worker, sizeof f.dead_worker, "host:7");
    check_first(&given, WHY_NO_START, "1 of the 2 workers of task t cannot start");
    given.known = given.published;
    given.total = 10;
    check_nothing(&given);
}

static void test_out_of_reach(void **state)
{
    fleet_t f = fleet();
    why_facts_t given = facts(&f);
    (void)state;
    given.is_log_gone = true;
    check_first(&given, WHY_LOG_GONE, "retention took");
    given.is_log_gone = false;
    f.is_kafka_silent = true;
    check_first(&given, WHY_KAFKA_AWAY, "Kafka does not answer");
    f = fleet();
    f.has_no_topic = true;
    check_first(&given, WHY_NO_TOPIC, "was deleted: items that had not run are lost");
    f = fleet();
    f.workers_n = -1;
    memcpy(f.redis_why, "no route", 9);
    check_first(&given, WHY_LESS_KNOWN, "no route");
    given.concurrency = 2;
    check_first(&given, WHY_REDIS_AWAY, "starts nothing without Redis: no route");
}

static void test_nobody_and_paused(void **state)
{
    fleet_t f = fleet();
    why_facts_t given = facts(&f);
    (void)state;
    f.is_paused = true; /* as a worker says */
    check_first(&given, WHY_PAUSED, "fanmap resume j");
    f.is_paused = false;
    given.is_paused = true;
    check_first(&given, WHY_PAUSED, "fanmap resume j");
    given.is_paused = false;
    f.workers_n = f.rows_n = 0;
    f.owned_n = 0; /* that nobody has the partitions is no news then */
    check_first(&given, WHY_NO_WORKER, "fanmap worker --queue q --namespace ns");
    why_t ret;
    why(&given, &ret);
    assert_int_equal(ret.n, 1);
}

static void test_offsets(void **state)
{
    fleet_t f = fleet();
    why_facts_t given = facts(&f);
    (void)state;
    f.lag = 0;
    check_first(&given, WHY_PASSED_OVER, "6 items have no outcome");
    given.published_before = 4; /* the others were published after the fleet was asked */
    check_nothing(&given);
    given.published_before = 10;
    given.known = 10;
    check_nothing(&given);
    given.known = 4;
    f = fleet();
    f.lag = -1; /* not known */
    check_nothing(&given);
    f.owned_n = 5;
    check_first(&given, WHY_NO_OWNER, "3 of the 8 partitions");
    f.owned_n = -1;
    check_nothing(&given);
}

static void test_tokens(void **state)
{
    fleet_t f = fleet();
    why_facts_t given = facts(&f);
    (void)state;
    given.concurrency = 3;
    f.is_table_asked = true;
    f.queued = 2;
    check_first(&given, WHY_NO_TABLE, "not in Redis");
    f.has_table = true;
    f.learns_ms = 700;
    check_first(&given, WHY_LEARNING, "about 700 ms");
    f.learns_ms = 0;
    f.held = 5;
    memcpy(f.holders, "host:7 5", 9);
    check_first(&given, WHY_OVER_LIMIT, "(5: host:7 5)");
    f.held = 3;
    check_nothing(&given); /* nobody wants more */
    f.wanting_n = 1;
    check_first(&given, WHY_LIMIT, "all 3 tokens are held (host:7 5)");
    f.running = f.job_running = 3;
    check_first(&given, WHY_LIMIT, "fanmap set j --concurrency N"); /* for who asks ... */
    given.is_still = true;
    check_nothing(&given); /* ... and not for a map whose attempts just take their time */
    given.is_still = false;
    given.concurrency = 0;
    check_nothing(&given);
}

static void test_slots(void **state)
{
    fleet_t f = fleet();
    why_facts_t given = facts(&f);
    (void)state;
    f.queued = 6;
    f.running = 4;
    memcpy(f.other, "o", 2);
    check_first(&given, WHY_NO_SLOT, "all 4 slots of the 2 workers of its task are taken, for example by job o");
    f.parent_running = 1;
    check_first(&given, WHY_OWN_QUEUE, "by an attempt of job p");
    f.parent_running = 0;
    f.rows_n = 1; /* what the other worker does is not known */
    check_nothing(&given);
    f.rows_n = 2;
    f.running = f.job_running = 4; /* its own */
    check_nothing(&given);
    f.slots = f.running = f.job_running = 0;
    check_first(&given, WHY_NO_SLOT, "has one that is up");
}

static void test_backoff_and_backlog(void **state)
{
    fleet_t f = fleet();
    why_facts_t given = facts(&f);
    (void)state;
    f.delayed = 6;
    f.retry_ms = 1500;
    check_first(&given, WHY_BACKOFF, "the first for up to 1.5 s");
    f.queued = 1;
    check_nothing(&given);
    f.delayed = f.queued = 0;
    check_first(&given, WHY_NOT_IN_HAND, "none has an item of it in hand yet: 6 records");
    f.queued = 3;
    check_nothing(&given);
    given.has_rate = true;
    check_first(&given, WHY_RATE, "3 items that workers have in hand wait for their time");
    f.job_running = 1;
    given.is_still = true;
    check_nothing(&given);
}

static void test_order_and_reader(void **state)
{
    fleet_t f = fleet();
    why_facts_t given = facts(&f);
    (void)state;
    f.running = f.job_running = 1;
    given.behind_n = 3;
    given.next_index = 1;
    check_first(&given, WHY_ORDER, "3 outcomes wait for that of item 1 (");
    f.oldest_index = 1;
    f.oldest_ms = 7200;
    memcpy(f.oldest_worker, "host:7", 7);
    check_first(&given, WHY_ORDER, "which has run for 7.2 s on host:7");
    given.behind_n = 0;
    given.is_held = true;
    check_first(&given, WHY_READER, "--ahead");
}

static void test_producer(void **state)
{
    fleet_t f = fleet();
    why_facts_t given = facts(&f);
    (void)state;
    given.total = -1;
    given.known = given.published;
    check_first(&given, WHY_INPUT, "next items");
    given.producer_silent_ms = 16000;
    check_first(&given, WHY_PRODUCER_SILENT, "nothing for 16 s");
    given.is_uncounted = true;
    check_nothing(&given);
    given.is_uncounted = false;
    given.known = 4;
    given.producer_silent_ms = 100;
    f.job_running = 1;
    check_nothing(&given);
}

static void test_rows(void **state)
{
    char text[] = "host=h pid=7 queue=q slots=2 dead=t unfed=u,v later=x "
                  "oldest=a/1/1/5,j/2/1/9 runnable=t/3/500 waiting=ja/1/0/0/0/0,j/4/5/6/70/1 "
                  "heads=ja/0/1/1/runs/3000,j/2/41/1/runs/4000 tasks=t,u";
    worker_row_t row;
    (void)state;
    worker_row_read(text, &row);
    assert_int_equal(row.info.pid, 7);
    assert_int_equal(row.info.slots, 2);
    assert_string_equal(row.info.runnable, "t/3/500");
    assert_true(worker_row_has(row.info.tasks, "u") && !worker_row_has(row.info.tasks, "tt"));
    assert_false(worker_row_has("tu", "t"));
    assert_string_equal(row.dead, "t");
    assert_true(worker_row_has(row.unfed, "v"));
    assert_string_equal(worker_row_of_job(row.waiting, "j"), "4/5/6/70/1");
    assert_null(worker_row_of_job(row.waiting, "a"));
    assert_string_equal(worker_row_of_job(row.heads, "j"), "2/41/1/runs/4000");
    char bare[] = "";
    worker_row_read(bare, &row);
    assert_string_equal(row.waiting, "");
    assert_string_equal(row.info.runnable, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_runs_does_not_wait),
        cmocka_unit_test(test_a_task_that_does_not_start),
        cmocka_unit_test(test_out_of_reach),
        cmocka_unit_test(test_nobody_and_paused),
        cmocka_unit_test(test_offsets),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_backoff_and_backlog),
        cmocka_unit_test(test_order_and_reader),
        cmocka_unit_test(test_producer),
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
