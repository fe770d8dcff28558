/* The option table and its rules: what is taken, what is refused, and which source wins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/options/rules.h"

static fanmap_options_t *fresh(void)
{
    fanmap_options_t *options;
    assert_int_equal(fanmap_options_new(&options), FANMAP_OK);
    return options;
}

static void refuses(const char *key, const char *value, const char *said)
{
    fanmap_error_t err = {0};
    fanmap_options_t *options = fresh();
    assert_int_equal(fanmap_options_set(options, key, value, &err), FANMAP_EUSAGE);
    if (!strstr(err.message, said))
        fail_msg("\"%s\" does not say \"%s\"", err.message, said);
    fanmap_options_free(options);
}

static void takes(const char *key, const char *value)
{
    fanmap_error_t err = {0};
    fanmap_options_t *options = fresh();
    if (fanmap_options_set(options, key, value, &err) != FANMAP_OK)
        fail_msg("%s=%s: %s", key, value, err.message);
    assert_string_equal(fanmap_options_get(options, key, 0), value);
    fanmap_options_free(options);
}

static void limits_may_be_said_in_processors(void **state)
{
    static const struct {
        const char *text;
        uint64_t limit;
    } cases[] = {{"0", 0}, {"7", 7}, {"100%", 4}, {"150%", 6}, {"25%", 1}, {"1%", 1}, {"0%", 1}, {"+0", 4}, {"+2", 6}};
    option_rule_t rule = {OPTION_LIMIT, 0, 1000000000};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t limit = 99;
        assert_int_equal(limit_parse(cases[i].text, &rule, 4, &limit, NULL), FANMAP_OK);
        assert_int_equal(limit, cases[i].limit);
    }
}

static void refuses_impossible_values(void **state)
{
    (void)state;
    refuses("no-such-thing", "1", "no option");
    refuses("concurrency", "-1", "--concurrency");
    refuses("concurrency", "7x", "whole number");
    refuses("concurrency", "", "whole number");
    refuses("concurrency", "18446744073709551616", "whole number");
    refuses("concurrency", "%", "whole number");
    refuses("concurrency", "+-1", "whole number");
    refuses("concurrency", "+5%", "whole number");
    refuses("timeout", "5", "--timeout");
    refuses("timeout", "-5s", "--timeout");
    refuses("timeout", "50d", "--timeout"); /* it travels as 32 bits of ms */
    refuses("lease", "1s", "too short");
    refuses("retries", "1000001", "1000000");
    refuses("backoff", "1s,0.5", "factor");
    refuses("backoff", "1s,nan", "factor");
    refuses("backoff", "1", "--backoff");
    refuses("backoff", "1s,2,5m,7", "--backoff");
    refuses("retries", "-1", "--retries");
    refuses("halt", "later,fail=1", "--halt");
    refuses("halt", "now", "now|soon");
    refuses("halt", "2", "never");
    refuses("halt", "now,errors=1", "fail|success|done");
    refuses("halt", "now,fail=0", "from 1");
    refuses("halt", "now,fail=-1", "count");
    refuses("halt", "now,fail=4294967296", "4294967295");
    refuses("halt", "soon,done=0%", "1% to 100%");
    refuses("halt", "soon,done=101%", "1% to 100%");
    refuses("halt", "soon,done=5%x", "percentage");
    refuses("final-exit", "0", "--final-exit");
    refuses("final-exit", "256", "255");
    refuses("final-exit", "78-64", "goes down");
    refuses("final-exit", "64-", "exit status");
    refuses("final-exit", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", "16 ranges");
    refuses("bind", "size", "NAME=JSON");
    refuses("bind", "1st=2", "not a name");
    refuses("bind", "=2", "not a name");
    refuses("bind", "size=two", "--bind: size");
    refuses("sequences", "65", "--sequences");
    refuses("namespace", "Upper", "[a-z0-9-]");
    refuses("queue", "", "[a-z0-9-]");
    refuses("job-id", "../etc", "job id");
    refuses("job-id", "-x", "job id");
    refuses("local", "maybe", "true|false");
    refuses("value-format", "jso", "value-format");
    refuses("value-format", "", "value-format");
    refuses("item-max", "0", "too small");
    refuses("property", "novalue", "KEY=VALUE");
}

static void takes_what_it_should(void **state)
{
    (void)state;
    takes("concurrency", "0");
    takes("concurrency", "+2");
    takes("concurrency", "1000000000");
    takes("timeout", "250ms");
    takes("halt", "never");
    takes("halt", "now,fail=1");
    takes("halt", "soon,success=100%");
    takes("halt", "now,done=4294967295");
    takes("final-exit", "64-78,2");
    takes("bind", "size=128");
    takes("bind", "s_1.x-y={\"a\":[1,null]}");
    takes("backoff", "1s");
    takes("backoff", "1s,1.5,10m");
    takes("namespace", "a-1");
    takes("job-id", "Job_1.a");
    takes("spill", "8GiB");
    takes("value-format", "text");
}

static void later_calls_override_and_repeats_add_up(void **state)
{
    (void)state;
    fanmap_options_t *options = fresh();
    assert_int_equal(fanmap_options_set(options, "jobs", "3", NULL), FANMAP_OK);
    assert_int_equal(fanmap_options_set(options, "concurrency", "4", NULL), FANMAP_OK);
    assert_int_equal(fanmap_options_number(options, "concurrency"), 4);
    assert_null(fanmap_options_get(options, "concurrency", 1));
    assert_int_equal(fanmap_options_set(options, "tasks", "a.so", NULL), FANMAP_OK);
    assert_int_equal(fanmap_options_set(options, "tasks", "b.so", NULL), FANMAP_OK);
    assert_string_equal(fanmap_options_get(options, "tasks", 0), "a.so");
    assert_string_equal(fanmap_options_get(options, "tasks", 1), "b.so");
    assert_null(fanmap_options_get(options, "tasks", 2));
    fanmap_options_free(options);
}

static void defaults_are_the_tables(void **state)
{
    (void)state;
    uint32_t base = 0, factor = 0, cap = 0;
    fanmap_options_t *options = fresh();
    options_backoff(options, &base, &factor, &cap);
    assert_int_equal(base, 1000);
    assert_int_equal(factor, 2000);
    assert_int_equal(cap, 300000);
    assert_int_equal(options_ms(options, OPT_GRACE), 5000);
    assert_int_equal(options_bytes(options, OPT_ITEM_MAX), 1 << 20);
    assert_int_equal(options_ms(options, OPT_TIMEOUT), 0);
    assert_true(options_switch(options, OPT_WAIT));
    fanmap_options_free(options);
}

static void caller_beats_environment_beats_file(void **state)
{
    (void)state;
    char path[] = "/tmp/fanmap-options-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(dprintf(fd, "# a comment\n brokers = file:1 \nredis=redis://file\nnamespace=from-file\n") > 0, 1);
    close(fd);
    setenv("FANMAP_BROKERS", "env:1", 1);
    setenv("FANMAP_REDIS", "redis://env", 1);
    fanmap_options_t *options = fresh();
    fanmap_error_t err = {0};
    assert_int_equal(fanmap_options_set(options, "redis", "redis://caller", &err), FANMAP_OK);
    assert_int_equal(fanmap_options_load(options, path, &err), FANMAP_OK);
    assert_string_equal(fanmap_options_get(options, "brokers", 0), "env:1");
    assert_string_equal(fanmap_options_get(options, "redis", 0), "redis://caller");
    assert_string_equal(fanmap_options_get(options, "namespace", 0), "from-file");
    fanmap_options_free(options);
    unsetenv("FANMAP_BROKERS");
    unsetenv("FANMAP_REDIS");
    unlink(path);
}

static void a_bad_file_names_its_line(void **state)
{
    (void)state;
    char path[] = "/tmp/fanmap-options-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(dprintf(fd, "brokers=a:1\nconcurrency=many\n") > 0, 1);
    close(fd);
    fanmap_options_t *options = fresh();
    fanmap_error_t err = {0};
    assert_int_equal(fanmap_options_load(options, path, &err), FANMAP_EUSAGE);
    assert_non_null(strstr(err.message, "line 2"));
    assert_int_equal(fanmap_options_load(options, "/nonexistent/file", &err), FANMAP_EUSAGE);
    fanmap_options_free(options);
    unlink(path);
}

static void properties_reach_librdkafka(void **state)
{
    (void)state;
    fanmap_options_t *options = fresh();
    assert_int_equal(fanmap_options_set(options, "X.client.id", "me", NULL), FANMAP_OK);
    assert_int_equal(fanmap_options_set(options, "property", "client.id=you", NULL), FANMAP_OK);
    assert_int_equal(fanmap_options_set(options, "property", "a=b=c", NULL), FANMAP_OK);
    fanmap_options_t *merged = options_copy(options);
    const char *const *list = options_properties(merged);
    assert_string_equal(list[0], "client.id");
    assert_string_equal(list[1], "you");
    assert_string_equal(list[2], "a");
    assert_string_equal(list[3], "b=c");
    assert_null(list[4]);
    fanmap_options_free(merged);
    fanmap_options_free(options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_impossible_values), cmocka_unit_test(limits_may_be_said_in_processors),
        cmocka_unit_test(takes_what_it_should),      cmocka_unit_test(later_calls_override_and_repeats_add_up),
        cmocka_unit_test(defaults_are_the_tables),   cmocka_unit_test(caller_beats_environment_beats_file),
        cmocka_unit_test(a_bad_file_names_its_line), cmocka_unit_test(properties_reach_librdkafka),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
