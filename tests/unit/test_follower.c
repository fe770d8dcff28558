/* Readers of a stream's log that stop and go on, by their places: wherever they are cut, together they are given what one is given
 * who reads it all, in the same order; and what was deleted is never stepped over in silence. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregator/follower.h"

enum { LANES = 2, PACKS_MAX = 300, OFFSETS_MAX = 400, GIVEN_MAX = 2000 };

static unsigned seed;

static unsigned draw(unsigned n)
{
    seed = seed * 1103515245 + 12345;
    return (seed >> 8) % n;
}

typedef struct {
    buf_t packs[LANES][PACKS_MAX];
    int n[LANES];
    int64_t low[LANES];
} log_t;

typedef struct {
    uint32_t lane[GIVEN_MAX];
    int64_t offset[GIVEN_MAX];
    int n;
} given_t;

static int held_n;

static void on_release(void *arg, void *owner)
{
    (void)arg;
    (void)owner;
    held_n--;
}

/* ---- a log ---- */

static void put_pack(log_t *log, int lane, int64_t whole, const int64_t *offsets, const int64_t *prevs, unsigned n)
{
    buf_t body = {0};
    for (unsigned i = 0; i < n; i++) {
        uint8_t key[PLACE_KEY_BYTES] = {(uint8_t)(offsets[i] % 5)};
        streamlog_put(&body,
                      &(stream_outcome_t){.prev = prevs[i],
                                          .key = key,
                                          .outcome = {.index = (uint64_t)offsets[i],
                                                      .attempts = 1,
                                                      .value = (const uint8_t *)"\x07",
                                                      .value_len = 1,
                                                      .type = "",
                                                      .message = "",
                                                      .stderr_tail = "",
                                                      .stdout_tail = ""}},
                      NULL, 0);
    }
    assert_true(log->n[lane] < PACKS_MAX);
    streamlog_encode(&log->packs[lane][log->n[lane]++], whole, body.data, body.len, n);
    buf_free(&body);
}

/* Outcomes of a lane in the order of chance in which they end, within a window; some a second time; `whole` behind it all. */
static void draw_lane(log_t *log, int lane, bool keyed)
{
    bool is_there[OFFSETS_MAX] = {false};
    int64_t offset = 0, waiting[8], before[8], prev = -1, whole = -1;
    unsigned n = 0, left = 60 + draw(60);
    while (left > 0 || n > 0) {
        while (n < 6 && left > 0) {
            offset += 1 + (draw(4) == 0);
            waiting[n] = offset;
            before[n++] = prev;
            prev = offset;
            is_there[offset] = true;
            left--;
        }
        int64_t offsets[4], prevs[4];
        unsigned packed = 0, most = 1 + draw(3);
        while (packed < most && n > 0) {
            unsigned i = keyed ? 0 : draw(n); /* one of a key at a time: here the first is always good */
            offsets[packed] = waiting[i];
            prevs[packed++] = before[i];
            if (draw(5) > 0) { /* else it comes again */
                n--;
                memmove(&waiting[i], &waiting[i + 1], (n - i) * sizeof *waiting);
                memmove(&before[i], &before[i + 1], (n - i) * sizeof *before);
            }
        }
        put_pack(log, lane, whole, offsets, prevs, packed);
        for (int64_t w = whole + 1; w <= offset && (n == 0 || w < waiting[0]); w++)
            if (is_there[w] && draw(3) > 0)
                whole = w;
    }
}

static void free_log(log_t *log)
{
    for (int lane = 0; lane < LANES; lane++)
        for (int i = 0; i < log->n[lane]; i++)
            buf_free(&log->packs[lane][i]);
}

/* ---- readers ---- */

static follower_t *open_reader(const log_t *log, stream_order_t order, const char *place, int64_t *at)
{
    char text[GATHER_POSITION_MAX];
    uint32_t lane;
    follower_t *f = follower_new(order, LANES, on_release, NULL);
    for (uint32_t i = 0; i < LANES && place == NULL; i++)
        follower_begin(f, i, log->low[i], -1);
    while (place != NULL && *place != '\0') {
        assert_true(follower_place_read(&place, &lane, text));
        assert_true(follower_load(f, lane, text, -1));
    }
    for (uint32_t i = 0; i < LANES; i++) {
        at[i] = follower_from(f, i);
        if (at[i] == FOLLOWER_FROM_BEGIN)
            at[i] = log->low[i];
        if (at[i] < log->low[i]) {
            follower_gone(f, i, log->low[i]);
            at[i] = log->low[i];
        }
    }
    return f;
}

static bool feed(const log_t *log, follower_t *f, uint32_t lane, int64_t *at)
{
    if (at[lane] >= log->n[lane])
        return false;
    const buf_t *pack = &log->packs[lane][at[lane]];
    held_n++;
    assert_true(follower_record(f, lane, at[lane]++, pack->data, pack->len, (void *)(uintptr_t)pack));
    return true;
}

static void take(follower_t *f, given_t *given, int most)
{
    followed_t o;
    while (most-- > 0 && follower_next(f, &o)) {
        assert_true(given->n < GIVEN_MAX);
        given->lane[given->n] = o.lane;
        given->offset[given->n++] = (int64_t)o.outcome.outcome.index;
    }
}

static bool loses(follower_t *f)
{
    uint32_t lane;
    gather_loss_t loss;
    bool any = false;
    while (follower_loss(f, &lane, &loss))
        any = true;
    return any;
}

/* Reads to the end, in one piece or in many. */
static void read_all(const log_t *log, stream_order_t order, unsigned cut, given_t *given)
{
    buf_t place = {0};
    int64_t at[LANES];
    follower_t *f = open_reader(log, order, NULL, at);
    for (bool more = true; more;) {
        more = feed(log, f, draw(LANES), at);
        for (uint32_t i = 0; i < LANES && !more; i++)
            more = feed(log, f, i, at);
        take(f, given, cut > 0 ? (int)draw(4) : INT16_MAX);
        assert_false(loses(f));
        if (cut == 0 || draw(cut) > 0)
            continue;
        buf_clear(&place);
        follower_place(f, &place);
        buf_append(&place, "", 1);
        follower_free(f);
        assert_int_equal(held_n, 0);
        f = open_reader(log, order, (const char *)place.data, at);
        more = true;
    }
    take(f, given, INT16_MAX);
    assert_false(loses(f));
    assert_false(follower_failed(f));
    follower_free(f);
    assert_int_equal(held_n, 0);
    buf_free(&place);
}

static void check_lane(const given_t *a, const given_t *b, uint32_t lane)
{
    int i = 0, k = 0;
    for (;;) {
        while (i < a->n && a->lane[i] != lane)
            i++;
        while (k < b->n && b->lane[k] != lane)
            k++;
        assert_int_equal(i < a->n, k < b->n);
        if (i == a->n)
            return;
        assert_int_equal(a->offset[i++], b->offset[k++]);
    }
}

static void check_once(const given_t *given, stream_order_t order)
{
    static bool seen[LANES][OFFSETS_MAX];
    int64_t last[LANES] = {-1, -1};
    memset(seen, 0, sizeof seen);
    for (int i = 0; i < given->n; i++) {
        assert_false(seen[given->lane[i]][given->offset[i]]);
        seen[given->lane[i]][given->offset[i]] = true;
        if (order == STREAM_BY_PARTITION)
            assert_true(given->offset[i] > last[given->lane[i]]);
        last[given->lane[i]] = given->offset[i];
    }
}

static void test_cut_anywhere(void **state)
{
    static const stream_order_t orders[] = {STREAM_BY_PARTITION, STREAM_BY_KEY, STREAM_UNORDERED};
    (void)state;
    for (unsigned round = 0; round < 600; round++) {
        static given_t whole, parts;
        stream_order_t order = orders[round % 3];
        log_t log = {.n = {0}};
        seed = round;
        for (int lane = 0; lane < LANES; lane++)
            draw_lane(&log, lane, order == STREAM_BY_KEY);
        whole.n = parts.n = 0;
        read_all(&log, order, 0, &whole);
        read_all(&log, order, 5 + draw(12), &parts);
        check_once(&whole, order);
        assert_true(whole.n >= 120);
        for (uint32_t lane = 0; lane < LANES; lane++)
            check_lane(&whole, &parts, lane);
        free_log(&log);
    }
}

/* ---- going on, no earlier than it must; deletions ---- */

static void put_plain(log_t *log, int lane, int64_t from, int64_t to, int64_t whole)
{
    for (int64_t offset = from; offset <= to; offset++)
        put_pack(log, lane, whole < 0 ? offset - 1 : whole, &offset, (int64_t[]){offset - 1}, 1);
}

static void test_reads_nothing_again(void **state)
{
    static const stream_order_t orders[] = {STREAM_BY_PARTITION, STREAM_UNORDERED};
    (void)state;
    for (int i = 0; i < 2; i++) {
        log_t log = {.n = {0}};
        static given_t given;
        int64_t at[LANES];
        buf_t place = {0};
        put_plain(&log, 0, 0, 50, -1);
        follower_t *f = open_reader(&log, orders[i], NULL, at);
        while (feed(&log, f, 0, at))
            ;
        given.n = 0;
        take(f, &given, 20);
        follower_place(f, &place);
        buf_append(&place, "", 1);
        follower_free(f);
        f = open_reader(&log, orders[i], (const char *)place.data, at);
        assert_in_range(at[0], i == 0 ? 20 : 19, 20); /* what is above `whole` is remembered by its record */
        while (feed(&log, f, 0, at))
            ;
        take(f, &given, 100);
        assert_int_equal(given.n, 51);
        check_once(&given, STREAM_BY_PARTITION);
        follower_free(f);
        buf_free(&place);
        free_log(&log);
    }
}

static void read_from(log_t *log, stream_order_t order, const char *place, given_t *given, bool *ret_loses)
{
    int64_t at[LANES];
    follower_t *f = open_reader(log, order, place, at);
    given->n = 0;
    while (feed(log, f, 0, at))
        ;
    take(f, given, 1000);
    *ret_loses = loses(f);
    follower_free(f);
}

static void test_offset_that_a_user_names(void **state)
{
    static const stream_order_t orders[] = {STREAM_BY_PARTITION, STREAM_UNORDERED};
    static given_t given;
    bool is_lost;
    (void)state;
    for (int i = 0; i < 2; i++) {
        log_t log = {.n = {0}};
        put_plain(&log, 0, 0, 30, -1);
        read_from(&log, orders[i], "0:17,1:0", &given, &is_lost);
        assert_int_equal(given.n, 14);
        assert_int_equal(given.offset[0], 17);
        assert_false(is_lost);
        free_log(&log);
    }
}

static void test_deleted_before_it_was_read(void **state)
{
    static const stream_order_t orders[] = {STREAM_BY_PARTITION, STREAM_UNORDERED};
    static const char *const places[] = {"0:5@5,1:0@0", "0:5@5/5/0/4,1:0@0/0/0/-1"};
    static given_t given;
    bool is_lost;
    (void)state;
    for (int i = 0; i < 2; i++) {
        log_t log = {.n = {0}};
        put_plain(&log, 0, 0, 30, -1);
        log.low[0] = 10;
        read_from(&log, orders[i], places[i], &given, &is_lost);
        assert_true(is_lost);
        assert_int_equal(given.n, 21);
        log.low[0] = 5;
        read_from(&log, orders[i], places[i], &given, &is_lost);
        assert_false(is_lost);
        assert_int_equal(given.n, 26);
        free_log(&log);
    }
}

/* A stream that began at its source's offset 100 has no outcomes of before, and nobody lost them. */
static void test_from_before_its_beginning(void **state)
{
    static const stream_order_t orders[] = {STREAM_BY_PARTITION, STREAM_UNORDERED};
    static given_t given;
    bool is_lost;
    (void)state;
    for (int i = 0; i < 2; i++) {
        log_t log = {.n = {0}};
        const int64_t offsets[] = {100, 101}, prevs[] = {99, 100};
        put_pack(&log, 0, 99, offsets, prevs, 2);
        put_plain(&log, 0, 102, 131, -1);
        read_from(&log, orders[i], "0:0", &given, &is_lost);
        assert_int_equal(given.n, 32);
        assert_int_equal(given.offset[0], 100);
        assert_false(is_lost);
        log.low[0] = 1; /* that record is gone: what it had is */
        read_from(&log, orders[i], "0:0", &given, &is_lost);
        assert_true(is_lost);
        free_log(&log);
    }
}

/* Nothing of the lane is left in its log, and others had handed out up to 29: is something lost? */
static bool loses_all(stream_order_t order, const char *text, int64_t low, int64_t end)
{
    follower_t *f = follower_new(order, 1, on_release, NULL);
    if (text)
        assert_true(follower_load(f, 0, text, 29));
    else
        follower_begin(f, 0, low, 29);
    if (text && follower_from(f, 0) != FOLLOWER_FROM_BEGIN && follower_from(f, 0) < low)
        follower_gone(f, 0, low);
    follower_end(f, 0, end);
    bool is_lost = loses(f);
    follower_end(f, 0, end);
    assert_false(loses(f));
    assert_false(follower_failed(f));
    follower_free(f);
    return is_lost;
}

static void test_all_of_it_deleted(void **state)
{
    static const stream_order_t orders[] = {STREAM_BY_PARTITION, STREAM_UNORDERED};
    static const char *const places[] = {"5@5", "5@5/5/0/4"}, *const behind[] = {"30@30", "30@30/30/0/29"};
    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_true(loses_all(orders[i], "5", 30, 30));
        assert_true(loses_all(orders[i], places[i], 30, 30));
        assert_false(loses_all(orders[i], behind[i], 30, 30));
        assert_false(loses_all(orders[i], "30", 30, 30));
        assert_false(loses_all(orders[i], NULL, 30, 30));
        assert_false(loses_all(orders[i], "5", 0, 0)); /* it began there: nothing was deleted */
    }
}

/* Who begins with what is there misses nothing that others had before. */
static void test_begins_with_what_is_there(void **state)
{
    static const stream_order_t orders[] = {STREAM_BY_PARTITION, STREAM_UNORDERED};
    static given_t given;
    (void)state;
    for (int i = 0; i < 2; i++) {
        log_t log = {.n = {0}};
        put_plain(&log, 0, 0, 30, -1);
        follower_t *f = follower_new(orders[i], 1, on_release, NULL);
        int64_t at[LANES] = {10, 0};
        given.n = 0;
        follower_begin(f, 0, 10, 12);
        while (feed(&log, f, 0, at))
            ;
        take(f, &given, 1000);
        assert_int_equal(given.n, 21);
        assert_false(loses(f));
        follower_free(f);
        free_log(&log);
    }
}

static void test_bad_places(void **state)
{
    static const char *const bad[] = {"",      "x",           "5",       "0:",       ":5",     "0:-1",
                                      "0:5,",  "0:5@",        "0:5@1/2", "0:5@x",    "0:5@1~", "99999:1",
                                      "0:5 ",  "0:5@3/2/0/1", "0:5@1z",  "0:5@1~2z", "0:/",    "0:99999999999999999999",
                                      "0:5~3", "0:5@1/1/0/"};
    char text[GATHER_POSITION_MAX];
    uint32_t lane;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (int k = 0; k < 2; k++) {
            follower_t *f = follower_new(k ? STREAM_UNORDERED : STREAM_BY_PARTITION, 1, on_release, NULL);
            const char *at = bad[i];
            bool is_read = follower_place_read(&at, &lane, text);
            assert_false(is_read && lane == 0 && follower_load(f, 0, text, -1) && *at == '\0');
            follower_free(f);
        }
}

static void drop(void *arg, const gather_outcome_t *outcome)
{
    (void)arg, (void)outcome;
}

/* The count of what was stepped over goes on from a position, and a copy of it counts once. */
static void test_skipped_are_counted(void **state)
{
    const gather_calls_t calls = {drop, drop, NULL};
    (void)state;
    for (stream_order_t order = STREAM_BY_PARTITION; order <= STREAM_UNORDERED; order++) {
        gather_lane_t lane = {.order = order}, next = {.order = order};
        char text[GATHER_POSITION_MAX];
        assert_true(gather_lane_load(&lane, 0, ""));
        for (int64_t at = 0; at < 6; at++) {
            gather_outcome_t outcome = {
                .offset = at / 2, .prev = at / 2 - 1, .is_gone = at / 2 != 1, .is_skipped = at / 2 != 1};
            gather_lane_pack(&lane, at, at / 2 - 1, &outcome, 1, &calls);
        }
        int64_t position = gather_lane_position(&lane, text);
        assert_true(gather_lane_load(&next, position, text));
        assert_int_equal(next.skipped, 2);
        assert_false(gather_lane_load(&next, position, order == STREAM_BY_PARTITION ? "p 5 x" : "k 5 6 7 8 9"));
        gather_lane_free(&lane);
        gather_lane_free(&next);
    }
}

/* By key, a million keys of one record each: what is remembered of them is what the log is not whole of. */
static void test_a_million_keys(void **state)
{
    enum { KEYS = 1000000, PACK = 100, WINDOW = 10000 };
    static gather_outcome_t outcomes[PACK];
    const gather_calls_t calls = {drop, drop, NULL};
    gather_lane_t lane = {.order = STREAM_BY_KEY};
    struct mallinfo2 before = {0}, now;
    (void)state;
    assert_true(gather_lane_load(&lane, 0, ""));
    for (int64_t at = 0; at < KEYS / PACK; at++) {
        int64_t offset = at * PACK;
        for (int64_t i = 0; i < PACK; i++, offset++) {
            outcomes[i] = (gather_outcome_t){.offset = offset, .prev = offset - 1, .has_key = true};
            memcpy(outcomes[i].key, &offset, sizeof offset);
        }
        gather_lane_pack(&lane, at, offset - WINDOW, outcomes, PACK, &calls);
        assert_in_range(lane.n, PACK, WINDOW);
        if (at == KEYS / PACK / 4)
            before = mallinfo2();
    }
    now = mallinfo2(); /* all 0 under a sanitizer */
    assert_true(now.uordblks + now.hblkhd <= before.uordblks + before.hblkhd + (1u << 20));
    gather_lane_free(&lane);
}

static void test_foreign_record(void **state)
{
    follower_t *f = follower_new(STREAM_BY_PARTITION, 1, on_release, NULL);
    (void)state;
    follower_begin(f, 0, 0, -1);
    held_n = 1;
    assert_false(follower_record(f, 0, 0, "hello", 5, f));
    assert_int_equal(held_n, 0);
    assert_false(follower_has_next(f));
    follower_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_reads_nothing_again),
        cmocka_unit_test(test_offset_that_a_user_names),
        cmocka_unit_test(test_deleted_before_it_was_read),
        cmocka_unit_test(test_all_of_it_deleted),
        cmocka_unit_test(test_from_before_its_beginning),
        cmocka_unit_test(test_begins_with_what_is_there),
        cmocka_unit_test(test_bad_places),
        cmocka_unit_test(test_skipped_are_counted),
        cmocka_unit_test(test_a_million_keys),
        cmocka_unit_test(test_foreign_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
