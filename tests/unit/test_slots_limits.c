/* Limits and surroundings of tasks, each one run into on purpose; and that the next attempt is free of them. */
#include "tests/unit/slots_rig.h"

#include <sys/stat.h>

#include "slots/shared/cgroup.h"
#include "slots/shared/controls.h"
#include "slots/shared/proc.h"
#include "tests/unit/sanitized.h"

static controls_t controls;

static rig_t *new_rig(void)
{
    rig_t *r = test_malloc(sizeof *r);
    rig_init(r, 1);
    return r;
}

static void close_rig(rig_t *r)
{
    rig_close(r);
    test_free(r);
}

/* A python program as a command of its own. */
static slots_task_t *add_python(rig_t *r, const char *name, const char *program)
{
    const char *const argv[] = {"python3", "-c", program, NULL};
    fanmap_error_t err = {0};
    if (slots_catalogue_add_words(&r->tasks, TASK_EXEC, name, argv, NULL, &err) != FANMAP_OK)
        fail_msg("%s", err.message);
    return &r->tasks.tasks[r->tasks.n - 1];
}

static slots_task_t *last_task(rig_t *r)
{
    return &r->tasks.tasks[r->tasks.n - 1];
}

static slots_task_t *find_task(rig_t *r, const char *name)
{
    for (size_t i = 0; i < r->tasks.n; i++)
        if (strcmp(r->tasks.tasks[i].name, name) == 0)
            return &r->tasks.tasks[i];
    fail_msg("no task %s", name);
    return NULL;
}

static char **words(const char *a, const char *b)
{
    const char *const all[] = {a, b, NULL};
    return words_copy(all);
}

/* ---- surroundings ---- */

static void test_surroundings(void **state)
{
    rig_t *r = new_rig();
    (void)state;
    setenv("RIG_OLD", "old", 1);
    rig_add_command(r, "here", "sh -c 'pwd; echo $RIG_NEW $RIG_OLD $FANMAP_INDEX; nice'");
    terms_t *terms = &last_task(r)->terms;
    terms->workdir = strdup("/usr");
    terms->env = words("RIG_NEW=a b", "RIG_OLD=new");
    terms->nice = 3;
    rig_add_command(r, "plain", "sh -c 'echo $RIG_NEW $RIG_OLD; nice'");
    rig_add_command(r, "nowhere", "true");
    last_task(r)->terms.workdir = strdup("/no/such/folder");
    rig_open(r);
    assert_string_equal(rig_one(r, "here", "1")->value, "\"/usr\\na b new 0\\n3\"");
    assert_string_equal(rig_one(r, "plain", "1")->value, "\"old\\n0\"");
    const rig_done_t *d = rig_one(r, "nowhere", "1");
    assert_int_equal(d->kind, FANMAP_EXIT);
    assert_int_equal(d->exit_status, 127);
    assert_string_equal(d->message, "cannot start 'true': its workdir /no/such/folder: No such file or directory");
    assert_string_equal(rig_one(r, "here", "1")->value, "\"/usr\\na b new 3\\n3\"");
    unsetenv("RIG_OLD");
    close_rig(r);
}

/* ---- rlimits ---- */

static const char open_all[] =
    "import os\nn=3\ntry:\n  while 1: os.open('/dev/null',0); n+=1\nexcept OSError: print(n)";

static void test_files(void **state)
{
    rig_t *r = new_rig();
    (void)state;
    rig_add_libraries(r);
    add_python(r, "open", open_all)->terms.limits.files_n = 40;
    find_task(r, "misbehave")->terms.limits.files_n = 30;
    rig_open(r);
    assert_string_equal(rig_one(r, "open", "1")->value, "\"40\"");
    long n = strtol(rig_one(r, "misbehave", "\"open\"")->value, NULL, 10);
    assert_in_range(n, 20, 30);
    assert_string_equal(rig_one(r, "noop", "1")->value, "1");
    assert_string_equal(rig_one(r, "open", "1")->value, "\"40\"");
    assert_int_equal(r->downs_n, 0);
    close_rig(r);
}

static void test_file_size(void **state)
{
    rig_t *r = new_rig();
    char path[] = "/tmp/fanmap-limits.XXXXXX", command[128];
    (void)state;
    close(mkstemp(path));
    snprintf(command, sizeof command, "sh -c 'exec head -c 100000 /dev/zero >%s'", path);
    rig_add_command(r, "write", command);
    last_task(r)->terms.limits.file_bytes = 50000;
    rig_add_command(r, "print", "head -c 100000 /dev/zero");
    last_task(r)->terms.limits.file_bytes = 50000;
    rig_open(r);
    const rig_done_t *d = rig_one(r, "write", "1");
    assert_int_equal(d->kind, FANMAP_SIGNAL);
    assert_int_equal(d->signo, SIGXFSZ);
    assert_int_equal(rig_one(r, "print", "1")->kind, FANMAP_VALUE); /* a pipe is no file */
    unlink(path);
    close_rig(r);
}

/* ---- processor time ---- */

static void test_processor_time(void **state)
{
    rig_t *r = new_rig();
    const rig_down_t *d;
    (void)state;
    rig_add_libraries(r);
    rig_add_command(r, "spin", "sh -c 'while :; do :; done'");
    rig_add_command(r, "below", "sh -c '(while :; do :; done) & wait'");
    rig_add_command(r, "sleep", "sleep 0.5");
    rig_open(r);
    r->job.limits.cpu_time_ms = 200;
    r->job.grace_ms = 0;
    const char *const names[] = {"spin", "below", "misbehave"};
    for (int i = 0; i < 3; i++) {
        d = rig_one_down(r, names[i], "\"spin\"");
        assert_int_equal(d->down.why, SLOT_DOWN_TIMEOUT);
        assert_true(d->down.has_attempt);
        assert_non_null(strstr(d->message, "processor time"));
    }
    assert_int_equal(rig_one(r, "sleep", "1")->kind, FANMAP_VALUE);
    for (int i = 0; i < 10; i++) /* of an attempt, not of the process */
        assert_string_equal(rig_one(r, "misbehave", "\"spin 30\"")->value, "\"spin 30\"");
    assert_int_equal(r->downs_n, 3);
    close_rig(r);
}

/* ---- memory ---- */

static const char allocate[] = "import sys\nx=[]\nfor i in range(4096): x.append(bytearray(1<<20))";

static void memory_of_functions(rig_t *r, bool tells)
{
    const rig_down_t *down = rig_one_down(r, "misbehave", "\"allocate\"");
    assert_int_equal(down->down.why, SLOT_DOWN_DIED);
    assert_int_equal(down->down.out_of_memory, tells);
    assert_string_equal(rig_one(r, "misbehave", "\"fine\"")->value, "\"fine\"");
    down = rig_one_down(r, "misbehave", "\"segfault\"");
    assert_false(down->down.out_of_memory);
}

static void test_memory(void **state)
{
    rig_t *r = new_rig();
    bool tells = controls.base_fds[CONTROL_MEMORY] >= 0;
    (void)state;
    rig_add_libraries(r);
    add_python(r, "allocate", allocate)->terms.limits.memory_bytes = 64 << 20;
    add_python(r, "below",
               "import subprocess,sys\nsys.exit(subprocess.call([sys.executable,'-c','x=bytearray(1<<30)'])!=0)");
    last_task(r)->terms.limits.memory_bytes = 64 << 20;
    find_task(r, "misbehave")->terms.limits.memory_bytes = 64 << 20;
    rig_open(r);
    for (int i = 0; i < 2; i++) {
        const rig_done_t *d = rig_one(r, i ? "below" : "allocate", "1");
        if (tells) {
            assert_int_equal(d->kind, FANMAP_MEMORY);
            assert_string_equal(d->message, "over its memory limit of 64MiB");
        } else {
            assert_true(d->kind == FANMAP_EXIT || d->kind == FANMAP_SIGNAL);
        }
    }
    if (tells || !SANITIZED) /* a sanitizer reserves more than every limit of addresses */
        memory_of_functions(r, tells);
    close_rig(r);
}

/* A job may ask for less than the task has, and never for more. */
static void test_jobs_ask_for_less(void **state)
{
    rig_t *r = new_rig();
    (void)state;
    add_python(r, "open", open_all)->terms.limits.files_n = 40;
    rig_open(r);
    r->job.limits.files_n = 20;
    assert_string_equal(rig_one(r, "open", "1")->value, "\"20\"");
    r->job.limits.files_n = 60;
    assert_string_equal(rig_one(r, "open", "1")->value, "\"40\"");
    close_rig(r);
}

/* ---- processes ---- */

static const char fork_all[] =
    "import os,time\nn=1\ntry:\n  while n<200:\n    if os.fork()==0: time.sleep(600)\n    n+=1\n"
    "except OSError: pass\nprint(n)";

static void test_processes(void **state)
{
    rig_t *r = new_rig();
    const char *name;
    limits_t limits = {.processes_n = 12};
    (void)state;
    rig_add_libraries(r);
    add_python(r, "fork", fork_all)->terms.limits = limits;
    rig_add_command(r, "bomb", "sh -c ':() { : | : & }; :; sleep 0.2'");
    last_task(r)->terms.limits = limits;
    find_task(r, "misbehave")->terms.limits = limits;
    if (!controls_can_keep(&controls, &limits, &name)) {
        fanmap_error_t err = {0};
        r->config.tasks = r->tasks.tasks;
        r->config.tasks_n = r->tasks.n;
        assert_int_equal(slots_open(r->loop, &r->config, &(slots_callbacks_t){0}, r, &r->slots, &err), FANMAP_EUSAGE);
        assert_non_null(strstr(err.message, "processes"));
        close_rig(r);
        return;
    }
    rig_open(r);
    int before = rig_children();
    assert_string_equal(rig_one(r, "fork", "1")->value, "\"12\"");
    assert_int_equal(rig_children(), before);
    rig_one(r, "bomb", "1"); /* ends however it likes */
    assert_int_equal(rig_children(), before);
    assert_string_equal(rig_one(r, "misbehave", "\"fork\"")->value, "11"); /* beside the host itself */
    assert_string_equal(rig_one(r, "fork", "1")->value, "\"12\"");
    close_rig(r);
}

/* Nothing of a slot's limits is left when it ends. */
static void test_folders_are_removed(void **state)
{
    rig_t *r = new_rig();
    (void)state;
    add_python(r, "allocate", allocate)->terms.limits = (limits_t){.memory_bytes = 32 << 20};
    rig_open(r);
    rig_one(r, "allocate", "1");
    close_rig(r);
    for (int i = 0; i < CONTROLS_N; i++) {
        DIR *dir = controls.base_fds[i] >= 0 ? fdopendir(dup(controls.base_fds[i])) : NULL;
        for (struct dirent *d; dir && (d = readdir(dir));)
            if (strncmp(d->d_name, "fanmap-", 7) == 0 && strtol(strrchr(d->d_name, '-') + 1, NULL, 10) > 0)
                assert_int_equal(kill((pid_t)strtol(strrchr(d->d_name, '-') + 1, NULL, 10), 0), 0); /* others' */
        if (dir)
            closedir(dir);
    }
}

/* ---- cgroup v2, which has no controllers left to give where v1 has them: what would be written, on plain files ----
 */

static void put_file(int dir, const char *name, const char *text)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static void check_file(int dir, const char *name, const char *expected)
{
    char text[256];
    assert_true(proc_read_file(dir, name, text, sizeof text));
    assert_string_equal(text, expected);
    put_file(dir, name, "");
}

static void test_what_v2_is_told(void **state)
{
    static const char *const files[] = {"memory.max", "memory.swap.max", "pids.max", "cpu.max", "memory.events"};
    char folder[] = "/tmp/fanmap-v2.XXXXXX";
    controls_t c = {{0, 0, 0}, {true, true, true}, true};
    (void)state;
    int dir = mkdtemp(folder) ? cgroup_open_dir(AT_FDCWD, folder) : -1;
    assert_true(dir >= 0);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        put_file(dir, files[i], "");
    assert_true(controls_set(&c, CONTROL_MEMORY, dir, 1 << 20));
    check_file(dir, "memory.max", "1048576");
    check_file(dir, "memory.swap.max", "0");
    assert_true(controls_set(&c, CONTROL_PROCESSES, dir, 7));
    check_file(dir, "pids.max", "7");
    assert_true(controls_set(&c, CONTROL_CPU, dir, 1500));
    check_file(dir, "cpu.max", "150000 100000");
    for (int i = 0; i < CONTROLS_N; i++)
        assert_true(controls_set(&c, (control_t)i, dir, 0));
    for (int i = 0; i < 4; i++)
        check_file(dir, files[i], "max");
    put_file(dir, "memory.events", "low 0\nhigh 0\nmax 9\noom 3\noom_kill 2\noom_group_kill 0\n");
    assert_int_equal(controls_oom_kills(&c, dir), 2);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlinkat(dir, files[i], 0);
    close(dir);
    rmdir(folder);
}

/* In a cgroup of its own a process makes room for the children of that; what it made is no base for anything. */
static void test_moving_aside(void **state)
{
    char path[4096], name[64], again[4096];
    int base = cgroup_open_base(path, sizeof path, 0), status = 0;
    (void)state;
    snprintf(name, sizeof name, "aside-%d", (int)getpid());
    if (base < 0 || mkdirat(base, name, 0755) != 0)
        skip();
    int dir = cgroup_open_dir(base, name);
    pid_t pid = fork();
    if (pid == 0) {
        char made[64];
        bool ok = cgroup_enter(dir) && cgroup_open_base(path, sizeof path, 0) >= 0;
        cgroup_move_aside(dir);
        snprintf(made, sizeof made, "fanmap-worker-%d/cgroup.procs", (int)getpid());
        char pids[64] = "";
        ok = ok && proc_read_file(dir, made, pids, sizeof pids) && atoi(pids) == getpid();
        ok = ok && cgroup_open_base(again, sizeof again, 0) >= 0 && strcmp(path, again) == 0;
        _exit(ok ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    snprintf(path, sizeof path, "fanmap-worker-%d", (int)pid);
    unlinkat(dir, path, AT_REMOVEDIR);
    close(dir);
    unlinkat(base, name, AT_REMOVEDIR);
    close(base);
    assert_int_equal(status, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_surroundings),    rig_test(test_files),
        rig_test(test_file_size),       rig_test(test_processor_time),
        rig_test(test_memory),          rig_test(test_jobs_ask_for_less),
        rig_test(test_processes),       rig_test(test_folders_are_removed),
        rig_test(test_what_v2_is_told), rig_test(test_moving_aside),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    controls_find(&controls, true, 0);
    int failed = cmocka_run_group_tests_name("with cgroups", tests, NULL, NULL);
    controls_close(&controls);
    controls_find(&controls, false, 0);
    setenv("FANMAP_CGROUPS", "0", 1);
    return failed + cmocka_run_group_tests_name("without", tests, NULL, NULL);
}
