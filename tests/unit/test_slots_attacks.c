/* Tasks that attack what runs them: our memory, our processes, the items beside theirs. */
#include <linux/capability.h>
#include <sys/resource.h>
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
    snprintf(wanted, sizeof wanted, "\"NoNewPrivs:\\t1\\n%s\\n%llu\\n\"", core.rlim_cur == 0 ? "0" : "unlimited",
             (unsigned long long)files.rlim_cur);
    assert_true(core.rlim_cur == 0 || core.rlim_cur == RLIM_INFINITY);
    assert_string_equal(rig_one(r, "privileges", "1")->value, wanted);
    close_rig(r);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_shared_memory_is_sealed),
        rig_test(test_an_item_is_not_the_one_before),
        rig_test(test_our_processes_are_closed_and_leave_no_cores),
        rig_test(test_attempts_have_ordinary_settings_and_no_new_privileges),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
