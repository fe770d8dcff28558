/* Outcomes in input order: through, from memory, from the file; full disks; and memory that stays within its bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "aggregator/blocks.h"
#include "aggregator/order.h"
#include "base/random.h"
#include "tests/unit/sanitized.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

static order_t *new_order(size_t memory_bytes, const char *dir)
{
    order_t *order = NULL;
    fanmap_error_t err;
    assert_int_equal(order_new(memory_bytes, dir, &order, &err), FANMAP_OK);
    return order;
}

/* Every byte of a value follows from its index, so that a value that went astray is noticed. */
static void fill(uint8_t *bytes, size_t len, uint64_t index)
{
    uint64_t state = index;
    for (size_t i = 0; i < len; i += 8) {
        uint64_t word = random_mix(&state);
        memcpy(bytes + i, &word, len - i < 8 ? len - i : 8);
    }
}

static int put_sized(order_t *order, uint64_t index, size_t len, fanmap_error_t *err)
{
    uint8_t *value = malloc(len);
    assert_non_null(value);
    fill(value, len, index);
    outcome_t o = {.index = index, .attempts = (uint32_t)index + 1, .kind = FANMAP_VALUE, .run_us = index * 3};
    o.value = value;
    o.value_len = len;
    int code = order_put(order, &o, err);
    free(value);
    return code;
}

static void put(order_t *order, uint64_t index, size_t len)
{
    assert_int_equal(put_sized(order, index, len, NULL), FANMAP_OK);
}

static void check_value(const outcome_t *o, uint64_t index, size_t len)
{
    uint8_t *expected = malloc(len);
    fill(expected, len, index);
    assert_int_equal(o->index, index);
    assert_int_equal(o->kind, FANMAP_VALUE);
    assert_int_equal(o->attempts, (uint32_t)index + 1);
    assert_int_equal(o->run_us, index * 3);
    assert_int_equal(o->value_len, len);
    assert_memory_equal(o->value, expected, len);
    free(expected);
}

static void expect(order_t *order, uint64_t index, size_t len)
{
    outcome_t o;
    fanmap_error_t err = {0};
    int code = order_next(order, &o, &err);
    if (code != FANMAP_OK)
        fail_msg("item %llu: %d %s", (unsigned long long)index, code, err.message);
    check_value(&o, index, len);
}

static void expect_code(order_t *order, int code)
{
    outcome_t o;
    assert_int_equal(order_next(order, &o, NULL), code);
}

/* ---- in memory ---- */

static void test_in_order_and_out_of_order(void **state)
{
    (void)state;
    order_t *order = new_order(MIB, NULL);
    expect_code(order, FANMAP_AGAIN);
    put(order, 0, 10);
    put(order, 2, 20);
    expect(order, 0, 10);
    expect_code(order, FANMAP_AGAIN);
    put(order, 1, 30);
    assert_int_equal(order_position(order), 1);
    expect(order, 1, 30);
    expect(order, 2, 20);
    expect_code(order, FANMAP_AGAIN);
    assert_int_equal(order_waiting_bytes(order), 0);
    order_decide(order, 3, FANMAP_CANCELLED);
    expect_code(order, FANMAP_END);
    expect_code(order, FANMAP_END);
    order_free(order);
}

static void test_every_field_of_an_error(void **state)
{
    (void)state;
    order_t *order = new_order(MIB, NULL);
    outcome_t in = {
        .index = 1, .attempts = 7, .kind = FANMAP_SIGNAL, .exit_status = -3, .signo = 9, .run_us = 1ull << 40};
    in.type = "KeyErrorX";
    in.type_len = 8; /* not NUL-terminated */
    in.message = "no such key";
    in.message_len = strlen(in.message);
    in.stderr_tail = "a\0b";
    in.stderr_len = 3;
    assert_int_equal(order_put(order, &in, NULL), FANMAP_OK);
    put(order, 0, 1);
    expect(order, 0, 1);
    outcome_t out;
    assert_int_equal(order_next(order, &out, NULL), FANMAP_OK);
    assert_int_equal(out.kind, FANMAP_SIGNAL);
    assert_int_equal(out.attempts, 7);
    assert_int_equal(out.exit_status, -3);
    assert_int_equal(out.signo, 9);
    assert_int_equal(out.run_us, 1ull << 40);
    assert_int_equal(out.type_len, 8);
    assert_memory_equal(out.type, "KeyError", 8);
    assert_int_equal(out.message_len, in.message_len);
    assert_memory_equal(out.message, in.message, in.message_len);
    assert_int_equal(out.stderr_len, 3);
    assert_memory_equal(out.stderr_tail, "a\0b", 3);
    assert_null(out.value);
    order_free(order);
}

static void test_missing_outcomes_are_made(void **state)
{
    (void)state;
    order_t *order = new_order(MIB, NULL);
    put(order, 2, 5);
    put(order, 9, 5); /* beyond the end of the list */
    order_decide(order, 5, FANMAP_DEADLINE);
    for (uint64_t i = 0; i < 5; i++) {
        outcome_t o;
        assert_int_equal(order_next(order, &o, NULL), FANMAP_OK);
        if (i == 2) {
            check_value(&o, 2, 5);
            continue;
        }
        assert_int_equal(o.index, i);
        assert_int_equal(o.kind, FANMAP_DEADLINE);
        assert_int_equal(o.attempts, 0);
        assert_non_null(o.message);
        assert_int_equal(o.message_len, 0);
    }
    expect_code(order, FANMAP_END);
    order_free(order);
}

static void test_a_borrowed_outcome_stays_while_others_are_put(void **state)
{
    (void)state;
    order_t *order = new_order(0, NULL);
    put(order, 0, 100);
    outcome_t o;
    assert_int_equal(order_next(order, &o, NULL), FANMAP_OK);
    for (uint64_t i = 1; i < 5000; i++)
        put(order, i, 100);
    assert_true(order_spilled_bytes(order) > 0);
    check_value(&o, 0, 100);
    assert_int_equal(order_next(order, &o, NULL), FANMAP_OK); /* now one from the file or near it */
    for (uint64_t i = 5000; i < 9000; i++)
        put(order, i, 100);
    check_value(&o, 1, 100);
    order_free(order);
}

/* ---- from the file ---- */

static void shuffle(uint64_t *indexes, size_t n, random_t *random)
{
    for (size_t i = 0; i < n; i++)
        indexes[i] = i;
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)random_below(random, i);
        uint64_t swap = indexes[i - 1];
        indexes[i - 1] = indexes[j];
        indexes[j] = swap;
    }
}

static size_t length_of(uint64_t index)
{
    if (index % 997 == 5)
        return 150 * KIB; /* larger than a block */
    return (size_t)(index * 7919 % 300) + 1;
}

static void test_any_order_any_window(void **state)
{
    (void)state;
    enum { N = 6000 };
    static uint64_t indexes[N];
    static const size_t windows[] = {0, 100 * KIB, 16 * MIB};
    for (uint64_t seed = 0; seed < 9; seed++) {
        random_t random;
        random_seed(&random, seed);
        shuffle(indexes, N, &random);
        order_t *order = new_order(windows[seed % 3], NULL);
        for (size_t i = 0; i < N; i++) {
            put(order, indexes[i], length_of(indexes[i]));
            outcome_t o; /* some readers keep up, some come at the end */
            while (seed % 2 && order_next(order, &o, NULL) == FANMAP_OK)
                check_value(&o, order_position(order) - 1, length_of(o.index));
        }
        while (order_position(order) < N)
            expect(order, order_position(order), length_of(order_position(order)));
        assert_int_equal(order_waiting_bytes(order), 0);
        expect_code(order, FANMAP_AGAIN);
        assert_int_equal(order_spilled_bytes(order), 0);
        order_free(order);
    }
}

static void test_places_beyond_their_window(void **state)
{
    (void)state;
    enum { N = 400000, STRIDE = 512 }; /* backwards, page by page: every page is pushed out and comes back */
    order_t *order = new_order(MIB, NULL);
    for (uint64_t i = 0; i < N; i += STRIDE)
        put(order, N - 1 - i, 16);
    for (uint64_t i = 0; i < N; i++)
        if ((N - 1 - i) % STRIDE != 0)
            put(order, i, 16);
    for (uint64_t i = 0; i < N; i++)
        expect(order, i, 16);
    order_free(order);
}

static uint64_t rss_bytes(void)
{
    unsigned long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%lu %lu", &pages, &resident), 2);
    fclose(f);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void test_a_slow_first_item_fills_no_memory(void **state)
{
    (void)state;
    enum { N = 1000000, LEN = 100, WINDOW = 8 * MIB, FIXED = 9 * MIB, SLACK = 4 * MIB };
    order_t *order = new_order(WINDOW, NULL);
    uint64_t before = rss_bytes(), most = 0;
    for (uint64_t i = 1; i < N; i++) {
        put(order, i, LEN);
        if (i % 50000 == 0 && rss_bytes() - before > most)
            most = rss_bytes() - before;
    }
    assert_true(order_waiting_bytes(order) >= (uint64_t)(N - 1) * LEN);
    assert_true(order_spilled_bytes(order) > (uint64_t)90 * MIB);
    expect_code(order, FANMAP_AGAIN);
    put(order, 0, LEN);
    for (uint64_t i = 0; i < N; i++) {
        expect(order, i, LEN);
        if (i % 50000 == 0 && rss_bytes() > before && rss_bytes() - before > most)
            most = rss_bytes() - before;
    }
    assert_int_equal(order_spilled_bytes(order), 0);
    order_free(order);
    if (!SANITIZED)
        assert_in_range(most, 0, WINDOW + FIXED + SLACK);
}

static int64_t disk_bytes(const spill_t *spill)
{
    struct stat st;
    assert_int_equal(fstat(spill->fd, &st), 0);
    return (int64_t)st.st_blocks * 512;
}

static void test_what_was_handed_out_is_given_back(void **state)
{
    (void)state;
    enum { N = 64, LEN = 60 * KIB };
    spill_t spill;
    assert_int_equal(spill_init(&spill, NULL, NULL), FANMAP_OK);
    blocks_t *blocks = blocks_new(0, &spill);
    place_t places[N + 1];
    const uint8_t *got;
    uint8_t *to;
    for (size_t i = 0; i <= N; i++) {
        assert_int_equal(blocks_put(blocks, LEN, &places[i], &to, NULL), FANMAP_OK);
        memset(to, (int)i + 1, LEN);
    }
    int64_t full = disk_bytes(&spill);
    assert_true(full >= (int64_t)N * LEN);
    for (size_t i = 0; i < N / 2; i++) {
        assert_int_equal(blocks_get(blocks, &places[i], &got, NULL), FANMAP_OK);
        assert_int_equal(got[LEN - 1], i + 1);
        blocks_release(blocks, &places[i]);
    }
    assert_in_range(disk_bytes(&spill), 1, full * 6 / 10);
    for (size_t i = N / 2; i <= N; i++) {
        assert_int_equal(blocks_get(blocks, &places[i], &got, NULL), FANMAP_OK);
        blocks_release(blocks, &places[i]);
    }
    assert_int_equal(disk_bytes(&spill), 0);
    assert_int_equal(spill.end, 0); /* and the file starts over */
    blocks_free(blocks);
    spill_free(&spill);
}

/* ---- failures ---- */

static uint64_t put_until_full(order_t *order, fanmap_error_t *err)
{
    uint64_t index = 1;
    while (put_sized(order, index, KIB, err) == FANMAP_OK) {
        index++;
        assert_true(index < 100000);
    }
    return index;
}

static void drain_what_was_kept(order_t *order, uint64_t n)
{
    put(order, 0, 8);
    expect(order, 0, 8);
    for (uint64_t i = 1; i < n; i++)
        expect(order, i, KIB);
    expect_code(order, FANMAP_AGAIN);
}

static void test_the_file_size_limit_is_an_error_and_no_signal(void **state)
{
    (void)state;
    struct rlimit before, small;
    getrlimit(RLIMIT_FSIZE, &before);
    small = (struct rlimit){.rlim_cur = 1 * MIB, .rlim_max = before.rlim_max};
    order_t *order = new_order(256 * KIB, NULL);
    fanmap_error_t err;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    uint64_t n = put_until_full(order, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(err.code, FANMAP_EIO);
    assert_non_null(strstr(err.message, "File too large"));
    assert_true(n > 1200);
    drain_what_was_kept(order, n);
    order_free(order);
}

static void test_a_full_disk(void **state)
{
    (void)state;
    char dir[] = "/tmp/test_order-XXXXXX";
    assert_non_null(mkdtemp(dir));
    if (mount("tmpfs", dir, "tmpfs", 0, "size=1m") != 0) {
        rmdir(dir);
        skip(); /* needs the right to mount; the file size limit above takes the same way */
    }
    order_t *order = new_order(256 * KIB, dir);
    fanmap_error_t err;
    uint64_t n = put_until_full(order, &err);
    assert_int_equal(err.code, FANMAP_EIO);
    assert_non_null(strstr(err.message, dir));
    drain_what_was_kept(order, n);
    put(order, n, KIB); /* there is room again */
    expect(order, n, KIB);
    order_free(order);
    assert_int_equal(umount(dir), 0);
    rmdir(dir);
}

static void test_a_folder_that_is_not_there(void **state)
{
    (void)state;
    order_t *order = new_order(0, "/nonexistent/folder");
    fanmap_error_t err;
    put_until_full(order, &err);
    assert_int_equal(err.code, FANMAP_EIO);
    assert_non_null(strstr(err.message, "/nonexistent/folder"));
    order_free(order);
}

static void test_an_index_that_no_file_can_hold(void **state)
{
    (void)state;
    order_t *order = new_order(0, NULL);
    fanmap_error_t err;
    assert_int_equal(put_sized(order, UINT64_MAX, 1, &err), FANMAP_EIO);
    put(order, 0, 1);
    expect(order, 0, 1);
    order_free(order);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order_and_out_of_order),
        cmocka_unit_test(test_every_field_of_an_error),
        cmocka_unit_test(test_missing_outcomes_are_made),
        cmocka_unit_test(test_a_borrowed_outcome_stays_while_others_are_put),
        cmocka_unit_test(test_any_order_any_window),
        cmocka_unit_test(test_places_beyond_their_window),
        cmocka_unit_test(test_a_slow_first_item_fills_no_memory),
        cmocka_unit_test(test_what_was_handed_out_is_given_back),
        cmocka_unit_test(test_the_file_size_limit_is_an_error_and_no_signal),
        cmocka_unit_test(test_a_full_disk),
        cmocka_unit_test(test_a_folder_that_is_not_there),
        cmocka_unit_test(test_an_index_that_no_file_can_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
