/* Readers that divide a list: parts that change hands at any time, with nothing kept but their texts. Together they are
 * given what the list has, each index once, each reader's in order as long as its parts stay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "aggregator/shares.h"

enum { PARTS = 6, READERS = 3, ITEMS = 3000 };

static unsigned seed;

static unsigned draw(unsigned n)
{
    seed = seed * 1103515245 + 12345;
    return (seed >> 8) % n;
}

typedef struct {
    shares_t shares;
    uint64_t at; /* the next index that it looks at */
} reader_t;

static const spec_t spec = {.job = "j", .task = "t", .queue = "default", .items_partitions = PARTS};

/* What the readers have is kept, and dealt out anew. */
static void deal(reader_t *readers, char kept[PARTS][SHARE_TEXT_MAX])
{
    for (int i = 0; i < READERS; i++) {
        for (uint32_t part = 0; part < PARTS; part++)
            if (shares_owns(&readers[i].shares, part))
                (void)shares_text(&readers[i].shares, part, kept[part]);
        shares_claim_all(&readers[i].shares);
    }
    for (uint32_t part = 0; part < PARTS; part++)
        assert_true(shares_give(&readers[draw(READERS)].shares, part, kept[part], strlen(kept[part])));
    for (int i = 0; i < READERS; i++)
        readers[i].at = shares_start(&readers[i].shares);
}

static void check_all(unsigned of)
{
    static unsigned given[ITEMS];
    reader_t readers[READERS];
    char kept[PARTS][SHARE_TEXT_MAX] = {{0}};
    seed = of;
    memset(given, 0, sizeof given);
    for (int i = 0; i < READERS; i++)
        assert_true(shares_begin(&readers[i].shares, &spec));
    deal(readers, kept);
    bool is_done = false;
    while (!is_done) {
        reader_t *reader = &readers[draw(READERS)];
        for (unsigned n = draw(300); n > 0 && reader->at < ITEMS; n--, reader->at++) {
            if (!shares_have(&reader->shares, reader->at))
                continue;
            given[reader->at]++;
            shares_reach(&reader->shares, reader->at + 1);
        }
        if (reader->at == ITEMS)
            shares_reach(&reader->shares, ITEMS);
        if (draw(4) == 0)
            deal(readers, kept);
        is_done = true;
        for (uint32_t part = 0; part < PARTS; part++)
            is_done = is_done && shares_is_done(&readers[0].shares, kept[part], ITEMS);
    }
    for (int i = 0; i < ITEMS; i++)
        assert_int_equal(given[i], 1);
    for (int i = 0; i < READERS; i++)
        shares_free(&readers[i].shares);
}

static void each_index_goes_to_one(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 200; i++)
        check_all(i);
}

static void what_is_kept_is_of_this_job(void **state)
{
    shares_t mine, other;
    spec_t later = spec;
    char text[SHARE_TEXT_MAX];
    (void)state;
    later.submitted_ms = 1;
    assert_true(shares_begin(&mine, &spec) && shares_begin(&other, &later));
    assert_true(shares_give(&mine, 2, "", 0));
    assert_true(shares_give(&mine, PARTS, "x", 1)); /* a partition that its topic got later */
    assert_false(shares_owns(&mine, PARTS));
    assert_int_equal(shares_start(&mine), 0);
    shares_reach(&mine, 77);
    size_t len = shares_text(&mine, 2, text);
    assert_false(shares_give(&other, 2, text, len));
    assert_false(shares_owns(&other, 2));
    assert_false(shares_give(&mine, 3, text, len - 2)); /* no digits */
    assert_false(shares_give(&mine, 3, "nothing of ours", 15));
    assert_true(shares_is_done(&mine, text, 77));
    assert_false(shares_is_done(&mine, text, 78));
    assert_false(shares_is_done(&mine, NULL, 1));
    assert_true(shares_is_done(&mine, NULL, 0)); /* an empty list needs nobody */
    shares_claim_all(&mine);
    assert_true(shares_give(&mine, 2, text, len));
    assert_int_equal(shares_start(&mine), 77);
    shares_free(&mine);
    shares_free(&other);
}

static void a_reader_without_a_part_has_nothing(void **state)
{
    shares_t shares;
    (void)state;
    assert_true(shares_begin(&shares, &spec));
    assert_int_equal(shares_start(&shares), 0);
    for (uint64_t i = 0; i < 100; i++)
        assert_false(shares_have(&shares, i));
    shares_free(&shares);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_index_goes_to_one),
        cmocka_unit_test(what_is_kept_is_of_this_job),
        cmocka_unit_test(a_reader_without_a_part_has_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
