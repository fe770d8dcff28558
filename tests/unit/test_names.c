/* Names of topics, built and taken apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "schemas/names.h"

static void a_topic_for_each_task(void **state)
{
    char name[TOPIC_NAME_MAX];
    (void)state;
    assert_string_equal(name_items(name, "prod", "gpu", "resize.v2"), "prod.items.gpu.resize.v2");
    assert_string_equal(name_items_of_queue(name, "prod", "gpu"), "prod.items.gpu.");
    assert_string_equal(name_items_of_all(name, "prod"), "prod.items.");
    assert_string_equal(name_of_id(name, "prod", NAME_WORKERS, "gpu"), "prod.workers.gpu");
}

static void names_say_whose_they_are(void **state)
{
    char name[TOPIC_NAME_MAX];
    (void)state;
    assert_string_equal(name_shared(name, "prod", NAME_RESULTS), "prod.results");
    assert_string_equal(name_shared(name, "prod", NAME_JOBS), "prod.jobs");
    assert_string_equal(name_shared(name, "prod", NAME_DEAD), "prod.dead");
    assert_string_equal(name_shared(name, "prod", NAME_LOGS), "prod.logs");
    assert_string_equal(name_shared(name, "prod", NAME_READER), "prod.reader");
    assert_string_equal(name_of_id(name, "prod", NAME_AGGREGATOR, "disk"), "prod.aggregator.disk");
    assert_string_equal(name_of_id(name, "prod", NAME_STREAM, "s1"), "prod.stream.s1");
    assert_string_equal(name_of_id(name, "prod", NAME_GATHER, "s1"), "prod.gather.s1");
    assert_string_equal(name_of_id(name, "prod", NAME_REPLAY, "s1"), "prod.replay.s1");
    assert_string_equal(name_of_reader(name, "prod", NAME_READER, "s1", "me"), "prod.reader.s1.me");
    assert_string_equal(name_of_reader(name, "prod", NAME_SHARE, "s1", "me"), "prod.share.s1.me");
}

static void the_longest_names_fit(void **state)
{
    char name[TOPIC_NAME_MAX], name_space[NAME_MAX_LEN + 1] = "", queue[NAME_MAX_LEN + 1], task[TASK_NAME_MAX + 1];
    char queue_again[NAME_MAX_LEN + 1], task_again[TASK_NAME_MAX + 1];
    (void)state;
    memset(name_space, 'n', NAME_MAX_LEN);
    memset(queue, 'q', sizeof queue);
    memset(task, '.', sizeof task);
    queue[NAME_MAX_LEN] = task[TASK_NAME_MAX] = '\0';
    name_items(name, name_space, queue, task);
    assert_int_equal(strlen(name), 2 * NAME_MAX_LEN + TASK_NAME_MAX + strlen(".items..")); /* Kafka takes 249 */
    assert_true(name_items_parse(name, name_space, queue_again, task_again));
    assert_string_equal(queue_again, queue);
    assert_string_equal(task_again, task);
}

static void of_fanmap_itself(void **state)
{
    static const char *const own[] = {"prod.jobs", "prod.results",          "prod.dead",
                                      "prod.logs", "prod.items.gpu.resize", "prod.stream.enrich"};
    static const char *const others[] = {"jobs",         "prod",       "prod.",           "prod.jobs2",
                                         "prod.streams", "prod.items", "production.jobs", "orders"};
    (void)state;
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        assert_true(name_is_own(own[i], "prod"));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(name_is_own(others[i], "prod"));
}

/* A queue's name has no dot, so the first one ends it. */
static void taken_apart(void **state)
{
    char queue[NAME_MAX_LEN + 1] = "as it was", task[TASK_NAME_MAX + 1] = "as it was";
    static const char *const none[] = {
        "prod.items.gpu",        "prod.items.gpu.",        "prod.items..resize",
        "prod.items.GPU.resize", "prod.results",           "prod.items.",
        "test.items.gpu.resize", "prod.items.gpu.re size", "production.items.gpu.resize"};
    (void)state;
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_false(name_items_parse(none[i], "prod", queue, task));
    assert_string_equal(queue, "as it was");
    assert_string_equal(task, "as it was");
    assert_true(name_items_parse("prod.items.gpu.resize.v2", "prod", queue, task));
    assert_string_equal(queue, "gpu");
    assert_string_equal(task, "resize.v2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_topic_for_each_task), cmocka_unit_test(names_say_whose_they_are),
        cmocka_unit_test(the_longest_names_fit), cmocka_unit_test(of_fanmap_itself), cmocka_unit_test(taken_apart)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
