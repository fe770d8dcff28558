/* Commit metadata: round trips at random, what is left out when there is no room, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "schemas/commit.h"
#include "schemas/mp.h"
#include "schemas/value.h"

enum { MANY = 3000 };

static commit_name_t names[COMMIT_NAMES_MAX + 1];
static commit_count_t counts[MANY];
static commit_range_t done[MANY];
static char member_texts[COMMIT_NAMES_MAX + 1][COMMIT_MEMBER_MAX + 2];
static const char *members[COMMIT_NAMES_MAX + 1];

static commit_meta_t fill(random_t *r, int64_t prefix, uint32_t names_n, uint32_t counts_n, uint32_t done_n,
                          uint64_t gap)
{
    commit_meta_t m = {.clean = random_below(r, 2),
                       .mark = random_below(r, 2) ? -1 : (int64_t)random_below(r, 1000000),
                       .horizon = random_below(r, 2) ? -1 : prefix + (int64_t)random_below(r, 1000000),
                       .log = random_below(r, 2) ? 0 : (uint32_t)random_below(r, UINT32_MAX) + 1,
                       .witness = (int64_t)random_below(r, 1000) - 1,
                       .witness_ms = (int64_t)random_below(r, INT64_MAX),
                       .members = members,
                       .members_n = 1 + (uint32_t)random_below(r, 5),
                       .names = names,
                       .names_n = names_n,
                       .counts = counts,
                       .counts_n = counts_n,
                       .done = done,
                       .done_n = done_n};
    int64_t at = prefix;
    for (uint32_t i = 0; i < m.members_n; i++) {
        snprintf(member_texts[i], sizeof member_texts[i], "fanmap-%016llx", (unsigned long long)random_next(r));
        members[i] = member_texts[i];
    }
    for (uint32_t i = 0; i < names_n; i++)
        names[i] = (commit_name_t){at += (int64_t)random_below(r, gap), (uint32_t)random_below(r, m.members_n)};
    at = prefix;
    for (uint32_t i = 0; i < counts_n; i++)
        counts[i] = (commit_count_t){at += 1 + (int64_t)random_below(r, gap), (uint32_t)random_below(r, 5), 1};
    at = prefix;
    for (uint32_t i = 0; i < done_n; i++) {
        done[i].from = at += (int64_t)random_below(r, gap);
        done[i].to = at += 1 + (int64_t)random_below(r, gap);
    }
    return m;
}

static void expect_same(const commit_meta_t *a, const commit_meta_t *b)
{
    assert_int_equal(a->clean, b->clean);
    assert_int_equal(a->mark, b->mark);
    assert_int_equal(a->members_n, b->members_n);
    for (uint32_t i = 0; i < a->members_n; i++)
        assert_string_equal(a->members[i], b->members[i]);
    assert_int_equal(a->log, b->log);
    assert_int_equal(a->horizon, b->horizon);
    if (a->log > 0) {
        assert_int_equal(a->witness, b->witness);
        assert_int_equal(a->witness_ms, b->witness_ms);
    }
    assert_int_equal(a->names_n, b->names_n);
    for (uint32_t i = 0; i < a->names_n; i++) {
        assert_int_equal(a->names[i].offset, b->names[i].offset);
        assert_int_equal(a->names[i].member, b->names[i].member);
    }
    for (uint32_t i = 0; i < b->counts_n; i++) {
        assert_int_equal(a->counts[i].offset, b->counts[i].offset);
        assert_int_equal(a->counts[i].attempts, b->counts[i].attempts);
        assert_int_equal(a->counts[i].charges, b->counts[i].charges);
    }
    for (uint32_t i = 0; i < b->done_n; i++) {
        assert_int_equal(a->done[i].from, b->done[i].from);
        assert_int_equal(a->done[i].to, b->done[i].to);
    }
}

static void test_round_trips(void **state)
{
    (void)state;
    random_t r;
    random_seed(&r, 21);
    for (int i = 0; i < 400; i++) {
        int64_t prefix = (int64_t)(random_next(&r) >> (2 + random_below(&r, 61)));
        uint32_t names_n = (uint32_t)random_below(&r, 40), left_out = 99;
        commit_meta_t m =
            fill(&r, prefix, names_n, (uint32_t)random_below(&r, 30), (uint32_t)random_below(&r, 60), 300);
        commit_decoded_t back;
        buf_t b = {0};
        assert_true(commit_encode(&b, &m, prefix, &left_out));
        assert_true(b.len <= COMMIT_BYTES_MAX);
        assert_null(memchr(b.data, '\0', b.len));
        assert_int_equal(left_out, 0);
        assert_true(commit_decode((const char *)b.data, b.len, prefix, &back));
        expect_same(&m, &back.meta);
        assert_int_equal(back.meta.counts_n, m.counts_n);
        assert_int_equal(back.meta.done_n, m.done_n);
        commit_decoded_free(&back);
        buf_free(&b);
    }
}

/* The nearest ranges stay, the far ones go; then counts; never a name. */
static void test_no_room(void **state)
{
    (void)state;
    random_t r;
    random_seed(&r, 22);
    for (int i = 0; i < 30; i++) {
        bool has_many_counts = i % 2;
        commit_meta_t m = fill(&r, 1000, 100, has_many_counts ? MANY : 10, MANY, 40);
        uint32_t left_out = 0;
        buf_t b = {0};
        commit_decoded_t back;
        assert_true(commit_encode(&b, &m, 1000, &left_out));
        assert_true(b.len <= COMMIT_BYTES_MAX && b.len > COMMIT_BYTES_MAX - 40);
        assert_true(commit_decode((const char *)b.data, b.len, 1000, &back));
        expect_same(&m, &back.meta);
        assert_int_equal(back.meta.done_n, m.done_n - left_out);
        assert_true(has_many_counts ? back.meta.done_n == 0 && back.meta.counts_n < m.counts_n
                                    : back.meta.done_n > 500 && back.meta.counts_n == m.counts_n);
        commit_decoded_free(&back);
        buf_free(&b);
    }
}

static void expect_unencodable(const commit_meta_t *m, int64_t prefix)
{
    buf_t b = {0};
    uint32_t left_out = 77;
    buf_append_text(&b, "before");
    assert_false(commit_encode(&b, m, prefix, &left_out));
    assert_int_equal(b.len, 6);
    assert_int_equal(left_out, 77);
    buf_free(&b);
}

static void test_names_that_do_not_fit(void **state)
{
    (void)state;
    random_t r;
    random_seed(&r, 23);
    commit_meta_t m = fill(&r, 0, COMMIT_NAMES_MAX, 0, 0, 2);
    buf_t b = {0};
    assert_true(commit_encode(&b, &m, 0, NULL));
    buf_free(&b);
    m.members_n = 30;
    for (uint32_t i = 0; i < 30; i++) {
        memset(member_texts[i], 'm', COMMIT_MEMBER_MAX);
        member_texts[i][COMMIT_MEMBER_MAX] = '\0';
        members[i] = member_texts[i];
    }
    expect_unencodable(&m, 0);
    m = fill(&r, 5, COMMIT_NAMES_MAX, 0, 0, 2);
    m.names_n++;
    expect_unencodable(&m, 5);
    m = fill(&r, 5, 2, 0, 0, 2);
    expect_unencodable(&m, -1);
    names[0].offset = 4;
    expect_unencodable(&m, 5);
    names[0] = (commit_name_t){5, m.members_n};
    expect_unencodable(&m, 5);
}

static bool decodes(const buf_t *raw, int64_t prefix)
{
    buf_t text = {0};
    commit_decoded_t back;
    base64_append(&text, raw->data, raw->len);
    bool ok = commit_decode((const char *)text.data, text.len, prefix, &back);
    if (ok)
        commit_decoded_free(&back);
    buf_free(&text);
    return ok;
}

/* [version, clean, mark, [], names, [], done], plus `more` fields behind. */
static bool decodes_with(uint64_t version, int64_t step, uint64_t member, int64_t gap, int64_t length, uint32_t more)
{
    buf_t b = {0};
    mp_put_array(&b, 7 + more);
    mp_put_uint(&b, version);
    mp_put_bool(&b, true);
    mp_put_nil(&b);
    mp_put_array(&b, 1);
    mp_put_text(&b, "m");
    mp_put_array(&b, 2);
    mp_put_int(&b, step);
    mp_put_uint(&b, member);
    mp_put_array(&b, 0);
    mp_put_array(&b, 2);
    mp_put_int(&b, gap);
    mp_put_int(&b, length);
    for (uint32_t i = 0; i < more; i++)
        mp_put_text(&b, "later");
    bool ok = decodes(&b, 100);
    buf_free(&b);
    return ok;
}

static void test_refused(void **state)
{
    (void)state;
    commit_decoded_t back;
    assert_true(decodes_with(1, 0, 0, 0, 1, 0));
    assert_true(decodes_with(1, 0, 0, 0, 1, 3));
    assert_false(decodes_with(2, 0, 0, 0, 1, 0));
    assert_false(decodes_with(1, -1, 0, 0, 1, 0));
    assert_false(decodes_with(1, INT64_MAX, 0, 0, 1, 0));
    assert_false(decodes_with(1, 0, 1, 0, 1, 0));
    assert_false(decodes_with(1, 0, 0, 0, 0, 0));
    assert_false(decodes_with(1, 0, 0, -1, 1, 0));
    assert_false(decodes_with(1, 0, 0, INT64_MAX - 100, 1, 0));
    assert_false(commit_decode("", 0, 0, &back));
    assert_false(commit_decode("not base64!", 11, 0, &back));
    assert_false(commit_decode("kA==", 4, 0, &back));
    assert_false(commit_decode("kA==", 4, -1001, &back));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trips), cmocka_unit_test(test_no_room),
                                       cmocka_unit_test(test_names_that_do_not_fit), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests_name("commit", tests, NULL, NULL);
}
