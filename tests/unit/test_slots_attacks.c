/* Tasks that attack what runs them: our memory, our processes, the items beside theirs. */
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "tests/unit/slots_rig.h"

static rig_t *open_rig(uint32_t slots_n)
{
    rig_t *r = test_malloc(sizeof *r);
    rig_init(r, slots_n);
    rig_add_libraries(r);
    rig_add_command(r, "cat", "cat");
    rig_add_command(r, "scribble", "sh -c 'head -c 1000 /dev/zero >>/proc/self/fd/0; echo'");
    rig_add_command(r, "privileges", "sh -c 'grep NoNewPrivs: /proc/self/status; ulimit -Sc; ulimit -Sn'");
    rig_open(r);
    return r;
}

static void close_rig(rig_t *r)
{
    rig_close(r);
    test_free(r);
}

/* ---- memory ---- */

/* Neither can be shortened, and the plan cannot be written: later slots still start by it. */
static void test_shared_memory_is_sealed(void **state)
{
    rig_t *r = open_rig(1);
    (void)state;
    assert_string_equal(rig_one(r, "misbehave", "\"attack memory\"")->value, "0");
    assert_string_equal(rig_one(r, "misbehave", "\"fine\"")->value, "\"fine\"");
    assert_int_equal(rig_one_down(r, "misbehave", "\"exit\"")->down.why, SLOT_DOWN_DIED);
    assert_string_equal(rig_one(r, "misbehave", "\"fine\"")->value, "\"fine\"");
    close_rig(r);
}

static void test_an_item_is_not_the_one_before(void **state)
{
    rig_t *r = open_rig(1);
    (void)state;
    rig_one(r, "scribble", "\"12345\"");
    assert_string_equal(rig_one(r, "cat", "\"123456\"")->value, "\"123456\"");
    close_rig(r);
}

/* ---- processes ---- */

/* In a child that does not use root's right to look into everything: whether it may look into that process as another
 * of the same user may. */
static bool can_look_into(pid_t pid)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
        struct __user_cap_data_struct caps[2];
        void *head;
        size_t len;
        if (syscall(SYS_capget, &header, caps) != 0)
            _exit(2);
        caps[0].effective &= ~(1U << CAP_SYS_PTRACE);
        if (syscall(SYS_capset, &header, caps) != 0)
            _exit(2);
        _exit(syscall(SYS_get_robust_list, pid, &head, &len) == 0 ? 1 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
    return WEXITSTATUS(status) == 1;
}

static pid_t find_child(pid_t parent, const char *comm)
{
    DIR *proc = opendir("/proc");
    pid_t found = 0;
    for (struct dirent *d; proc && (d = readdir(proc));) {
        char path[300], text[300] = "", name[64] = "";
        int of = 0;
        snprintf(path, sizeof path, "/proc/%s/stat", d->d_name);
        FILE *f = d->d_name[0] > '0' && d->d_name[0] <= '9' ? fopen(path, "re") : NULL;
        if (!f)
            continue;
        if (fgets(text, sizeof text, f) && sscanf(text, "%*d (%63[^)]) %*c %d", name, &of) == 2 && of == parent &&
            strcmp(name, comm) == 0)
            found = (pid_t)atoi(d->d_name);
        fclose(f);
    }
    if (proc)
        closedir(proc);
    return found;
}

static uint64_t core_limit(pid_t pid)
{
    struct rlimit limit;
    assert_int_equal(prlimit(pid, RLIMIT_CORE, NULL, &limit), 0);
    return limit.rlim_cur;
}

static void test_our_processes_are_closed_and_leave_no_cores(void **state)
{
    struct rlimit before, some = {4096, 8192};
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_CORE, &before), 0);
    some.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_CORE, &some), 0);
    rig_t *r = open_rig(1);
    rig_one(r, "misbehave", "\"fine\"");
    pid_t guardian = find_child(getpid(), "fanmap-guardian"), supervisor = find_child(guardian, "fanmap-supervis");
    pid_t host = find_child(supervisor, "fanmap-host");
    assert_true(guardian > 0 && supervisor > 0 && host > 0);
    assert_false(can_look_into(guardian));
    assert_false(can_look_into(supervisor));
    assert_true(can_look_into(host)); /* the way of ordinary processes: debuggers work on tasks */
    assert_int_equal(core_limit(guardian), 0);
    assert_int_equal(core_limit(supervisor), 0);
    assert_int_equal(core_limit(host), 4096);
    close_rig(r);
    setrlimit(RLIMIT_CORE, &before);
}

static void test_attempts_have_ordinary_settings_and_no_new_privileges(void **state)
{
    struct rlimit files, core;
    char wanted[160];
    rig_t *r = open_rig(1);
    (void)state;
    getrlimit(RLIMIT_NOFILE, &files);
    getrlimit(RLIMIT_CORE, &core);
    snprintf(wanted, sizeof wanted, "\"NoNewPrivs:\\t1\\n%s\\n%llu\"", core.rlim_cur == 0 ? "0" : "unlimited",
             (unsigned long long)files.rlim_cur);
    assert_true(core.rlim_cur == 0 || core.rlim_cur == RLIM_INFINITY);
    assert_string_equal(rig_one(r, "privileges", "1")->value, wanted);
    close_rig(r);
}

/* Runtimes that map users by a setuid helper need it. */
static void test_new_privileges_where_the_operator_wants_them(void **state)
{
    rig_t *r = test_malloc(sizeof *r);
    (void)state;
    rig_init(r, 1);
    rig_add_command(r, "privileges", "sh -c 'grep NoNewPrivs: /proc/self/status'");
    r->config.new_privileges = true;
    rig_open(r);
    assert_string_equal(rig_one(r, "privileges", "1")->value, "\"NoNewPrivs:\\t0\"");
    close_rig(r);
}

/* ---- open files ---- */

static void test_the_limit_of_files_is_raised_for_us_alone(void **state)
{
    struct rlimit before, low;
    rig_t *r = test_malloc(sizeof *r);
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = (struct rlimit){100, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    rig_init(r, 8);
    rig_add_command(r, "files", "sh -c 'ulimit -Sn'");
    rig_open(r);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &low), 0);
    assert_int_equal(low.rlim_cur, 128 + 8 * 6);
    assert_string_equal(rig_one(r, "files", "1")->value, "\"100\"");
    close_rig(r);
    setrlimit(RLIMIT_NOFILE, &before);
}

static void test_a_hard_limit_of_files_that_is_too_low_is_named(void **state)
{
    int status = 1;
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        static const slots_callbacks_t callbacks = {.up = rig_up};
        const struct rlimit low = {100, 150};
        slots_config_t config = {.slots_n = 8, .log_fd = -1};
        fanmap_error_t err = {0};
        loop_t *loop = NULL;
        slots_t *slots = NULL;
        rig_libexec();
        bool ok = setrlimit(RLIMIT_NOFILE, &low) == 0 && loop_new(&loop, &err) == FANMAP_OK &&
                  slots_open(loop, &config, &callbacks, NULL, &slots, &err) == FANMAP_EUSAGE &&
                  strstr(err.message, "8 slots need 176 open files, and the hard limit is 150");
        _exit(ok ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* ---- what cannot be started ---- */

/* The supervisor may open nothing more: no command can be started, which is no item's fault. */
static void test_a_shortage_is_the_workers_trouble(void **state)
{
    rig_t *r = open_rig(1);
    (void)state;
    pid_t guardian = find_child(getpid(), "fanmap-guardian"), supervisor = find_child(guardian, "fanmap-supervis");
    struct rlimit none = {9, 4096};
    assert_int_equal(prlimit(supervisor, RLIMIT_NOFILE, &none, NULL), 0);
    const rig_down_t *down = rig_one_down(r, "cat", "\"x\"");
    assert_int_equal(down->down.why, SLOT_DOWN_UNUSABLE);
    assert_false(down->down.has_attempt);
    assert_int_equal(down->down.unstarted_from, 0);
    assert_non_null(strstr(down->message, "cannot start 'cat'"));
    assert_int_equal(r->dones_n, 0);
    assert_string_equal(rig_one(r, "cat", "\"x\"")->value, "\"x\""); /* a new supervisor, which may */
    close_rig(r);
}

/* A folder of our programs in which one does nothing but to end with status 3. */
static void break_program(const char *broken, char *folder)
{
    static const char *const programs[] = {"fanmap-guardian", "fanmap-supervisor", "fanmap-host"};
    char from[2200], to[2200];
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        rig_folder(from, sizeof from, "/");
        snprintf(from + strlen(from), sizeof from - strlen(from), "%s", programs[i]);
        snprintf(to, sizeof to, "%s/%s", folder, programs[i]);
        if (strcmp(programs[i], broken) != 0) {
            assert_int_equal(symlink(from, to), 0);
            continue;
        }
        FILE *f = fopen(to, "we");
        assert_non_null(f);
        fputs("#!/bin/sh\nexit 3\n", f);
        fchmod(fileno(f), 0755);
        fclose(f);
    }
    setenv("FANMAP_LIBEXEC", folder, 1);
}

static void remove_folder(const char *folder)
{
    char command[300];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    assert_int_equal(system(command), 0);
    unsetenv("FANMAP_LIBEXEC");
}

static void given_up(const char *broken)
{
    char folder[] = "/tmp/fanmap-attacks.XXXXXX";
    rig_t *r = test_malloc(sizeof *r);
    rig_init(r, 2);
    rig_add_command(r, "cat", "cat");
    break_program(broken, folder);
    rig_open_only(r);
    rig_wait(r, r->failures_n == 1);
    assert_non_null(strstr(r->failure, "ended with status 3 (5 tries in a row)"));
    assert_true(r->troubles_n >= 4); /* each of the others was said */
    assert_non_null(strstr(r->trouble, "ended with status 3 (try "));
    assert_int_equal(r->ups + r->lost + r->downs_n, 0);
    close_rig(r);
    remove_folder(folder);
}

static void test_a_guardian_that_cannot_run_is_given_up(void **state)
{
    (void)state;
    given_up("fanmap-guardian");
}

static void test_supervisors_that_cannot_run_are_given_up(void **state)
{
    (void)state;
    given_up("fanmap-supervisor");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_shared_memory_is_sealed),
        rig_test(test_an_item_is_not_the_one_before),
        rig_test(test_our_processes_are_closed_and_leave_no_cores),
        rig_test(test_attempts_have_ordinary_settings_and_no_new_privileges),
        rig_test(test_new_privileges_where_the_operator_wants_them),
        rig_test(test_the_limit_of_files_is_raised_for_us_alone),
        rig_test(test_a_hard_limit_of_files_that_is_too_low_is_named),
        rig_test(test_a_shortage_is_the_workers_trouble),
        rig_test(test_a_guardian_that_cannot_run_is_given_up),
        rig_test(test_supervisors_that_cannot_run_are_given_up),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
