/* When a gatherer commits: so that the first record of a transaction is visible --commit-every later, also when a commit takes long, and
 * in that rhythm while records come without a pause. And that what waited is handed out in time that grows with its number, no faster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "aggregator/gatherer.h"

enum { EVERY_MS = 100, EARLY_MS = EVERY_MS / 4, WAITING_N = 120000 };

static gatherer_actions_t actions;

static gatherer_t *a_gatherer(void)
{
    const gatherer_config_t config = {
        .order = STREAM_BY_PARTITION, .lanes_n = 1, .commit_every_ms = EVERY_MS, .records_max = 1000};
    gatherer_t *g = gatherer_new(&config);
    assert_non_null(g);
    gatherer_step(g, &(gatherer_event_t){.type = GATHERER_ASSIGNED, .metadata = "", .generation = 1}, &actions);
    return g;
}

static void pack_at(gatherer_t *g, int64_t now_ms, int64_t at)
{
    gatherer_step(g, &(gatherer_event_t){.type = GATHERER_PACK, .now_ms = now_ms, .at = at, .whole = at}, &actions);
}

static void commit_at(gatherer_t *g, int64_t now_ms, int64_t answer_ms)
{
    gatherer_step(g, &(gatherer_event_t){.type = GATHERER_TICK, .now_ms = now_ms}, &actions);
    assert_true(actions.n > 0 && actions.at[actions.n - 1].type == GATHERER_COMMIT);
    gatherer_step(g, &(gatherer_event_t){.type = GATHERER_ANSWER, .now_ms = answer_ms, .ok = true}, &actions);
}

static void test_rhythm_has_no_commits_in_it(void **state)
{
    gatherer_t *g = a_gatherer();
    (void)state;
    pack_at(g, 5, 0);
    assert_int_equal(gatherer_next_ms(g), 5 + EVERY_MS - EARLY_MS);
    commit_at(g, 80, 100);
    pack_at(g, 101, 1);
    assert_int_equal(gatherer_next_ms(g), 80 + EVERY_MS - 2 * 20);
    gatherer_free(g);
}

static void test_pause_begins_it_anew(void **state)
{
    gatherer_t *g = a_gatherer();
    (void)state;
    pack_at(g, 0, 0);
    commit_at(g, 100, 110);
    pack_at(g, 500, 1);
    assert_int_equal(gatherer_next_ms(g), 500 + EVERY_MS - EARLY_MS);
    commit_at(g, 580, 740); /* took longer than the rhythm */
    pack_at(g, 740, 2);
    assert_int_equal(gatherer_next_ms(g), 740 + EVERY_MS / 2);
    gatherer_free(g);
}

static void test_slow_commit_is_forgotten_after_quick_ones(void **state)
{
    gatherer_t *g = a_gatherer();
    int64_t now_ms = 0, before_ms = EVERY_MS / 2;
    (void)state;
    pack_at(g, now_ms, 0);
    commit_at(g, EVERY_MS, now_ms = 2 * EVERY_MS);
    for (int64_t i = 1; i < 100; i++) {
        now_ms += 1000;
        pack_at(g, now_ms, i);
        int64_t wait_ms = gatherer_next_ms(g) - now_ms;
        assert_in_range(wait_ms, before_ms, EVERY_MS - EARLY_MS);
        before_ms = wait_ms;
        commit_at(g, now_ms + wait_ms, now_ms + wait_ms + 2);
        now_ms += wait_ms + 2;
    }
    assert_int_equal(before_ms, EVERY_MS - EARLY_MS);
    gatherer_free(g);
}

/* Of the pack at `at`, whose outcomes are those of the records from..to-1. */
static void outcomes_at(gatherer_t *g, int64_t at, int64_t from, int64_t to)
{
    size_t n = (size_t)(to - from);
    gather_outcome_t *outcomes = calloc(n, sizeof *outcomes);
    assert_non_null(outcomes);
    for (size_t i = 0; i < n; i++)
        outcomes[i] = (gather_outcome_t){.offset = from + (int64_t)i, .prev = from + (int64_t)i - 1};
    gatherer_step(g, &(gatherer_event_t){.type = GATHERER_PACK, .at = at, .whole = -1, .at_in = outcomes, .n = n},
                  &actions);
    free(outcomes);
}

/* Each one that leaves used to move all that wait behind it: that took as many seconds as this takes hundredths of one. */
static void test_many_that_wait_are_handed_out_quickly(void **state)
{
    gatherer_t *g = a_gatherer();
    (void)state;
    outcomes_at(g, 0, 1, WAITING_N);
    assert_int_equal(gatherer_held_n(g, 0), WAITING_N - 1);
    clock_t before = clock();
    outcomes_at(g, 1, 0, 1);
    assert_true(clock() - before < CLOCKS_PER_SEC);
    assert_int_equal(gatherer_held_n(g, 0), 0);
    int64_t next = 0;
    for (size_t i = 0; i < actions.n; i++)
        if (actions.at[i].type == GATHERER_HAND_OUT)
            assert_int_equal(actions.at[i].at, next++);
    assert_int_equal(next, WAITING_N);
    gatherer_free(g);
}

/* The first one is always missing for a while, so that the array is filled from a moving front. */
static void test_what_waits_stays_in_order_while_some_leave(void **state)
{
    gatherer_t *g = a_gatherer();
    int64_t at = 0, next = 0;
    (void)state;
    for (int64_t from = 0; from < 3000; from += 30) {
        outcomes_at(g, at++, from + 15, from + 30);
        outcomes_at(g, at++, from + 1, from + 15);
        outcomes_at(g, at++, from + 31, from + 40);
        outcomes_at(g, at++, from, from + 1);
        for (size_t i = 0; i < actions.n; i++)
            if (actions.at[i].type == GATHERER_HAND_OUT)
                assert_int_equal(actions.at[i].at, next++);
        assert_int_equal(next, from + 30);
        if (actions.at[actions.n - 1].type == GATHERER_COMMIT)
            gatherer_step(g, &(gatherer_event_t){.type = GATHERER_ANSWER, .ok = true}, &actions);
        assert_int_equal(gatherer_held_n(g, 0), 9);
    }
    gatherer_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rhythm_has_no_commits_in_it),
        cmocka_unit_test(test_pause_begins_it_anew),
        cmocka_unit_test(test_slow_commit_is_forgotten_after_quick_ones),
        cmocka_unit_test(test_many_that_wait_are_handed_out_quickly),
        cmocka_unit_test(test_what_waits_stays_in_order_while_some_leave),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    gatherer_actions_free(&actions);
    return failed;
}
