/* fanmap_check_task: the examples pass in both encodings and on stdin and stdout; of programs that are wrong, what is
 * wrong is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fanmap/admin.h"

enum { WORDS_MAX = 8 };

typedef struct {
    unsigned good, bad;
    char first_bad[600], all[8192];
} report_t;

static void on_finding(void *arg, bool is_ok, const char *what)
{
    report_t *r = arg;
    size_t len = strlen(r->all);
    snprintf(r->all + len, sizeof r->all - len, "%s %s\n", is_ok ? "ok" : "not ok", what);
    if (!is_ok && r->bad == 0)
        snprintf(r->first_bad, sizeof r->first_bad, "%s", what);
    r->good += is_ok;
    r->bad += !is_ok;
}

/* `words` are the program and its arguments, separated by one blank; the second is a path of the project. */
static report_t check(const char *words)
{
    char text[400], path[2200];
    const char *argv[WORDS_MAX + 1] = {NULL};
    size_t n = 0;
    char *save = NULL;
    fanmap_options_t *options;
    fanmap_error_t err;
    report_t r = {0};
    unsigned wrong;
    snprintf(text, sizeof text, "%s", words);
    for (char *word = strtok_r(text, " ", &save); word && n < WORDS_MAX; word = strtok_r(NULL, " ", &save))
        argv[n++] = word;
    snprintf(path, sizeof path, "%s/%s", FANMAP_SOURCE_DIR, argv[1]);
    argv[1] = path;
    assert_int_equal(fanmap_options_new(&options), FANMAP_OK);
    assert_int_equal(fanmap_options_set(options, "start-timeout", "30s", &err), FANMAP_OK);
    if (strstr(words, "silent"))
        assert_int_equal(fanmap_options_set(options, "start-timeout", "300ms", &err), FANMAP_OK);
    if (fanmap_check_task(options, argv, -1, on_finding, &r, &wrong, &err) != FANMAP_OK)
        fail_msg("%s: %s", words, err.message);
    assert_int_equal(wrong, r.bad);
    fanmap_options_free(options);
    return r;
}

static void check_passes(const char *words, const char *says)
{
    report_t r = check(words);
    if (r.bad > 0 || !strstr(r.all, says) || !strstr(r.all, "ok bye: it ends, with status 0\n"))
        fail_msg("%s:\n%s", words, r.all);
}

static void check_finds(const char *words, const char *what)
{
    report_t r = check(words);
    if (!strstr(r.first_bad, what))
        fail_msg("%s: not found: %s\n%s", words, what, r.all);
}

static void test_the_examples(void **state)
{
    (void)state;
    check_passes("python3 examples/python/numbers_task.py json", "JSON lines on FANMAP_SLOT_FD");
    check_passes("python3 examples/python/numbers_task.py msgpack", "msgpack frames on FANMAP_SLOT_FD");
    check_passes("perl examples/perl/words_task.pl", "JSON lines on FANMAP_SLOT_FD");
}

static void test_runs_ahead(void **state)
{
    (void)state;
    static const char next[] = "ok it passes over one that was taken back, and answers the next\n";
    check_passes("python3 examples/python/numbers_task.py json", next);
    check_passes("python3 examples/python/numbers_task.py msgpack", next);
    check_passes("python3 tests/unit/nasty_slot.py ahead json", next);
    check_finds("python3 tests/unit/nasty_slot.py hasty json", "begins none without a permit: it said done instead");
    check_finds("python3 tests/unit/nasty_slot.py deafened json", "it answered run 1 instead of run 2");
}

static void test_stdin_and_stdout(void **state)
{
    (void)state;
    check_passes("python3 tests/unit/nasty_slot.py well stdio", "JSON lines on stdin and stdout");
}

static void test_what_is_wrong(void **state)
{
    (void)state;
    check_finds("python3 tests/unit/nasty_slot.py silent json", "nothing came in time");
    check_finds("python3 tests/unit/nasty_slot.py die json", "closed the descriptor or ended");
    check_finds("python3 tests/unit/nasty_slot.py future json", "version 2");
    check_finds("python3 tests/unit/nasty_slot.py future msgpack", "version 2");
    check_finds("python3 tests/unit/nasty_slot.py garbage json", "neither as a frame nor as a JSON object");
    check_finds("python3 tests/unit/nasty_slot.py unasked json", "it said done instead");
    check_finds("python3 tests/unit/nasty_slot.py deaf json", "closed the descriptor or ended");
    check_finds("python3 tests/unit/nasty_slot.py double json", "it said more after its answer");
    check_finds("python3 tests/unit/nasty_slot.py confused json", "it answered run");
    check_finds("python3 tests/unit/nasty_slot.py lost json", "is not one JSON object");
    check_finds("python3 tests/unit/nasty_slot.py talker json", "it said ready instead");
    check_finds("python3 tests/unit/nasty_slot.py grumpy json", "exit status is 3");
    check_finds("python3 tests/unit/nasty_slot.py stayer json", "still runs");
}

static void test_no_such_program(void **state)
{
    const char *const argv[] = {"/nowhere/at-all", NULL};
    fanmap_options_t *options;
    fanmap_error_t err;
    unsigned wrong = 77;
    (void)state;
    assert_int_equal(fanmap_options_new(&options), FANMAP_OK);
    assert_int_equal(fanmap_check_task(options, argv, -1, on_finding, NULL, &wrong, &err), FANMAP_EUSAGE);
    assert_non_null(strstr(err.message, "/nowhere/at-all"));
    assert_int_equal(wrong, 77);
    fanmap_options_free(options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_examples),     cmocka_unit_test(test_runs_ahead),
        cmocka_unit_test(test_stdin_and_stdout), cmocka_unit_test(test_what_is_wrong),
        cmocka_unit_test(test_no_such_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
