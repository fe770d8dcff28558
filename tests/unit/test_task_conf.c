/* Task files: what is read, and what is said about what cannot be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/tasks/task_conf.h"

static char folder[] = "/tmp/fanmap-conf.XXXXXX";
static char path[64];

static void write_conf(const char *text)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void check_error(const char *text, const char *expected)
{
    slots_catalogue_t c = {0};
    fanmap_error_t err = {0};
    char whole[700];
    write_conf(text);
    assert_int_equal(task_conf_add(&c, path, &err), FANMAP_EUSAGE);
    snprintf(whole, sizeof whole, "task file %s: %s", path, expected);
    assert_string_equal(err.message, whole);
    slots_catalogue_free(&c);
}

static void test_keys(void **state)
{
    slots_catalogue_t c = {0};
    fanmap_error_t err = {0};
    (void)state;
    write_conf("# a comment\n"
               "[one]\n"
               "exec = [ 'convert', \"{}\", # the item\n"
               "  \"a \\\"b\\\" \\\\ \\u00e9\", ]\n"
               "output = json\n"
               "memory = 64MiB\nfile-size = \"1MiB\"\ncpus = 0.25\ncpu-time = 2s\ntimeout = '1m'\n"
               "files = 64\nprocesses = 8\nnice = 5\nworkdir = \"/usr\"\n"
               "env = [\"A=1\", \"B=x y\"]\n"
               "\n  [ two ]  # another\n"
               "serve = \"python3 'my worker.py'\"\r\n"
               "[three]\n"
               "exec = echo\n"
               "container = [\"docker\", \"run\", \"--name\", \"{container}\", \"image\", \"{argv}\"]\n"
               "container-kill = \"docker kill {container}\"\n"
               "container-list = \"docker ps\"\n");
    if (task_conf_add(&c, path, &err) != FANMAP_OK)
        fail_msg("%s", err.message);
    assert_int_equal(c.n, 3);
    const slots_task_t *t = &c.tasks[0];
    const terms_t *terms = &t->terms;
    assert_string_equal(t->name, "one");
    assert_int_equal(t->engine, TASK_EXEC);
    assert_true(t->terms.output == STDOUT_JSON);
    assert_string_equal(t->argv[1], "{}");
    assert_string_equal(t->argv[2], "a \"b\" \\ \xc3\xa9");
    assert_null(t->argv[3]);
    assert_int_equal(terms->limits.memory_bytes, 64 << 20);
    assert_int_equal(terms->limits.file_bytes, 1 << 20);
    assert_int_equal(terms->limits.cpus_milli, 250);
    assert_int_equal(terms->limits.cpu_time_ms, 2000);
    assert_int_equal(terms->timeout_ms, 60000);
    assert_int_equal(terms->limits.files_n, 64);
    assert_int_equal(terms->limits.processes_n, 8);
    assert_int_equal(terms->nice, 5);
    assert_string_equal(terms->workdir, "/usr");
    assert_string_equal(terms->env[1], "B=x y");
    assert_int_equal(c.tasks[1].engine, TASK_SERVE);
    assert_string_equal(c.tasks[1].argv[1], "my worker.py");
    t = &c.tasks[2];
    assert_string_equal(t->argv[0], "docker");
    assert_string_equal(t->argv[5], "echo");
    assert_int_equal(t->terms.own_from, 5);
    assert_string_equal(t->terms.kill_argv[2], "{container}");
    assert_string_equal(t->terms.list_argv[1], "ps");
    slots_catalogue_free(&c);
}

static void test_functions(void **state)
{
    char text[2300], exe[2048];
    slots_catalogue_t c = {0};
    fanmap_error_t err = {0};
    (void)state;
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    assert_true(n > 0);
    exe[n] = '\0';
    for (int i = 0; i < 2; i++)
        *strrchr(exe, '/') = '\0';
    setenv("FANMAP_LIBEXEC", exe, 0);
    snprintf(text, sizeof text, "[square]\nso = \"%s/examples/numbers.so\"\nmemory = 1GiB\n", exe);
    write_conf(text);
    if (task_conf_add(&c, path, &err) != FANMAP_OK)
        fail_msg("%s", err.message);
    assert_int_equal(c.n, 1);
    assert_int_equal(c.tasks[0].engine, TASK_SO);
    assert_int_equal(c.tasks[0].terms.limits.memory_bytes, 1 << 30);
    slots_catalogue_free(&c);
    snprintf(text, sizeof text, "[cube]\nso = \"%s/examples/numbers.so\"\n", exe);
    check_error(text, "line 2: so: the library has no task 'cube'");
}

static void test_what_is_refused(void **state)
{
    (void)state;
    check_error("", "no [TASK] in it");
    check_error("\n\nexec = x\n", "line 3: want a [TASK] before the first key");
    check_error("[a\n", "line 1: a section is [NAME], of letters, digits, '.', '_' and '-'");
    check_error("[a]\n", "line 1: [a] needs exec, sh, serve or so");
    check_error("[a]\nexec = x\nserve = y\n", "line 3: [a] has exec already");
    check_error("[a]\nexec = x\nexec = y\n", "line 3: this key stands above already");
    check_error("[a]\nexec = x\n[a]\n", "line 3: a task of this name stands above");
    check_error("[a]\nexec = \"x\n", "line 2: the string does not end on its line");
    check_error("[a]\nexec = [\"x\"\n\n", "line 4: want , or ] in a list");
    check_error(
        "[a]\nexec = tr a-z A-Z\n",
        "line 2: one value stands on a line; several words are one \"text\" or a list: [\"tr\", \"a-z\", \"A-Z\"]");
    check_error("[a]\nexec = \"x \\q\"\n",
                "line 2: an unknown escape: \\\" \\\\ \\n \\t \\r \\e \\u0041 are known ('...' takes "
                "all as it is)");
    check_error("[a]\nexec = x\nmemroy = 1\n", "line 3: no such key: memroy");
    check_error("[a]\nexec = x\nmemory = 1\n", "line 3: memory: \"1\" is too small: at least 4KiB");
    check_error("[a]\nexec = x\nmemory = [1MiB]\n", "line 3: memory takes one value");
    check_error("[a]\nexec = x\ncpus = 0\n", "line 3: cpus: \"0\" is not a number of processors from 0.01 to 4096");
    check_error("[a]\nexec = x\nfiles = -1\n", "line 3: files: \"-1\" is not a whole number from 1 to 1048576");
    check_error("[a]\nexec = x\nenv = \"A\"\n", "line 3: env: \"A\" is not NAME=VALUE");
    check_error("[a]\nexec = x\nenv = \"FANMAP_JOB=x\"\n",
                "line 3: env: \"FANMAP_JOB=x\": names that begin with FANMAP_ are fanmap's own");
    check_error("[a]\nexec = x\nworkdir = \"tmp\"\n", "line 3: workdir: \"tmp\" is no absolute path");
    check_error("[a]\nexec = x\noutput = xml\n", "line 3: output: \"xml\" is neither text nor json");
    check_error("[a]\nexec = \"\"\n", "line 2: exec: the command is empty");
    check_error("[a]\nexec = \"{}\"\n", "line 2: exec: task 'a': an item cannot name the program to run");
    check_error("[a]\nserve = x\noutput = json\n", "line 3: output cannot be given with serve");
    check_error("[a]\nexec = x\ncontainer = \"bwrap\"\n",
                "line 3: container: the runtime's command line needs the word {argv} once, behind its program");
    check_error(
        "[a]\nexec = x\ncontainer = \"docker run i {argv}\"\n",
        "line 3: container: docker runs containers that are no children of ours: name them (--name {container}) and "
        "say how to end one (container-kill)");
    check_error("[a]\nexec = x\ncontainer = \"bwrap {argv}\"\ncontainer-kill = \"x\"\n",
                "line 3: container: container-kill does not name {container}");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_functions),
        cmocka_unit_test(test_what_is_refused),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/tasks.conf", folder);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    rmdir(folder);
    return failed;
}
