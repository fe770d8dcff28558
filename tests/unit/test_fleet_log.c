/* What is told of the fleet from one look to the next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "serve/fleet_log.h"

/* "ID:QUEUE:PARTITIONS ID:..." */
static void look(fleet_log_t *log, int64_t now_ms, const char *workers)
{
    buf_t buf = {0};
    char copy[512], id[32], queue[32];
    unsigned long partitions;
    snprintf(copy, sizeof copy, "%s", workers);
    for (char *one = strtok(copy, " "); one; one = strtok(NULL, " ")) {
        assert_int_equal(sscanf(one, "%31[^:]:%31[^:]:%lu", id, queue, &partitions), 3);
        fanmap_worker_info_t worker = {.id = id, .host = id, .pid = 1, .queue = queue, .partitions = partitions};
        fleet_log_add_worker(&buf, &worker);
    }
    fleet_log_update(log, now_ms, &buf);
    buf_free(&buf);
}

static void check(const fleet_log_t *log, const char *queue, const char *events)
{
    buf_t out = {0};
    char wanted[4096];
    fleet_log_json(log, queue, &out);
    buf_append(&out, "", 1);
    snprintf(wanted, sizeof wanted, "{\"since_ms\":1,\"events\":[%s]}", events);
    assert_string_equal(out.data, wanted);
    buf_free(&out);
}

#define MOVED "{\"at_ms\":20,\"what\":\"moved\",\"queue\":\"q\",\"workers\":1,\"names\":\"a:1\"}"
#define CAME  "{\"at_ms\":20,\"what\":\"came\",\"queue\":\"q\",\"workers\":2,\"names\":\"c:1, d:1\"}"
#define GONE  "{\"at_ms\":30,\"what\":\"gone\",\"queue\":\"other\",\"workers\":1,\"names\":\"b:1\"}"
#define AWAY  "{\"at_ms\":40,\"what\":\"redis_away\"}"
#define BACK  "{\"at_ms\":60,\"what\":\"redis_back\"}"

static void test_looks(void **state)
{
    fleet_log_t *log = fleet_log_new(1);
    (void)state;
    look(log, 10, "b:other:4 a:q:8");
    check(log, NULL, "");
    look(log, 20, "a:q:4 d:q:0 c:q:4 b:other:4");
    check(log, NULL, MOVED "," CAME);
    look(log, 30, "a:q:4 c:q:4 d:q:0");
    fleet_log_unreachable(log, 40);
    fleet_log_unreachable(log, 50);
    look(log, 60, "d:q:0 c:q:4 a:q:4");
    check(log, "other", GONE "," AWAY "," BACK);
    check(log, "q", MOVED "," CAME "," AWAY "," BACK);
    fleet_log_free(log);
}

static void test_the_first_look_tells_nothing_also_after_a_miss(void **state)
{
    fleet_log_t *log = fleet_log_new(1);
    (void)state;
    fleet_log_unreachable(log, 40);
    look(log, 60, "a:q:4");
    check(log, NULL, AWAY "," BACK);
    fleet_log_free(log);
}

/* Many at once are one event, which names some; of many events the newest stay. */
static void test_bounds(void **state)
{
    fleet_log_t *log = fleet_log_new(1);
    buf_t out = {0};
    (void)state;
    look(log, 10, "");
    look(log, 20, "a:q:1 b:q:1 c:q:1 d:q:1 e:q:1 f:q:1");
    check(log, NULL, "{\"at_ms\":20,\"what\":\"came\",\"queue\":\"q\",\"workers\":6,\"names\":\"a:1, b:1, c:1, d:1\"}");
    for (int64_t i = 0; i < FLEET_EVENTS_MAX; i++)
        look(log, 100 + i, i % 2 ? "a:q:1" : "a:q:2");
    fleet_log_json(log, NULL, &out);
    buf_append(&out, "", 1);
    assert_null(strstr((char *)out.data, "\"came\""));
    assert_non_null(strstr((char *)out.data, "\"gone\""));
    buf_free(&out);
    fleet_log_free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_looks),
        cmocka_unit_test(test_the_first_look_tells_nothing_also_after_a_miss),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
