/* The board and its ring: each rule by itself, and then two and three parties at once. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/random.h"
#include "slots/shared/ring.h"

static board_t *new_board(uint32_t first_n)
{
    int fd = -1;
    board_t *b = board_create(first_n, &fd);
    assert_non_null(b);
    close(fd);
    return b;
}

static board_claim_t claim(board_t *b, uint32_t n)
{
    return board_claim(b, n, n, 1, 1000);
}

static void test_nothing_starts_before_its_grant(void **state)
{
    board_t *b = new_board(5);
    (void)state;
    assert_int_equal(claim(b, 5), BOARD_TAKEN_BACK);
    assert_true(board_grant(b, 5, 1));
    assert_true(board_is_loaded(b));
    assert_int_equal(claim(b, 6), BOARD_TAKEN_BACK);
    assert_int_equal(claim(b, 5), BOARD_CLAIMED);
    assert_true(board_was_claimed(b, 5));
    assert_false(board_was_claimed(b, 6));
    assert_int_equal(claim(b, 6), BOARD_TAKEN_BACK);
    assert_true(board_finish(b, false));
    assert_false(board_is_loaded(b));
    board_unmap(b);
}

static void test_taken_back_runs_never_start_and_later_ones_do(void **state)
{
    board_t *b = new_board(0);
    uint32_t n;
    int64_t started_ms;
    (void)state;
    assert_true(board_grant(b, 0, 4));
    assert_int_equal(claim(b, 0), BOARD_CLAIMED);
    assert_int_equal(board_take_back(b), 1);
    assert_true(board_grant(b, 4, 2));
    assert_true(board_running(b, &n, &started_ms));
    assert_int_equal(n, 0);
    assert_int_equal(started_ms, 1000);
    assert_true(board_finish(b, false));
    for (n = 1; n < 4; n++)
        assert_int_equal(claim(b, n), BOARD_TAKEN_BACK);
    assert_int_equal(claim(b, 4), BOARD_CLAIMED);
    assert_true(board_finish(b, false));
    assert_int_equal(claim(b, 5), BOARD_CLAIMED);
    board_unmap(b);
}

/* Runs are claimed ahead; each goes on in its turn, and those that did not begin are given back with all behind them. */
static void test_ahead(void **state)
{
    board_t *b = new_board(0);
    uint32_t n, to = 0;
    int64_t started_ms;
    (void)state;
    assert_true(board_grant(b, 0, 6));
    assert_int_equal(claim(b, 0), BOARD_CLAIMED);
    assert_int_equal(board_claim_ahead(b, 2), BOARD_TAKEN_BACK);
    assert_int_equal(board_claim_ahead(b, 1), BOARD_CLAIMED);
    assert_int_equal(board_claim_ahead(b, 2), BOARD_CLAIMED);
    assert_int_equal(board_claim_ahead(b, 3), BOARD_CLAIMED);
    assert_true(board_running(b, &n, &started_ms));
    assert_int_equal(n, 0);
    assert_true(board_finish(b, false));
    assert_false(board_running(b, &n, &started_ms));
    assert_false(board_close_run(b, 1)); /* it does not go on yet */
    assert_true(board_go_on(b, 1, 11, 2, 2000));
    assert_true(board_running(b, &n, &started_ms));
    assert_int_equal(n, 1);
    assert_int_equal(started_ms, 2000);
    assert_int_equal(atomic_load(&b->index), 11);
    assert_false(board_close_run(b, 0));
    assert_true(board_give_back(b, 2, &to));
    assert_int_equal(to, 6); /* also what was only granted */
    assert_true(board_was_claimed(b, 1));
    assert_false(board_was_claimed(b, 2));
    assert_int_equal(board_claim_ahead(b, 2), BOARD_TAKEN_BACK);
    assert_int_equal(board_claim_ahead(b, 4), BOARD_TAKEN_BACK);
    assert_true(board_grant(b, 6, 1));
    assert_int_equal(board_claim_ahead(b, 6), BOARD_CLAIMED);
    assert_true(board_close_run(b, 1));
    assert_false(board_give_back(b, 6, &to));
    assert_false(board_go_on(b, 6, 6, 1, 3000));
    board_unmap(b);
}

/* A run that is ended is that run, also where the next one is claimed already: `next` alone does not tell them apart. */
static void test_a_close_is_for_one_run(void **state)
{
    board_t *b = new_board(0);
    (void)state;
    assert_true(board_grant(b, 0, 2));
    assert_int_equal(claim(b, 0), BOARD_CLAIMED);
    assert_int_equal(board_claim_ahead(b, 1), BOARD_CLAIMED);
    uint64_t before = atomic_load(&b->word);
    assert_true(board_finish(b, false));
    assert_true(board_go_on(b, 1, 1, 1, 2000));
    assert_int_not_equal(atomic_load(&b->word), before);
    board_unmap(b);
}

/* After an error nothing starts, also of what is granted meanwhile, until what waits was taken back. */
static void test_holding(void **state)
{
    board_t *b = new_board(0);
    (void)state;
    assert_true(board_grant(b, 0, 3));
    assert_int_equal(claim(b, 0), BOARD_CLAIMED);
    assert_true(board_finish(b, true)); /* nobody asked for it */
    assert_int_equal(claim(b, 1), BOARD_CLAIMED);
    atomic_store(&b->holds_on_error, 1);
    assert_true(board_finish(b, true));
    assert_int_equal(claim(b, 2), BOARD_TAKEN_BACK);
    assert_true(board_grant(b, 3, 1));
    assert_int_equal(claim(b, 2), BOARD_TAKEN_BACK);
    assert_int_equal(board_take_back(b), 2);
    assert_int_equal(claim(b, 2), BOARD_TAKEN_BACK);
    assert_true(board_grant(b, 4, 2));
    assert_int_equal(claim(b, 4), BOARD_CLAIMED);
    assert_int_equal(board_take_back(b), 5);
    assert_true(board_finish(b, true)); /* with nothing behind */
    assert_true(board_grant(b, 6, 1));
    assert_int_equal(claim(b, 6), BOARD_TAKEN_BACK);
    board_unmap(b);
}

static void test_closing(void **state)
{
    board_t *b = new_board(0);
    (void)state;
    assert_true(board_grant(b, 0, 3));
    assert_false(board_close_run(b, 0));
    assert_int_equal(claim(b, 0), BOARD_CLAIMED);
    assert_false(board_close_run(b, 1));
    assert_true(board_finish(b, false));
    assert_false(board_close_run(b, 0)); /* it ended: its result counts */
    assert_int_equal(claim(b, 1), BOARD_CLAIMED);
    assert_true(board_close_run(b, 1));
    assert_false(board_finish(b, false)); /* it was ended: its result does not count */
    assert_int_equal(claim(b, 2), BOARD_CLOSED);
    assert_false(board_grant(b, 3, 1));
    assert_true(board_was_claimed(b, 1));
    assert_false(board_was_claimed(b, 2));
    board_unmap(b);
}

/* A run that never reached its task was not started, even if a grant has moved on beyond it; and then nothing starts.
 */
static void test_unclaiming(void **state)
{
    int fd;
    board_t *b = board_create(10, &fd);
    (void)state;
    assert_false(board_unclaim(b)); /* nothing runs */
    assert_true(board_grant(b, 10, 3));
    assert_int_equal(board_claim(b, 10, 0, 1, 1), BOARD_CLAIMED);
    assert_int_equal(board_take_back(b), 11);
    assert_true(board_grant(b, 13, 2));
    assert_true(board_was_claimed(b, 10));
    assert_true(board_unclaim(b));
    assert_false(board_was_claimed(b, 10));
    assert_false(board_grant(b, 15, 1));
    assert_false(board_was_claimed(b, 10));
    assert_int_equal(board_claim(b, 13, 0, 1, 1), BOARD_CLOSED);
    assert_false(board_unclaim(b));
    board_unmap(b);
    close(fd);
}

static void test_numbers_wrap(void **state)
{
    board_t *b = new_board(UINT32_MAX);
    (void)state;
    assert_true(board_grant(b, UINT32_MAX, 2));
    assert_int_equal(claim(b, UINT32_MAX), BOARD_CLAIMED);
    assert_false(board_was_claimed(b, 0));
    assert_true(board_finish(b, false));
    assert_int_equal(claim(b, 0), BOARD_CLAIMED);
    assert_true(board_was_claimed(b, UINT32_MAX));
    assert_true(board_was_claimed(b, 0));
    assert_int_equal(board_take_back(b), 1);
    board_unmap(b);
}

static void test_tail_keeps_the_end(void **state)
{
    board_t *b = new_board(0);
    char text[10000];
    (void)state;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i % 26);
    for (size_t at = 0; at < sizeof text; at += 100)
        board_tail_add(b, text + at, 100);
    assert_int_equal(atomic_load(&b->tail_len), BOARD_TAIL_BYTES);
    assert_memory_equal(b->tail, text + sizeof text - BOARD_TAIL_BYTES, BOARD_TAIL_BYTES);
    board_tail_add(b, text, 5000);
    assert_memory_equal(b->tail, text + 5000 - BOARD_TAIL_BYTES, BOARD_TAIL_BYTES);
    board_unmap(b);
}

/* ---- races ---- */

enum { RUNS = 200000 };

/* Shared by the parties, also by processes. `sent` stands for the socket. */
typedef struct {
    board_t *board;
    _Atomic uint32_t sent; /* runs before this number were sent */
    _Atomic int stop;
    unsigned char started[RUNS], finished[RUNS];
} race_t;

/* The process in the slot: reads every run that was sent, in order. */
static void *claimer(void *arg)
{
    race_t *race = arg;
    for (uint32_t n = 0; n < RUNS; n++) {
        while (n >= atomic_load(&race->sent))
            if (atomic_load(&race->stop))
                return NULL;
        board_claim_t got = claim(race->board, n);
        if (got == BOARD_CLOSED)
            return NULL;
        if (got == BOARD_CLAIMED) {
            race->started[n]++;
            if (board_finish(race->board, false))
                race->finished[n]++;
        }
    }
    return NULL;
}

/* The worker: grants, sends, and takes back at random moments. Every run must be started or taken back, and not both.
 */
static unsigned char *drive(race_t *race, uint64_t seed)
{
    random_t random;
    unsigned char *back = test_calloc(RUNS, 1);
    random_seed(&random, seed);
    for (uint32_t n = 0; n < RUNS;) {
        uint32_t count = 1 + (uint32_t)random_below(&random, 20);
        count = count < RUNS - n ? count : RUNS - n;
        assert_true(board_grant(race->board, n, count));
        n += count;
        atomic_store(&race->sent, n);
        for (uint64_t spin = random_below(&random, 300); spin > 0; spin--)
            (void)atomic_load(&race->sent);
        if (random_below(&random, 3) == 0)
            for (uint32_t first = board_take_back(race->board); first < n; first++)
                back[first] = 1;
    }
    atomic_store(&race->sent, RUNS);
    return back;
}

/* Once the claimer has read everything. */
static void check_race(const race_t *race, unsigned char *back)
{
    uint32_t wrong = 0, taken = 0;
    for (uint32_t i = 0; i < RUNS; i++) {
        wrong += race->started[i] != race->finished[i] || race->started[i] + back[i] != 1;
        taken += back[i];
    }
    test_free(back);
    assert_int_equal(wrong, 0);
    assert_true(taken > 0 && taken < RUNS);
}

static race_t *new_race(void)
{
    race_t *race = mmap(NULL, sizeof *race, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(race != MAP_FAILED);
    race->board = new_board(0);
    return race;
}

static void free_race(race_t *race)
{
    board_unmap(race->board);
    munmap(race, sizeof *race);
}

static void test_race_of_threads(void **state)
{
    race_t *race = new_race();
    pthread_t thread;
    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, claimer, race), 0);
    unsigned char *back = drive(race, 1);
    pthread_join(thread, NULL);
    check_race(race, back);
    free_race(race);
}

static void test_race_of_processes(void **state)
{
    race_t *race = new_race();
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        claimer(race);
        _exit(0);
    }
    unsigned char *back = drive(race, 2);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    check_race(race, back);
    free_race(race);
}

/* The guardian closes whatever run it sees. Exactly that run was started and did not finish, and nothing starts after
 * it. */
static void test_race_of_closing(void **state)
{
    (void)state;
    for (int round = 0; round < 200; round++) {
        race_t *race = new_race();
        pthread_t thread;
        uint32_t n = 0;
        int64_t started_ms;
        bool closed = false;
        assert_true(board_grant(race->board, 0, 1000));
        atomic_store(&race->sent, 1000);
        assert_int_equal(pthread_create(&thread, NULL, claimer, race), 0);
        while (!closed && !board_was_claimed(race->board, 999))
            closed = board_running(race->board, &n, &started_ms) && board_close_run(race->board, n);
        atomic_store(&race->stop, 1);
        pthread_join(thread, NULL);
        for (uint32_t i = 0; i < 1000; i++) {
            assert_int_equal(race->finished[i], !closed || i < n);
            assert_int_equal(race->started[i], !closed || i <= n);
        }
        free_race(race);
    }
}

/* ---- the ring ---- */

static void test_ring_carries_a_stream(void **state)
{
    board_t *b = new_board(0);
    random_t random;
    uint8_t next_in = 0, next_out = 0, chunk[5000];
    buf_t out = {0};
    uint64_t moved = 0;
    (void)state;
    random_seed(&random, 3);
    while (moved < 5 * BOARD_RING_BYTES) {
        size_t len = (size_t)random_below(&random, sizeof chunk), taken;
        for (size_t i = 0; i < len; i++)
            chunk[i] = (uint8_t)(next_in + i);
        taken = ring_write(b, chunk, len);
        next_in = (uint8_t)(next_in + taken);
        if (taken < len || random_below(&random, 20) == 0) {
            buf_clear(&out);
            long got = ring_read(b, &out);
            assert_int_equal(got, out.len);
            for (size_t i = 0; i < out.len; i++)
                assert_int_equal(out.data[i], next_out++);
            moved += out.len;
        }
    }
    assert_true(ring_read(b, &out) >= 0);
    assert_int_equal(ring_read(b, &out), 0);
    buf_free(&out);
    board_unmap(b);
}

static void test_ring_full_and_nonsense(void **state)
{
    board_t *b = new_board(0);
    uint8_t *bytes = test_calloc(1, BOARD_RING_BYTES + 1);
    buf_t out = {0};
    (void)state;
    assert_int_equal(ring_write(b, bytes, BOARD_RING_BYTES + 1), BOARD_RING_BYTES);
    assert_int_equal(ring_write(b, bytes, 1), 0);
    ring_wait(b, 1); /* returns although nobody reads */
    assert_int_equal(ring_read(b, &out), BOARD_RING_BYTES);
    assert_int_equal(ring_write(b, bytes, 1), 1);
    atomic_store(&b->ring_head, UINT64_MAX / 2);
    assert_int_equal(ring_read(b, &out), -1);
    buf_free(&out);
    test_free(bytes);
    board_unmap(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_starts_before_its_grant),
        cmocka_unit_test(test_taken_back_runs_never_start_and_later_ones_do),
        cmocka_unit_test(test_ahead),
        cmocka_unit_test(test_a_close_is_for_one_run),
        cmocka_unit_test(test_holding),
        cmocka_unit_test(test_closing),
        cmocka_unit_test(test_unclaiming),
        cmocka_unit_test(test_numbers_wrap),
        cmocka_unit_test(test_tail_keeps_the_end),
        cmocka_unit_test(test_race_of_threads),
        cmocka_unit_test(test_race_of_processes),
        cmocka_unit_test(test_race_of_closing),
        cmocka_unit_test(test_ring_carries_a_stream),
        cmocka_unit_test(test_ring_full_and_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
