/* The worker's side of the tokens, edge by edge; the table is played by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tokens/tokens.h"

enum { L = 15000, BEAT = L / 5, T0 = 1000000 };

typedef struct {
    tokens_t *t;
    int64_t now_ms;
    tokens_request_t request; /* the last one sent */
    uint64_t fence;
    const char *run_id;
    uint64_t n_version;
} fixture_t;

static fixture_t make(uint64_t n)
{
    fixture_t f = {.now_ms = T0, .run_id = "run", .fence = 100};
    f.t = tokens_new("j", "inc", "nonce", L, n, T0);
    assert_non_null(f.t);
    return f;
}

static bool poll_at(fixture_t *f, int64_t now_ms)
{
    f->now_ms = now_ms;
    return tokens_poll(f->t, now_ms, &f->request);
}

static void reply_at(fixture_t *f, int64_t now_ms, uint64_t allow, uint64_t held, bool learning)
{
    f->now_ms = now_ms;
    tokens_reply_t r = {
        .allow = allow, .held = held, .learning = learning, .fence = ++f->fence, .n_version = f->n_version};
    snprintf(r.run_id, sizeof r.run_id, "%s", f->run_id);
    tokens_on_reply(f->t, f->request.seq, &r, now_ms);
}

static void demand(fixture_t *f, uint64_t keep, uint64_t want)
{
    tokens_set_demand(f->t, keep, want, f->now_ms);
}

static uint64_t allow(const fixture_t *f)
{
    return tokens_allow(f->t, f->now_ms);
}

static tokens_verdict_t verdict_at(fixture_t *f, int64_t now_ms)
{
    f->now_ms = now_ms;
    return tokens_verdict(f->t, now_ms);
}

/* A worker that was just given `held` tokens and uses `keep` of them. */
static fixture_t running(uint64_t keep, uint64_t held)
{
    fixture_t f = make(8);
    demand(&f, 0, held);
    assert_true(poll_at(&f, T0));
    reply_at(&f, T0 + 10, held, held, false);
    demand(&f, keep, held);
    return f;
}

static void test_no_limit_makes_no_calls(void **state)
{
    (void)state;
    fixture_t f = make(0);
    demand(&f, 3, 9);
    assert_false(poll_at(&f, T0 + 3600000));
    assert_true(allow(&f) == UINT64_MAX);
    assert_int_equal(verdict_at(&f, T0 + 7200000), TOKENS_RUN);
    assert_true(tokens_lapse_at_ms(f.t) == INT64_MAX);
    assert_true(tokens_next_ms(f.t, f.now_ms) == INT64_MAX);
    assert_int_equal(tokens_fence(f.t), 0);
    assert_int_equal(tokens_excess(f.t), 0);
    tokens_free(f.t);
}

static void test_no_call_before_the_first_demand(void **state)
{
    (void)state;
    fixture_t f = make(8);
    assert_false(poll_at(&f, T0 + L));
    assert_true(tokens_next_ms(f.t, f.now_ms) == INT64_MAX);
    assert_int_equal(allow(&f), 0);
    demand(&f, 0, 2);
    assert_true(tokens_next_ms(f.t, f.now_ms) <= f.now_ms);
    assert_true(poll_at(&f, T0 + L));
    assert_string_equal(f.request.job, "j");
    assert_string_equal(f.request.incarnation, "inc");
    assert_string_equal(f.request.nonce, "nonce");
    assert_int_equal(f.request.seq, 1);
    assert_int_equal(f.request.n, 8);
    assert_int_equal(f.request.want, 2);
    assert_int_equal(f.request.keep, 0);
    assert_int_equal(f.request.lease_ms, L);
    assert_false(f.request.lease_valid);
    tokens_free(f.t);
}

static void test_one_in_flight_and_heartbeats(void **state)
{
    (void)state;
    fixture_t f = running(2, 2);
    assert_int_equal(allow(&f), 2);
    assert_int_equal(tokens_next_ms(f.t, f.now_ms), T0 + BEAT);
    assert_false(poll_at(&f, T0 + BEAT - 1));
    assert_true(poll_at(&f, T0 + BEAT));
    assert_true(f.request.lease_valid);
    assert_false(poll_at(&f, T0 + BEAT));         /* it is in flight */
    reply_at(&f, T0 + 2 * BEAT + 5, 2, 2, false); /* later than the next one was due: that leaves on the reply */
    assert_true(poll_at(&f, f.now_ms));
    tokens_free(f.t);
}

static void test_allow_falls_before_and_rises_by_the_reply(void **state)
{
    (void)state;
    fixture_t f = running(2, 5);
    assert_int_equal(allow(&f), 5);
    assert_true(poll_at(&f, T0 + BEAT));
    assert_int_equal(f.request.keep, 2);
    assert_int_equal(allow(&f), 2);
    reply_at(&f, f.now_ms + 1, 4, 5, false);
    assert_int_equal(allow(&f), 4); /* never above what the reply allows, nor above held */
    tokens_free(f.t);
}

static void test_learning_never_raises(void **state)
{
    (void)state;
    fixture_t f = running(2, 5);
    assert_true(poll_at(&f, T0 + BEAT));
    reply_at(&f, f.now_ms + 1, 5, 5, true);
    assert_int_equal(allow(&f), 2);
    assert_int_equal(verdict_at(&f, T0 + BEAT + L / 2 - 1), TOKENS_RUN); /* but it renews */
    assert_true(poll_at(&f, f.now_ms));
    reply_at(&f, f.now_ms + 1, 1, 1, true);
    assert_int_equal(allow(&f), 1);
    assert_int_equal(tokens_excess(f.t), 1);
    tokens_free(f.t);
}

static void test_unawaited_replies_are_ignored(void **state)
{
    (void)state;
    fixture_t f = running(1, 1);
    uint64_t first = f.request.seq;
    assert_true(poll_at(&f, T0 + BEAT));
    tokens_reply_t late = {.allow = 7, .held = 7, .run_id = "run"};
    tokens_on_reply(f.t, first, &late, f.now_ms);
    tokens_on_error(f.t, first, f.now_ms);
    assert_int_equal(allow(&f), 1);
    assert_false(poll_at(&f, f.now_ms)); /* still awaits its own */
    reply_at(&f, f.now_ms + 1, 1, 1, false);
    tokens_on_reply(f.t, f.request.seq, &late, f.now_ms); /* repeated */
    assert_int_equal(allow(&f), 1);
    tokens_free(f.t);
}

static void test_timeouts(void **state)
{
    (void)state;
    fixture_t f = running(1, 1);
    int64_t sent = T0 + BEAT;
    assert_true(poll_at(&f, sent));
    assert_false(poll_at(&f, sent + L / 3 - 1));
    uint64_t lost = f.request.seq;
    assert_true(poll_at(&f, sent + L / 3)); /* timed out; from now on it waits longer */
    tokens_on_reply(f.t, lost, &(tokens_reply_t){.allow = 1, .held = 1, .run_id = "run"}, f.now_ms);
    sent += L / 3;
    assert_false(poll_at(&f, sent + L / 2 - 1));
    assert_true(poll_at(&f, sent + L / 2));
    sent += L / 2;
    reply_at(&f, sent + L / 4 + 1, 1, 1, false); /* an answer, but no quick one */
    assert_true(poll_at(&f, f.now_ms));
    sent = f.now_ms;
    assert_false(poll_at(&f, sent + L / 3 + 1));
    reply_at(&f, sent + L / 2 - 1, 1, 1, false);
    assert_true(poll_at(&f, f.now_ms));
    sent = f.now_ms;
    reply_at(&f, sent + L / 4, 1, 1, false); /* quick */
    assert_true(poll_at(&f, sent + L / 3));
    sent = f.now_ms;
    assert_true(poll_at(&f, sent + L / 3)); /* a third again */
    tokens_free(f.t);
}

static void test_deadline_counts_from_the_call(void **state)
{
    (void)state;
    fixture_t f = running(2, 2);
    assert_int_equal(tokens_lapse_at_ms(f.t), T0 + L / 2);
    assert_true(poll_at(&f, T0 + BEAT));
    reply_at(&f, T0 + BEAT + 4000, 2, 2, false);
    assert_int_equal(tokens_lapse_at_ms(f.t), T0 + BEAT + L / 2);
    assert_int_equal(verdict_at(&f, T0 + BEAT + L / 2 - 1), TOKENS_RUN);
    assert_int_equal(verdict_at(&f, T0 + BEAT + L / 2), TOKENS_FREEZE);
    assert_int_equal(allow(&f), 0);
    tokens_free(f.t);
}

static void test_next_ms_never_sleeps_past_a_verdict(void **state)
{
    (void)state;
    fixture_t f = running(1, 1);
    for (int64_t now = T0 + 20; now < T0 + 2 * L + 60000;) { /* nothing is ever answered */
        tokens_poll(f.t, now, &f.request);
        int64_t next = tokens_next_ms(f.t, now);
        assert_true(next > now);
        int64_t lapse = T0 + L / 2, kill = lapse + 60000;
        assert_false(now < lapse && next > lapse);
        assert_false(now < kill && next > kill);
        if (now >= kill)
            break;
        now = next;
    }
    assert_int_equal(verdict_at(&f, T0 + L / 2 + 60000), TOKENS_KILL);
    tokens_free(f.t);
}

static void test_frozen_goes_on_in_the_same_run(void **state)
{
    (void)state;
    fixture_t f = running(3, 3);
    int64_t later = T0 + L;
    assert_true(poll_at(&f, later));
    assert_false(f.request.lease_valid);
    assert_int_equal(f.request.keep, 3);
    reply_at(&f, later + 10, 2, 2, false);
    assert_int_equal(verdict_at(&f, later + 10), TOKENS_RUN);
    assert_int_equal(tokens_excess(f.t), 1); /* one was given to another meanwhile */
    demand(&f, 2, 3);
    assert_int_equal(tokens_excess(f.t), 0);
    tokens_free(f.t);
}

static void test_frozen_is_killed_by_another_run(void **state)
{
    (void)state;
    fixture_t f = running(3, 3);
    assert_true(poll_at(&f, T0 + L));
    f.run_id = "second";
    reply_at(&f, T0 + L + 10, 3, 3, false);
    assert_int_equal(verdict_at(&f, T0 + L + 10), TOKENS_KILL);
    assert_int_equal(allow(&f), 0);
    assert_false(poll_at(&f, T0 + 2 * L)); /* first the killing */
    demand(&f, 0, 3);
    tokens_killed(f.t, f.now_ms);
    assert_int_equal(verdict_at(&f, f.now_ms), TOKENS_FREEZE); /* no lease yet */
    demand(&f, 0, 3);
    assert_true(poll_at(&f, f.now_ms));
    assert_int_equal(f.request.keep, 0);
    reply_at(&f, f.now_ms + 1, 3, 3, false);
    assert_int_equal(verdict_at(&f, f.now_ms), TOKENS_RUN);
    assert_int_equal(allow(&f), 3);
    tokens_free(f.t);
}

static void test_running_survives_another_run(void **state)
{
    (void)state;
    fixture_t f = running(3, 3);
    assert_true(poll_at(&f, T0 + BEAT));
    f.run_id = "second";
    reply_at(&f, T0 + BEAT + 10, 3, 3, true);
    assert_int_equal(verdict_at(&f, f.now_ms), TOKENS_RUN);
    assert_int_equal(allow(&f), 3);
    tokens_free(f.t);
}

static void test_a_minute_kills_whatever_is_answered(void **state)
{
    (void)state;
    fixture_t f = running(1, 1);
    int64_t lapse = T0 + L / 2;
    assert_true(poll_at(&f, lapse + 59999));
    assert_int_equal(verdict_at(&f, lapse + 59999), TOKENS_FREEZE);
    assert_int_equal(verdict_at(&f, lapse + 60000), TOKENS_KILL);
    reply_at(&f, lapse + 60000, 1, 1, false);
    assert_int_equal(verdict_at(&f, f.now_ms), TOKENS_KILL);
    tokens_free(f.t);
}

static void test_nothing_running_is_never_killed(void **state)
{
    (void)state;
    fixture_t f = running(0, 1);
    assert_int_equal(verdict_at(&f, T0 + 3600000), TOKENS_FREEZE);
    assert_true(poll_at(&f, f.now_ms));
    f.run_id = "second";
    reply_at(&f, f.now_ms + 1, 1, 1, false);
    assert_int_equal(verdict_at(&f, f.now_ms), TOKENS_RUN);
    tokens_free(f.t);
}

static void test_excess_is_not_claimed(void **state)
{
    (void)state;
    fixture_t f = running(3, 3);
    assert_true(poll_at(&f, T0 + BEAT));
    reply_at(&f, f.now_ms + 1, 1, 1, false);
    assert_int_equal(tokens_excess(f.t), 2);
    assert_true(poll_at(&f, T0 + 2 * BEAT)); /* the worker has not killed them yet */
    assert_int_equal(f.request.keep, 1);
    tokens_free(f.t);
}

static void test_unused_tokens_are_given_back(void **state)
{
    (void)state;
    fixture_t f = running(2, 2);
    f.now_ms = T0 + 1000;
    demand(&f, 1, 1); /* nobody waits: kept for a moment */
    assert_false(poll_at(&f, T0 + 1000));
    assert_int_equal(tokens_next_ms(f.t, f.now_ms), T0 + 1100);
    assert_true(poll_at(&f, T0 + 1100));
    assert_int_equal(f.request.keep, 1);
    reply_at(&f, T0 + 1101, 1, 1, false);
    demand(&f, 1, 1);
    assert_int_equal(tokens_next_ms(f.t, f.now_ms), T0 + 1100 + BEAT); /* all are used again */
    tokens_free(f.t);
}

static void test_unused_tokens_go_at_once_to_who_waits(void **state)
{
    (void)state;
    fixture_t f = running(2, 2);
    assert_true(poll_at(&f, T0 + BEAT));
    tokens_reply_t r = {.allow = 1, .held = 2, .waiters = true, .fence = 200, .run_id = "run"};
    tokens_on_reply(f.t, f.request.seq, &r, f.now_ms);
    assert_false(poll_at(&f, f.now_ms + 500)); /* both are in use */
    demand(&f, 1, 9);                          /* one ended; another may not start */
    assert_true(poll_at(&f, f.now_ms));
    assert_int_equal(f.request.keep, 1);
    tokens_free(f.t);
}

static void test_at_most_ten_a_second(void **state)
{
    (void)state;
    fixture_t f = make(8);
    unsigned sent = 0;
    for (int64_t now = T0 + 5000; now < T0 + 15000; now++) { /* every ms a token is taken and not used */
        f.now_ms = now;
        demand(&f, 0, (uint64_t)now % 2 * 4);
        if (poll_at(&f, now)) {
            sent++;
            tokens_reply_t r = {.allow = 4, .held = 4, .waiters = true, .run_id = "run"};
            tokens_on_reply(f.t, f.request.seq, &r, now);
        }
    }
    assert_in_range(sent, 50, 10 * 10 + 10);
    tokens_free(f.t);
}

static void test_more_wanted_is_told_at_once(void **state)
{
    (void)state;
    fixture_t f = running(2, 2);
    f.now_ms = T0 + 500;
    demand(&f, 2, 5);
    assert_true(poll_at(&f, f.now_ms));
    reply_at(&f, f.now_ms + 1, 2, 2, false);
    assert_false(poll_at(&f, f.now_ms + 400)); /* told once */
    demand(&f, 2, 4);
    demand(&f, 2, 5);
    assert_false(poll_at(&f, f.now_ms));
    tokens_free(f.t);
}

static void test_idle_falls_silent(void **state)
{
    (void)state;
    fixture_t f = running(1, 1);
    f.now_ms = T0 + 500;
    demand(&f, 0, 0);
    assert_true(poll_at(&f, T0 + 600));
    assert_int_equal(f.request.want, 0);
    reply_at(&f, T0 + 601, 0, 0, false);
    assert_true(tokens_next_ms(f.t, f.now_ms) == INT64_MAX);
    assert_false(poll_at(&f, T0 + 3600000));
    tokens_wake(f.t, f.now_ms);
    assert_false(poll_at(&f, f.now_ms));
    demand(&f, 0, 1);
    assert_true(poll_at(&f, f.now_ms));
    assert_false(f.request.lease_valid);
    tokens_free(f.t);
}

static void test_wake_up_syncs_even_when_one_is_in_flight(void **state)
{
    (void)state;
    fixture_t f = running(1, 1);
    demand(&f, 1, 3);
    assert_true(poll_at(&f, T0 + BEAT));
    tokens_wake(f.t, f.now_ms);
    assert_false(poll_at(&f, f.now_ms + 1));
    reply_at(&f, f.now_ms + 1, 1, 1, false); /* may be older than what the wake-up tells of */
    assert_true(poll_at(&f, f.now_ms));
    tokens_free(f.t);
}

static void test_errors_are_retried_after_a_pause(void **state)
{
    (void)state;
    fixture_t f = running(1, 1);
    assert_true(poll_at(&f, T0 + BEAT));
    tokens_on_error(f.t, f.request.seq, f.now_ms);
    assert_false(poll_at(&f, f.now_ms));
    int64_t next = tokens_next_ms(f.t, f.now_ms);
    assert_in_range(next - f.now_ms, 50, 1000);
    assert_int_equal(allow(&f), 1); /* it may have been carried out: no more than what was told */
    assert_true(poll_at(&f, next));
    tokens_free(f.t);
}

static void test_new_limit_waits_for_a_table_that_knows_it(void **state)
{
    (void)state;
    fixture_t f = running(1, 4);
    assert_true(poll_at(&f, T0 + BEAT));
    tokens_set_limit(f.t, 3, 1, f.now_ms);
    assert_int_equal(allow(&f), 0);
    reply_at(&f, f.now_ms + 1, 4, 4, false); /* to a request with the old one */
    assert_int_equal(allow(&f), 0);
    assert_true(poll_at(&f, f.now_ms));
    assert_int_equal(f.request.n, 3);
    assert_int_equal(f.request.n_version, 1);
    f.n_version = 1;
    reply_at(&f, f.now_ms + 1, 3, 3, true);
    assert_int_equal(allow(&f), 0); /* it learns */
    assert_true(poll_at(&f, f.now_ms + BEAT));
    reply_at(&f, f.now_ms + 1, 3, 3, false);
    assert_int_equal(allow(&f), 3);
    assert_int_equal(verdict_at(&f, f.now_ms), TOKENS_RUN);
    tokens_free(f.t);
}

static void test_new_limit_that_the_table_had_already(void **state)
{
    (void)state;
    fixture_t f = running(1, 4);
    assert_true(poll_at(&f, T0 + BEAT));
    f.n_version = 2;
    reply_at(&f, f.now_ms + 1, 2, 2, false);
    tokens_set_limit(f.t, 2, 2, f.now_ms);
    assert_int_equal(allow(&f), 2);
    tokens_set_limit(f.t, 9, 1, f.now_ms); /* older */
    demand(&f, 2, 3);
    assert_true(poll_at(&f, f.now_ms + BEAT));
    assert_int_equal(f.request.n, 2);
    tokens_free(f.t);
}

static void test_limit_taken_away(void **state)
{
    (void)state;
    fixture_t f = running(3, 3);
    assert_int_equal(verdict_at(&f, T0 + L), TOKENS_FREEZE);
    assert_true(poll_at(&f, T0 + L));
    tokens_set_limit(f.t, 0, 1, f.now_ms);
    assert_true(allow(&f) == UINT64_MAX);
    assert_int_equal(verdict_at(&f, f.now_ms), TOKENS_RUN);
    reply_at(&f, f.now_ms, 1, 1, false); /* of before */
    assert_true(allow(&f) == UINT64_MAX);
    assert_int_equal(tokens_excess(f.t), 0);
    assert_false(poll_at(&f, f.now_ms + L));
    tokens_free(f.t);
}

static void test_limit_set_on_a_running_job(void **state)
{
    (void)state;
    fixture_t f = make(0);
    demand(&f, 6, 8);
    tokens_set_limit(f.t, 0, 1, T0);
    tokens_set_limit(f.t, 4, 2, T0);
    assert_int_equal(allow(&f), 0);
    assert_int_equal(verdict_at(&f, T0), TOKENS_RUN); /* what runs goes on for half a lease */
    assert_int_equal(tokens_lapse_at_ms(f.t), T0 + L / 2);
    assert_int_equal(tokens_excess(f.t), 0);
    assert_true(poll_at(&f, T0));
    assert_int_equal(f.request.z, 1);
    assert_int_equal(f.request.keep, 6);
    assert_true(f.request.lease_valid);
    reply_at(&f, T0 + 1, 6, 6, true);
    assert_int_equal(allow(&f), 0);
    assert_int_equal(tokens_excess(f.t), 0);
    assert_true(poll_at(&f, T0 + BEAT));
    f.n_version = 2;
    reply_at(&f, f.now_ms + 1, 0, 6, false); /* it drains */
    assert_int_equal(allow(&f), 0);
    assert_int_equal(tokens_excess(f.t), 0);
    tokens_free(f.t);
}

static void test_fence(void **state)
{
    (void)state;
    fixture_t f = running(1, 1);
    uint64_t first = tokens_fence(f.t);
    assert_int_equal(first, f.fence);
    assert_true(poll_at(&f, T0 + BEAT));
    assert_int_equal(f.request.fence_seen, first);
    reply_at(&f, f.now_ms, 1, 1, false);
    assert_true(tokens_fence(f.t) > first);
    f.fence = 5; /* a table that went back */
    assert_true(poll_at(&f, T0 + 2 * BEAT));
    uint64_t before = tokens_fence(f.t);
    reply_at(&f, f.now_ms, 1, 1, false);
    assert_int_equal(tokens_fence(f.t), before);
    tokens_free(f.t);
}

static void test_longest_names(void **state)
{
    (void)state;
    char job[JOB_ID_MAX + 1], nonce[NONCE_MAX + 1], incarnation[TOKENS_INCARNATION_MAX + 1];
    memset(job, 'j', JOB_ID_MAX + 1);
    memset(nonce, 'n', NONCE_MAX + 1);
    memset(incarnation, 'i', TOKENS_INCARNATION_MAX + 1);
    job[JOB_ID_MAX] = nonce[NONCE_MAX] = incarnation[TOKENS_INCARNATION_MAX] = '\0';
    tokens_t *t = tokens_new(job, incarnation, nonce, 0, 1, 0);
    tokens_set_demand(t, 0, 1, 0);
    tokens_request_t r;
    assert_true(tokens_poll(t, 0, &r));
    assert_string_equal(r.job, job);
    assert_string_equal(r.nonce, nonce);
    assert_string_equal(r.incarnation, incarnation);
    tokens_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_limit_makes_no_calls),
        cmocka_unit_test(test_no_call_before_the_first_demand),
        cmocka_unit_test(test_one_in_flight_and_heartbeats),
        cmocka_unit_test(test_allow_falls_before_and_rises_by_the_reply),
        cmocka_unit_test(test_learning_never_raises),
        cmocka_unit_test(test_unawaited_replies_are_ignored),
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_deadline_counts_from_the_call),
        cmocka_unit_test(test_next_ms_never_sleeps_past_a_verdict),
        cmocka_unit_test(test_frozen_goes_on_in_the_same_run),
        cmocka_unit_test(test_frozen_is_killed_by_another_run),
        cmocka_unit_test(test_running_survives_another_run),
        cmocka_unit_test(test_a_minute_kills_whatever_is_answered),
        cmocka_unit_test(test_nothing_running_is_never_killed),
        cmocka_unit_test(test_excess_is_not_claimed),
        cmocka_unit_test(test_unused_tokens_are_given_back),
        cmocka_unit_test(test_unused_tokens_go_at_once_to_who_waits),
        cmocka_unit_test(test_at_most_ten_a_second),
        cmocka_unit_test(test_more_wanted_is_told_at_once),
        cmocka_unit_test(test_idle_falls_silent),
        cmocka_unit_test(test_wake_up_syncs_even_when_one_is_in_flight),
        cmocka_unit_test(test_errors_are_retried_after_a_pause),
        cmocka_unit_test(test_new_limit_waits_for_a_table_that_knows_it),
        cmocka_unit_test(test_new_limit_that_the_table_had_already),
        cmocka_unit_test(test_limit_taken_away),
        cmocka_unit_test(test_limit_set_on_a_running_job),
        cmocka_unit_test(test_fence),
        cmocka_unit_test(test_longest_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
