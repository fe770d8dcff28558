/* Logs that are gone on with: a record counts once, those that were asked for last stay, another log under an old name is another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "client/joblog/kept_logs.h"

static void put(kept_log_t *log, int64_t offset, buf_t *value)
{
    bus_record_t record = {.offset = offset,
                           .timestamp_ms = 1700000000000,
                           .key = log->id,
                           .key_len = strlen(log->id),
                           .value = value->data,
                           .value_len = value->len};
    kept_log_record(log, &record);
    buf_free(value);
}

static void put_start(kept_log_t *log, int64_t offset)
{
    spec_t spec;
    buf_t value = {0};
    spec_init(&spec);
    snprintf(spec.job, sizeof spec.job, "%s", log->id);
    snprintf(spec.task, sizeof spec.task, "t");
    snprintf(spec.queue, sizeof spec.queue, "q");
    spec.items_partitions = 1;
    joblog_encode_start(&value, &spec);
    put(log, offset, &value);
}

static void put_outcome(kept_log_t *log, int64_t offset, uint64_t index)
{
    buf_t body = {0}, value = {0};
    outcome_t outcome = {.index = index,
                         .attempts = 1,
                         .kind = FANMAP_VALUE,
                         .value = (const uint8_t *)"\x07",
                         .value_len = 1,
                         .type = "",
                         .message = "",
                         .stderr_tail = ""};
    joblog_put_outcome(&body, &outcome);
    joblog_encode_pack(&value, body.data, body.len, 1);
    buf_free(&body);
    put(log, offset, &value);
}

static void test_a_log_is_gone_on_with(void **state)
{
    (void)state;
    kept_logs_t *logs = kept_logs_new(4);
    kept_log_t *log = kept_logs_get(logs, "a", 3, 100);
    assert_int_equal(log->position, 100);
    put_start(log, 100);
    put_outcome(log, 105, 0);
    assert_int_equal(log->position, 106);
    log = kept_logs_get(logs, "a", 3, 100);
    assert_int_equal(log->position, 106);
    put_outcome(log, 105, 0); /* read again */
    put_outcome(log, 106, 1);
    assert_int_equal(list_now(log->counts->list)->known, 2);
    assert_int_equal(log->counts->kinds[FANMAP_VALUE], 2);
    kept_logs_free(logs);
}

static void test_another_log(void **state)
{
    (void)state;
    kept_logs_t *logs = kept_logs_new(4);
    kept_log_t *log = kept_logs_get(logs, "a", 3, 100);
    put_start(log, 100);
    put_outcome(log, 101, 0);
    log = kept_logs_get(logs, "a", 3, 200); /* a new job of that name */
    assert_int_equal(log->position, 200);
    assert_int_equal(list_now(log->counts->list)->known, 0);
    log->position = 300;
    assert_int_equal(kept_logs_get(logs, "a", 4, 200)->position, 200);
    kept_logs_free(logs);
}

static unsigned freed;

static void count_freed(void *more)
{
    assert_ptr_equal(more, &freed);
    freed++;
}

static void test_the_last_ones_stay(void **state)
{
    static const char *const asked[] = {"a", "b", "a", "c"};
    (void)state;
    kept_logs_t *logs = kept_logs_new(2);
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        kept_log_t *log = kept_logs_get(logs, asked[i], 0, 0);
        log->position = 10;
        log->more = &freed;
        log->free_more = count_freed;
    }
    assert_int_equal(freed, 1); /* b */
    assert_int_equal(kept_logs_get(logs, "a", 0, 0)->position, 10);
    kept_logs_drop(logs, "a");
    kept_logs_drop(logs, "a");
    assert_int_equal(freed, 2);
    kept_logs_free(logs);
    assert_int_equal(freed, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_log_is_gone_on_with), cmocka_unit_test(test_another_log),
                                       cmocka_unit_test(test_the_last_ones_stay)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
