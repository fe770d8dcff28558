/* Outcomes by callback; closing handles inside every callback and after every step of a small map's life. */
#include "tests/unit/client_rig.h"

typedef struct {
    fanmap_t *f;
    fanmap_job_t *job, *other;
    int outcomes, ends, writables, result, close_after;
    int pushed, items;
    bool closed;
} listener_t;

static void close_mine(listener_t *l)
{
    fanmap_job_close(l->job, false);
    fanmap_job_close(l->job, false); /* twice inside a callback is once */
    l->closed = true;
}

static void on_outcome(void *arg, fanmap_job_t *job, const fanmap_outcome_t *outcome)
{
    listener_t *l = arg;
    assert_ptr_equal(job, l->job);
    assert_false(l->closed);
    assert_int_equal(outcome->index, l->outcomes);
    l->outcomes++;
    if (l->outcomes == l->close_after)
        close_mine(l);
    assert_int_equal(outcome->index, l->outcomes - 1); /* borrowed until the callback returns */
}

static void on_end(void *arg, fanmap_job_t *job, int result, const fanmap_error_t *err)
{
    listener_t *l = arg;
    assert_ptr_equal(job, l->job);
    assert_false(l->closed);
    assert_int_equal(err == NULL, result == FANMAP_END);
    l->result = result;
    l->ends++;
}

static void on_end_close(void *arg, fanmap_job_t *job, int result, const fanmap_error_t *err)
{
    on_end(arg, job, result, err);
    close_mine(arg);
}

static void on_writable(void *arg, fanmap_job_t *job)
{
    listener_t *l = arg;
    assert_false(l->closed);
    l->writables++;
    while (l->pushed < l->items && fanmap_push(job, FANMAP_JSON, "3", 1, NULL) == FANMAP_OK)
        l->pushed++;
    if (l->pushed == l->items)
        OK(fanmap_end_input(job, NULL, NULL));
}

static void dispatch_until(fanmap_t *f, const int *counter, int wanted)
{
    struct pollfd fd = {fanmap_fd(f), POLLIN, 0};
    int64_t until = rig_now_ms() + BOUND_MS;
    while (*counter < wanted) {
        if (poll(&fd, 1, BOUND_MS) != 1 || rig_now_ms() > until)
            fail_msg("%d of %d in time", *counter, wanted);
        assert_in_range(fanmap_dispatch(f, 50, NULL), FANMAP_OK, FANMAP_AGAIN);
    }
}

static listener_t listen(fanmap_t *f, int items)
{
    return (listener_t){
        .f = f, .job = rig_map(f, "square", (const char *const[]){"ahead", "50", NULL}), .items = items};
}

static void a_map_runs_on_its_callbacks(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL);
    listener_t l = listen(f, 3000);
    fanmap_on(l.job, on_outcome, on_end, on_writable, &l);
    on_writable(&l, l.job); /* the first push is refused: writable follows */
    dispatch_until(f, &l.ends, 1);
    assert_int_equal(l.outcomes, 3000);
    assert_int_equal(l.result, FANMAP_END);
    assert_in_range(l.writables, 3, 3002); /* the window of 50 was full more than once */
    OK(fanmap_dispatch(f, 10, NULL));
    assert_int_equal(l.ends, 1);
    fanmap_close(f);
}

static void next_on_one_map_runs_the_callbacks_of_another(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL);
    listener_t l = listen(f, 300);
    fanmap_on(l.job, on_outcome, on_end, on_writable, &l);
    on_writable(&l, l.job);
    fanmap_job_t *pulled = rig_map(f, "sleep_ms", RIG_JSON);
    int64_t until = rig_now_ms() + BOUND_MS;
    const fanmap_outcome_t *outcome;
    while (l.ends == 0 && rig_now_ms() < until)
        assert_int_equal(fanmap_next(pulled, 100, &outcome, NULL), FANMAP_AGAIN);
    assert_int_equal(l.outcomes, 300);
    fanmap_job_t *job = pulled;
    OK(fanmap_end_input(pulled, NULL, NULL));
    assert_int_equal(fanmap_next_any(f, BOUND_MS, &job, &outcome, NULL), FANMAP_END);
    assert_ptr_equal(job, pulled);
    assert_int_equal(fanmap_next_any(f, BOUND_MS, &job, &outcome, NULL), FANMAP_END);
    assert_null(job); /* the other one's end was told by its callback */
    assert_int_equal(fanmap_next(l.job, BOUND_MS, &outcome, NULL), FANMAP_END);
    fanmap_close(f);
}

static void dispatch_runs_no_more_than_it_was_told(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL);
    listener_t l = listen(f, 0);
    struct pollfd fd = {fanmap_fd(f), POLLIN, 0};
    rig_push_numbers(f, l.job, 0, 40);
    fanmap_on(l.job, on_outcome, on_end, NULL, &l);
    fanmap_stats_t stats = {0};
    while (stats.known < 40) { /* nothing is handed out meanwhile */
        assert_int_equal(poll(&fd, 1, BOUND_MS), 1);
        assert_in_range(fanmap_dispatch(f, 0, NULL), FANMAP_OK, FANMAP_AGAIN);
        fanmap_stats(l.job, &stats, sizeof stats);
    }
    int before = l.outcomes;
    assert_int_equal(fanmap_dispatch(f, 0, NULL), FANMAP_AGAIN);
    assert_int_equal(l.outcomes, before);
    assert_int_equal(poll(&fd, 1, 0), 1); /* level-triggered: it says so again and again */
    assert_int_equal(poll(&fd, 1, 0), 1);
    assert_int_equal(fanmap_dispatch(f, 7, NULL), FANMAP_AGAIN);
    assert_int_equal(l.outcomes, before + 7);
    assert_int_equal(poll(&fd, 1, 0), 1);
    fanmap_close(f);
}

static void a_map_may_be_closed_in_any_of_its_callbacks(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL);
    for (int i = 1; i <= 3; i++) {
        listener_t first = listen(f, 5), second = listen(f, 5);
        first.close_after = i;
        fanmap_on(first.job, on_outcome, on_end, on_writable, &first);
        fanmap_on(second.job, on_outcome, on_end_close, on_writable, &second);
        on_writable(&first, first.job);
        on_writable(&second, second.job);
        dispatch_until(f, &second.ends, 1);
        dispatch_until(f, &first.outcomes, i);
        assert_true(first.closed && second.closed);
        assert_int_equal(first.ends, 0);
    }
    fanmap_close(f);
}

static void close_the_other(void *arg, fanmap_job_t *job, const fanmap_outcome_t *outcome)
{
    listener_t *l = arg;
    (void)job;
    (void)outcome;
    l->outcomes++;
    fanmap_job_close(l->other, false);
    l->other = NULL;
}

/* Whichever of the two is served first closes the other, which has outcomes too. */
static void a_map_may_close_another_in_a_callback(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL);
    for (int i = 0; i < 4; i++) {
        listener_t l[2] = {listen(f, 0), listen(f, 0)};
        const fanmap_outcome_t *outcome;
        for (int k = 0; k < 2; k++) {
            fanmap_hold(l[k].job, true);
            rig_push_numbers(f, l[k].job, 0, 20);
        }
        fanmap_stats_t a = {0}, b = {0};
        while (a.known < 20 || b.known < 20) {
            assert_int_equal(fanmap_next(l[0].job, 20, &outcome, NULL), FANMAP_AGAIN);
            fanmap_stats(l[0].job, &a, sizeof a);
            fanmap_stats(l[1].job, &b, sizeof b);
        }
        listener_t both = {.f = f, .job = l[i & 1].job, .other = l[!(i & 1)].job};
        fanmap_on(both.job, close_the_other, NULL, NULL, &both);
        fanmap_hold(both.job, false);
        fanmap_hold(both.other, false);
        dispatch_until(f, &both.outcomes, 20);
        fanmap_job_close(both.job, false);
    }
    fanmap_close(f);
}

static void wait_inside(void *arg, fanmap_job_t *job, const fanmap_outcome_t *outcome)
{
    listener_t *l = arg;
    (void)job;
    l->outcomes++;
    uint64_t index = outcome->index;
    if (l->other) { /* a map within a map: opened, waited for and closed in here */
        fanmap_job_t *inner = rig_map(l->f, "square", RIG_JSON);
        rig_push(l->f, inner, "6");
        OK(fanmap_end_input(inner, NULL, NULL));
        rig_expect_value(rig_next(inner), 0, "36");
        assert_null(rig_next(inner));
        fanmap_job_close(inner, false);
        OK(fanmap_push(l->job, FANMAP_JSON, "{", 1, NULL)); /* a refused item does not write over the outcome */
        l->other = NULL;
    }
    assert_int_equal(outcome->index, index);
    if (outcome->kind == FANMAP_EXCEPTION)
        assert_string_equal(outcome->type, "TypeError");
}

static void a_callback_may_wait_for_another_map(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL);
    listener_t l = listen(f, 0);
    l.other = l.job;
    rig_push(f, l.job, "null");
    rig_push(f, l.job, "1");
    fanmap_on(l.job, wait_inside, on_end, NULL, &l);
    dispatch_until(f, &l.outcomes, 3);
    OK(fanmap_end_input(l.job, NULL, NULL));
    dispatch_until(f, &l.ends, 1);
    fanmap_close(f);
}

static void close_waited(void *arg, fanmap_job_t *job, const fanmap_outcome_t *outcome)
{
    listener_t *l = arg;
    (void)job;
    (void)outcome;
    l->outcomes++;
    fanmap_job_close(l->other, false);
}

static void the_map_that_is_waited_for_may_be_closed_by_another(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *waited = rig_map(f, "sleep_ms", NULL);
    const fanmap_outcome_t *outcome;
    listener_t l = listen(f, 0);
    l.other = waited;
    rig_push(f, waited, "60000");
    rig_push(f, l.job, "1");
    fanmap_on(l.job, close_waited, NULL, NULL, &l);
    assert_int_equal(fanmap_next(waited, BOUND_MS, &outcome, NULL), FANMAP_EUSAGE);
    assert_int_equal(l.outcomes, 1);
    fanmap_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_runs_on_its_callbacks),
        cmocka_unit_test(next_on_one_map_runs_the_callbacks_of_another),
        cmocka_unit_test(dispatch_runs_no_more_than_it_was_told),
        cmocka_unit_test(a_map_may_be_closed_in_any_of_its_callbacks),
        cmocka_unit_test(a_map_may_close_another_in_a_callback),
        cmocka_unit_test(a_callback_may_wait_for_another_map),
        cmocka_unit_test(the_map_that_is_waited_for_may_be_closed_by_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
