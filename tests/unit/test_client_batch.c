/* Many items and many outcomes in one call into the library, embedded. */
#include "tests/unit/client_rig.h"

enum { SMALL = 100, POSITIVE_FIXINT_MAX = 127 };

/* Items from, from + 1, ... below 128, as msgpack has them. */
static void fill(uint8_t *bytes, uint32_t *lens, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bytes[i] = (uint8_t)(i % (POSITIVE_FIXINT_MAX + 1));
        lens[i] = 1;
    }
}

static void push_all(fanmap_t *f, fanmap_job_t *job, const uint8_t *bytes, const uint32_t *lens, size_t n)
{
    int64_t until = rig_now_ms() + BOUND_MS;
    for (size_t at = 0; at < n;) {
        size_t taken = 0;
        int r = fanmap_push_batch(job, FANMAP_MSGPACK, bytes + at, lens + at, n - at, &taken, NULL);
        assert_true(r == FANMAP_AGAIN || (r == FANMAP_OK && taken == n - at));
        at += taken;
        if (r == FANMAP_OK)
            return;
        struct pollfd fd = {fanmap_fd(f), POLLIN, 0};
        if (poll(&fd, 1, BOUND_MS) < 1 || rig_now_ms() > until)
            fail_msg("the map does not become writable");
        (void)fanmap_dispatch(f, 1000, NULL);
    }
}

static const fanmap_batch_t *next_batch(fanmap_job_t *job, size_t max)
{
    const fanmap_batch_t *batch = NULL;
    fanmap_error_t err = {0};
    int r;
    while ((r = fanmap_next_batch(job, BOUND_MS, max, &batch, &err)) == FANMAP_AGAIN)
        ;
    if (r < 0)
        fail_msg("%s", err.message);
    return r == FANMAP_OK ? batch : NULL;
}

static void batches_are_what_single_calls_are(void **state)
{
    (void)state;
    enum { N = 5000, MAX = 7 };
    uint8_t bytes[N];
    uint32_t lens[N];
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *job = rig_map(f, "echo", (const char *const[]){"ahead", "1000000", NULL});
    fill(bytes, lens, N);
    push_all(f, job, bytes, lens, N);
    OK(fanmap_end_input(job, NULL, NULL));
    uint64_t index = 0;
    const fanmap_batch_t *batch;
    while ((batch = next_batch(job, MAX))) {
        assert_in_range(batch->n, 1, MAX);
        assert_int_equal(batch->bytes_len, batch->n);
        for (size_t i = 0; i < batch->n; i++, index++) {
            assert_int_equal(batch->indexes[i], index);
            assert_int_equal(batch->kinds[i], FANMAP_VALUE);
            assert_int_equal(batch->attempts[i], 1);
            assert_int_equal(batch->lens[i], 1);
            assert_int_equal(batch->bytes[i], bytes[index]);
        }
    }
    assert_int_equal(index, N);
    assert_null(next_batch(job, MAX)); /* the end stays the end */
    fanmap_close(f);
}

static void a_full_window_says_how_many_were_taken(void **state)
{
    (void)state;
    enum { MANY = 3000 }; /* more than a fresh job takes at once */
    static uint8_t bytes[MANY];
    static uint32_t lens[MANY];
    size_t taken = MANY;
    int r = FANMAP_OK;
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *job = rig_map(f, "echo", (const char *const[]){"ahead", "10", NULL});
    const fanmap_batch_t *batch;
    fill(bytes, lens, MANY);
    size_t at = 0, got = 0, refused = 0;
    for (bool is_ended = false; !is_ended || r != FANMAP_END;) {
        if (at < MANY) {
            r = fanmap_push_batch(job, FANMAP_MSGPACK, bytes + at, lens + at, MANY - at, &taken, NULL);
            assert_true(r == FANMAP_AGAIN ? taken < MANY - at : taken == MANY - at);
            at += taken;
            refused += r == FANMAP_AGAIN;
        }
        if (at == MANY && !is_ended) {
            OK(fanmap_end_input(job, NULL, NULL));
            is_ended = true;
        }
        r = fanmap_next_batch(job, BOUND_MS, MANY, &batch, NULL);
        assert_true(r >= 0);
        got += r == FANMAP_OK ? batch->n : 0;
    }
    assert_int_equal(got, MANY);
    assert_true(refused > 0);
    fanmap_close(f);
}

static void errors_stand_in_their_places(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {2, 0xa2, 'n', 'o', 0xc1, 3}; /* 0xc1 is nothing */
    static const uint32_t lens[] = {1, 3, 1, 1};
    size_t taken = 0;
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *job = rig_map(f, "square", NULL);
    const fanmap_batch_t *batch;
    static const uint8_t wanted[] = {FANMAP_VALUE, FANMAP_EXCEPTION, FANMAP_BAD_INPUT, FANMAP_VALUE};
    int r;
    while ((r = fanmap_push_batch(job, FANMAP_MSGPACK, bytes, lens, 4, &taken, NULL)) == FANMAP_AGAIN && taken == 0)
        assert_int_equal(fanmap_next_batch(job, BOUND_MS, 1, &batch, NULL), FANMAP_AGAIN);
    OK(r);
    assert_int_equal(taken, 4);
    OK(fanmap_end_input(job, NULL, NULL));
    for (size_t i = 0; i < 4; i++) {
        batch = next_batch(job, 1);
        assert_non_null(batch);
        assert_int_equal(batch->kinds[0], wanted[i]);
        if (wanted[i] == FANMAP_VALUE)
            continue;
        assert_int_equal(batch->bytes[0] >> 4, 8); /* a map */
        assert_non_null(memmem(batch->bytes, batch->bytes_len, "\xa4kind", 5));
        assert_non_null(
            memmem(batch->bytes, batch->bytes_len, fanmap_kind_name(wanted[i]), strlen(fanmap_kind_name(wanted[i]))));
    }
    assert_null(next_batch(job, 1));
    fanmap_close(f);
}

static void what_it_refuses(void **state)
{
    (void)state;
    size_t taken = 12;
    uint32_t len = 1;
    fanmap_error_t err;
    const fanmap_batch_t *batch;
    fanmap_t *f = rig_open(NULL);
    fanmap_job_t *job = rig_map(f, "square", RIG_JSON);
    assert_int_equal(fanmap_next_batch(job, 0, 1, &batch, &err), FANMAP_EUSAGE);
    OK(fanmap_end_input(job, NULL, NULL));
    assert_int_equal(fanmap_push_batch(job, FANMAP_JSON, "1", &len, 1, &taken, &err), FANMAP_EUSAGE);
    assert_int_equal(taken, 12);
    OK(fanmap_push_batch(job, FANMAP_JSON, NULL, NULL, 0, &taken, NULL));
    assert_int_equal(taken, 0);
    int parts[3] = {-1, -1, -1};
    assert_int_equal(sscanf(fanmap_version(), "%d.%d.%d", &parts[0], &parts[1], &parts[2]), 3);
    fanmap_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_are_what_single_calls_are),
        cmocka_unit_test(a_full_window_says_how_many_were_taken),
        cmocka_unit_test(errors_stand_in_their_places),
        cmocka_unit_test(what_it_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
