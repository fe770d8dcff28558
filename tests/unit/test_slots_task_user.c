/* Attempts as another user than the worker (--task-user): every kind of task, what it is and has there, and that it can no
 * longer reach what runs it. Only root can do that; for others there is a refusal. */
#include <sys/stat.h>

#include "tests/unit/slots_rig.h"

static const char USER[] = "nobody";
enum { USER_ID = 65534 };

/* Tests may stand in a folder that is closed to others; then nothing of it can run as somebody else. */
static bool can_try(void)
{
    char path[2100];
    int status = 1;
    rig_folder(path, sizeof path, "/fanmap-host");
    pid_t child = geteuid() == 0 ? fork() : -1;
    if (child == 0)
        _exit(setresuid(USER_ID, USER_ID, USER_ID) != 0 || access(path, R_OK | X_OK) != 0);
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static rig_t *new_rig(void)
{
    rig_t *r = test_malloc(sizeof *r);
    if (!can_try())
        skip();
    rig_init(r, 1);
    r->config.task_user = r->tasks.task_user = USER;
    return r;
}

static void close_rig(rig_t *r)
{
    rig_close(r);
    test_free(r);
}

static const char *run_once(rig_t *r, const char *command)
{
    rig_add_command(r, "once", command);
    rig_open(r);
    return rig_one(r, "once", "\"x\"")->value;
}

static void test_who_a_command_is(void **state)
{
    rig_t *r = new_rig();
    (void)state;
    assert_string_equal(run_once(r, "sh -c 'id -u; id -G; grep -E \"^Cap(Prm|Eff|Amb)\" /proc/self/status | cut -f2 | "
                                    "sort -u; echo $HOME $USER $LOGNAME'"),
                        "\"65534\\n65534\\n0000000000000000\\n/nonexistent nobody nobody\"");
    close_rig(r);
}

/* By name they are opened anew, which is a matter of rights. */
static void test_standard_files_can_be_opened_by_name(void **state)
{
    rig_t *r = new_rig();
    (void)state;
    assert_string_equal(run_once(r, "sh -c 'cat /dev/stdin >/dev/stdout; echo err >/dev/stderr'"), "\"x\"");
    close_rig(r);
}

static void test_what_runs_a_command_is_out_of_reach(void **state)
{
    rig_t *r = new_rig();
    (void)state;
    assert_string_equal(run_once(r, "sh -c 'kill -9 $PPID 2>/dev/null || echo no; cat /proc/$PPID/environ 2>/dev/null "
                                    "|| echo no; ls /proc/$PPID/fd 2>/dev/null || echo no'"),
                        "\"no\\nno\\nno\"");
    close_rig(r);
}

/* Also under limits, which its supervisor has to put on it: no signal can tell that they are due. */
static void test_functions(void **state)
{
    rig_t *r = new_rig();
    (void)state;
    rig_add_libraries(r);
    rig_open(r);
    assert_string_equal(rig_one(r, "misbehave", "\"who\"")->value, "65534");
    r->job.limits.files_n = 50;
    assert_in_range(atoi(rig_one(r, "misbehave", "\"open\"")->value), 1, 49);
    r->job.limits = (limits_t){0};
    assert_string_equal(rig_one(r, "misbehave", "\"attack memory\"")->value, "0");
    assert_int_equal(rig_one_down(r, "misbehave", "\"exit\"")->down.why, SLOT_DOWN_DIED);
    assert_string_equal(rig_one(r, "square", "12")->value, "144");
    close_rig(r);
}

static void test_a_timeout_ends_it(void **state)
{
    rig_t *r = new_rig();
    (void)state;
    rig_add_libraries(r);
    rig_add_command(r, "sleep", "sh -c 'trap \"\" TERM; setsid sleep 60; sleep 60'");
    rig_open(r);
    r->job.timeout_ms = 200;
    assert_int_equal(rig_one_down(r, "sleep", "1")->down.why, SLOT_DOWN_TIMEOUT);
    assert_int_equal(rig_one_down(r, "misbehave", "\"spin\"")->down.why, SLOT_DOWN_TIMEOUT);
    close_rig(r);
}

static void test_a_served_program(void **state)
{
    static const char program[] = "import json, os\n"
                                  "fd = int(os.environ['FANMAP_SLOT_FD'])\n"
                                  "def say(**m): os.write(fd, json.dumps(m).encode() + b'\\n')\n"
                                  "say(type='hello', v=1, encoding='json', tasks=['served'])\n"
                                  "say(type='ready')\n"
                                  "for line in os.fdopen(os.dup(fd), 'rb', 0):\n"
                                  "    m = json.loads(line)\n"
                                  "    if m['type'] == 'run':\n"
                                  "        say(type='done', n=m['n'], value=os.geteuid())\n";
    const char *const argv[] = {"python3", "-c", program, NULL};
    fanmap_error_t err = {0};
    rig_t *r = new_rig();
    (void)state;
    assert_int_equal(slots_catalogue_add_words(&r->tasks, TASK_SERVE, "served", argv, NULL, &err), FANMAP_OK);
    rig_open(r);
    assert_string_equal(rig_one(r, "served", "1")->value, "65534");
    close_rig(r);
}

/* Loading a library runs code of it: as that user too. */
static void test_libraries_are_listed_as_that_user(void **state)
{
    char folder[] = "/tmp/fanmap-user.XXXXXX", from[2100], path[2200], command[4400];
    fanmap_error_t err = {0};
    rig_t *r = new_rig();
    (void)state;
    assert_non_null(mkdtemp(folder)); /* 0700 */
    rig_folder(from, sizeof from, "/examples/numbers.so");
    snprintf(path, sizeof path, "%s/numbers.so", folder);
    snprintf(command, sizeof command, "cp '%s' '%s'", from, path);
    assert_int_equal(system(command), 0);
    assert_int_equal(slots_catalogue_add_library(&r->tasks, path, &err), FANMAP_EUSAGE);
    assert_non_null(strstr(err.message, "Permission denied"));
    r->tasks.task_user = NULL;
    assert_int_equal(slots_catalogue_add_library(&r->tasks, path, &err), FANMAP_OK);
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    assert_int_equal(system(command), 0);
    r->config.task_user = NULL;
    rig_open(r);
    close_rig(r);
}

static void refuses(const char *name, const char *why)
{
    fanmap_error_t err = {0};
    task_user_t user = {.uid = 77};
    assert_int_equal(task_user_find(name, &user, &err), FANMAP_EUSAGE);
    if (!strstr(err.message, why))
        fail_msg("\"%s\" does not say \"%s\"", err.message, why);
    assert_int_equal(user.uid, 77);
}

static void test_who_it_cannot_be(void **state)
{
    (void)state;
    refuses("nobody-of-that-name", "no such user");
    refuses("root", "root");
    if (geteuid() != 0) {
        refuses(USER, "only a worker that root has started");
        return;
    }
    pid_t child = fork();
    if (child == 0) {
        fanmap_error_t err = {0};
        task_user_t user;
        bool ok = seteuid(USER_ID) == 0 && task_user_find(USER, &user, &err) == FANMAP_EUSAGE &&
                  strstr(err.message, "only a worker that root has started");
        _exit(ok ? 0 : 1);
    }
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_who_a_command_is),
        rig_test(test_standard_files_can_be_opened_by_name),
        rig_test(test_what_runs_a_command_is_out_of_reach),
        rig_test(test_functions),
        rig_test(test_a_timeout_ends_it),
        rig_test(test_a_served_program),
        rig_test(test_libraries_are_listed_as_that_user),
        rig_test(test_who_it_cannot_be),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
