/* Closing at every point of a map's life, many maps in one process, values that must survive the way. */
#include "tests/unit/client_rig.h"

/* A small map, taken apart into steps; `last` steps of it are done and the handle is closed. True: it was over. */
static bool live(fanmap_t *f, int last, bool detach)
{
    fanmap_job_t *job = rig_map(f, "echo", NULL);
    const fanmap_outcome_t *outcome;
    int pushed = 0, r = FANMAP_AGAIN;
    for (int step = 0; step < last && r != FANMAP_END; step++) {
        if (pushed < 3 && fanmap_push(job, FANMAP_JSON, "[1]", 3, NULL) == FANMAP_OK)
            pushed++;
        else if (pushed == 3 && pushed++)
            OK(fanmap_end_input(job, NULL, NULL));
        r = fanmap_next(job, step < 40 ? 0 : 10, &outcome, NULL);
        assert_in_range(r, FANMAP_OK, FANMAP_END);
    }
    fanmap_job_close(job, detach);
    return r == FANMAP_END;
}

static void a_map_may_be_closed_after_any_step(void **state)
{
    (void)state;
    for (int detach = 0; detach < 2; detach++) {
        fanmap_t *f = rig_open(NULL);
        int last = 0;
        while (!live(f, last++, detach))
            assert_in_range(last, 0, 3000);
        assert_in_range(last, 5, 3000);
        assert_true(live(f, 3000, false)); /* what was closed holds nothing up */
        fanmap_close(f);
    }
}

static void a_connection_may_be_closed_after_any_step(void **state)
{
    (void)state;
    for (int last = 0; last < 60; last += 4) {
        fanmap_t *f = rig_open(NULL);
        fanmap_job_t *job = rig_map(f, "sleep_ms", NULL);
        const fanmap_outcome_t *outcome;
        for (int step = 0; step < last; step++) {
            int r = fanmap_push(job, FANMAP_JSON, "30000", 5, NULL);
            assert_in_range(r, FANMAP_OK, FANMAP_AGAIN);
            assert_int_equal(fanmap_next(job, step < 30 ? 0 : 5, &outcome, NULL), FANMAP_AGAIN);
        }
        fanmap_close(f);
        assert_int_equal(rig_children(), 0);
    }
}

static void closing_cancels_what_runs(void **state)
{
    (void)state;
    fanmap_t *f = rig_open((const char *const[]){"slots", "1", NULL});
    fanmap_job_t *job = rig_map(f, "sleep_ms", (const char *const[]){"grace", "100ms", NULL});
    const fanmap_outcome_t *outcome;
    for (int i = 0; i < 5; i++)
        rig_push(f, job, "60000");
    fanmap_stats_t stats = {0};
    for (int64_t until = rig_now_ms() + BOUND_MS; stats.running == 0 && rig_now_ms() < until;) {
        assert_int_equal(fanmap_next(job, 10, &outcome, NULL), FANMAP_AGAIN);
        fanmap_stats(job, &stats, sizeof stats);
    }
    assert_int_equal(stats.running, 1); /* the one slot is taken */
    fanmap_job_close(job, false);
    int64_t began = rig_now_ms();
    assert_true(live(f, 3000, false));
    assert_in_range(rig_now_ms() - began, 0, 20000); /* the slot was freed long before the minute */
    fanmap_close(f);
}

static void two_hundred_maps_leave_nothing(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL);
    rig_use_slots(f, 2);
    int fds = rig_fds(), children = rig_children();
    for (int i = 0; i < 200; i++) {
        if (i % 4 == 3)
            (void)live(f, i % 40, false);
        else
            assert_true(live(f, 3000, false));
    }
    assert_true(live(f, 3000, false));
    assert_in_range(rig_fds(), 1, fds + 4); /* a slot that was being restarted has a few more */
    assert_int_equal(rig_children(), children);
    fanmap_close(f);
}

static void connections_leave_nothing(void **state)
{
    (void)state;
    int fds = rig_fds();
    for (int i = 0; i < 12; i++) {
        fanmap_t *f = rig_open(NULL);
        if (i % 3)
            assert_true(live(f, 3000, false));
        fanmap_close(f);
        assert_int_equal(rig_fds(), fds);
        assert_int_equal(rig_children(), 0);
    }
    fanmap_close(NULL);
    fanmap_job_close(NULL, false);
}

/* Item 0 waits for its retry; what comes after it goes to a disk that is not there. */
static void outcomes_that_cannot_be_kept_end_the_map(void **state)
{
    (void)state;
    setenv("TMPDIR", "/nowhere/at/all", 1);
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *job =
        rig_map(f, "flaky", (const char *const[]){"window", "64KiB", "retries", "1", "backoff", "1h,1,1h", NULL});
    const fanmap_outcome_t *outcome;
    fanmap_error_t err = {0};
    int r = FANMAP_AGAIN;
    rig_push(f, job, "1");
    int64_t until = rig_now_ms() + BOUND_MS;
    for (int i = 0; r == FANMAP_AGAIN && rig_now_ms() < until; i++) {
        if (i < 50000 && fanmap_push(job, FANMAP_JSON, "2", 1, &err) == FANMAP_OK)
            continue;
        r = fanmap_next(job, 100, &outcome, &err);
    }
    unsetenv("TMPDIR");
    assert_int_equal(r, FANMAP_EIO);
    assert_non_null(strstr(err.message, "/nowhere/at/all"));
    assert_int_equal(fanmap_next(job, 0, &outcome, &err), FANMAP_EIO);
    assert_int_equal(fanmap_push(job, FANMAP_JSON, "2", 1, &err), FANMAP_EIO);
    assert_true(live(f, 3000, false)); /* the connection is sound */
    fanmap_close(f);
}

static void values_survive(void **state)
{
    (void)state;
    static const char *const texts[] = {"0",
                                        "-1",
                                        "9223372036854775807",
                                        "-9223372036854775808",
                                        "9223372036854775808",
                                        "18446744073709551615",
                                        "0.1",
                                        "1e+300",
                                        "-0.0",
                                        "2.2250738585072014e-308",
                                        "1.7976931348623157e+308",
                                        "\"\"",
                                        "\"a\\u0000b\"",
                                        "\"\xF0\x9F\x98\x80\"",
                                        "null",
                                        "true",
                                        "[]",
                                        "{}",
                                        "[[[[[[1]]]]]]",
                                        "{\"a\":{\"b\":[1,{\"c\":null}]}}",
                                        "{\"$value\":{\"$error\":1}}",
                                        "{\"$binary\":\"AAECAw==\"}",
                                        "{\"$value\":{\"$binary\":1}}"};
    enum { N = sizeof texts / sizeof texts[0] };
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *job = rig_map(f, "echo", RIG_JSON);
    for (int i = 0; i < N; i++)
        rig_push(f, job, texts[i]);
    OK(fanmap_end_input(job, NULL, NULL));
    for (int i = 0; i < N; i++)
        rig_expect_value(rig_next(job), (uint64_t)i, texts[i]);
    assert_null(rig_next(job));
    fanmap_close(f);
}

static void msgpack_and_text_survive(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *raw = rig_map(f, "echo", NULL),
                 *text = rig_map(f, "echo", (const char *const[]){"value-format", "text", NULL});
    static const char nan[] = "\xcb\x7f\xf8\0\0\0\0\0\0";
    static const char bytes[] = "a\0b\xff";
    rig_push(f, raw, "1");
    rig_push(f, text, "{\"a\":1}");
    OK(fanmap_push(raw, FANMAP_MSGPACK, nan, 9, NULL));
    OK(fanmap_push(text, FANMAP_BYTES, bytes, 4, NULL));
    OK(fanmap_push(text, FANMAP_TEXT, "z\0z", 3, NULL));
    OK(fanmap_push(text, FANMAP_MSGPACK, nan, 9, NULL));
    OK(fanmap_end_input(raw, NULL, NULL));
    OK(fanmap_end_input(text, NULL, NULL));
    const fanmap_outcome_t *o = rig_next(raw);
    assert_memory_equal(o->value, "\x01", 1);
    o = rig_next(raw);
    assert_int_equal(o->value_len, 9);
    assert_memory_equal(o->value, nan, 9);
    rig_expect_value(rig_next(text), 0, "{\"a\":1}");
    o = rig_next(text);
    assert_int_equal(o->value_len, 4);
    assert_memory_equal(o->value, bytes, 4);
    o = rig_next(text);
    assert_int_equal(o->value_len, 3);
    assert_memory_equal(o->value, "z\0z", 3);
    assert_int_equal(rig_next(text)->kind, FANMAP_PROTOCOL); /* text falls back to JSON, which has no NaN */
    fanmap_close(f);
}

static void lines_of_json(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *job = rig_map(f, "square", RIG_JSON), *raw = rig_map(f, "square", NULL);
    const char *line;
    size_t len;
    rig_push(f, job, "7");
    rig_push(f, job, "\"x\"");
    OK(fanmap_end_input(job, NULL, NULL));
    const fanmap_outcome_t *o = rig_next(job);
    OK(fanmap_outcome_json(job, o, true, &line, &len, NULL));
    assert_memory_equal(line, "{\"index\":0,\"attempts\":1,\"value\":49}", len);
    assert_int_equal(fanmap_outcome_json(raw, o, true, &line, &len, NULL), FANMAP_EUSAGE);
    o = rig_next(job);
    OK(fanmap_outcome_json(job, o, false, &line, &len, NULL));
    static const char wanted[] = "{\"$error\":{\"kind\":\"exception\",\"message\":\"square wants an integer\","
                                 "\"type\":\"TypeError\",\"attempts\":1}}";
    assert_int_equal(len, sizeof wanted - 1);
    assert_memory_equal(line, wanted, len);
    fanmap_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_may_be_closed_after_any_step),
        cmocka_unit_test(a_connection_may_be_closed_after_any_step),
        cmocka_unit_test(closing_cancels_what_runs),
        cmocka_unit_test(two_hundred_maps_leave_nothing),
        cmocka_unit_test(connections_leave_nothing),
        cmocka_unit_test(values_survive),
        cmocka_unit_test(outcomes_that_cannot_be_kept_end_the_map),
        cmocka_unit_test(msgpack_and_text_survive),
        cmocka_unit_test(lines_of_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
