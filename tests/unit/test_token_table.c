/* The rules of sync.lua, one by one, through the table in this process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/token_table/token_table.h"
#include "tokens/script.h"

enum { L = 15000, START_MS = 1000000 };

typedef struct {
    token_table_t *table;
    int64_t now_ms;
    char wakes[512]; /* "CHANNEL=MESSAGE " each */
} fixture_t;

static void on_publish(void *arg, const char *channel, const char *message)
{
    fixture_t *f = arg;
    size_t len = strlen(f->wakes);
    snprintf(f->wakes + len, sizeof f->wakes - len, "%s=%s ", channel, message);
}

static void set_now(fixture_t *f, int64_t now_ms)
{
    f->now_ms = now_ms;
    token_table_set_time_us(f->table, now_ms * 1000);
}

static int setup(void **state)
{
    static fixture_t f;
    f = (fixture_t){0};
    token_table_config_t config = {.name_space = "ns", .publish = on_publish, .publish_arg = &f};
    assert_int_equal(token_table_new(&config, &f.table, NULL), FANMAP_OK);
    set_now(&f, START_MS);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture_t *f = *state;
    token_table_free(f->table);
    return 0;
}

static tokens_request_t ask(const char *incarnation, uint64_t seq, uint64_t keep, uint64_t want)
{
    tokens_request_t r = {.job = "j", .nonce = "nonce", .n = 10, .lease_ms = L, .seq = seq, .keep = keep, .want = want};
    snprintf(r.incarnation, sizeof r.incarnation, "%s", incarnation);
    return r;
}

static tokens_reply_t call(fixture_t *f, tokens_request_t r)
{
    tokens_reply_t reply = {0};
    fanmap_error_t err = {0};
    f->wakes[0] = '\0';
    if (token_table_sync(f->table, &r, &reply, &err) != FANMAP_OK)
        fail_msg("%s", err.message);
    return reply;
}

static tokens_reply_t sync_as(fixture_t *f, const char *incarnation, uint64_t seq, uint64_t keep, uint64_t want)
{
    return call(f, ask(incarnation, seq, keep, want));
}

static void create(fixture_t *f, uint64_t n)
{
    bool created = false;
    assert_int_equal(token_table_create(f->table, "j", "nonce", n, L, &created, NULL), FANMAP_OK);
    assert_true(created);
}

static void test_created_table_grants_at_once(void **state)
{
    fixture_t *f = *state;
    create(f, 10);
    tokens_reply_t r = sync_as(f, "a", 1, 0, 4);
    assert_false(r.learning);
    assert_int_equal(r.allow, 4);
    assert_int_equal(r.held, 4);
    assert_int_equal(r.fence, START_MS + 1);
    assert_string_equal(r.run_id, "0");
    assert_int_equal(r.free, 6);
    assert_false(r.waiters);
}

static void test_create_changes_no_table(void **state)
{
    fixture_t *f = *state;
    create(f, 3);
    bool created = true;
    assert_int_equal(token_table_create(f->table, "j", "other", 9, L, &created, NULL), FANMAP_OK);
    assert_false(created);
    tokens_request_t r = ask("a", 1, 0, 8);
    r.n = 3;
    assert_int_equal(call(f, r).allow, 3);
}

static void test_unknown_table_learns_for_a_lease(void **state)
{
    fixture_t *f = *state;
    uint64_t seq = 0;
    assert_true(sync_as(f, "a", ++seq, 0, 4).learning);
    int64_t end = f->now_ms + L;
    while (f->now_ms + L / 5 < end) {
        set_now(f, f->now_ms + L / 5);
        tokens_reply_t r = sync_as(f, "a", ++seq, 0, 4);
        assert_true(r.learning);
        assert_int_equal(r.allow, 0);
    }
    set_now(f, end);
    tokens_reply_t r = sync_as(f, "a", ++seq, 0, 4);
    assert_false(r.learning);
    assert_int_equal(r.allow, 4);
}

static void test_learning_believes_only_valid_leases(void **state)
{
    fixture_t *f = *state;
    tokens_request_t valid = ask("a", 1, 3, 8), invalid = ask("b", 1, 3, 8);
    valid.lease_valid = true;
    assert_int_equal(call(f, valid).held, 3);
    assert_int_equal(call(f, invalid).held, 0);
    valid.lease_valid = false; /* its lease is over, but the row is known now */
    valid.seq = 2;
    valid.keep = 5;
    assert_int_equal(call(f, valid).held, 3);
}

/* What makes an existing table learn: each on its own. */
static void assert_learns(fixture_t *f, tokens_request_t r, bool learns)
{
    assert_int_equal(call(f, r).learning, learns);
}

static void test_another_nonce_learns(void **state)
{
    fixture_t *f = *state;
    create(f, 10);
    tokens_request_t r = ask("a", 1, 0, 1);
    assert_learns(f, r, false);
    snprintf(r.nonce, sizeof r.nonce, "other");
    assert_learns(f, r, true);
}

static void test_another_run_learns(void **state)
{
    fixture_t *f = *state;
    create(f, 10);
    assert_learns(f, ask("a", 1, 0, 1), false);
    token_table_set_run_id(f->table, "second");
    assert_learns(f, ask("a", 2, 0, 1), true);
}

static void test_higher_z_learns_once(void **state)
{
    fixture_t *f = *state;
    create(f, 10);
    tokens_request_t r = ask("a", 1, 0, 1);
    r.n_version = 3;
    r.z = 2;
    assert_learns(f, r, true);
    set_now(f, f->now_ms + 100);
    assert_int_equal(sync_as(f, "b", 1, 0, 1).n_version, 3);
    for (int i = 0; i < 6; i++) {
        set_now(f, f->now_ms + L / 5);
        r.seq++;
        call(f, r);
    }
    r.seq++;
    assert_learns(f, r, false); /* the table knows this z now */
}

static void test_fence_from_the_future_learns(void **state)
{
    fixture_t *f = *state;
    create(f, 10);
    tokens_request_t r = ask("a", 1, 0, 1);
    r.fence_seen = START_MS + 500;
    tokens_reply_t reply = call(f, r);
    assert_true(reply.learning);
    assert_int_equal(reply.fence, START_MS + 500);
    r.seq = 2;
    r.fence_seen = START_MS + 900; /* while it learns a higher one is only taken over */
    reply = call(f, r);
    assert_true(reply.learning);
    assert_int_equal(reply.fence, START_MS + 900);
}

static void test_fence_rises_with_every_grant(void **state)
{
    fixture_t *f = *state;
    create(f, 10);
    uint64_t before = sync_as(f, "a", 1, 0, 1).fence;
    for (uint64_t seq = 2; seq < 5; seq++) {
        uint64_t fence = sync_as(f, "a", seq, 1, 1).fence;
        assert_true(fence > before);
        before = fence;
    }
    assert_int_equal(sync_as(f, "a", 4, 1, 1).fence, before); /* repeated: nothing is granted */
}

static void test_seen_seq_changes_nothing(void **state)
{
    fixture_t *f = *state;
    create(f, 10);
    sync_as(f, "a", 5, 0, 8);
    tokens_reply_t late = sync_as(f, "a", 4, 0, 0); /* overtaken by 5 */
    assert_int_equal(late.held, 8);
    assert_int_equal(sync_as(f, "b", 1, 0, 8).held, 2);
    assert_int_equal(sync_as(f, "a", 5, 0, 8).held, 8); /* repeated */
}

static void test_fair_share_and_remainder(void **state)
{
    fixture_t *f = *state;
    create(f, 10);
    sync_as(f, "a", 1, 0, 10);
    assert_int_equal(sync_as(f, "b", 1, 0, 3).held, 0); /* nothing is free */
    assert_int_equal(sync_as(f, "c", 1, 0, 10).held, 0);
    tokens_reply_t a = sync_as(f, "a", 2, 10, 10);
    assert_true(a.waiters);
    assert_int_equal(a.held, 10);   /* lowering what it may run never lowers what it holds */
    assert_in_range(a.allow, 3, 4); /* b wants 3, a and c share 7 */
    a = sync_as(f, "a", 3, a.allow, 10);
    assert_int_equal(sync_as(f, "b", 2, 0, 3).held, 3);
    assert_int_equal(sync_as(f, "c", 2, 0, 10).held, 10 - 3 - a.held);
}

static void test_remainder_goes_to_the_least_served(void **state)
{
    fixture_t *f = *state;
    create(f, 1);
    tokens_request_t a = ask("a", 1, 0, 1), b = ask("b", 1, 0, 1);
    a.n = b.n = 1;
    assert_int_equal(call(f, a).allow, 1);
    assert_int_equal(call(f, b).allow, 0);
    a.keep = 1;
    uint64_t allow = 1;
    for (int i = 0; i < 3 && allow == 1; i++) {
        set_now(f, f->now_ms + L / 5);
        a.seq++;
        allow = call(f, a).allow;
    }
    assert_int_equal(allow, 0);
    a.keep = 0;
    a.seq++;
    assert_int_equal(call(f, a).held, 0);
    assert_string_equal(f->wakes, "ns.wake.b=j ");
    b.seq++;
    assert_int_equal(call(f, b).allow, 1);
}

static void test_lowered_limit_drains(void **state)
{
    fixture_t *f = *state;
    create(f, 10);
    sync_as(f, "a", 1, 0, 5);
    sync_as(f, "b", 1, 0, 5);
    sync_as(f, "c", 1, 0, 5);
    tokens_request_t r = ask("a", 2, 5, 5);
    r.n = 4;
    r.n_version = 1;
    tokens_reply_t reply = call(f, r);
    assert_int_equal(reply.allow, 0);
    assert_int_equal(reply.held, 5);
    assert_int_equal(reply.n_version, 1);
    reply = sync_as(f, "b", 2, 5, 5); /* an older version of N does not count */
    assert_int_equal(reply.allow, 0);
    assert_int_equal(reply.n_version, 1);
    assert_int_equal(sync_as(f, "b", 3, 0, 5).allow, 0);
    r.seq = 3;
    r.keep = 4;
    assert_int_equal(call(f, r).held, 4);
    assert_non_null(strstr(f->wakes, "ns.wake.b=j "));
    assert_non_null(strstr(f->wakes, "ns.wake.c=j "));
    assert_null(strstr(f->wakes, "ns.wake.a=j "));
}

static void test_rows_expire_after_a_lease(void **state)
{
    fixture_t *f = *state;
    create(f, 10);
    sync_as(f, "a", 1, 0, 10);
    uint64_t seq = 0;
    int64_t end = f->now_ms + L;
    while (f->now_ms < end) {
        assert_int_equal(sync_as(f, "b", ++seq, 0, 10).held, 0);
        set_now(f, f->now_ms + L / 5);
    }
    assert_int_equal(sync_as(f, "b", ++seq, 0, 10).held, 10);
}

static void test_clock_jumps_are_capped(void **state)
{
    fixture_t *f = *state;
    create(f, 10);
    sync_as(f, "a", 1, 0, 10);
    set_now(f, f->now_ms + 3600 * 1000);
    assert_int_equal(sync_as(f, "b", 1, 0, 10).held, 0);
    set_now(f, f->now_ms - 7200 * 1000);
    assert_int_equal(sync_as(f, "b", 2, 0, 10).held, 0);
    set_now(f, f->now_ms + L / 5 - 1);
    assert_int_equal(sync_as(f, "b", 3, 0, 10).held, 0);
}

static void test_new_want_wakes_who_holds_too_much(void **state)
{
    fixture_t *f = *state;
    create(f, 10);
    sync_as(f, "a", 1, 0, 10);
    sync_as(f, "b", 1, 0, 5);
    assert_string_equal(f->wakes, "ns.wake.a=j ");
    sync_as(f, "b", 2, 0, 5); /* nothing new */
    assert_string_equal(f->wakes, "");
}

static void test_flush_restore(void **state)
{
    fixture_t *f = *state;
    create(f, 10);
    sync_as(f, "a", 1, 0, 2);
    token_table_image_t *old = token_table_save(f->table);
    assert_non_null(old);
    sync_as(f, "a", 2, 2, 8);
    assert_true(token_table_restore(f->table, old));
    tokens_reply_t r = sync_as(f, "b", 1, 0, 10);
    assert_int_equal(r.held, 8); /* stale, and nobody has seen a higher fence yet: the hole that the docs name */
    token_table_image_free(old);
    token_table_flush(f->table);
    assert_true(sync_as(f, "b", 2, 0, 8).learning);
}

static void test_jobs_do_not_meet(void **state)
{
    fixture_t *f = *state;
    create(f, 10);
    sync_as(f, "a", 1, 0, 10);
    tokens_request_t r = ask("a", 2, 0, 10);
    snprintf(r.job, sizeof r.job, "other");
    assert_true(call(f, r).learning);
    assert_int_equal(sync_as(f, "b", 1, 0, 1).held, 0);
}

static void test_extreme_numbers(void **state)
{
    fixture_t *f = *state;
    tokens_request_t r = ask("a", UINT64_MAX, UINT64_MAX, UINT64_MAX);
    r.n = r.n_version = r.z = r.fence_seen = UINT64_MAX;
    r.lease_valid = true;
    tokens_reply_t reply = call(f, r);
    assert_int_equal(reply.held, UINT64_C(1) << 53);
    assert_int_equal(reply.fence, UINT64_C(1) << 53);
    r.lease_ms = 0;
    call(f, r);
}

static void test_a_row_that_makes_no_sense_is_passed_over(void **state)
{
    fixture_t *f = *state;
    token_table_config_t config = {
        .name_space = "ns",
        .create_text = "redis.call('HSET', KEYS[1], 'nonce', 'nonce', 'r:x', 'junk', 'n', '-3', 'z', 'q') return 1",
    };
    token_table_free(f->table);
    assert_int_equal(token_table_new(&config, &f->table, NULL), FANMAP_OK);
    create(f, 1);
    assert_true(sync_as(f, "a", 1, 0, 1).learning);
}

static void test_errors_of_a_script_come_back(void **state)
{
    (void)state;
    token_table_t *table = NULL;
    fanmap_error_t err = {0};
    token_table_config_t config = {.name_space = "ns", .sync_text = "this is not Lua"};
    assert_int_equal(token_table_new(&config, &table, &err), FANMAP_EUSAGE);
    assert_null(table);
    config.sync_text = "return redis.call('KEYS', '*')";
    assert_int_equal(token_table_new(&config, &table, &err), FANMAP_OK);
    tokens_request_t r = ask("a", 1, 0, 1);
    tokens_reply_t reply;
    assert_int_equal(token_table_sync(table, &r, &reply, &err), FANMAP_EIO);
    assert_non_null(strstr(err.message, "KEYS"));
    token_table_free(table);
    config.sync_text = "local e = redis.pcall('KEYS') return {1, 2, 0, 0, 3, 4, e.err and 'caught' or '', 5, 6, 7}";
    assert_int_equal(token_table_new(&config, &table, &err), FANMAP_OK);
    assert_int_equal(token_table_sync(table, &r, &reply, &err), FANMAP_OK);
    assert_string_equal(reply.run_id, "caught");
    assert_int_equal(reply.free, 5);
    assert_int_equal(reply.starts, 6);
    assert_int_equal(reply.start_in_us, 7);
    token_table_free(table);
}

static void test_replies_are_checked(void **state)
{
    (void)state;
    script_value_t v[SCRIPT_REPLY_FIELDS + 1] = {{.number = 1},
                                                 {.number = 2},
                                                 {.number = 0},
                                                 {.number = 1},
                                                 {.number = 9},
                                                 {.number = 4},
                                                 {.text = "run", .len = 3},
                                                 {.number = 6}};
    tokens_reply_t r;
    assert_true(script_sync_reply(v, SCRIPT_REPLY_FIELDS + 1, &r)); /* later fields are ignored */
    assert_string_equal(r.run_id, "run");
    assert_int_equal(r.free, 6);
    assert_false(script_sync_reply(v, SCRIPT_REPLY_FIELDS - 1, &r));
    v[0].number = -1;
    assert_false(script_sync_reply(v, SCRIPT_REPLY_FIELDS, &r));
    v[0].number = 1;
    v[6].len = TOKENS_RUN_ID_MAX + 1;
    assert_false(script_sync_reply(v, SCRIPT_REPLY_FIELDS, &r));
}

#define table_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        table_test(test_created_table_grants_at_once),
        table_test(test_create_changes_no_table),
        table_test(test_unknown_table_learns_for_a_lease),
        table_test(test_learning_believes_only_valid_leases),
        table_test(test_another_nonce_learns),
        table_test(test_another_run_learns),
        table_test(test_higher_z_learns_once),
        table_test(test_fence_from_the_future_learns),
        table_test(test_fence_rises_with_every_grant),
        table_test(test_seen_seq_changes_nothing),
        table_test(test_fair_share_and_remainder),
        table_test(test_remainder_goes_to_the_least_served),
        table_test(test_lowered_limit_drains),
        table_test(test_rows_expire_after_a_lease),
        table_test(test_clock_jumps_are_capped),
        table_test(test_new_want_wakes_who_holds_too_much),
        table_test(test_flush_restore),
        table_test(test_jobs_do_not_meet),
        table_test(test_extreme_numbers),
        table_test(test_a_row_that_makes_no_sense_is_passed_over),
        cmocka_unit_test(test_errors_of_a_script_come_back),
        cmocka_unit_test(test_replies_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
