/* Several workers that read one jobs topic: each record that nobody can use is put away once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "worker/core/burial.h"

enum { WORKERS = 5, TOPIC_MAX = 4000 };

typedef struct {
    bool is_mark;
    jobs_dead_t mark;
    unsigned buried;
} record_t;

typedef struct {
    burial_t burial;
    int64_t read;        /* the next offset that it reads */
    bool is_alive, busy; /* busy: has a range in hand */
    jobs_dead_t range;
} worker_t_;

typedef struct {
    record_t topic[TOPIC_MAX];
    int64_t end, now_ms;
    worker_t_ at[WORKERS];
    random_t random;
} world_t;

static void put(world_t *w, bool is_mark, const jobs_dead_t *mark)
{
    assert_true(w->end < TOPIC_MAX);
    w->topic[w->end] = (record_t){.is_mark = is_mark};
    if (is_mark)
        w->topic[w->end].mark = *mark;
    w->end++;
}

static void begin(world_t *w, unsigned i)
{
    char name[8];
    snprintf(name, sizeof name, "w%u", i);
    w->at[i] = (worker_t_){.is_alive = true};
    burial_init(&w->at[i].burial, name);
}

static void read_one(world_t *w, worker_t_ *worker)
{
    const record_t *record = &w->topic[worker->read];
    if (record->is_mark)
        burial_mark(&worker->burial, &record->mark, worker->read, w->now_ms);
    else
        burial_bad(&worker->burial, worker->read, w->now_ms);
    worker->read++;
}

static void act(world_t *w, worker_t_ *worker)
{
    jobs_dead_t what;
    if (worker->busy) {
        for (int64_t at = worker->range.until; at < worker->range.target; at++)
            w->topic[at].buried += !w->topic[at].is_mark;
        burial_done(&worker->burial, &what);
        put(w, true, &what);
        worker->busy = false;
        return;
    }
    switch (burial_next(&worker->burial, w->now_ms, &what)) {
    case BURIAL_CLAIM:
        put(w, true, &what);
        break;
    case BURIAL_BURY:
        worker->range = what;
        worker->busy = true;
        break;
    case BURIAL_NOTHING:
        break;
    }
}

/* One thing of one worker's, in any order. Only who has read everything acts, as in the shell. */
static void turn(world_t *w)
{
    worker_t_ *worker = &w->at[random_next(&w->random) % WORKERS];
    w->now_ms += (int64_t)(random_next(&w->random) % 50);
    if (!worker->is_alive)
        return;
    if (worker->read < w->end)
        read_one(w, worker);
    else
        act(w, worker);
}

static void run(world_t *w, int turns)
{
    for (int i = 0; i < turns; i++)
        turn(w);
}

static unsigned buried(const world_t *w, unsigned *ret_most)
{
    unsigned n = 0;
    *ret_most = 0;
    for (int64_t at = 0; at < w->end; at++) {
        n += w->topic[at].buried > 0;
        *ret_most = w->topic[at].buried > *ret_most ? w->topic[at].buried : *ret_most;
    }
    return n;
}

static void test_each_once(void **state)
{
    static world_t w;
    unsigned most;
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        w = (world_t){.now_ms = 1000};
        random_seed(&w.random, seed);
        for (unsigned i = 0; i < WORKERS; i++)
            begin(&w, i);
        for (int i = 0; i < 20; i++) {
            put(&w, false, NULL);
            run(&w, (int)(random_next(&w.random) % 200));
        }
        run(&w, 4000);
        for (unsigned i = 0; i < WORKERS; i++) /* all start anew, and read it all again */
            begin(&w, i);
        run(&w, 8000);
        assert_int_equal(buried(&w, &most), 20);
        assert_int_equal(most, 1);
    }
}

static void test_a_claimant_that_dies(void **state)
{
    static world_t w;
    unsigned most;
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        unsigned dead = WORKERS;
        w = (world_t){.now_ms = 1000};
        random_seed(&w.random, seed);
        for (unsigned i = 0; i < WORKERS; i++)
            begin(&w, i);
        put(&w, false, NULL);
        for (int i = 0; i < 3000 && dead == WORKERS; i++) {
            turn(&w);
            for (unsigned j = 0; j < WORKERS; j++)
                if (w.at[j].busy)
                    w.at[dead = j].is_alive = false;
        }
        assert_true(dead < WORKERS);
        run(&w, 10000);
        assert_int_equal(buried(&w, &most), 1);
        assert_int_equal(most, 1);
    }
}

/* A stranger's word counts no further than what stood before it, and stops nobody for ever. */
static void test_foreign_marks(void **state)
{
    static world_t w;
    unsigned most;
    (void)state;
    const jobs_dead_t all = {.until = INT64_MAX, .target = INT64_MAX, .number = 7, .who = "stranger"},
                      claim = {.until = 0, .target = INT64_MAX, .number = 9, .who = "stranger"};
    w = (world_t){.now_ms = 1000};
    random_seed(&w.random, 1);
    for (unsigned i = 0; i < WORKERS; i++)
        begin(&w, i);
    put(&w, true, &all);
    put(&w, false, NULL);
    put(&w, true, &claim);
    run(&w, 20000);
    assert_int_equal(buried(&w, &most), 1);
    assert_int_equal(most, 1);
}

static void test_messages(void **state)
{
    (void)state;
    buf_t b = {0};
    const jobs_dead_t mark = {.until = 3, .target = 9, .number = 2, .who = "w1"};
    jobs_dead_t got;
    jobs_dead_encode(&b, &mark);
    assert_int_equal(b.len, 8);
    assert_memory_equal(b.data, "\x95\x01\x03\x09\x02\xa2w1", 8);
    assert_true(jobs_dead_decode("-dead", 5, b.data, b.len, &got));
    assert_memory_equal(&got.who, "w1", 3);
    assert_int_equal(got.until + got.target + (int64_t)got.number, 14);
    assert_false(jobs_dead_decode("-dead", 5, b.data, b.len - 1, &got));
    assert_false(jobs_dead_decode("a/end", 5, b.data, b.len, &got));
    b.data[2] = 10;
    assert_false(jobs_dead_decode("-dead", 5, b.data, b.len, &got));
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_once),
        cmocka_unit_test(test_a_claimant_that_dies),
        cmocka_unit_test(test_foreign_marks),
        cmocka_unit_test(test_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
