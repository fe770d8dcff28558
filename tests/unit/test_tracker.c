/* The offset tracker: prefix, holes, what a commit says and what the next owner makes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "worker/core/tracker.h"

static void encode(const tracker_t *t, buf_t *b)
{
    commit_meta_t meta = {.mark = -1};
    buf_clear(b);
    tracker_encode(t, &meta, b);
    assert_false(b->failed);
    assert_true(b->len > 0 && b->len <= COMMIT_BYTES_MAX);
}

static void arrive(tracker_t *t, int64_t from, int64_t to)
{
    for (int64_t i = from; i < to; i++)
        assert_int_equal(tracker_arrive(t, i), TRACKER_NEW);
}

static void prefix_waits_for_the_first(void **state)
{
    (void)state;
    tracker_t t = {0};
    assert_true(tracker_assign(&t, 100, false, "", 0));
    assert_int_equal(tracker_prefix(&t), 100);
    arrive(&t, 100, 110);
    for (int64_t i = 109; i > 100; i--)
        tracker_finish(&t, i);
    assert_int_equal(tracker_prefix(&t), 100);
    assert_true(tracker_is_finished(&t, 101));
    assert_false(tracker_is_finished(&t, 100));
    tracker_finish(&t, 100);
    assert_int_equal(tracker_prefix(&t), 110);
    tracker_finish(&t, 50); /* long finished: nothing changes */
    assert_int_equal(tracker_prefix(&t), 110);
    tracker_free(&t);
}

static void offsets_without_records_are_finished(void **state)
{
    (void)state;
    tracker_t t = {0};
    tracker_assign(&t, 0, false, "", 0);
    assert_int_equal(tracker_arrive(&t, 0), TRACKER_NEW);
    assert_int_equal(tracker_arrive(&t, 5), TRACKER_NEW);
    tracker_finish(&t, 0);
    assert_int_equal(tracker_prefix(&t), 5);
    tracker_finish_range(&t, 6, 9);
    assert_int_equal(tracker_prefix(&t), 5);
    assert_int_equal(tracker_arrive(&t, 9), TRACKER_NEW);
    tracker_finish(&t, 5);
    assert_int_equal(tracker_prefix(&t), 9);
    tracker_free(&t);
}

static void repeated_records_are_told(void **state)
{
    (void)state;
    tracker_t t = {0};
    tracker_assign(&t, 0, false, "", 0);
    arrive(&t, 0, 3);
    assert_int_equal(tracker_arrive(&t, 1), TRACKER_REPEATED);
    tracker_finish(&t, 1);
    assert_int_equal(tracker_arrive(&t, 1), TRACKER_REPEATED);
    tracker_assign(&t, 0, true, "", 0); /* the same owner again: what it finished stays finished */
    assert_int_equal(tracker_arrive(&t, 0), TRACKER_NEW);
    assert_int_equal(tracker_arrive(&t, 1), TRACKER_FINISHED);
    assert_int_equal(tracker_arrive(&t, 2), TRACKER_NEW);
    tracker_free(&t);
}

static void nothing_is_kept_without_a_commit(void **state)
{
    (void)state;
    tracker_t t = {0};
    tracker_assign(&t, 0, false, "", 0);
    arrive(&t, 0, 3);
    tracker_finish_range(&t, 0, 3);
    tracker_assign(&t, 0, false, "", 0); /* the topic began anew */
    assert_int_equal(tracker_prefix(&t), 0);
    assert_int_equal(tracker_arrive(&t, 0), TRACKER_NEW);
    tracker_free(&t);
}

static void the_next_owner_knows(void **state)
{
    (void)state;
    tracker_t a = {0}, b = {0};
    buf_t text = {0};
    commit_count_t count = {14, 2, 1};
    commit_meta_t meta = {.mark = -1, .counts = &count, .counts_n = 1};
    tracker_assign(&a, 10, false, "", 0);
    arrive(&a, 10, 20);
    tracker_finish(&a, 10);
    tracker_finish_range(&a, 12, 14);
    tracker_finish(&a, 19);
    tracker_encode(&a, &meta, &text);
    assert_true(tracker_assign(&b, tracker_prefix(&a), true, (char *)text.data, text.len));
    assert_int_equal(tracker_prefix(&b), 11);
    for (int64_t i = 11; i < 20; i++)
        assert_int_equal(tracker_arrive(&b, i), (i >= 12 && i < 14) || i == 19 ? TRACKER_FINISHED : TRACKER_NEW);
    assert_int_equal(tracker_counts(&b, 14).attempts, 2);
    assert_int_equal(tracker_counts(&b, 14).charges, 1);
    assert_int_equal(tracker_counts(&b, 15).attempts, 0);
    buf_free(&text);
    tracker_free(&a);
    tracker_free(&b);
}

/* Metadata is not trusted: another program's, cut, or naming what cannot be. */
static void strange_metadata_only_loses_knowledge(void **state)
{
    (void)state;
    tracker_t t = {0};
    buf_t text = {0};
    commit_range_t far = {(int64_t)1 << 60, ((int64_t)1 << 60) + 5};
    commit_meta_t meta = {.mark = -1, .done = &far, .done_n = 1};
    uint32_t left_out;
    assert_false(tracker_assign(&t, 3, true, "hello", 5));
    assert_int_equal(tracker_prefix(&t), 3);
    if (commit_encode(&text, &meta, 3, &left_out)) {
        (void)tracker_assign(&t, 3, true, (char *)text.data, text.len);
        assert_int_equal(tracker_prefix(&t), 3);
        assert_int_equal(bitset_chunks(&t.done), 0);
    }
    buf_free(&text);
    tracker_free(&t);
}

/* More holes than 4000 characters can say: the first ones are said, none is invented. */
static void a_full_commit_leaves_out_the_far_end(void **state)
{
    (void)state;
    tracker_t a = {0}, b = {0};
    buf_t text = {0};
    tracker_assign(&a, 0, false, "", 0);
    arrive(&a, 0, 100000);
    for (int64_t i = 1; i < 100000; i += 1 + i % 7)
        tracker_finish(&a, i);
    encode(&a, &text);
    assert_true(tracker_assign(&b, 0, true, (char *)text.data, text.len));
    int64_t known = 0;
    for (int64_t i = 0; i < 100000; i++) {
        bool is_finished = tracker_arrive(&b, i) == TRACKER_FINISHED;
        assert_true(!is_finished || tracker_is_finished(&a, i));
        known += is_finished;
    }
    assert_true(known > 500);
    buf_free(&text);
    tracker_free(&a);
    tracker_free(&b);
}

/* Against a plain array, with changes of owner in between. */
static void random_walk(void **state)
{
    enum { N = 3000 };
    (void)state;
    random_t random;
    random_seed(&random, 7);
    for (int round = 0; round < 20; round++) {
        bool finished[N] = {false};
        tracker_t t = {0};
        buf_t text = {0};
        int64_t position = 0, prefix = 0;
        tracker_assign(&t, 0, false, "", 0);
        for (int i = 0; i < 20000 && prefix < N; i++) {
            if (position < N && random_below(&random, 3) == 0)
                assert_int_equal(tracker_arrive(&t, position) == TRACKER_FINISHED, finished[position]), position++;
            else if (position > prefix) {
                int64_t at = prefix + (int64_t)random_below(&random, (uint64_t)(position - prefix) < 64
                                                                         ? (uint64_t)(position - prefix)
                                                                         : 64);
                finished[at] = true;
                tracker_finish(&t, at);
            }
            while (prefix < N && finished[prefix])
                prefix++;
            assert_int_equal(tracker_prefix(&t), prefix);
            if (random_below(&random, 500) == 0) {
                encode(&t, &text);
                if (random_below(&random, 2) == 0)
                    tracker_free(&t);
                assert_true(tracker_assign(&t, prefix, true, (char *)text.data, text.len));
                position = prefix;
            }
        }
        buf_free(&text);
        tracker_free(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefix_waits_for_the_first),
        cmocka_unit_test(offsets_without_records_are_finished),
        cmocka_unit_test(repeated_records_are_told),
        cmocka_unit_test(nothing_is_kept_without_a_commit),
        cmocka_unit_test(the_next_owner_knows),
        cmocka_unit_test(strange_metadata_only_loses_knowledge),
        cmocka_unit_test(a_full_commit_leaves_out_the_far_end),
        cmocka_unit_test(random_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
