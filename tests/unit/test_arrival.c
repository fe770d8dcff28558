/* Outcomes in the order in which they came, then those that never came. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregator/order.h"

enum { INDEXES = 4000 };

typedef struct {
    order_t *arrival;
    bool is_put[INDEXES];
} rig_t;

static bool is_known(const void *arg, uint64_t index)
{
    return ((const rig_t *)arg)->is_put[index];
}

static void rig_open(rig_t *rig)
{
    memset(rig, 0, sizeof *rig);
    assert_int_equal(order_new(SIZE_MAX, NULL, &rig->arrival, NULL), FANMAP_OK);
    order_by_arrival(rig->arrival, is_known, rig);
}

static void put_value(rig_t *rig, uint64_t index, const void *value, size_t len)
{
    outcome_t outcome = {.index = index, .attempts = 2, .run_us = 7, .value = value, .value_len = len};
    outcome.type = outcome.message = outcome.stderr_tail = "";
    assert_int_equal(order_put(rig->arrival, &outcome, NULL), FANMAP_OK);
    rig->is_put[index] = true;
}

static void expect_index(rig_t *rig, uint64_t index)
{
    outcome_t outcome;
    assert_int_equal(order_next(rig->arrival, &outcome, NULL), FANMAP_OK);
    assert_int_equal(outcome.index, index);
}

static void what_came_first_goes_first(void **state)
{
    (void)state;
    rig_t rig;
    outcome_t got;
    rig_open(&rig);
    assert_int_equal(order_next(rig.arrival, &got, NULL), FANMAP_AGAIN);
    put_value(&rig, 5, "five", 4);
    put_value(&rig, 0, "", 1);
    assert_int_equal(order_next(rig.arrival, &got, NULL), FANMAP_OK);
    put_value(&rig, 3, "three", 5); /* what is borrowed stays */
    assert_int_equal(got.index, 5);
    assert_int_equal(got.attempts, 2);
    assert_int_equal(got.run_us, 7);
    assert_int_equal(got.value_len, 4);
    assert_memory_equal(got.value, "five", 4);
    expect_index(&rig, 0);
    expect_index(&rig, 3);
    assert_int_equal(order_next(rig.arrival, &got, NULL), FANMAP_AGAIN);
    assert_int_equal(order_waiting_bytes(rig.arrival), 0);
    order_free(rig.arrival);
}

static void errors_keep_their_texts(void **state)
{
    (void)state;
    rig_t rig;
    outcome_t got, error = {.index = 1, .kind = FANMAP_EXIT, .exit_status = 3, .signo = 9, .attempts = 4};
    error.type = "T", error.type_len = 1;
    error.message = "mes\0sage", error.message_len = 8;
    error.stderr_tail = "", error.stderr_len = 0;
    rig_open(&rig);
    assert_int_equal(order_put(rig.arrival, &error, NULL), FANMAP_OK);
    assert_int_equal(order_next(rig.arrival, &got, NULL), FANMAP_OK);
    assert_int_equal(got.kind, FANMAP_EXIT);
    assert_int_equal(got.exit_status, 3);
    assert_int_equal(got.signo, 9);
    assert_int_equal(got.type_len, 1);
    assert_memory_equal(got.type, "T", 1);
    assert_int_equal(got.message_len, 8);
    assert_memory_equal(got.message, "mes\0sage", 8);
    assert_int_equal(got.stderr_len, 0);
    order_free(rig.arrival);
}

static void the_missing_ones_come_last(void **state)
{
    (void)state;
    rig_t rig;
    outcome_t got;
    rig_open(&rig);
    put_value(&rig, 4, "x", 1);
    put_value(&rig, 1, "x", 1);
    put_value(&rig, 9, "beyond", 6);
    order_decide(rig.arrival, 6, FANMAP_DEADLINE);
    expect_index(&rig, 4);
    expect_index(&rig, 1);
    static const uint64_t missing[] = {0, 2, 3, 5};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(order_next(rig.arrival, &got, NULL), FANMAP_OK);
        assert_int_equal(got.index, missing[i]);
        assert_int_equal(got.kind, FANMAP_DEADLINE);
        assert_string_equal(got.message, "");
    }
    assert_int_equal(order_next(rig.arrival, &got, NULL), FANMAP_END);
    assert_int_equal(order_next(rig.arrival, &got, NULL), FANMAP_END);
    order_free(rig.arrival);
}

static void an_empty_list_ends_at_once(void **state)
{
    (void)state;
    rig_t rig;
    outcome_t got;
    rig_open(&rig);
    order_decide(rig.arrival, 0, FANMAP_CANCELLED);
    assert_int_equal(order_next(rig.arrival, &got, NULL), FANMAP_END);
    order_free(rig.arrival);
    order_free(NULL);
}

/* Values of every size in and out in turns, also larger than a block; each is checked by its bytes. */
static void many_of_every_size_pass_through(void **state)
{
    (void)state;
    rig_t rig;
    outcome_t got;
    uint64_t in = 0, out = 0;
    uint8_t *value = malloc(300000);
    rig_open(&rig);
    while (out < INDEXES) {
        for (int i = 0; i < 7 && in < INDEXES; i++, in++) {
            size_t len = in % 97 == 0 ? 200000 + in : (size_t)(in * in % 1003) + 1;
            memset(value, (int)(in & 255), len);
            put_value(&rig, in, value, len);
        }
        for (int i = 0; i < (in == INDEXES ? 10 : 5) && out < in; i++, out++) {
            size_t len = out % 97 == 0 ? 200000 + out : (size_t)(out * out % 1003) + 1;
            assert_int_equal(order_next(rig.arrival, &got, NULL), FANMAP_OK);
            assert_int_equal(got.index, out);
            assert_int_equal(got.value_len, len);
            memset(value, (int)(out & 255), len);
            assert_memory_equal(got.value, value, len);
        }
    }
    assert_int_equal(order_waiting_bytes(rig.arrival), 0);
    free(value);
    order_free(rig.arrival);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_came_first_goes_first),      cmocka_unit_test(errors_keep_their_texts),
        cmocka_unit_test(the_missing_ones_come_last),      cmocka_unit_test(an_empty_list_ends_at_once),
        cmocka_unit_test(many_of_every_size_pass_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
