/* Calls of functions in a task library: several items at once, an outcome for each. */
#include "tests/unit/slots_rig.h"

static rig_t *open_rig(void)
{
    rig_t *r = test_malloc(sizeof *r);
    rig_init(r, 1);
    rig_add_libraries(r);
    rig_open(r);
    return r;
}

static void close_rig(rig_t *r)
{
    rig_close(r);
    test_free(r);
}

static uint32_t call(rig_t *r, const char *task, const char *const *items, uint32_t items_n)
{
    uint32_t first = 0;
    rig_set_job(r, 0, task);
    slots_call(r->slots, 0, items_n);
    for (uint32_t i = 0; i < items_n; i++) {
        uint32_t n = rig_run(r, 0, i, items[i]);
        first = i == 0 ? n : first;
    }
    slots_flush(r->slots);
    return first;
}

/* One call; what it gives, the first of them. */
static const rig_done_t *call_all(rig_t *r, const char *task, const char *const *items, uint32_t items_n)
{
    uint64_t before = r->dones_n;
    assert_true(before + items_n <= RIG_EVENTS_MAX);
    call(r, task, items, items_n);
    rig_wait(r, r->dones_n == before + items_n);
    return &r->dones[before];
}

static void check_alone(rig_t *r)
{
    assert_string_equal(rig_one(r, "places", "1")->value, "[1,1]");
}

static void test_an_outcome_for_each(void **state)
{
    rig_t *r = open_rig();
    static const char *const items[] = {"1", "\"bad\"", "\"huge\"", "\"no json\"", "2"};
    (void)state;
    const rig_done_t *d = call_all(r, "places", items, 5); /* also the first thing that the slot gets */
    assert_string_equal(d[0].value, "[1,5]");
    assert_int_equal(d[1].kind, FANMAP_EXCEPTION);
    assert_true(d[1].final);
    assert_string_equal(d[1].type, "ValueError");
    assert_string_equal(d[1].message, "this one");
    assert_int_equal(d[2].kind, FANMAP_TOO_LARGE);
    assert_int_equal(d[3].kind, FANMAP_PROTOCOL);
    assert_string_equal(d[4].value, "[5,5]");
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(d[i].n, d[0].n + i);
        assert_false(d[i].is_whole);
    }
    check_alone(r);
    assert_int_equal(rig_one(r, "places", "\"bad\"")->kind, FANMAP_EXCEPTION); /* though run returned 0 */
    assert_int_equal(r->downs_n, 0);
    close_rig(r);
}

static void test_all_of_it_fails(void **state)
{
    rig_t *r = open_rig();
    static const char *const whole[] = {"1", "\"whole\"", "3"}, *const silent[] = {"1", "\"silent\""};
    (void)state;
    const rig_done_t *d = call_all(r, "places", whole, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(d[i].kind, FANMAP_EXCEPTION);
        assert_true(d[i].is_whole);
        assert_string_equal(d[i].message, "all of them");
    }
    d = call_all(r, "places", silent, 2);
    assert_true(d[0].is_whole && d[1].is_whole);
    assert_string_equal(d[1].message, "the task returned 7");
    assert_false(rig_one(r, "places", "\"whole\"")->is_whole);
    check_alone(r);
    close_rig(r);
}

/* One that JSON cannot hold is an error by itself, and the others do not see it. */
static void test_an_item_that_has_no_shape(void **state)
{
    rig_t *r = open_rig();
    static const uint8_t nan[] = {0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0};
    slot_run_t run = {.index = 1, .attempt = 1, .deadline_ms = -1, .in = nan, .in_len = sizeof nan};
    (void)state;
    for (unsigned turn = 0; turn < 2; turn++) { /* the second time it is all there is */
        uint64_t before = r->dones_n;
        rig_set_job(r, 0, "places");
        slots_call(r->slots, 0, 3);
        for (unsigned i = 0; i < 3; i++)
            if (i == 1 || turn == 1)
                slots_run(r->slots, 0, &run);
            else
                rig_run(r, 0, i, "1");
        slots_flush(r->slots);
        rig_wait(r, r->dones_n == before + 3);
        for (unsigned i = 0; i < 3; i++)
            assert_int_equal(r->dones[before + i].kind, i == 1 || turn == 1 ? FANMAP_BAD_INPUT : FANMAP_VALUE);
        if (turn == 0)
            assert_string_equal(r->dones[before + 2].value, "[2,2]");
    }
    close_rig(r);
}

/* A task that takes one at a time gets the runs of a call one by one. */
static void test_a_task_without_calls(void **state)
{
    rig_t *r = open_rig();
    static const char *const items[] = {"1", "2", "3"};
    (void)state;
    const rig_done_t *d = call_all(r, "square", items, 3);
    assert_string_equal(d[0].value, "1");
    assert_string_equal(d[2].value, "9");
    close_rig(r);
}

/* All of a call that dies, or lasts too long, had begun; what was done before is kept. */
static void test_deaths(void **state)
{
    rig_t *r = open_rig();
    static const char *const dies[] = {"1", "2", "\"exit\""}, *const stays[] = {"1", "\"spin\"", "3"},
                             *const fine[] = {"1", "2"};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        unsigned ups = r->ups;
        r->job.timeout_ms = i == 0 ? 0 : 150;
        call_all(r, "places", fine, 2);
        uint32_t n = call(r, "places", i == 0 ? dies : stays, 3);
        rig_wait(r, r->downs_n == i + 1 && r->ups > ups);
        const slot_down_t *d = &r->downs[i].down;
        assert_int_equal(d->why, i == 0 ? SLOT_DOWN_DIED : SLOT_DOWN_TIMEOUT);
        assert_true(d->has_attempt);
        assert_int_equal(d->n, n);
        assert_int_equal(d->unstarted_from, n + 3);
    }
    assert_int_equal(r->dones_n, 4);
    r->job.timeout_ms = 0;
    check_alone(r);
    close_rig(r);
}

/* Items of different lengths, many of them, over a ring and a socket that hold but a part. */
static void test_many_large_ones(void **state)
{
    rig_t *r = open_rig();
    size_t len = 40000;
    char *item = test_malloc(len + 3);
    uint64_t before = r->dones_n;
    (void)state;
    memset(item, 'a', len + 2);
    item[len + 2] = '\0';
    rig_set_job(r, 0, "places");
    slots_call(r->slots, 0, 50);
    for (unsigned i = 0; i < 50; i++) {
        size_t cut = len - i * 700;
        item[0] = item[cut] = '"';
        item[cut + 1] = '\0';
        rig_run(r, 0, i, item);
        item[cut] = 'a';
    }
    slots_flush(r->slots);
    rig_wait(r, r->dones_n == before + 50);
    assert_string_equal(r->dones[before + 49].value, "[50,50]");
    close_rig(r);
    test_free(item);
}

/* What is taken back before it was claimed is done by nobody, and what comes behind it is not mistaken for it. */
static void test_taken_back(void **state)
{
    rig_t *r = open_rig();
    static const char *const items[] = {"1", "2", "3", "4", "5", "6", "7", "8"};
    unsigned back = 0, done = 0;
    (void)state;
    check_alone(r);
    for (unsigned turn = 0; turn < 400; turn++) {
        uint64_t before = r->dones_n;
        uint32_t first = call(r, "places", items, 8);
        for (int64_t until_ns = proc_now_ns() + turn % 100 * 2000; proc_now_ns() < until_ns;)
            loop_run_once(r->loop, 0);
        uint32_t kept = slots_take_back(r->slots, 0) - first;
        kept = kept > 8 ? 8 : kept;
        rig_wait(r, r->dones_n == before + kept);
        back += 8 - kept;
        done += kept;
    }
    assert_true(back > 0 && back + done == 3200);
    check_alone(r);
    close_rig(r);
}

/* What a call prints is its first attempt's, and nothing of it another's. */
static void test_output_is_labelled(void **state)
{
    rig_t *r = open_rig();
    static const char *const items[] = {"1", "\"say\"", "3"};
    char *log = test_malloc(1 << 16);
    size_t len = 0;
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        call_all(r, "places", items, 3);
        r->dones_n = 0;
    }
    rig_one(r, "noop", "1");
    rig_wait(r, (len = rig_read_log(r, log, len, 1 << 16)) > 0 && len >= 20 * strlen("job-1/0/1: said by 2 of 3\n"));
    assert_null(strstr(log, "job-1/1/1"));
    assert_null(strstr(log, "job-1/2/1"));
    assert_memory_equal(log, "job-1/0/1: said by 2 of 3\njob-1/0/1", 35);
    assert_int_equal(len, 20 * strlen("job-1/0/1: said by 2 of 3\n"));
    close_rig(r);
    test_free(log);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_an_outcome_for_each),
        rig_test(test_all_of_it_fails),
        rig_test(test_an_item_that_has_no_shape),
        rig_test(test_a_task_without_calls),
        rig_test(test_deaths),
        rig_test(test_many_large_ones),
        rig_test(test_taken_back),
        rig_test(test_output_is_labelled),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
