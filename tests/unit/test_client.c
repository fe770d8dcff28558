/* Pulling outcomes, pushing items, waiting for several maps, the one descriptor. */
#include "tests/unit/client_rig.h"

#include <inttypes.h>
#include <pthread.h>

static void outcomes_come_in_order(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *job = rig_map(f, "square", RIG_JSON);
    rig_push_numbers(f, job, 0, 1000);
    OK(fanmap_end_input(job, NULL, NULL));
    for (int i = 0; i < 1000; i++) {
        char wanted[32];
        snprintf(wanted, sizeof wanted, "%d", i * i);
        rig_expect_value(rig_next(job), (uint64_t)i, wanted);
    }
    assert_null(rig_next(job));
    assert_null(rig_next(job)); /* the end stays the end */
    fanmap_stats_t stats;
    fanmap_stats(job, &stats, sizeof stats);
    assert_int_equal(stats.published, 1000);
    assert_int_equal(stats.known, 1000);
    assert_int_equal(stats.delivered, 1000);
    assert_int_equal(stats.total, 1000);
    assert_int_equal(stats.failed, 0);
    assert_true(stats.input_ended && stats.done);
    fanmap_job_close(job, false);
    fanmap_close(f);
}

static void an_empty_input_has_an_empty_list(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *job = rig_map(f, "square", NULL);
    OK(fanmap_end_input(job, NULL, NULL)); /* before the topics are there */
    OK(fanmap_end_input(job, NULL, NULL));
    assert_int_equal(fanmap_push(job, FANMAP_JSON, "1", 1, NULL), FANMAP_EUSAGE);
    assert_null(rig_next(job));
    fanmap_close(f);
}

static void next_any_serves_all_maps_by_turns(void **state)
{
    (void)state;
    enum { MAPS = 5, ITEMS = 200 };
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *jobs[MAPS];
    int seen[MAPS] = {0}, ends = 0;
    for (int i = 0; i < MAPS; i++) {
        jobs[i] = rig_map(f, "echo", RIG_JSON);
        rig_push_numbers(f, jobs[i], i * ITEMS, ITEMS);
        OK(fanmap_end_input(jobs[i], NULL, NULL));
    }
    for (;;) {
        fanmap_job_t *job = jobs[0];
        const fanmap_outcome_t *outcome;
        int r = fanmap_next_any(f, BOUND_MS, &job, &outcome, NULL);
        if (r == FANMAP_END && !job)
            break;
        int i = 0;
        while (i < MAPS && jobs[i] != job)
            i++;
        assert_in_range(i, 0, MAPS - 1);
        if (r == FANMAP_END) {
            assert_int_equal(seen[i], ITEMS);
            ends++;
            continue;
        }
        OK(r);
        char wanted[32];
        snprintf(wanted, sizeof wanted, "%d", i * ITEMS + seen[i]);
        rig_expect_value(outcome, (uint64_t)seen[i]++, wanted);
    }
    assert_int_equal(ends, MAPS);
    fanmap_close(f);
}

static void a_wait_is_bounded_and_can_be_cut_short(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *job = rig_map(f, "sleep_ms", RIG_JSON);
    const fanmap_outcome_t *outcome;
    rig_push(f, job, "60000");
    int64_t began = rig_now_ms();
    assert_int_equal(fanmap_next(job, 0, &outcome, NULL), FANMAP_AGAIN);
    assert_in_range(rig_now_ms() - began, 0, 10000);
    began = rig_now_ms();
    assert_int_equal(fanmap_next(job, 300, &outcome, NULL), FANMAP_AGAIN);
    assert_in_range(rig_now_ms() - began, 299, 10000); /* nothing inside woke it early */
    fanmap_wake(f);
    began = rig_now_ms();
    assert_int_equal(fanmap_next(job, 30000, &outcome, NULL), FANMAP_AGAIN);
    assert_in_range(rig_now_ms() - began, 0, 10000);
    fanmap_job_t *any = NULL;
    began = rig_now_ms();
    assert_int_equal(fanmap_next_any(f, 200, &any, &outcome, NULL), FANMAP_AGAIN);
    assert_in_range(rig_now_ms() - began, 199, 10000);
    fanmap_close(f);
    assert_in_range(rig_now_ms() - began, 0, 30000); /* nobody waits for the sleeper */
}

/* Everything that is pushed and gathered goes through poll on the one descriptor, and it is never waited in vain. */
static void a_foreign_loop_needs_the_descriptor_only(void **state)
{
    (void)state;
    enum { MAPS = 3, ITEMS = 3000 };
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *jobs[MAPS];
    int pushed[MAPS] = {0}, taken[MAPS] = {0}, ended = 0;
    struct pollfd fd = {fanmap_fd(f), POLLIN, 0};
    for (int i = 0; i < MAPS; i++)
        jobs[i] = rig_map(f, "echo", (const char *const[]){"ahead", "100", NULL});
    while (ended < MAPS) {
        assert_int_equal(poll(&fd, 1, BOUND_MS), 1);
        OK(fanmap_dispatch(f, 10, NULL));
        for (int i = 0; i < MAPS; i++) {
            for (; pushed[i] < ITEMS && fanmap_push(jobs[i], FANMAP_JSON, "7", 1, NULL) == FANMAP_OK; pushed[i]++)
                if (pushed[i] + 1 == ITEMS)
                    OK(fanmap_end_input(jobs[i], NULL, NULL));
            const fanmap_outcome_t *outcome;
            if (taken[i] > ITEMS)
                continue;
            int r = fanmap_next(jobs[i], 0, &outcome, NULL); /* one only: the rest must make it readable again */
            taken[i] += r == FANMAP_OK || r == FANMAP_END;
            ended += r == FANMAP_END;
        }
    }
    for (int i = 0; i < MAPS; i++)
        assert_int_equal(taken[i], ITEMS + 1);
    while (poll(&fd, 1, 0) == 1) /* nothing is left to do: it becomes quiet, but for timers */
        OK(fanmap_dispatch(f, 10, NULL));
    fanmap_close(f);
}

static void a_held_map_says_nothing_and_stops_no_other(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *held = rig_map(f, "echo", RIG_JSON), *other = rig_map(f, "echo", RIG_JSON);
    const fanmap_outcome_t *outcome;
    fanmap_hold(held, true);
    rig_push_numbers(f, held, 0, 100);
    rig_push_numbers(f, other, 0, 100);
    OK(fanmap_end_input(held, NULL, NULL));
    OK(fanmap_end_input(other, NULL, NULL));
    for (int i = 0; i < 100; i++)
        assert_non_null(rig_next(other));
    assert_null(rig_next(other));
    assert_int_equal(fanmap_next(held, 200, &outcome, NULL), FANMAP_AGAIN);
    fanmap_hold(held, false);
    for (int i = 0; i < 100; i++)
        assert_int_equal(rig_next(held)->index, i);
    assert_null(rig_next(held));
    fanmap_close(f);
}

/* The window, the embedded log and what may wait are all smaller than what passes through. */
static void back_pressure_reaches_the_producer_and_lets_go_again(void **state)
{
    (void)state;
    enum { ITEMS = 400, BYTES = 60000 };
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *job = rig_map(f, "echo", (const char *const[]){"window", "64KiB", "spill", "1MiB", NULL});
    char *item = malloc(BYTES);
    memset(item, 'x', BYTES);
    int pushed = 0, taken = 0, stops = 0;
    int64_t until = rig_now_ms() + BOUND_MS;
    while (taken < ITEMS && rig_now_ms() < until) {
        int r = FANMAP_OK;
        while (pushed < ITEMS && (r = fanmap_push(job, FANMAP_TEXT, item, BYTES, NULL)) == FANMAP_OK)
            pushed++;
        if (pushed == ITEMS)
            OK(fanmap_end_input(job, NULL, NULL));
        const fanmap_outcome_t *outcome;
        if (pushed < ITEMS) {
            fanmap_stats_t before, stats;
            fanmap_stats(job, &before, sizeof before);
            fanmap_hold(job, true); /* let it fill */
            assert_int_equal(fanmap_next(job, 50, &outcome, NULL), FANMAP_AGAIN);
            fanmap_hold(job, false);
            fanmap_stats(job, &stats, sizeof stats);
            stops += stats.published > 0 && stats.published == before.published;
        }
        r = fanmap_next(job, 1000, &outcome, NULL);
        if (r == FANMAP_OK)
            assert_int_equal(outcome->index, taken++);
    }
    assert_int_equal(taken, ITEMS);
    assert_in_range(stops, 1, ITEMS); /* it had really come to a stop */
    free(item);
    fanmap_close(f);
}

static void what_cannot_be_sent_is_an_outcome_in_its_place(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *job = rig_map(
        f, "echo", (const char *const[]){"item-max", "100", "source", "file \xff: line", "value-format", "json", NULL});
    char large[200];
    memset(large, '1', sizeof large);
    while (fanmap_push(job, FANMAP_JSON, "1", 1, NULL) == FANMAP_AGAIN)
        OK(fanmap_dispatch(f, 0, NULL));
    OK(fanmap_push(job, FANMAP_JSON, "{nonsense", 9, NULL));
    OK(fanmap_push(job, FANMAP_JSON, large, sizeof large, NULL));
    OK(fanmap_push(job, FANMAP_MSGPACK, "\xc1", 1, NULL));
    OK(fanmap_push(job, FANMAP_JSON, "", 0, NULL));
    OK(fanmap_push(job, FANMAP_TEXT, NULL, 0, NULL));
    assert_int_equal(fanmap_push(job, (fanmap_format_t)9, "1", 1, NULL), FANMAP_EUSAGE);
    OK(fanmap_end_input(job, NULL, NULL));
    static const fanmap_kind_t kinds[] = {FANMAP_VALUE,     FANMAP_BAD_INPUT, FANMAP_TOO_LARGE,
                                          FANMAP_BAD_INPUT, FANMAP_BAD_INPUT, FANMAP_VALUE};
    for (int i = 0; i < 6; i++) {
        const fanmap_outcome_t *outcome = rig_next(job);
        char place[64];
        snprintf(place, sizeof place, "file \xEF\xBF\xBD: line %d: ", i + 1);
        assert_int_equal(outcome->index, i);
        assert_int_equal(outcome->kind, kinds[i]);
        if (kinds[i] != FANMAP_VALUE)
            assert_memory_equal(outcome->message, place, strlen(place));
    }
    assert_null(rig_next(job));
    fanmap_close(f);
}

static void a_source_that_breaks_off_ends_the_job_after_what_came_before(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *job = rig_map(f, "square", RIG_JSON);
    const fanmap_outcome_t *outcome;
    fanmap_error_t err;
    rig_push_numbers(f, job, 0, 3);
    OK(fanmap_end_input(job, "disk \xff on fire", NULL));
    for (int i = 0; i < 3; i++)
        assert_int_equal(rig_next(job)->kind, FANMAP_VALUE);
    assert_int_equal(fanmap_next(job, BOUND_MS, &outcome, &err), FANMAP_EIO);
    assert_non_null(strstr(err.message, "disk \xEF\xBF\xBD on fire"));
    fanmap_close(f);
}

static void fail_fast_stops_and_refuses_more(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *job = rig_map(f, "square", (const char *const[]){"fail-fast", "true", NULL});
    const fanmap_outcome_t *outcome;
    fanmap_error_t err;
    rig_push(f, job, "1");
    rig_push(f, job, "\"no number\"");
    int r, failed = 0;
    while ((r = fanmap_next(job, BOUND_MS, &outcome, &err)) == FANMAP_OK || r == FANMAP_AGAIN)
        failed += r == FANMAP_OK && outcome->kind == FANMAP_EXCEPTION;
    assert_int_equal(r, FANMAP_ESTOPPED);
    assert_int_equal(failed, 1);
    assert_int_equal(fanmap_push(job, FANMAP_JSON, "1", 1, NULL), FANMAP_ESTOPPED);
    fanmap_close(f);
}

static void a_deadline_ends_the_job(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *job = rig_map(f, "sleep_ms", (const char *const[]){"deadline", "2500ms", NULL});
    fanmap_job_t *idle = rig_map(f, "echo", (const char *const[]){"deadline", "500ms", NULL}); /* no item ever comes */
    const fanmap_outcome_t *outcome;
    fanmap_error_t err;
    rig_push(f, job, "60000");
    OK(fanmap_next(job, BOUND_MS, &outcome, &err));
    assert_int_equal(outcome->kind, FANMAP_DEADLINE);
    assert_int_equal(fanmap_next(job, BOUND_MS, &outcome, &err), FANMAP_ESTOPPED);
    assert_non_null(strstr(err.message, "deadline"));
    assert_int_equal(fanmap_next(idle, BOUND_MS, &outcome, &err), FANMAP_ESTOPPED);
    fanmap_close(f);
}

/* Of outcomes larger than the window together; the caller is slow at first, so that the reader has to be held. */
static void without_an_order_each_comes_once(void **state)
{
    (void)state;
    enum { ITEMS = 600, BYTES = 20000 };
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *job = rig_map(f, "echo", (const char *const[]){"unordered", "true", "window", "64KiB", NULL});
    char *item = malloc(BYTES);
    bool seen[ITEMS] = {false};
    int pushed = 0, taken = 0, r = FANMAP_OK;
    memset(item, 'x', BYTES);
    const fanmap_outcome_t *outcome;
    int64_t until = rig_now_ms() + BOUND_MS;
    while (r != FANMAP_END && rig_now_ms() < until) {
        while (pushed < ITEMS && fanmap_push(job, FANMAP_TEXT, item, BYTES, NULL) == FANMAP_OK)
            pushed++;
        if (pushed == ITEMS)
            OK(fanmap_end_input(job, NULL, NULL));
        r = fanmap_next(job, 20, &outcome, NULL);
        if (r != FANMAP_OK)
            continue;
        assert_in_range(outcome->index, 0, ITEMS - 1);
        assert_false(seen[outcome->index]);
        assert_in_range(outcome->value_len, BYTES, BYTES + 5);
        seen[outcome->index] = true;
        taken++;
    }
    assert_int_equal(r, FANMAP_END);
    assert_int_equal(taken, ITEMS);
    free(item);
    fanmap_close(f);
}

static void a_job_id_names_one_map(void **state)
{
    (void)state;
    static const char *const id[] = {"job-id", "the-one", NULL};
    fanmap_t *f = rig_open(NULL);
    const fanmap_outcome_t *outcome;
    fanmap_error_t err;
    fanmap_job_t *jobs[2] = {rig_map(f, "square", id), rig_map(f, "square", id)};
    assert_string_equal(fanmap_job_id(jobs[0]), "the-one");
    int ended = 0, refused = 0;
    for (int i = 0; i < 2; i++)
        OK(fanmap_end_input(jobs[i], NULL, NULL));
    for (int i = 0; i < 2; i++) {
        int r = fanmap_next(jobs[i], BOUND_MS, &outcome, &err);
        ended += r == FANMAP_END;
        refused += r == FANMAP_ECONFLICT;
    }
    assert_int_equal(ended, 1);
    assert_int_equal(refused, 1);
    fanmap_job_t *late = rig_map(f, "square", id); /* an ended job is never opened again */
    assert_int_equal(fanmap_next(late, BOUND_MS, &outcome, &err), FANMAP_ECONFLICT);
    assert_non_null(strstr(err.message, "the-one"));
    fanmap_close(f);
}

/* Turns the loop until the count has its value; outcomes may come meanwhile. */
static void until_running(fanmap_job_t *job, uint64_t wanted)
{
    fanmap_stats_t stats;
    const fanmap_outcome_t *outcome;
    int64_t until = rig_now_ms() + BOUND_MS;
    while (fanmap_stats(job, &stats, sizeof stats), stats.running != wanted) {
        assert_in_range(fanmap_next(job, 5, &outcome, NULL), FANMAP_OK, FANMAP_AGAIN);
        assert_true(rig_now_ms() < until);
    }
}

static void a_running_job_can_be_paused_resumed_limited_and_cancelled(void **state)
{
    (void)state;
    fanmap_t *f = rig_open((const char *const[]){"slots", "4", NULL});
    fanmap_job_t *job = rig_map(f, "sleep_ms", (const char *const[]){"concurrency", "3", "grace", "100ms", NULL});
    const fanmap_outcome_t *outcome;
    fanmap_stats_t stats;
    fanmap_error_t err;
    for (int i = 0; i < 300; i++) /* ten seconds of them */
        rig_push(f, job, "100");
    for (int i = 0; i < 10; i++)
        rig_push(f, job, "60000");
    OK(fanmap_end_input(job, NULL, NULL));
    until_running(job, 3);
    OK(fanmap_control(f, fanmap_job_id(job), "pause", NULL, BOUND_MS, NULL));
    fanmap_stats(job, &stats, sizeof stats);
    assert_true(stats.paused);
    until_running(job, 0);
    OK(fanmap_control(f, fanmap_job_id(job), "concurrency", "1", BOUND_MS, NULL));
    OK(fanmap_control(f, fanmap_job_id(job), "resume", NULL, BOUND_MS, NULL));
    fanmap_stats(job, &stats, sizeof stats);
    assert_false(stats.paused);
    until_running(job, 1);
    OK(fanmap_control(f, fanmap_job_id(job), "concurrency", "4", BOUND_MS, NULL));
    until_running(job, 4);
    assert_int_equal(fanmap_control(f, fanmap_job_id(job), "stop", NULL, BOUND_MS, NULL), FANMAP_EUSAGE);
    assert_int_equal(fanmap_control(f, "no-such-job", "cancel", NULL, BOUND_MS, NULL), FANMAP_ENOJOB);
    OK(fanmap_control(f, fanmap_job_id(job), "cancel", NULL, BOUND_MS, NULL));
    int r;
    while ((r = fanmap_next(job, BOUND_MS, &outcome, &err)) == FANMAP_OK || r == FANMAP_AGAIN)
        assert_true(r == FANMAP_AGAIN || outcome->kind == FANMAP_VALUE || outcome->kind == FANMAP_CANCELLED);
    assert_int_equal(r, FANMAP_ESTOPPED);
    assert_int_equal(fanmap_control(f, fanmap_job_id(job), "pause", NULL, BOUND_MS, NULL), FANMAP_ESTOPPED);
    fanmap_close(f);
}

static void retries_are_counted(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *job = rig_map(f, "flaky", (const char *const[]){"retries", "2", "backoff", "1ms,1,1ms", NULL});
    fanmap_stats_t stats;
    rig_push_numbers(f, job, 0, 10);
    OK(fanmap_end_input(job, NULL, NULL));
    while (rig_next(job))
        ;
    fanmap_stats(job, &stats, sizeof stats);
    assert_int_equal(stats.retried, 10); /* the odd ones fail twice each */
    assert_int_equal(stats.failed, 0);
    assert_int_equal(stats.running, 0);
    char small[sizeof stats];
    memset(small, 'x', sizeof small);
    fanmap_stats(job, (fanmap_stats_t *)(void *)small, 8); /* as a program built against an older header asks */
    assert_memory_equal(small, &stats, 8);
    assert_int_equal(small[8], 'x');
    fanmap_close(f);
}

/* A connection of its own from its first call to its last. Returns how many squares were right. */
static void *map_alone(void *arg)
{
    enum { ITEMS = 300 };
    fanmap_job_t *job = NULL;
    fanmap_t *f = NULL;
    const fanmap_outcome_t *outcome;
    uintptr_t right = 0;
    int pushed = 0, r = fanmap_open(arg, NULL, NULL, &f, NULL);
    if (r == FANMAP_OK)
        r = fanmap_map(f, "square", arg, &job, NULL);
    for (int64_t until = rig_now_ms() + BOUND_MS; r >= 0 && r != FANMAP_END && rig_now_ms() < until;) {
        while (pushed < ITEMS && fanmap_push(job, FANMAP_JSON, "11", 2, NULL) == FANMAP_OK)
            pushed++;
        if (pushed == ITEMS && fanmap_end_input(job, NULL, NULL) != FANMAP_OK)
            break;
        r = fanmap_next(job, 1000, &outcome, NULL);
        right += r == FANMAP_OK && outcome->value_len == 3 && memcmp(outcome->value, "121", 3) == 0;
    }
    fanmap_close(f);
    return (void *)(r == FANMAP_END ? right : 0);
}

static void threads_may_each_have_a_connection(void **state)
{
    (void)state;
    pthread_t threads[3];
    char numbers[2200];
    fanmap_close(rig_open(NULL)); /* names the helpers' folder, before there are threads */
    rig_folder(numbers, sizeof numbers, "/examples/numbers.so");
    fanmap_options_t *options = rig_options(
        (const char *const[]){"local", "true", "tasks", numbers, "value-format", "json", "slots", "2", NULL});
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, map_alone, options), 0);
    for (int i = 0; i < 3; i++) {
        void *right = NULL;
        assert_int_equal(pthread_join(threads[i], &right), 0);
        assert_int_equal((uintptr_t)right, 300);
    }
    fanmap_options_free(options);
    assert_int_equal(rig_children(), 0);
}

static void *free_it(void *arg)
{
    fanmap_outcome_t *outcome = arg;
    size_t sum = outcome->value_len + strlen(outcome->message) + strlen(outcome->type) + outcome->stderr_len;
    fanmap_outcome_free(outcome);
    return (void *)(uintptr_t)sum;
}

static void a_kept_outcome_outlives_everything(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *job = rig_map(f, "square", RIG_JSON);
    fanmap_outcome_t *kept[2];
    rig_push(f, job, "12");
    rig_push(f, job, "null");
    OK(fanmap_end_input(job, NULL, NULL));
    for (int i = 0; i < 2; i++)
        OK(fanmap_outcome_keep(rig_next(job), &kept[i]));
    fanmap_close(f);
    rig_expect_value(kept[0], 0, "144");
    assert_string_equal(kept[1]->type, "TypeError");
    for (int i = 0; i < 2; i++) {
        pthread_t thread;
        void *sum;
        assert_int_equal(pthread_create(&thread, NULL, free_it, kept[i]), 0);
        assert_int_equal(pthread_join(thread, &sum), 0);
        assert_true(sum != NULL);
    }
    fanmap_outcome_free(NULL);
}

static void an_embedded_worker_that_cannot_start_leaves_nothing_behind(void **state)
{
    (void)state;
    fanmap_t *f = rig_open(NULL);
    fanmap_options_t *wrong = rig_options((const char *const[]){"tasks", "/nowhere/none.so", NULL});
    fanmap_job_t *job;
    fanmap_error_t err;
    for (int i = 0; i < 2; i++)
        assert_int_equal(fanmap_map(f, "square", wrong, &job, &err), FANMAP_EUSAGE);
    fanmap_options_free(wrong);
    assert_int_equal(fanmap_map(f, "no such task", NULL, &job, &err), FANMAP_EUSAGE);
    assert_int_equal(fanmap_map(f, "absent", NULL, &job, &err), FANMAP_EUSAGE);
    job = rig_map(f, "square", (const char *const[]){"queue", "another", "value-format", "json", NULL});
    rig_push(f, job, "5");
    OK(fanmap_end_input(job, NULL, NULL));
    rig_expect_value(rig_next(job), 0, "25");
    assert_null(rig_next(job));
    fanmap_close(f);
}

/* Nothing was dispatched yet: as much is taken as semantics.md says, and all of it is in the list, in order. */
static void a_fresh_job_takes_items_at_once(void **state)
{
    (void)state;
    enum { FIRST = 1024, LARGE = 300 * 1024 };
    static char large[LARGE];
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *job = rig_map(f, "echo", NULL), *heavy = rig_map(f, "echo", NULL);
    const fanmap_outcome_t *outcome;
    fanmap_stats_t stats;
    char item[16];
    for (int i = 0; i < FIRST; i++) {
        snprintf(item, sizeof item, "%d", i);
        OK(fanmap_push(job, FANMAP_JSON, i == 7 ? "{" : item, i == 7 ? 1 : strlen(item), NULL));
    }
    assert_int_equal(fanmap_push(job, FANMAP_JSON, "1", 1, NULL), FANMAP_AGAIN);
    memset(large, 'x', LARGE);
    for (int i = 0; i < 4; i++) /* the one that goes over the bound is the last */
        OK(fanmap_push(heavy, FANMAP_TEXT, large, LARGE, NULL));
    assert_int_equal(fanmap_push(heavy, FANMAP_JSON, "1", 1, NULL), FANMAP_AGAIN);
    OK(fanmap_end_input(job, NULL, NULL));
    OK(fanmap_end_input(heavy, NULL, NULL));
    for (int i = 0; i < FIRST; i++) {
        OK(fanmap_next(job, BOUND_MS, &outcome, NULL));
        snprintf(item, sizeof item, "%d", i);
        assert_int_equal(outcome->index, i);
        assert_int_equal(outcome->kind, i == 7 ? FANMAP_BAD_INPUT : FANMAP_VALUE);
    }
    assert_int_equal(fanmap_next(job, BOUND_MS, &outcome, NULL), FANMAP_END);
    fanmap_stats(job, &stats, sizeof stats);
    assert_int_equal(stats.total, FIRST);
    for (int i = 0; i < 4; i++) {
        OK(fanmap_next(heavy, BOUND_MS, &outcome, NULL));
        assert_in_range(outcome->value_len, LARGE, LARGE + 5);
    }
    assert_int_equal(fanmap_next(heavy, BOUND_MS, &outcome, NULL), FANMAP_END);
    fanmap_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outcomes_come_in_order),
        cmocka_unit_test(an_empty_input_has_an_empty_list),
        cmocka_unit_test(next_any_serves_all_maps_by_turns),
        cmocka_unit_test(a_wait_is_bounded_and_can_be_cut_short),
        cmocka_unit_test(a_foreign_loop_needs_the_descriptor_only),
        cmocka_unit_test(a_held_map_says_nothing_and_stops_no_other),
        cmocka_unit_test(back_pressure_reaches_the_producer_and_lets_go_again),
        cmocka_unit_test(what_cannot_be_sent_is_an_outcome_in_its_place),
        cmocka_unit_test(a_source_that_breaks_off_ends_the_job_after_what_came_before),
        cmocka_unit_test(fail_fast_stops_and_refuses_more),
        cmocka_unit_test(a_deadline_ends_the_job),
        cmocka_unit_test(without_an_order_each_comes_once),
        cmocka_unit_test(a_job_id_names_one_map),
        cmocka_unit_test(a_running_job_can_be_paused_resumed_limited_and_cancelled),
        cmocka_unit_test(retries_are_counted),
        cmocka_unit_test(threads_may_each_have_a_connection),
        cmocka_unit_test(a_kept_outcome_outlives_everything),
        cmocka_unit_test(an_embedded_worker_that_cannot_start_leaves_nothing_behind),
        cmocka_unit_test(a_fresh_job_takes_items_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
