/* A thousand maps of one connection at once, and handles closed after every step of the push style. Under
 * AddressSanitizer and ThreadSanitizer too (dev.d/test). */
#include "tests/unit/client_rig.h"

enum { MANY = 1000, ITEMS = 3 };

/* What is to become of a map. */
typedef enum { RUNS_TO_ITS_END, CLOSED_AT_ONCE, CLOSED_AT_ITS_FIRST_OUTCOME, DETACHED_MIDWAY, CLOSED_MIDWAY } fate_t;

typedef struct {
    fanmap_job_t *job;
    fate_t fate;
    int pushed, outcomes, ends;
    bool is_closed;
} one_t;

static void close_one(one_t *one, bool detach)
{
    one->is_closed = true;
    fanmap_job_close(one->job, detach);
}

static void on_outcome(void *arg, fanmap_job_t *job, const fanmap_outcome_t *outcome)
{
    one_t *one = arg;
    assert_false(one->is_closed);
    assert_ptr_equal(job, one->job);
    assert_int_equal(outcome->index, one->outcomes++);
    if (one->fate == CLOSED_AT_ITS_FIRST_OUTCOME)
        close_one(one, false);
}

static void on_end(void *arg, fanmap_job_t *job, int result, const fanmap_error_t *err)
{
    one_t *one = arg;
    assert_false(one->is_closed);
    assert_ptr_equal(job, one->job);
    assert_null(err);
    assert_int_equal(result, FANMAP_END);
    assert_int_equal(one->outcomes, ITEMS);
    one->ends++;
    close_one(one, false);
}

static void on_writable(void *arg, fanmap_job_t *job)
{
    one_t *one = arg;
    assert_false(one->is_closed);
    while (one->pushed < ITEMS && fanmap_push(job, FANMAP_JSON, "4", 1, NULL) == FANMAP_OK)
        one->pushed++;
    if (one->pushed == ITEMS)
        OK(fanmap_end_input(job, NULL, NULL));
}

static void dispatch(fanmap_t *f)
{
    struct pollfd fd = {fanmap_fd(f), POLLIN, 0};
    assert_int_equal(poll(&fd, 1, BOUND_MS), 1);
    assert_in_range(fanmap_dispatch(f, 100, NULL), FANMAP_OK, FANMAP_AGAIN);
}

static void begin(fanmap_t *f, one_t *one, fate_t fate)
{
    *one = (one_t){.job = rig_map(f, "square", NULL), .fate = fate};
    fanmap_on(one->job, on_outcome, on_end, on_writable, one);
    on_writable(one, one->job);
    if (fate == CLOSED_AT_ONCE)
        close_one(one, false);
}

static void close_midway(one_t *maps)
{
    for (int i = 0; i < MANY; i++)
        if (!maps[i].is_closed && maps[i].fate >= DETACHED_MIDWAY)
            close_one(&maps[i], maps[i].fate == DETACHED_MIDWAY);
}

static int closed_n(const one_t *maps)
{
    int n = 0;
    for (int i = 0; i < MANY; i++)
        n += maps[i].is_closed;
    return n;
}

static void a_thousand_maps_at_once_leave_nothing(void **state)
{
    (void)state;
    one_t *maps = calloc(MANY, sizeof *maps), warm;
    int before = rig_fds();
    fanmap_t *f = rig_open(NULL);
    for (begin(f, &warm, RUNS_TO_ITS_END); !warm.is_closed;)
        dispatch(f);
    rig_use_slots(f, 2);
    int fds = rig_fds(), children = rig_children();
    for (int i = 0; i < MANY; i++)
        begin(f, &maps[i], (fate_t)(i % 5));
    int64_t until = rig_now_ms() + 2 * BOUND_MS;
    while (closed_n(maps) < MANY && rig_now_ms() < until) {
        dispatch(f);
        if (closed_n(maps) > MANY / 4)
            close_midway(maps);
    }
    assert_int_equal(closed_n(maps), MANY);
    for (int i = 0; i < MANY; i++) {
        bool ended = maps[i].fate == RUNS_TO_ITS_END || (maps[i].fate >= DETACHED_MIDWAY && maps[i].outcomes == ITEMS);
        assert_in_range(maps[i].ends, maps[i].fate == RUNS_TO_ITS_END, ended);
        assert_true(maps[i].fate != CLOSED_AT_ONCE || maps[i].outcomes == 0);
        assert_true(maps[i].fate != CLOSED_AT_ITS_FIRST_OUTCOME || maps[i].outcomes == 1);
    }
    for (begin(f, &warm, RUNS_TO_ITS_END); !warm.is_closed;) /* and the connection is as good as new */
        dispatch(f);
    assert_in_range(rig_fds(), 1, fds + 4); /* a slot that was being restarted has a few more */
    assert_int_equal(rig_children(), children);
    fanmap_close(f);
    assert_int_equal(rig_fds(), before);
    assert_int_equal(rig_children(), 0);
    free(maps);
}

/* `last` dispatches of one callback each, then the handle is closed. True: its end was told. */
static bool live_by_callbacks(fanmap_t *f, int last)
{
    one_t one;
    begin(f, &one, RUNS_TO_ITS_END);
    for (int step = 0; step < last && !one.is_closed; step++) {
        struct pollfd fd = {fanmap_fd(f), POLLIN, 0};
        (void)poll(&fd, 1, step < 40 ? 0 : 10);
        assert_in_range(fanmap_dispatch(f, 1, NULL), FANMAP_OK, FANMAP_AGAIN);
    }
    bool was_told = one.is_closed;
    if (!was_told)
        close_one(&one, false);
    return was_told;
}

static void a_map_with_callbacks_may_be_closed_after_any_step(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL);
    int last = 0;
    while (!live_by_callbacks(f, last++))
        assert_in_range(last, 0, 3000);
    assert_in_range(last, 5, 3000);
    fanmap_close(f);
    assert_int_equal(rig_children(), 0);
}

static void close_at(fanmap_job_t **at)
{
    fanmap_job_close(*at, false);
    *at = NULL;
}

/* Two maps, waited for together; after `last` steps the first is closed, and the other one comes to its end. True: the
 * first had ended before. */
static bool live_among_two(fanmap_t *f, int last)
{
    fanmap_job_t *jobs[2] = {rig_map(f, "square", NULL), rig_map(f, "square", NULL)};
    const fanmap_outcome_t *outcome;
    int pushed[2] = {0}, taken = 0;
    bool was_over = false;
    for (int step = 0; jobs[0] || jobs[1]; step++) {
        assert_in_range(step, 0, 6000);
        for (int i = 0; i < 2; i++) {
            if (jobs[i] && pushed[i] < 2 && fanmap_push(jobs[i], FANMAP_JSON, "3", 1, NULL) == FANMAP_OK)
                pushed[i]++;
            if (jobs[i] && pushed[i] == 2)
                OK(fanmap_end_input(jobs[i], NULL, NULL));
        }
        if (step == last && jobs[0])
            close_at(&jobs[0]);
        fanmap_job_t *job = NULL;
        int r = fanmap_next_any(f, step < 40 ? 0 : 10, &job, &outcome, NULL);
        assert_in_range(r, FANMAP_OK, FANMAP_END);
        if (!job) /* nothing yet, or none is left */
            continue;
        assert_true(job == jobs[0] || job == jobs[1]);
        taken += r == FANMAP_OK && job == jobs[1];
        was_over |= r == FANMAP_END && job == jobs[0];
        if (r == FANMAP_END)
            close_at(job == jobs[0] ? &jobs[0] : &jobs[1]);
    }
    assert_int_equal(taken, 2);
    return was_over;
}

static void one_of_two_maps_may_be_closed_after_any_step(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL);
    int last = 0;
    while (!live_among_two(f, last++))
        assert_in_range(last, 0, 3000);
    assert_in_range(last, 5, 3000);
    fanmap_close(f);
    assert_int_equal(rig_children(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thousand_maps_at_once_leave_nothing),
        cmocka_unit_test(a_map_with_callbacks_may_be_closed_after_any_step),
        cmocka_unit_test(one_of_two_maps_may_be_closed_after_any_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
