/* What the bus over a real Kafka holds in memory: of records that nobody takes, and of blocks that nobody wants any more. */
#include "tests/unit/kafka_rig.h"

#include <malloc.h>

enum { RECORDS_N = 60000, KIB = 1024 };

static broker_t broker;

static void open_bounded(rig_t *rig)
{
    fanmap_error_t err = {0};
    bus_config_t config = {
        .brokers = broker.brokers, .message_bytes_max = 1 << 20, .fetch_kbytes = 128, .bounds_readers = true};
    memset(rig, 0, sizeof *rig);
    assert_int_equal(loop_new(&rig->loop, &err), FANMAP_OK);
    assert_int_equal(bus_open_kafka(rig->loop, &config, rig_on_error, rig_on_line, rig, &rig->bus, &err), FANMAP_OK);
}

static size_t in_use(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static void run_for(rig_t *rig, int64_t ms)
{
    for (int64_t until_ms = loop_clock_ms() + ms; loop_clock_ms() < until_ms;)
        assert_true(loop_run_once(rig->loop, 20) >= 0);
}

/* Each record in a queue of librdkafka costs some 300 bytes beside its own. Bounded by their bytes alone, all of these lay
 * there: 18 MiB. */
static void test_a_bounded_reader_holds_little_of_what_it_does_not_take(void **state)
{
    (void)state;
    rig_t rig;
    rig_open(&rig, broker.brokers, NULL, 0);
    rig_topic(&rig, "bounded", 1, 0);
    rig_produce_all(&rig, 0, RECORDS_N, 1);
    rig_until(&rig, rig.delivered.n == RECORDS_N);
    rig_close(&rig);

    open_bounded(&rig);
    rig_topic(&rig, "bounded", 1, 0);
    size_t before = in_use();
    rig_read(&rig, 0, 0);
    bus_reader_hold(rig.reader, true);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* which have no figures */
    rig_until(&rig, in_use() > before + (size_t)KIB * KIB);
#endif
    run_for(&rig, 1500);
    print_message("%zu KiB are held\n", (in_use() - before) / KIB);
    assert_true(in_use() < before + (size_t)5 * KIB * KIB);
    bus_reader_hold(rig.reader, false);
    rig_until(&rig, rig.read.n == RECORDS_N);
    assert_int_equal(rig_check(&rig.read, 0, RECORDS_N), 0);
    rig_close(&rig);
}

static void test_blocks_that_nobody_wants_are_given_back(void **state)
{
    (void)state;
    rig_t rig;
    rig_open(&rig, broker.brokers, NULL, 0);
    const kafka_bus_t *bus = (const kafka_bus_t *)rig.bus;
    rig_topic(&rig, "blocks", 1, 0);
    rig_produce_all(&rig, 0, 5000, 1);
    rig_until(&rig, rig.delivered.n == 5000);
    assert_true(bus->spares.bytes > 0);
    rig_until(&rig, bus->spares.bytes == 0);
    rig_produce_all(&rig, 5000, 100, 1); /* and again */
    rig_until(&rig, rig.delivered.n == 5100);
    assert_true(bus->spares.bytes > 0);
    rig_until(&rig, bus->spares.bytes == 0);
    rig_close(&rig);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_bounded_reader_holds_little_of_what_it_does_not_take),
        cmocka_unit_test(test_blocks_that_nobody_wants_are_given_back),
    };
    return rig_run("test_kafka_memory", tests, sizeof tests / sizeof *tests, &broker, argc, argv);
}
