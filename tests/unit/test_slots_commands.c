/* Commands, one process an item: what they read, what is made of what they print, and of how they end. */
#include "tests/unit/slots_rig.h"

static rig_t *open_with(const char *const *commands)
{
    rig_t *r = test_malloc(sizeof *r);
    rig_init(r, 1);
    for (size_t i = 0; commands[i]; i += 2)
        rig_add_command(r, commands[i], commands[i + 1]);
    rig_open(r);
    return r;
}

static void close_rig(rig_t *r)
{
    rig_close(r);
    test_free(r);
}

#define check_value(r, task, item, expected) assert_string_equal(rig_one(r, task, item)->value, expected)

static void test_stdin_and_stdout(void **state)
{
    static const char *const commands[] = {
        "cat",  "cat",  "count", "wc -c",          "args", "printf %s/ {} {#} -- x{}",
        "none", "true", "bytes", "printf '\\377'", "part", "echo {1}-{2} {3} {-1}",
        NULL};
    rig_t *r = open_with(commands);
    (void)state;
    check_value(r, "cat", "\"a b\\n\"", "\"a b\\n\"");
    check_value(r, "cat", "{\"a\":1}", "\"{\\\"a\\\":1}\"");
    check_value(r, "cat", "\"\"", "\"\"");
    check_value(r, "cat", "{\"$binary\":\"AP8=\"}", "{\"$binary\":\"AP8=\"}");
    check_value(r, "cat", "\"shorter\"", "\"shorter\"");
    check_value(r, "count", "\"12345678\"", "\"9\"");
    check_value(r, "none", "\"unread\"", "\"\"");
    check_value(r, "bytes", "1", "{\"$binary\":\"/w==\"}");
    check_value(r, "args", "\"a b $(id)\"", "\"a b $(id)/9/--/xa b $(id)/\"");
    check_value(r, "args", "\"{#}{}\"", "\"{#}{}/10/--/x{#}{}/\"");
    check_value(r, "part", "[1,\"two\",{\"a\":3}]", "\"1-two {\\\"a\\\":3} {\\\"a\\\":3}\"");
    assert_int_equal(rig_one(r, "part", "\"whole\"")->kind, FANMAP_BAD_INPUT);
    close_rig(r);
}

/* Both ways: a newline is not added, and none is taken. */
static void test_raw(void **state)
{
    static const char *const commands[] = {"count", "wc -c", "cat", "cat", NULL};
    rig_t *r = test_malloc(sizeof *r);
    (void)state;
    rig_init(r, 1);
    for (int i = 0; i < 2; i++) {
        rig_add_command(r, commands[2 * i], commands[2 * i + 1]);
        r->tasks.tasks[i].terms.raw_input = true;
        r->tasks.tasks[i].terms.output = STDOUT_RAW;
    }
    rig_open(r);
    check_value(r, "count", "\"12345678\"", "\"8\\n\"");
    check_value(r, "cat", "\"a\\n\"", "\"a\\n\"");
    check_value(r, "cat", "\"\"", "\"\"");
    close_rig(r);
}

static void test_stdin_is_empty_when_the_item_is_an_argument(void **state)
{
    static const char *const commands[] = {"both", "sh -c 'cat; echo \"[$1]\"' -- {}", "stdin", "cat", NULL};
    rig_t *r = open_with(commands);
    (void)state;
    for (int i = 0; i < 2; i++) {
        check_value(r, "both", "\"x\"", "\"[x]\"");
        check_value(r, "stdin", "\"y\"", "\"y\"");
    }
    close_rig(r);
}

static void test_items_that_are_no_arguments(void **state)
{
    static const char *const commands[] = {"echo",      "echo {}", "guarded",     "echo -- {}", "option",
                                           "echo -n{}", "two",     "echo {1}{2}", NULL};
    rig_t *r = open_with(commands);
    (void)state;
    assert_int_equal(rig_one(r, "echo", "\"-rf\"")->kind, FANMAP_BAD_INPUT);
    assert_int_equal(rig_one(r, "echo", "-5")->kind, FANMAP_BAD_INPUT);
    assert_int_equal(rig_one(r, "two", "[\"\",\"-x\"]")->kind, FANMAP_BAD_INPUT);
    assert_int_equal(rig_one(r, "echo", "\"a\\u0000b\"")->kind, FANMAP_BAD_INPUT);
    check_value(r, "guarded", "\"-rf\"", "\"-- -rf\"");
    check_value(r, "option", "\"-x\"", "\"-n-x\"");
    check_value(r, "echo", "\"fine\"", "\"fine\"");
    close_rig(r);
}

static void test_bound_arguments(void **state)
{
    static const char *const commands[] = {"bound", "echo {level} {name}", "other", "echo {} {other}", NULL};
    rig_t *r = open_with(commands);
    (void)state;
    r->job.bound = (const uint8_t *)"\x82\xa5level\x07\xa4name\xa2{}";
    r->job.bound_len = 16;
    check_value(r, "bound", "\"x\"", "\"7 {}\"");
    assert_int_equal(rig_one(r, "other", "\"x\"")->kind, FANMAP_BAD_INPUT);
    close_rig(r);
}

static void test_how_commands_end(void **state)
{
    static const char *const commands[] = {"exit",    "sh -c 'echo one >&2; echo two >&2; exit 3'",
                                           "signal",  "sh -c 'kill -SEGV $$'",
                                           "missing", "/no/such/program",
                                           "nowhere", "no-such-program-anywhere",
                                           "folder",  "/tmp",
                                           "closed",  "sh -c 'exec >&- 2>&-; exit 0'",
                                           NULL};
    rig_t *r = open_with(commands);
    const rig_done_t *d;
    (void)state;
    d = rig_one(r, "exit", "1");
    assert_int_equal(d->kind, FANMAP_EXIT);
    assert_int_equal(d->exit_status, 3);
    assert_string_equal(d->message, "two");
    assert_string_equal(d->tail, "one\ntwo\n");
    d = rig_one(r, "signal", "1");
    assert_int_equal(d->kind, FANMAP_SIGNAL);
    assert_int_equal(d->signo, SIGSEGV);
    assert_string_equal(d->tail, "");
    d = rig_one(r, "missing", "1");
    assert_int_equal(d->kind, FANMAP_EXIT);
    assert_int_equal(d->exit_status, 127);
    assert_int_equal(rig_one(r, "nowhere", "1")->exit_status, 127);
    assert_int_equal(rig_one(r, "folder", "1")->exit_status, 126);
    check_value(r, "closed", "1", "\"\"");
    assert_int_equal(r->downs_n, 0);
    close_rig(r);
}

static void test_json_output(void **state)
{
    static const char *const commands[] = {"json", "cat", NULL};
    rig_t *r = test_malloc(sizeof *r);
    (void)state;
    rig_init(r, 1);
    rig_add_command(r, commands[0], commands[1]);
    r->tasks.tasks[0].terms.output = STDOUT_JSON;
    rig_open(r);
    check_value(r, "json", "\" {\\\"a\\\": [1, 18446744073709551615]}\\n\"", "{\"a\":[1,18446744073709551615]}");
    assert_int_equal(rig_one(r, "json", "\"1 2\"")->kind, FANMAP_PROTOCOL);
    assert_int_equal(rig_one(r, "json", "\"\"")->kind, FANMAP_PROTOCOL);
    close_rig(r);
}

static void test_floods(void **state)
{
    static const char *const commands[] = {
        "yes",   "sh -c 'yes & yes; wait'",
        "yell",  "sh -c 'head -c 3000000 /dev/zero | tr \"\\\\0\" x >&2; echo end >&2; echo fine'",
        "exact", "head -c 1048576 /dev/zero",
        "over",  "head -c 1048577 /dev/zero",
        NULL};
    rig_t *r = open_with(commands);
    char *log = test_malloc(1 << 20);
    size_t len = 0;
    (void)state;
    assert_int_equal(rig_one(r, "yes", "1")->kind, FANMAP_TOO_LARGE);
    check_value(r, "yell", "1", "\"fine\"");
    rig_wait(r, (len = rig_read_log(r, log, len, 1 << 20)) > 0 && strstr(log, "bytes dropped]\n"));
    assert_true(len < 200000);
    assert_non_null(strstr(log, "job-1/1/1: xxxx"));
    assert_int_equal(rig_one(r, "exact", "1")->kind, FANMAP_VALUE);
    assert_int_equal(rig_one(r, "over", "1")->kind, FANMAP_TOO_LARGE);
    assert_int_equal(r->downs_n, 0);
    test_free(log);
    close_rig(r);
}

static void test_environment(void **state)
{
    static const char *const commands[] = {
        "env",
        "sh -c 'echo $FANMAP_JOB $FANMAP_INDEX $FANMAP_ATTEMPT $FANMAP_FENCE $FANMAP_DEADLINE $FANMAP_SLOT "
        "[$FANMAP_REDIS$FANMAP_LIBEXEC]'",
        NULL};
    setenv("FANMAP_REDIS", "redis://:secret@host", 1);
    rig_t *r = open_with(commands);
    (void)state;
    unsetenv("FANMAP_REDIS");
    buf_t in = {0};
    mp_put_nil(&in);
    slot_run_t run = {
        .index = 5, .attempt = 2, .fence = UINT64_MAX, .deadline_ms = 77, .in = in.data, .in_len = in.len};
    rig_set_job(r, 0, "env");
    slots_run(r->slots, 0, &run);
    slots_flush(r->slots);
    rig_wait(r, r->dones_n == 1);
    assert_string_equal(r->dones[0].value, "\"job-1 5 2 18446744073709551615 77 0 []\"");
    buf_free(&in);
    close_rig(r);
}

/* Whatever a command leaves behind, in whatever session, is dead before its result is reported, and holds no pipe of
 * the next. */
static void test_what_is_left_behind_is_killed(void **state)
{
    static const char *const commands[] = {
        "daemon", "sh -c 'setsid sh -c \"echo noise; exec sleep 600\" & sleep 601 & echo made'", "next", "echo next",
        NULL};
    rig_t *r = open_with(commands);
    (void)state;
    int before = rig_children();
    for (int i = 0; i < 3; i++) {
        const rig_done_t *d = rig_one(r, "daemon", "1");
        assert_int_equal(d->kind, FANMAP_VALUE);
        assert_non_null(strstr(d->value, "made"));
        assert_int_equal(rig_children(), before);
        check_value(r, "next", "1", "\"next\"");
    }
    assert_int_equal(r->downs_n, 0);
    close_rig(r);
}

/* The same while a task host lives in the slot too: it must not be taken for something left behind. */
static void test_commands_beside_a_task_host(void **state)
{
    rig_t *r = test_malloc(sizeof *r);
    (void)state;
    rig_init(r, 1);
    rig_add_libraries(r);
    rig_add_command(r, "daemon", "sh -c 'setsid sleep 600 & echo made'");
    rig_open(r);
    check_value(r, "next_count", "0", "1");
    int before = rig_children();
    check_value(r, "daemon", "1", "\"made\"");
    assert_int_equal(rig_children(), before);
    check_value(r, "next_count", "0", "2");
    check_value(r, "daemon", "1", "\"made\"");
    check_value(r, "next_count", "0", "3");
    close_rig(r);
}

/* Descriptors that this process left open for its children do not reach a command. */
static void test_descriptors_do_not_leak(void **state)
{
    static const char *const commands[] = {"fds", "ls /proc/self/fd", NULL};
    int leaky = dup(STDERR_FILENO);
    rig_t *r = open_with(commands);
    (void)state;
    check_value(r, "fds", "1", "\"0\\n1\\n2\\n3\""); /* 3: the folder itself */
    close(leaky);
    r->fds_before--;
    close_rig(r);
}

static void test_many_commands_in_order(void **state)
{
    static const char *const commands[] = {"echo", "echo {}", NULL};
    rig_t *r = open_with(commands);
    char item[32], expected[32];
    (void)state;
    rig_set_job(r, 0, "echo");
    for (int i = 0; i < 60; i++) {
        snprintf(item, sizeof item, "%d", i);
        rig_run(r, 0, (uint64_t)i, item);
    }
    slots_flush(r->slots);
    rig_wait(r, r->dones_n == 60);
    for (int i = 0; i < 60; i++) {
        snprintf(expected, sizeof expected, "\"%d\"", i);
        assert_string_equal(r->dones[i].value, expected);
    }
    close_rig(r);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_stdin_and_stdout),
        rig_test(test_raw),
        rig_test(test_stdin_is_empty_when_the_item_is_an_argument),
        rig_test(test_items_that_are_no_arguments),
        rig_test(test_bound_arguments),
        rig_test(test_how_commands_end),
        rig_test(test_json_output),
        rig_test(test_floods),
        rig_test(test_environment),
        rig_test(test_what_is_left_behind_is_killed),
        rig_test(test_commands_beside_a_task_host),
        rig_test(test_descriptors_do_not_leak),
        rig_test(test_many_commands_in_order),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
