/* When a gatherer commits: --commit-every after the first record of a transaction, and in that rhythm while records come without a pause. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aggregator/gatherer.h"

enum { EVERY_MS = 100 };

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
    assert_int_equal(gatherer_next_ms(g), 5 + EVERY_MS);
    commit_at(g, 105, 145);
    pack_at(g, 146, 1);
    assert_int_equal(gatherer_next_ms(g), 105 + EVERY_MS);
    gatherer_free(g);
}

static void test_pause_begins_it_anew(void **state)
{
    gatherer_t *g = a_gatherer();
    (void)state;
    pack_at(g, 0, 0);
    commit_at(g, 100, 110);
    pack_at(g, 500, 1);
    assert_int_equal(gatherer_next_ms(g), 500 + EVERY_MS);
    commit_at(g, 600, 750); /* took longer than the rhythm */
    pack_at(g, 750, 2);
    assert_int_equal(gatherer_next_ms(g), 750 + EVERY_MS);
    gatherer_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rhythm_has_no_commits_in_it),
        cmocka_unit_test(test_pause_begins_it_anew),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    gatherer_actions_free(&actions);
    return failed;
}
