/* Readers that share what is fetched of a partition, over a real Kafka: who joins late, who falls behind, what stays. */
#include "io/kafka/fetcher.h"
#include "io/kafka/reader.h"
#include "tests/unit/kafka_rig.h"

static broker_t broker;

enum { READERS = 3 };

typedef struct bed bed_t;

typedef struct {
    bed_t *bed;
    bus_reader_t *reader;
    int64_t next; /* offset; below 0: any */
    uint64_t read_n;
    unsigned ends_n, gone_n;
    int closes; /* with its first record: this reader */
} seen_t;

struct bed {
    rig_t rig;
    seen_t seen[READERS];
};

static bool on_record(void *arg, const bus_record_t *record)
{
    seen_t *seen = arg;
    assert_int_equal(record->offset, seen->next);
    assert_int_equal(rig_number(record), record->offset);
    seen->next++;
    seen->read_n++;
    if (seen->closes >= 0)
        (void)bus_reader_drop(&seen->bed->seen[seen->closes].reader);
    seen->closes = -1;
    return false;
}

static void on_end(void *arg, int64_t position)
{
    seen_t *seen = arg;
    assert_true(position >= seen->next);
    seen->ends_n++;
}

static void on_gone(void *arg, int64_t low)
{
    (void)low;
    ((seen_t *)arg)->gone_n++;
}

static void begin(bed_t *bed, int i, int64_t from)
{
    static const bus_reader_callbacks_t callbacks = {
        .record = on_record, .at_end = on_end, .gone = on_gone, .shares = true};
    fanmap_error_t err;
    seen_t *seen = &bed->seen[i];
    *seen = (seen_t){.bed = bed, .next = from, .closes = -1};
    assert_int_equal(bus_read(bed->rig.topic, 0, from, &callbacks, seen, &seen->reader, &err), FANMAP_OK);
    assert_int_equal(seen->read_n, 0); /* nothing comes from inside the call */
}

static void fill(bed_t *bed, uint64_t from, uint64_t n)
{
    rig_produce_all(&bed->rig, from, n, 1);
    rig_until(&bed->rig, bed->rig.delivered.n == from + n);
}

static size_t fetchers_n(const bed_t *bed)
{
    size_t n = 0;
    for (const kafka_fetcher_t *f = ((const kafka_bus_t *)bed->rig.bus)->fetchers; f != NULL; f = f->next)
        n++;
    return n;
}

static int set_up(void **state)
{
    bed_t *bed = calloc(1, sizeof *bed);
    rig_open(&bed->rig, broker.brokers, NULL, 0);
    *state = bed;
    return 0;
}

static int tear_down(void **state)
{
    bed_t *bed = *state;
    for (int i = 0; i < READERS; i++)
        (void)bus_reader_drop(&bed->seen[i].reader);
    rig_close(&bed->rig);
    free(bed);
    return 0;
}

static void test_a_late_reader_joins(void **state)
{
    bed_t *bed = *state;
    rig_topic(&bed->rig, "late", 1, 0);
    assert_int_equal(bus_partition_at_hand(bed->rig.topic), -1);
    begin(bed, 0, 0);
    fill(bed, 0, 100);
    rig_until(&bed->rig, bed->seen[0].read_n == 100 && bed->seen[0].ends_n > 0);
    begin(bed, 1, 90);
    rig_until(&bed->rig, bed->seen[1].read_n == 10 && bed->seen[1].ends_n > 0);
    begin(bed, 2, 120); /* some that it does not want come first */
    fill(bed, 100, 50);
    rig_until(&bed->rig, bed->seen[0].read_n == 150 && bed->seen[1].read_n == 60 && bed->seen[2].read_n == 30);
    assert_int_equal(fetchers_n(bed), 1);
}

static void test_what_nobody_reads_stays_for_the_next(void **state)
{
    bed_t *bed = *state;
    rig_topic(&bed->rig, "stays", 1, 0);
    fill(bed, 0, 10);
    begin(bed, 0, 0);
    rig_until(&bed->rig, bed->seen[0].read_n == 10 && bed->seen[0].ends_n > 0);
    (void)bus_reader_drop(&bed->seen[0].reader);
    assert_int_equal(bus_partition_at_hand(bed->rig.topic), 0);
    fill(bed, 10, 10);
    begin(bed, 1, 10);
    rig_until(&bed->rig, bed->seen[1].read_n == 10);
    assert_int_equal(fetchers_n(bed), 1);
    begin(bed, 2, 0);
    rig_until(&bed->rig, bed->seen[2].read_n == 20);
}

static void test_nobody_pays_for_much(void **state)
{
    bed_t *bed = *state;
    rig_topic(&bed->rig, "much", 1, 0);
    fill(bed, 0, 1);
    begin(bed, 0, 0);
    rig_until(&bed->rig, bed->seen[0].read_n == 1 && bed->seen[0].ends_n > 0);
    (void)bus_reader_drop(&bed->seen[0].reader);
    for (uint64_t i = 1; i < 10; i++)
        assert_int_equal(rig_produce(&bed->rig, 0, i, 900000), FANMAP_OK);
    rig_until(&bed->rig, fetchers_n(bed) == 0);
    assert_int_equal(bus_partition_at_hand(bed->rig.topic), -1);
}

static void test_a_held_reader_stops_no_other(void **state)
{
    bed_t *bed = *state;
    const uint64_t n = 3 * KAFKA_RECENT_MAX;
    rig_topic(&bed->rig, "held", 1, 0);
    begin(bed, 0, 0);
    begin(bed, 1, 0);
    bus_reader_hold(bed->seen[0].reader, true);
    fill(bed, 0, n);
    rig_until(&bed->rig, bed->seen[1].read_n == n);
    assert_int_equal(bed->seen[0].read_n, 0);
    bus_reader_hold(bed->seen[0].reader, false); /* too late for the recent ones */
    rig_until(&bed->rig, bed->seen[0].read_n == n);
    assert_int_equal(fetchers_n(bed), 2);
    bus_reader_hold(bed->seen[1].reader, true);
    fill(bed, n, 10);
    bus_reader_hold(bed->seen[1].reader, false);
    rig_until(&bed->rig, bed->seen[0].read_n == n + 10 && bed->seen[1].read_n == n + 10);
}

static void test_all_held_the_log_keeps_the_rest(void **state)
{
    bed_t *bed = *state;
    const uint64_t n = 3 * KAFKA_RECENT_MAX;
    rig_topic(&bed->rig, "kept", 1, 0);
    begin(bed, 0, 0);
    bus_reader_hold(bed->seen[0].reader, true);
    fill(bed, 0, n);
    bus_reader_hold(bed->seen[0].reader, false);
    rig_until(&bed->rig, bed->seen[0].read_n == n);
    assert_int_equal(fetchers_n(bed), 1);
}

static void test_closing_inside_a_record(void **state)
{
    bed_t *bed = *state;
    rig_topic(&bed->rig, "closing", 1, 0);
    for (int i = 0; i < READERS; i++)
        begin(bed, i, 0);
    bed->seen[0].closes = 0;
    bed->seen[2].closes = 1;
    fill(bed, 0, 10);
    rig_until(&bed->rig, bed->seen[2].read_n == 10);
    assert_int_equal(bed->seen[0].read_n, 1);
    assert_true(bed->seen[1].read_n <= 1);
}

static void test_a_position_that_is_gone(void **state)
{
    bed_t *bed = *state;
    rig_topic(&bed->rig, "gone", 1, 0);
    fill(bed, 0, 10);
    begin(bed, 0, 500);
    rig_until(&bed->rig, bed->seen[0].gone_n == 1);
    begin(bed, 1, 500);
    begin(bed, 2, 0);
    rig_until(&bed->rig, bed->seen[1].gone_n == 1 && bed->seen[2].read_n == 10);
    (void)bus_reader_drop(&bed->seen[0].reader);
    (void)bus_reader_drop(&bed->seen[1].reader);
    assert_int_equal(fetchers_n(bed), 1);
}

static void test_a_position_beyond_the_end_of_one_that_is_there(void **state)
{
    bed_t *bed = *state;
    rig_topic(&bed->rig, "beyond", 1, 0);
    fill(bed, 0, 10);
    begin(bed, 0, 0);
    rig_until(&bed->rig, bed->seen[0].read_n == 10);
    begin(bed, 1, 500); /* it would wait for 490 records of others */
    rig_until(&bed->rig, bed->seen[1].gone_n == 1);
    (void)bus_reader_drop(&bed->seen[1].reader);
    assert_int_equal(fetchers_n(bed), 1);
    assert_int_equal(bed->seen[0].gone_n, 0);
}

static void test_who_joined_is_not_told_of_the_end_of_a_fetcher(void **state)
{
    bed_t *bed = *state;
    rig_topic(&bed->rig, "before", 1, 0);
    fill(bed, 0, 10);
    begin(bed, 0, 0);
    rig_until(&bed->rig, bed->seen[0].read_n == 10 && bed->seen[0].ends_n > 0);
    (void)bus_reader_drop(&bed->seen[0].reader);
    begin(bed, 1, 5);
    kafka_fetcher_fail(((const kafka_bus_t *)bed->rig.bus)->fetchers, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    fill(bed, 10, 10);
    rig_until(&bed->rig, bed->seen[1].read_n == 15);
    assert_int_equal(bed->seen[1].gone_n, 0);
    assert_int_equal(fetchers_n(bed), 1); /* the other one, which nobody reads any more, is closed */
}

static void test_what_is_left_by_all_rests(void **state)
{
    bed_t *bed = *state;
    kafka_bus_t *bus = (kafka_bus_t *)bed->rig.bus;
    rig_topic(&bed->rig, "left", 1, 0);
    fill(bed, 0, 10);
    begin(bed, 0, 0);
    rig_until(&bed->rig, bed->seen[0].read_n == 10);
    kafka_fetcher_t *fetcher = bus->fetchers;
    kafka_fetcher_split(bus->readers);
    (void)kafka_fetcher_turn(fetcher);
    assert_true(fetcher->readers == NULL && fetcher->is_resting);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_late_reader_joins),
        TEST(test_what_nobody_reads_stays_for_the_next),
        TEST(test_nobody_pays_for_much),
        TEST(test_a_held_reader_stops_no_other),
        TEST(test_all_held_the_log_keeps_the_rest),
        TEST(test_closing_inside_a_record),
        TEST(test_a_position_that_is_gone),
        TEST(test_a_position_beyond_the_end_of_one_that_is_there),
        TEST(test_who_joined_is_not_told_of_the_end_of_a_fetcher),
        TEST(test_what_is_left_by_all_rests),
    };
    return rig_run("test_kafka_shared", tests, sizeof tests / sizeof *tests, &broker, argc, argv);
}
