/* Calls of the Kafka bus that wait for another try while what they are about is closed. No broker is needed: none answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "io/kafka/bus.h"

typedef struct {
    bool has_failed, was_answered;
} seen_t;

static void on_error(void *arg, const fanmap_error_t *err)
{
    (void)arg, (void)err;
}

static void on_log(void *arg, fanmap_log_level_t level, const char *line)
{
    seen_t *seen = arg;
    (void)level;
    seen->has_failed |= strstr(line, "transaction") != NULL;
}

static void on_written(void *arg, bus_written_t what, const fanmap_error_t *err)
{
    seen_t *seen = arg;
    (void)what, (void)err;
    seen->was_answered = true;
}

static void turn(loop_t *loop, int ms)
{
    for (int64_t until = loop_clock_ms() + ms; loop_clock_ms() < until;)
        assert_true(loop_run_once(loop, 20) >= 0);
}

static void a_writer_is_closed_before_it_tries_again(void **state)
{
    const bus_config_t config = {.brokers = "127.0.0.1:1"};
    seen_t seen = {0};
    fanmap_error_t err;
    loop_t *loop;
    bus_t *bus;
    bus_writer_t *writer;
    (void)state;
    assert_int_equal(loop_new(&loop, &err), FANMAP_OK);
    assert_int_equal(bus_open_kafka(loop, &config, on_error, on_log, &seen, &bus, &err), FANMAP_OK);
    assert_int_equal(bus_writer_open(bus, "id", false, 0, on_written, &seen, &writer, &err), FANMAP_OK);
    for (int64_t until = loop_clock_ms() + 30000; !seen.has_failed && loop_clock_ms() < until;)
        assert_true(loop_run_once(loop, 20) >= 0);
    assert_true(seen.has_failed);
    assert_non_null(((const kafka_bus_t *)bus)->calls_waiting);
    bus_writer_close(writer);
    assert_null(((const kafka_bus_t *)bus)->calls_waiting); /* the next try would use a handle that is gone */
    turn(loop, 2 * KAFKA_RETRY_MS);
    assert_false(seen.was_answered);
    bus_close(bus, 5000);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_writer_is_closed_before_it_tries_again)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
