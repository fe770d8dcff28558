/* A job's log, counted for operators: kinds, rate, the oldest item without an outcome, and a spec told as options. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/joblog/job_counts.h"
#include "client/options/policy.h"

static const char JOB[] = "j1";
enum { SECOND = 1000 };
static const int64_t BEGAN_MS = 1700000000000;

typedef struct {
    job_counts_t *counts;
    int64_t offset;
} log_t;

static void put(log_t *log, int64_t at_ms, buf_t *value)
{
    bus_record_t record = {.offset = log->offset++,
                           .timestamp_ms = at_ms,
                           .key = JOB,
                           .key_len = strlen(JOB),
                           .value = value->data,
                           .value_len = value->len};
    job_counts_record(log->counts, &record);
    buf_free(value);
}

static void put_start(log_t *log)
{
    spec_t spec;
    buf_t value = {0};
    spec_init(&spec);
    snprintf(spec.job, sizeof spec.job, "%s", JOB);
    snprintf(spec.task, sizeof spec.task, "t");
    snprintf(spec.queue, sizeof spec.queue, "q");
    spec.items_partitions = 1;
    joblog_encode_start(&value, &spec);
    put(log, BEGAN_MS, &value);
}

/* Outcomes from..from+n-1 in one pack. */
static void put_outcomes(log_t *log, int64_t at_ms, uint64_t from, uint32_t n, fanmap_kind_t kind)
{
    buf_t body = {0}, value = {0};
    for (uint32_t i = 0; i < n; i++) {
        outcome_t outcome = {.index = from + i,
                             .attempts = 2,
                             .kind = kind,
                             .value = (const uint8_t *)"\x07",
                             .value_len = 1,
                             .type = "",
                             .message = "",
                             .stderr_tail = ""};
        joblog_put_outcome(&body, &outcome);
    }
    joblog_encode_pack(&value, body.data, body.len, n);
    buf_free(&body);
    put(log, at_ms, &value);
}

static void put_progress(log_t *log, int64_t at_ms, uint64_t prefix)
{
    int64_t offset = (int64_t)prefix;
    progress_t progress = {.prefix = prefix, .producer = "p", .partitions = 1};
    buf_t value = {0};
    joblog_encode_progress(&value, &progress, &offset);
    put(log, at_ms, &value);
}

static void put_input(log_t *log, uint64_t n)
{
    buf_t value = {0};
    joblog_encode_input(&value, n, NULL);
    put(log, BEGAN_MS, &value);
}

static log_t begin(void)
{
    log_t log = {job_counts_new(JOB), 0};
    assert_non_null(log.counts);
    put_start(&log);
    return log;
}

static void counts_what_the_list_says(void **state)
{
    (void)state;
    log_t log = begin();
    fanmap_job_info_t info = {.reason = "", .total = -1};
    put_progress(&log, BEGAN_MS, 10);
    put_outcomes(&log, BEGAN_MS, 0, 4, FANMAP_VALUE);
    put_outcomes(&log, BEGAN_MS, 2, 3, FANMAP_EXIT); /* two of them are known already */
    job_counts_info(log.counts, &info);
    assert_true(info.has_counts);
    assert_int_equal(info.state, FANMAP_JOB_RUNNING);
    assert_int_equal(info.known, 5);
    assert_int_equal(info.failed, 1);
    assert_int_equal(info.retried, 5);
    assert_int_equal(info.published, 10);
    assert_int_equal(info.total, -1);
    assert_int_equal(log.counts->kinds[FANMAP_VALUE], 4);
    assert_int_equal(log.counts->kinds[FANMAP_EXIT], 1);
    assert_int_equal(job_counts_oldest(log.counts), 5);
    put_outcomes(&log, BEGAN_MS, 5, 1, FANMAP_VALUE);
    put_input(&log, 6);
    job_counts_info(log.counts, &info);
    assert_int_equal(info.state, FANMAP_JOB_ENDED);
    assert_string_equal(info.reason, "complete");
    assert_int_equal(info.total, 6);
    assert_int_equal(job_counts_oldest(log.counts), -1);
    job_counts_free(log.counts);
}

static void what_a_closed_list_lacks_is_counted_as_cancelled(void **state)
{
    (void)state;
    log_t log = begin();
    buf_t value = {0};
    fanmap_job_info_t info = {.reason = ""};
    put_progress(&log, BEGAN_MS, 5);
    put_outcomes(&log, BEGAN_MS, 1, 2, FANMAP_VALUE);
    joblog_encode_end(&value, END_CANCEL);
    put(&log, BEGAN_MS, &value);
    job_counts_info(log.counts, &info);
    assert_string_equal(info.reason, "cancel");
    assert_int_equal(log.counts->kinds[FANMAP_CANCELLED], 3);
    job_counts_free(log.counts);
}

static void the_rate_is_of_the_last_minute(void **state)
{
    (void)state;
    log_t log = begin();
    assert_true(job_counts_rate(log.counts, BEGAN_MS) == 0);
    put_outcomes(&log, BEGAN_MS, 0, 100, FANMAP_VALUE);
    assert_true(job_counts_rate(log.counts, BEGAN_MS + 10 * SECOND) == 10); /* a young job: over its life */
    put_outcomes(&log, BEGAN_MS + 100 * SECOND, 100, 30, FANMAP_VALUE);
    put_outcomes(&log, BEGAN_MS + 100 * SECOND, 130, 30, FANMAP_VALUE);
    assert_true(job_counts_rate(log.counts, BEGAN_MS + 110 * SECOND) == 1); /* the first hundred are too old */
    assert_true(job_counts_rate(log.counts, BEGAN_MS + 300 * SECOND) == 0);
    put_input(&log, 160);
    assert_true(job_counts_rate(log.counts, BEGAN_MS + 9999 * SECOND) == 1.6); /* ended: 160 in 100 s */
    job_counts_free(log.counts);
}

static void the_producers_last_word_is_kept(void **state)
{
    (void)state;
    log_t log = begin();
    assert_int_equal(log.counts->producer_ms, BEGAN_MS);
    put_progress(&log, BEGAN_MS + 5 * SECOND, 1);
    put_outcomes(&log, BEGAN_MS + 9 * SECOND, 0, 1, FANMAP_VALUE);
    assert_int_equal(log.counts->producer_ms, BEGAN_MS + 5 * SECOND);
    job_counts_free(log.counts);
}

static const char *value_of(const policy_t *policy, const char *name)
{
    for (size_t i = 0; i < policy->n; i++)
        if (strcmp(policy->names[i], name) == 0)
            return policy->values[i];
    return NULL;
}

static void a_policy_is_told_as_options(void **state)
{
    (void)state;
    spec_t spec = {0};
    policy_t policy;
    spec_init(&spec);
    policy_fill(&policy, &spec);
    for (size_t i = 0; i < policy.n; i++)
        print_message("%s %s\n", policy.names[i], policy.values[i]);
    assert_int_equal(policy.n, 0); /* all defaults */
    spec.retries = 3;
    spec.timeout_ms = 90000;
    spec.fail_fast = true;
    spec.value_bytes_max = 2 << 20;
    spec.halt = (halt_t){HALT_SOON, HALT_FAIL, 10, true};
    spec.cpu_time_ms = 1500;
    spec.final_exits_n = 2;
    spec.final_exits[0] = (exit_range_t){64, 78};
    spec.final_exits[1] = (exit_range_t){99, 99};
    policy_fill(&policy, &spec);
    assert_int_equal(policy.n, 7);
    assert_string_equal(value_of(&policy, "cpu-time"), "1500ms");
    assert_string_equal(value_of(&policy, "final-exit"), "64-78,99");
    assert_string_equal(value_of(&policy, "retries"), "3");
    assert_string_equal(value_of(&policy, "timeout"), "90s");
    assert_string_equal(value_of(&policy, "fail-fast"), "true");
    assert_string_equal(value_of(&policy, "value-max"), "2MiB");
    assert_string_equal(value_of(&policy, "halt"), "soon,fail=10%");
}

/* Of two, each option that is not the same, with what it is and what was asked for; whose trace it is does not count. */
static void two_policies_are_compared(void **state)
{
    char text[200];
    spec_t is, asked;
    (void)state;
    spec_init(&is);
    spec_init(&asked);
    strcpy(asked.traceparent, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    policy_stays(&is, &asked, text, sizeof text);
    assert_string_equal(text, "");
    is.retries = asked.retries = 4; /* the same, and no default */
    is.timeout_ms = 1500;
    asked.batch_n = 8;
    is.concurrency = 2;
    asked.concurrency = 3;
    policy_stays(&is, &asked, text, sizeof text);
    assert_string_equal(text, "--timeout 1500ms (not none), --concurrency 2 (not 3), --batch 1 (not 8)");
    policy_stays(&is, &asked, text, 20); /* what does not fit is cut */
    assert_string_equal(text, "--timeout 1500ms (n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_what_the_list_says),
        cmocka_unit_test(what_a_closed_list_lacks_is_counted_as_cancelled),
        cmocka_unit_test(the_rate_is_of_the_last_minute),
        cmocka_unit_test(the_producers_last_word_is_kept),
        cmocka_unit_test(a_policy_is_told_as_options),
        cmocka_unit_test(two_policies_are_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
