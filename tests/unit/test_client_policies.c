/* Policies through the library: what is refused when it is asked for, zipped and wrapped items, bound arguments, halts,
 * and live control of an embedded map. */
#include "client_rig.h"

#include "fanmap/admin.h"

/* ---- refused before anything is sent ---- */

static void refused_by_map(void **state)
{
    (void)state;
    static const struct {
        const char *pairs[7];
        const char *said;
    } cases[] = {
        {{"fail-fast", "true", "halt", "now,fail=1"}, "--fail-fast"},
        {{"bind", "a=1", "bind", "b=2", "bind", "a=3"}, "a is bound twice"},
    };
    fanmap_t *f = rig_open(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fanmap_options_t *options = rig_options(cases[i].pairs);
        fanmap_job_t *job = NULL;
        fanmap_error_t err = {0};
        assert_int_equal(fanmap_map(f, "echo", options, &job, &err), FANMAP_EUSAGE);
        if (!strstr(err.message, cases[i].said))
            fail_msg("\"%s\" does not say \"%s\"", err.message, cases[i].said);
        assert_null(job);
        fanmap_options_free(options);
    }
    fanmap_close(f);
}

/* ---- zipped and wrapped items ---- */

static void wait_writable(fanmap_t *f, fanmap_job_t *job)
{
    const fanmap_outcome_t *outcome;
    int64_t until = rig_now_ms() + BOUND_MS;
    while (fanmap_push(job, FANMAP_JSON, "[0,0]", 5, NULL) == FANMAP_AGAIN && rig_now_ms() < until)
        (void)fanmap_dispatch(f, 0, NULL);
    assert_int_equal(fanmap_next(job, BOUND_MS, &outcome, NULL), FANMAP_OK);
}

static void zipped_items_are_arrays(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL);
    fanmap_error_t err;
    fanmap_job_t *job = rig_map(f, "echo", (const char *const[]){"sequences", "2", "value-format", "json", NULL});
    const fanmap_part_t parts[] = {{"1", 1}, {"{\"a\":2}", 7}, {"3", 1}}, bad[] = {{"1", 1}, {"{", 1}};
    wait_writable(f, job);
    OK(fanmap_push_zipped(job, FANMAP_JSON, parts, 2, NULL));
    assert_int_equal(fanmap_push_zipped(job, FANMAP_JSON, parts, 3, &err), FANMAP_EUSAGE);
    OK(fanmap_push_zipped(job, FANMAP_TEXT, parts, 2, NULL));
    OK(fanmap_push(job, FANMAP_JSON, "[5,6]", 5, NULL));
    OK(fanmap_push(job, FANMAP_JSON, "[5]", 3, NULL)); /* not a part of each */
    OK(fanmap_push(job, FANMAP_JSON, "5", 1, NULL));
    OK(fanmap_push_zipped(job, FANMAP_JSON, bad, 2, NULL));
    OK(fanmap_end_input(job, NULL, NULL));
    rig_expect_value(rig_next(job), 1, "[1,{\"a\":2}]");
    rig_expect_value(rig_next(job), 2, "[\"1\",\"{\\\"a\\\":2}\"]");
    rig_expect_value(rig_next(job), 3, "[5,6]");
    assert_int_equal(rig_next(job)->kind, FANMAP_BAD_INPUT);
    assert_int_equal(rig_next(job)->kind, FANMAP_BAD_INPUT);
    assert_non_null(strstr(rig_next(job)->message, "part 2"));
    assert_null(rig_next(job));
    fanmap_close(f);
}

static void an_array_has_as_many_parts_as_its_caller_says(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *job = rig_map(f, "echo", RIG_JSON);
    const fanmap_part_t parts[] = {{"1", 1}, {"{\"a\":2}", 7}, {"3", 1}};
    wait_writable(f, job);
    for (size_t n = 0; n <= 3; n++)
        OK(fanmap_push_zipped(job, FANMAP_JSON, parts, n, NULL));
    OK(fanmap_end_input(job, NULL, NULL));
    rig_expect_value(rig_next(job), 1, "[]");
    rig_expect_value(rig_next(job), 2, "[1]");
    rig_expect_value(rig_next(job), 3, "[1,{\"a\":2}]");
    rig_expect_value(rig_next(job), 4, "[1,{\"a\":2},3]");
    assert_null(rig_next(job));
    fanmap_close(f);
}

static void a_row_has_names(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *job = rig_map(f, "echo", RIG_JSON);
    const fanmap_part_t parts[] = {{"1", 1}, {"x y", 3}};
    const char *const names[] = {"a", "b c"}, *const bad[] = {"a", "\xff"};
    wait_writable(f, job);
    OK(fanmap_push_row(job, FANMAP_WORD, names, parts, 2, NULL));
    OK(fanmap_push_row(job, FANMAP_WORD, bad, parts, 2, NULL));
    OK(fanmap_end_input(job, NULL, NULL));
    rig_expect_value(rig_next(job), 1, "{\"a\":1,\"b c\":\"x y\"}");
    assert_non_null(strstr(rig_next(job)->message, "part 2: its name is not UTF-8"));
    assert_null(rig_next(job));
    fanmap_close(f);
}

static void wrapped_items_are_read_as_they_were_written(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *job = rig_map(f, "echo", NULL);
    static const char *const items[] = {"\x81\xa6$error\x01", "\x81\xa6$value\x02", "\x81\xa7$binary\x03", "\x04",
                                        "\x82\xa6$error\x01\xa1x\x02"};
    size_t n = sizeof items / sizeof items[0];
    rig_push(f, job, "0");
    for (size_t i = 0; i < n; i++)
        OK(fanmap_push(job, FANMAP_MSGPACK, items[i], strlen(items[i]), NULL));
    OK(fanmap_end_input(job, NULL, NULL));
    (void)rig_next(job);
    fanmap_job_t *again = rig_map(f, "echo", NULL);
    rig_push(f, again, "0");
    for (size_t i = 0; i < n; i++) {
        const void *bytes;
        size_t len;
        OK(fanmap_outcome_msgpack(job, rig_next(job), false, &bytes, &len, NULL));
        assert_int_equal(len != strlen(items[i]), i < 3); /* these are wrapped */
        OK(fanmap_push(again, FANMAP_WRAPPED, bytes, len, NULL));
    }
    OK(fanmap_end_input(again, NULL, NULL));
    (void)rig_next(again);
    for (size_t i = 0; i < n; i++) {
        const fanmap_outcome_t *o = rig_next(again);
        assert_int_equal(o->value_len, strlen(items[i]));
        assert_memory_equal(o->value, items[i], o->value_len);
    }
    fanmap_close(f);
}

/* Every split of a stream gives the same ends, and a broken byte is found where it stands. */
static void a_scan_finds_the_end_in_pieces(void **state)
{
    (void)state;
    static const char stream[] =
        "\x94\x01\xa3xyz\x82\xc0\xcb\x01\x02\x03\x04\x05\x06\x07\x08\xdc\x00\x02\xc3\xc4\x02zz\xd6"
        "\x01\x02\x03\x04\x05\xdf\x00\x00\x00\x01\xe0\xdb\x00\x00\x00\x01q";
    size_t len = sizeof stream - 1;
    for (size_t cut = 0; cut < len; cut++) {
        fanmap_scan_t scan = {0};
        assert_int_equal(fanmap_msgpack_scan(&scan, stream, cut), FANMAP_AGAIN);
        assert_int_equal(fanmap_msgpack_scan(&scan, stream, len), FANMAP_OK);
        assert_int_equal(scan.at, len);
    }
    fanmap_scan_t scan = {0};
    assert_int_equal(fanmap_msgpack_scan(&scan, "\x92\x01\xc1", 3), FANMAP_EUSAGE);
    assert_int_equal(scan.at, 2);
    scan = (fanmap_scan_t){0};
    assert_int_equal(fanmap_msgpack_scan(&scan, "\xdd\xff\xff\xff\xff", 5), FANMAP_AGAIN); /* claims; takes no memory */
    assert_int_equal(scan.objects, UINT32_MAX);
}

/* ---- live control ---- */

static uint64_t known(const fanmap_job_t *job)
{
    fanmap_stats_t stats;
    fanmap_stats(job, &stats, sizeof stats);
    return stats.known;
}

static void turn_for(fanmap_t *f, int ms)
{
    int64_t until = rig_now_ms() + ms;
    while (rig_now_ms() < until) {
        struct pollfd fd = {fanmap_fd(f), POLLIN, 0};
        (void)poll(&fd, 1, 10);
        (void)fanmap_dispatch(f, 1000, NULL);
    }
}

/* Turns until nothing more becomes known for a while, which `what` must bring about. */
static uint64_t wait_still(fanmap_t *f, const fanmap_job_t *job, const char *what)
{
    int64_t until = rig_now_ms() + BOUND_MS;
    for (;;) {
        uint64_t before = known(job);
        turn_for(f, 300);
        if (known(job) == before)
            return before;
        if (rig_now_ms() > until)
            fail_msg("%s does not stop what runs", what);
    }
}

static void wait_more(fanmap_t *f, const fanmap_job_t *job, uint64_t than, const char *what)
{
    int64_t until = rig_now_ms() + BOUND_MS;
    while (known(job) <= than) {
        turn_for(f, 10);
        if (rig_now_ms() > until)
            fail_msg("nothing goes on after %s", what);
    }
}

static void an_embedded_map_is_controlled_while_it_runs(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL);
    const fanmap_outcome_t *outcome;
    fanmap_job_t *job =
        rig_map(f, "sleep_ms", (const char *const[]){"concurrency", "1", "lease", "2s", "value-format", "json", NULL});
    const char *id = fanmap_job_id(job);
    fanmap_error_t err;
    for (int i = 0; i < 1000; i++)
        rig_push(f, job, "20");
    OK(fanmap_end_input(job, NULL, NULL));
    wait_more(f, job, 2, "its start");
    OK(fanmap_control(f, id, "pause", NULL, BOUND_MS, NULL));
    uint64_t at = wait_still(f, job, "pause");
    OK(fanmap_control(f, id, "resume", NULL, BOUND_MS, NULL));
    wait_more(f, job, at, "resume");
    OK(fanmap_control(f, id, "concurrency", "2", BOUND_MS, NULL));
    wait_more(f, job, known(job) + 5, "a raised limit");
    OK(fanmap_control(f, id, "concurrency", "0", BOUND_MS, NULL));
    wait_more(f, job, known(job) + 5, "no limit");
    OK(fanmap_control(f, id, "concurrency", "1", BOUND_MS, NULL));
    wait_more(f, job, known(job) + 5, "a limit again");
    assert_int_equal(fanmap_control(f, id, "faster", NULL, BOUND_MS, &err), FANMAP_EUSAGE);
    assert_int_equal(fanmap_control(f, id, "concurrency", "-1", BOUND_MS, &err), FANMAP_EUSAGE);
    assert_int_equal(fanmap_control(f, "nobody", "pause", NULL, BOUND_MS, &err), FANMAP_ENOJOB);
    OK(fanmap_control(f, id, "cancel", NULL, BOUND_MS, NULL));
    uint64_t listed = 0;
    int r;
    while ((r = fanmap_next(job, BOUND_MS, &outcome, &err)) == FANMAP_OK)
        listed++;
    assert_int_equal(r, FANMAP_ESTOPPED);
    assert_int_equal(listed, 1000);
    assert_non_null(strstr(err.message, "of its 1000 items were cancelled"));
    assert_int_equal(fanmap_control(f, id, "pause", NULL, BOUND_MS, &err), FANMAP_ESTOPPED);
    fanmap_close(f);
}

/* Each attempt takes one of its job's folders in `dir`, which are as many as the limit, and waits until once all three
 * of both jobs are taken. */
static const char own_place[] =
    "=sh -c 'cd $1; shift; for w; do mkdir $w 2>/dev/null && break; w=; done; test $w || exit 9; "
    "until test -e met; do test -d a && test -d b && test -d c && >met; sleep 0.01; done; "
    "sleep 0.01; rmdir $w' sh ";

static fanmap_t *open_with_places(const char *dir)
{
    char one[600], two[600];
    snprintf(one, sizeof one, "one%s%s a", own_place, dir);
    snprintf(two, sizeof two, "two%s%s b c", own_place, dir);
    return rig_open((const char *const[]){"slots", "6", "exec", one, "exec", two, NULL});
}

static void each_embedded_map_keeps_its_own_limit(void **state)
{
    (void)state;
    enum { ITEMS = 12 };
    char dir[] = "/tmp/fanmap-places.XXXXXX", met[100];
    assert_non_null(mkdtemp(dir));
    snprintf(met, sizeof met, "%s/met", dir);
    fanmap_t *f = open_with_places(dir);
    fanmap_job_t *jobs[] = {rig_map(f, "one", (const char *const[]){"concurrency", "1", NULL}),
                            rig_map(f, "two", (const char *const[]){"concurrency", "2", NULL})};
    for (int i = 0; i < 2; i++) {
        rig_push_numbers(f, jobs[i], 0, ITEMS);
        OK(fanmap_end_input(jobs[i], NULL, NULL));
    }
    for (int i = 0; i < 2; i++) {
        for (int n = 0; n < ITEMS; n++)
            rig_expect_value(rig_next(jobs[i]), (uint64_t)n, "\xa0");
        assert_null(rig_next(jobs[i]));
    }
    fanmap_close(f);
    assert_int_equal(unlink(met), 0);
    assert_int_equal(rmdir(dir), 0);
}

static void a_halt_is_told_with_the_item_that_caused_it(void **state)
{
    (void)state;
    static const char *const halts[] = {"now,fail=1", "soon,fail=1"};
    for (size_t i = 0; i < 2; i++) {
        fanmap_t *f = rig_open(NULL);
        fanmap_job_t *job = rig_map(
            f, "sleep_ms", (const char *const[]){"concurrency", "1", "halt", halts[i], "value-format", "json", NULL});
        const fanmap_outcome_t *outcome;
        fanmap_error_t err;
        int r, listed = 0;
        for (int k = 0; k < 50; k++)
            rig_push(f, job, k == 3 ? "\"x\"" : "5");
        while ((r = fanmap_push(job, FANMAP_JSON, "5", 1, &err)) == FANMAP_OK || r == FANMAP_AGAIN)
            turn_for(f, 1);
        assert_int_equal(r, FANMAP_ESTOPPED); /* no more is taken */
        while ((r = fanmap_next(job, BOUND_MS, &outcome, &err)) == FANMAP_OK)
            listed++;
        assert_int_equal(r, FANMAP_ESTOPPED);
        assert_true(listed >= 4);
        assert_non_null(strstr(err.message, "item 3"));
        fanmap_close(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_by_map),
        cmocka_unit_test(zipped_items_are_arrays),
        cmocka_unit_test(a_row_has_names),
        cmocka_unit_test(an_array_has_as_many_parts_as_its_caller_says),
        cmocka_unit_test(wrapped_items_are_read_as_they_were_written),
        cmocka_unit_test(a_scan_finds_the_end_in_pieces),
        cmocka_unit_test(an_embedded_map_is_controlled_while_it_runs),
        cmocka_unit_test(each_embedded_map_keeps_its_own_limit),
        cmocka_unit_test(a_halt_is_told_with_the_item_that_caused_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
