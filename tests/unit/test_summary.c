/* What a page shows of a job: the same whatever the order of its outcomes, failures grouped by what is the same in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "schemas/failure_groups.h"
#include "serve/summary.h"

static void normalised(const char *message, const char *wanted)
{
    char text[FAILURE_MESSAGE_MAX];
    failure_normalise(text, sizeof text, message);
    assert_string_equal(text, wanted);
}

static void test_messages(void **state)
{
    (void)state;
    normalised("", "");
    normalised("cannot divide 17 by 0", "cannot divide N by N");
    normalised("no file \"a b.txt\" in 'x'", "no file \"...\" in \"...\"");
    normalised("it's the user's fault", "it's the user's fault");
    normalised("object 0123456789abcdef is gone", "object H is gone");
    normalised("deadbeef without a digit is a word: deadbeefs", "deadbeef without a digit is a word: deadbeefs");
    normalised("line one\nline two", "line one");
    normalised("at 2026-11-28T10:00:00.5Z", "at N-N-NTN:N:N.NZ");
    normalised("\"open", "\"open");
}

static void test_a_message_is_cut_at_a_character(void **state)
{
    char long_text[1000], text[FAILURE_MESSAGE_MAX];
    (void)state;
    for (size_t i = 0; i + 2 < sizeof long_text; i += 2)
        memcpy(long_text + i, "\xC3\xA9", 3);
    failure_normalise(text, sizeof text, long_text);
    assert_int_equal(strlen(text), FAILURE_MESSAGE_MAX - 2);
}

static void add(summary_t *s, uint64_t index)
{
    char message[64];
    bool fails = index % 7 == 0;
    snprintf(message, sizeof message, index % 2 == 0 ? "even %d" : "odd %d", (int)index);
    summary_add(s, &(fanmap_outcome_t){.index = index,
                                       .attempts = index % 5 == 0 ? 2 : 1,
                                       .kind = fails ? FANMAP_EXCEPTION : FANMAP_VALUE,
                                       .type = "E",
                                       .message = message,
                                       .stderr_tail = "",
                                       .run_us = index});
}

static void test_any_order_gives_the_same(void **state)
{
    enum { N = 3000 };
    static uint64_t order[N];
    random_t r;
    buf_t straight = {0}, mixed = {0};
    summary_t *a = summary_new(), *b = summary_new();
    (void)state;
    random_seed(&r, 7);
    for (uint64_t i = 0; i < N; i++) {
        order[i] = i;
        add(a, i);
    }
    for (size_t i = N - 1; i > 0; i--) {
        size_t k = random_below(&r, i + 1);
        uint64_t kept = order[i];
        order[i] = order[k];
        order[k] = kept;
    }
    for (size_t i = 0; i < N; i++)
        add(b, order[i]);
    summary_json(a, 0, N, 10, &straight);
    summary_json(b, 0, N, 10, &mixed);
    buf_append(&straight, "", 1);
    buf_append(&mixed, "", 1);
    /* but for the samples: those that came first */
    char *end = strstr((char *)straight.data, "\"samples\"");
    assert_non_null(end);
    assert_memory_equal(straight.data, mixed.data, (size_t)(end - (char *)straight.data));
    assert_non_null(
        strstr((char *)mixed.data, "\"known\":3000,\"failed\":429,\"retried\":600,\"head\":3000,\"items_end\":3000"));
    assert_non_null(strstr((char *)mixed.data, "\"message\":\"even N\",\"count\":215,\"first\":0,\"last\":2996"));
    assert_non_null(strstr((char *)mixed.data, "\"message\":\"odd N\",\"count\":214,\"first\":7,\"last\":2989"));
    buf_free(&straight);
    buf_free(&mixed);
    summary_free(a);
    summary_free(b);
}

static void test_head_and_grid(void **state)
{
    buf_t out = {0};
    summary_t *s = summary_new();
    (void)state;
    add(s, 1);
    add(s, 2);
    add(s, 7);
    add(s, 70000);
    add(s, UINT64_C(1) << 40); /* no list is that long: counted, not drawn */
    summary_json(s, 0, 8, 4, &out);
    buf_append(&out, "", 1);
    assert_non_null(strstr((char *)out.data, "\"known\":5,\"failed\":2,"));
    assert_non_null(strstr((char *)out.data, "\"head\":0,\"items_end\":70001"));
    assert_non_null(strstr((char *)out.data,
                           "\"grid\":{\"from\":0,\"to\":8,\"width\":2,\"cells\":[[1,0,0],[1,0,0],[0,0,0],[1,0,1]]}"));
    add(s, 0);
    buf_clear(&out);
    summary_json(s, 5, 5, 4, &out);
    buf_append(&out, "", 1);
    assert_non_null(strstr((char *)out.data, "\"head\":3,"));
    assert_non_null(strstr((char *)out.data, "\"cells\":[]"));
    buf_free(&out);
    summary_free(s);
}

/* Cells of any bounds, over pages that are there and that are not. */
static void test_cells_count_what_is_there(void **state)
{
    enum { N = 200000, GAP_FROM = 66000, GAP_TO = 132000 };
    static const uint64_t bounds[][2] = {{0, 1},           {0, 32},         {1, 33},        {31, 65},
                                         {5, 100000},      {65530, 65540},  {65536, 66100}, {70000, 131000},
                                         {120000, 140001}, {199990, 300000}};
    summary_t *s = summary_new();
    (void)state;
    for (uint64_t i = 0; i < N; i++)
        if (i % 11 != 3 && (i < GAP_FROM || i >= GAP_TO))
            add(s, i);
    for (size_t b = 0; b < sizeof bounds / sizeof bounds[0]; b++) {
        buf_t out = {0};
        char wanted[100];
        unsigned known = 0, retried = 0, failed = 0;
        for (uint64_t i = bounds[b][0]; i < bounds[b][1] && i < N; i++) {
            bool is_there = i % 11 != 3 && (i < GAP_FROM || i >= GAP_TO);
            known += is_there;
            failed += is_there && i % 7 == 0;
            retried += is_there && i % 7 != 0 && i % 5 == 0;
        }
        summary_json(s, bounds[b][0], bounds[b][1], 1, &out);
        buf_append(&out, "", 1);
        snprintf(wanted, sizeof wanted, "\"cells\":[[%u,%u,%u]]", known, retried, failed);
        assert_non_null(strstr((char *)out.data, wanted));
        buf_free(&out);
    }
    summary_free(s);
}

static void test_groups_are_bounded(void **state)
{
    buf_t out = {0};
    summary_t *s = summary_new();
    char type[16];
    (void)state;
    for (unsigned i = 0; i < 2 * FAILURE_GROUPS_MAX; i++) {
        snprintf(type, sizeof type, "T%c%c", 'a' + i / 26, 'a' + i % 26);
        summary_add(
            s,
            &(fanmap_outcome_t){
                .index = i, .attempts = 1, .kind = FANMAP_EXCEPTION, .type = type, .message = "", .stderr_tail = ""});
    }
    summary_json(s, 0, 0, 0, &out);
    buf_append(&out, "", 1);
    assert_non_null(strstr((char *)out.data, "\"ungrouped\":200,"));
    buf_free(&out);
    summary_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_a_message_is_cut_at_a_character),
        cmocka_unit_test(test_any_order_gives_the_same),
        cmocka_unit_test(test_head_and_grid),
        cmocka_unit_test(test_cells_count_what_is_there),
        cmocka_unit_test(test_groups_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
