/* A map whose items are the values of another: order, failures, ends, back-pressure, closing. */
#include "tests/unit/client_rig.h"

static void pipe_ok(fanmap_job_t *from, fanmap_job_t *to)
{
    fanmap_error_t err;
    if (fanmap_pipe(from, to, &err) != FANMAP_OK)
        fail_msg("%s", err.message);
}

/* Waits for the end of `job` and returns how it ended; whatever is handed out before it is counted. */
static int end_of(fanmap_job_t *job, int *ret_n, fanmap_error_t *err)
{
    const fanmap_outcome_t *outcome;
    int r, n = 0;
    int64_t until = rig_now_ms() + BOUND_MS;
    while ((r = fanmap_next(job, BOUND_MS, &outcome, err)) == FANMAP_OK || r == FANMAP_AGAIN) {
        n += r == FANMAP_OK;
        assert_true(rig_now_ms() < until);
    }
    if (ret_n)
        *ret_n = n;
    return r;
}

static void values_stream_through_before_the_first_map_ends(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *from = rig_map(f, "square", NULL), *to = rig_map(f, "square", RIG_JSON);
    pipe_ok(from, to);
    for (int i = 0; i < 500; i++) {
        char number[32];
        snprintf(number, sizeof number, "%d", i);
        rig_push(f, from, number);
        if (i % 100)
            continue;
        fanmap_stats_t stats;
        do
            OK(fanmap_dispatch(f, 0, NULL));
        while (fanmap_stats(to, &stats, sizeof stats), stats.known < stats.published || stats.published <= (unsigned)i);
    }
    OK(fanmap_end_input(from, NULL, NULL));
    for (uint64_t i = 0; i < 500; i++) {
        char wanted[32];
        snprintf(wanted, sizeof wanted, "%llu", (unsigned long long)(i * i * i * i));
        rig_expect_value(rig_next(to), i, wanted);
    }
    assert_null(rig_next(to));
    assert_null(rig_next(from)); /* its end is told too, and none of its outcomes */
    fanmap_close(f);
}

static void a_failure_of_the_first_map_stands_in_its_place_in_the_second(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *from = rig_map(f, "square", NULL);
    fanmap_job_t *to = rig_map(f, "echo", (const char *const[]){"value-format", "json", "item-max", "5", NULL});
    pipe_ok(from, to);
    static const char *const items[] = {"2", "\"x\"", "3", "{nonsense", "1000000", "4"};
    for (int i = 0; i < 6; i++)
        rig_push(f, from, items[i]);
    OK(fanmap_end_input(from, NULL, NULL));
    rig_expect_value(rig_next(to), 0, "4");
    const fanmap_outcome_t *o = rig_next(to);
    assert_int_equal(o->index, 1);
    assert_int_equal(o->kind, FANMAP_EXCEPTION);
    assert_string_equal(o->type, "TypeError");
    assert_string_equal(o->message, "square wants an integer");
    assert_int_equal(o->attempts, 1);
    rig_expect_value(rig_next(to), 2, "9");
    o = rig_next(to);
    assert_int_equal(o->kind, FANMAP_BAD_INPUT);
    assert_non_null(strstr(o->message, " 4: "));
    assert_int_equal(rig_next(to)->kind, FANMAP_TOO_LARGE); /* for the second map, which has its own limit */
    rig_expect_value(rig_next(to), 5, "16");
    assert_null(rig_next(to));
    fanmap_stats_t stats;
    fanmap_stats(to, &stats, sizeof stats);
    assert_int_equal(stats.failed, 3);
    fanmap_close(f);
}

static void every_end_of_a_chain_is_told_once(void **state)
{
    (void)state;
    enum { MAPS = 4, ITEMS = 300 };
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *jobs[MAPS];
    for (int i = 0; i < MAPS; i++)
        jobs[i] = rig_map(f, "echo", RIG_JSON);
    for (int i = 0; i + 1 < MAPS; i++)
        pipe_ok(jobs[i], jobs[i + 1]);
    rig_push_numbers(f, jobs[0], 0, ITEMS);
    OK(fanmap_end_input(jobs[0], NULL, NULL));
    int taken = 0, ends[MAPS] = {0};
    for (;;) {
        fanmap_job_t *job = NULL;
        const fanmap_outcome_t *outcome;
        int r = fanmap_next_any(f, BOUND_MS, &job, &outcome, NULL);
        if (!job)
            break;
        if (r == FANMAP_OK)
            assert_ptr_equal(job, jobs[MAPS - 1]);
        taken += r == FANMAP_OK;
        for (int i = 0; i < MAPS; i++)
            ends[i] += r == FANMAP_END && job == jobs[i];
    }
    assert_int_equal(taken, ITEMS);
    for (int i = 0; i < MAPS; i++)
        assert_int_equal(ends[i], 1);
    fanmap_close(f);
}

static void closing_the_reader_cancels_everything_before_it(void **state)
{
    (void)state;
    fanmap_t *f = rig_open((const char *const[]){"slots", "1", NULL});
    static const char *const quick[] = {"grace", "100ms", NULL};
    fanmap_job_t *first = rig_map(f, "sleep_ms", quick), *second = rig_map(f, "echo", NULL),
                 *third = rig_map(f, "echo", NULL);
    fanmap_error_t err;
    pipe_ok(first, second);
    pipe_ok(second, third);
    rig_push(f, first, "1");
    assert_non_null(rig_next(third));
    for (int i = 0; i < 20; i++)
        rig_push(f, first, "60000");
    fanmap_job_close(third, false);
    assert_int_equal(end_of(second, NULL, &err), FANMAP_ESTOPPED);
    assert_int_equal(end_of(first, NULL, &err), FANMAP_ESTOPPED);
    assert_non_null(strstr(err.message, "cancelled"));
    assert_int_equal(fanmap_push(first, FANMAP_JSON, "1", 1, &err), FANMAP_ESTOPPED);
    fanmap_job_t *next = rig_map(f, "echo", RIG_JSON); /* the one slot is free long before the minute */
    int64_t began = rig_now_ms();
    rig_push(f, next, "1");
    rig_expect_value(rig_next(next), 0, "1");
    assert_in_range(rig_now_ms() - began, 0, 20000);
    fanmap_close(f);
}

static void a_reader_that_ends_early_cancels_what_feeds_it(void **state)
{
    (void)state;
    static const char *const ways[][2] = {{"fail-fast", "true"}, {"halt", "now,fail=1"}, {"halt", "soon,fail=1"}};
    fanmap_t *f = rig_open(NULL);
    for (int i = 0; i < 3; i++) {
        fanmap_job_t *from = rig_map(f, "echo", NULL);
        fanmap_job_t *to = rig_map(f, "square", (const char *const[]){ways[i][0], ways[i][1], NULL});
        fanmap_error_t err;
        pipe_ok(from, to);
        rig_push(f, from, "1");
        rig_push(f, from, "\"no number\"");
        assert_int_equal(end_of(to, NULL, &err), FANMAP_ESTOPPED);
        assert_int_equal(end_of(from, NULL, &err), FANMAP_ESTOPPED); /* its input never ended */
    }
    fanmap_close(f);
}

static void a_first_map_that_breaks_off_breaks_the_second_off(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL);
    fanmap_error_t err;
    for (int how = 0; how < 4; how++) {
        static const char *const fail_fast[] = {"fail-fast", "true", NULL}, *const soon[] = {"halt", "soon,fail=1",
                                                                                             NULL};
        fanmap_job_t *from = rig_map(f, "square", how == 3 ? soon : fail_fast);
        fanmap_job_t *to = rig_map(f, "echo", NULL);
        int n;
        pipe_ok(from, to);
        rig_push(f, from, "5");
        rig_expect_value(rig_next(to), 0, "\x19");
        if (how == 0)
            OK(fanmap_end_input(from, "disk on fire", NULL));
        else if (how == 1)
            fanmap_job_close(from, false);
        else
            rig_push(f, from, "null"); /* which fails */
        assert_int_equal(end_of(to, &n, &err), FANMAP_EIO);
        assert_non_null(strstr(err.message, how == 0 ? "disk on fire" : how == 1 ? "was closed" : "was stopped"));
        assert_int_equal(n, how >= 2); /* the failed item is in its place before the end */
        fanmap_job_close(to, false);
    }
    fanmap_close(f);
}

static void detaching_the_reader_only_takes_the_pipe_apart(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *from = rig_map(f, "echo", RIG_JSON), *to = rig_map(f, "echo", NULL);
    pipe_ok(from, to);
    rig_push(f, from, "1");
    assert_non_null(rig_next(to));
    fanmap_job_close(to, true);
    rig_push(f, from, "2");
    OK(fanmap_end_input(from, NULL, NULL));
    rig_expect_value(rig_next(from), 1, "2"); /* what was not taken yet is the caller's again */
    assert_null(rig_next(from));
    fanmap_close(f);
}

/* The second map is not read; what the first may publish is bounded, and goes on when the reader does. */
static void back_pressure_reaches_the_first_producer(void **state)
{
    (void)state;
    enum { ITEMS = 2000 };
    fanmap_t *f = rig_open(NULL);
    static const char *const narrow[] = {"ahead", "100", "value-format", "json", NULL};
    fanmap_job_t *from = rig_map(f, "echo", narrow);
    fanmap_job_t *to = rig_map(f, "sleep_ms", narrow); /* no item of it ends */
    pipe_ok(from, to);
    fanmap_hold(from, true);
    int pushed = 0;
    const fanmap_outcome_t *outcome;
    fanmap_stats_t stats = {0};
    while (stats.known < 100) {
        pushed += pushed < ITEMS && fanmap_push(from, FANMAP_JSON, "60000", 5, NULL) == FANMAP_OK;
        assert_int_equal(fanmap_next(to, 1, &outcome, NULL), FANMAP_AGAIN);
        fanmap_stats(from, &stats, sizeof stats);
    }
    fanmap_stats(to, &stats, sizeof stats);
    assert_int_equal(stats.published, 0); /* a held `from` hands nothing to the pipe */
    fanmap_hold(from, false);
    int64_t until = rig_now_ms() + BOUND_MS, full_ms = INT64_MAX;
    while (rig_now_ms() < until && rig_now_ms() - 500 < full_ms) { /* and nothing more for a while */
        while (pushed < ITEMS && fanmap_push(from, FANMAP_JSON, "60000", 5, NULL) == FANMAP_OK)
            pushed++;
        assert_int_equal(fanmap_next(to, 5, &outcome, NULL), FANMAP_AGAIN);
        fanmap_stats(from, &stats, sizeof stats);
        if (stats.delivered >= 100 && full_ms == INT64_MAX)
            full_ms = rig_now_ms();
    }
    fanmap_stats(to, &stats, sizeof stats);
    assert_in_range(stats.published, 1, 100); /* its window */
    fanmap_stats(from, &stats, sizeof stats);
    assert_int_equal(stats.delivered, 100);
    fanmap_close(f);
}

static void a_pipe_needs_the_descriptor_only(void **state)
{
    (void)state;
    enum { ITEMS = 3000 };
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *from = rig_map(f, "echo", (const char *const[]){"ahead", "100", NULL});
    fanmap_job_t *to = rig_map(f, "echo", (const char *const[]){"ahead", "50", NULL});
    struct pollfd fd = {fanmap_fd(f), POLLIN, 0};
    int pushed = 0, taken = 0, r = FANMAP_AGAIN;
    pipe_ok(from, to);
    while (r != FANMAP_END) {
        assert_int_equal(poll(&fd, 1, BOUND_MS), 1);
        OK(fanmap_dispatch(f, 10, NULL));
        for (; pushed < ITEMS && fanmap_push(from, FANMAP_JSON, "7", 1, NULL) == FANMAP_OK; pushed++)
            if (pushed + 1 == ITEMS)
                OK(fanmap_end_input(from, NULL, NULL));
        const fanmap_outcome_t *outcome;
        r = fanmap_next(to, 0, &outcome, NULL);
        taken += r == FANMAP_OK;
    }
    assert_int_equal(taken, ITEMS);
    fanmap_close(f);
}

static void what_is_no_pipe_is_refused(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL), *g = rig_open(NULL);
    fanmap_job_t *a = rig_map(f, "echo", NULL), *b = rig_map(f, "echo", NULL), *c = rig_map(f, "echo", NULL),
                 *elsewhere = rig_map(g, "echo", NULL);
    fanmap_error_t err;
    assert_int_equal(fanmap_pipe(a, a, &err), FANMAP_EUSAGE);
    assert_int_equal(fanmap_pipe(a, elsewhere, &err), FANMAP_EUSAGE);
    pipe_ok(a, b);
    pipe_ok(b, c);
    assert_int_equal(fanmap_pipe(a, c, &err), FANMAP_EUSAGE);
    assert_int_equal(fanmap_pipe(c, b, &err), FANMAP_EUSAGE);
    assert_int_equal(fanmap_pipe(c, a, &err), FANMAP_EUSAGE);
    assert_int_equal(fanmap_push(b, FANMAP_JSON, "1", 1, &err), FANMAP_EUSAGE);
    assert_int_equal(fanmap_end_input(b, NULL, &err), FANMAP_EUSAGE);
    OK(fanmap_end_input(a, NULL, NULL));
    assert_null(rig_next(c));
    assert_int_equal(fanmap_pipe(a, c, &err), FANMAP_EUSAGE);
    fanmap_close(f);
    fanmap_close(g);
}

/* What one map printed is what the next one reads. */
static void lines_of_errors_stay_what_they_are(void **state)
{
    (void)state;
    static const char *const same[] = {
        "{\"$error\":{\"kind\":\"exit\",\"message\":\"m\",\"attempts\":2,\"exit_status\":3,\"stderr\":\"oh\\n\"}}",
        "{\"$error\":{\"kind\":\"signal\",\"message\":\"m\",\"type\":\"T\",\"attempts\":1,\"signal\":9}}",
        "{\"$error\":{\"kind\":\"bad_input\",\"message\":\"\",\"attempts\":0}}"};
    static const char *const unsound[] = {"{\"$error\":1}", "{\"$error\":{}}",
                                          "{\"$error\":{\"kind\":\"odd\",\"message\":\"m\"}}",
                                          "{\"$error\":{\"kind\":\"exit\",\"message\":\"m\",\"attempts\":-1}}",
                                          "{\"$error\":{\"kind\":\"value\",\"message\":\"m\"}}"};
    static const char *const values[] = {"{\"$value\":{\"$error\":{\"kind\":\"exit\",\"message\":\"m\"}}}",
                                         "{\"$error\":{\"kind\":\"exit\",\"message\":\"m\"},\"b\":1}"};
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *job = rig_map(f, "echo", RIG_JSON);
    for (int i = 0; i < 3; i++)
        rig_push(f, job, same[i]);
    for (int i = 0; i < 5; i++)
        rig_push(f, job, unsound[i]);
    for (int i = 0; i < 2; i++)
        rig_push(f, job, values[i]);
    rig_push(f, job, " { \"\\u0024error\" : {\"message\":\"m\",\"kind\":\"lost\",\"more\":[1]} } ");
    OK(fanmap_end_input(job, NULL, NULL));
    for (int i = 0; i < 3; i++) {
        const char *line;
        size_t len;
        OK(fanmap_outcome_json(job, rig_next(job), false, &line, &len, NULL));
        assert_int_equal(len, strlen(same[i]));
        assert_memory_equal(line, same[i], len);
    }
    for (int i = 0; i < 5; i++)
        assert_int_equal(rig_next(job)->kind, FANMAP_BAD_INPUT);
    for (uint64_t i = 0; i < 2; i++)
        rig_expect_value(rig_next(job), 8 + i, values[i]);
    assert_int_equal(rig_next(job)->kind, FANMAP_LOST);
    assert_null(rig_next(job));
    fanmap_close(f);
}

/* A small chain taken apart into steps; after `last` of them one of the handles is closed. True: it was over. */
static bool live(fanmap_t *f, int last, int which, bool detach)
{
    fanmap_job_t *jobs[3] = {rig_map(f, "echo", NULL), rig_map(f, "echo", NULL), rig_map(f, "echo", NULL)};
    const fanmap_outcome_t *outcome;
    int pushed = 0, r = FANMAP_AGAIN;
    pipe_ok(jobs[1], jobs[2]);
    pipe_ok(jobs[0], jobs[1]);
    for (int step = 0; step < last && r != FANMAP_END; step++) {
        if (pushed < 3 && fanmap_push(jobs[0], FANMAP_JSON, "[1]", 3, NULL) == FANMAP_OK)
            pushed++;
        else if (pushed == 3 && pushed++)
            OK(fanmap_end_input(jobs[0], NULL, NULL));
        r = fanmap_next(jobs[2], step < 60 ? 0 : 10, &outcome, NULL);
        assert_in_range(r, FANMAP_OK, FANMAP_END);
    }
    fanmap_job_close(jobs[which], detach);
    for (int i = 0; i < 3; i++)
        if (i != which) {
            int ended = end_of(jobs[i], NULL, NULL);
            assert_true(ended == FANMAP_END || ended == FANMAP_ESTOPPED || ended == FANMAP_EIO || detach);
            fanmap_job_close(jobs[i], i == 1);
        }
    return r == FANMAP_END;
}

static void a_pipe_may_lose_any_handle_after_any_step(void **state)
{
    (void)state;
    for (int which = 0; which < 3; which++) {
        fanmap_t *f = rig_open(NULL);
        int last = 0;
        while (!live(f, last, which, false)) {
            last += last < 40 ? 1 : 3;
            assert_in_range(last, 0, 3000);
        }
        assert_in_range(last, 5, 3000);
        fanmap_close(f);
        assert_int_equal(rig_children(), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_stream_through_before_the_first_map_ends),
        cmocka_unit_test(a_failure_of_the_first_map_stands_in_its_place_in_the_second),
        cmocka_unit_test(every_end_of_a_chain_is_told_once),
        cmocka_unit_test(closing_the_reader_cancels_everything_before_it),
        cmocka_unit_test(a_reader_that_ends_early_cancels_what_feeds_it),
        cmocka_unit_test(a_first_map_that_breaks_off_breaks_the_second_off),
        cmocka_unit_test(detaching_the_reader_only_takes_the_pipe_apart),
        cmocka_unit_test(back_pressure_reaches_the_first_producer),
        cmocka_unit_test(a_pipe_needs_the_descriptor_only),
        cmocka_unit_test(what_is_no_pipe_is_refused),
        cmocka_unit_test(lines_of_errors_stay_what_they_are),
        cmocka_unit_test(a_pipe_may_lose_any_handle_after_any_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
