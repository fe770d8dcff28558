/* Slots under everything an attempt, an operator or a machine may do to them: with cgroups where there are any, and
 * without. */
#include "tests/unit/slots_rig.h"

static rig_t *open_rig(uint32_t slots_n)
{
    rig_t *r = test_malloc(sizeof *r);
    rig_init(r, slots_n);
    rig_add_libraries(r);
    rig_add_command(r, "stubborn", "sh -c 'trap \"\" TERM; setsid sleep 600 & sleep 600'");
    rig_add_command(r, "polite",
                    "sh -c 'trap \"echo bye >&2; exit 9\" TERM; echo hello >&2; while :; do sleep 0.01; done'");
    rig_open(r);
    return r;
}

static void close_rig(rig_t *r)
{
    rig_close(r);
    test_free(r);
}

static void check_down(const rig_down_t *d, slot_down_why_t why, bool has_attempt)
{
    assert_int_equal(d->down.why, why);
    assert_int_equal(d->down.has_attempt, has_attempt);
}

/* ---- attempts that end their slot ---- */

static void test_crashes(void **state)
{
    rig_t *r = open_rig(1);
    const rig_down_t *d;
    (void)state;
    d = rig_one_down(r, "misbehave", "\"segfault\"");
    check_down(d, SLOT_DOWN_DIED, true);
    assert_int_equal(d->down.signo, SIGSEGV);
    d = rig_one_down(r, "misbehave", "\"exit\"");
    check_down(d, SLOT_DOWN_DIED, true);
    assert_int_equal(d->down.exit_status, 3);
    d = rig_one_down(r, "misbehave", "\"cry and die\"");
    check_down(d, SLOT_DOWN_DIED, true);
    assert_int_equal(d->down.signo, SIGABRT);
    assert_string_equal(d->tail, "\xef\xbf\xbd last words\n");
    check_down(rig_one_down(r, "misbehave", "\"kill parent\""), SLOT_DOWN_DIED, true);
    d = rig_one_down(r, "open_fails", "1");
    check_down(d, SLOT_DOWN_UNUSABLE, false);
    assert_non_null(strstr(d->message, "open_fails"));
    assert_string_equal(rig_one(r, "misbehave", "\"fine\"")->value, "\"fine\"");
    close_rig(r);
}

static void test_harmless_mischief(void **state)
{
    rig_t *r = open_rig(1);
    (void)state;
    assert_string_equal(rig_one(r, "misbehave", "\"flood stdout\"")->value, "\"flood stdout\"");
    assert_string_equal(rig_one(r, "misbehave", "\"close\"")->value, "\"close\"");
    assert_string_equal(rig_one(r, "misbehave", "\"fine\"")->value, "\"fine\"");
    assert_int_equal(r->downs_n, 0);
    close_rig(r);
}

/* Results that were finished before a crash count; what was queued behind it was not started. */
static void test_a_crash_loses_nothing_else(void **state)
{
    rig_t *r = open_rig(1);
    (void)state;
    rig_one(r, "misbehave", "\"warm\"");
    rig_set_job(r, 0, "misbehave");
    for (int i = 0; i < 20; i++)
        rig_run(r, 0, 0, "\"fine\"");
    uint32_t n = rig_run(r, 0, 0, "\"segfault\"");
    for (int i = 0; i < 20; i++)
        rig_run(r, 0, 0, "\"fine\"");
    slots_flush(r->slots);
    rig_wait(r, r->downs_n == 1);
    assert_int_equal(r->dones_n, 21);
    check_down(&r->downs[0], SLOT_DOWN_DIED, true);
    assert_int_equal(r->downs[0].down.n, n);
    assert_int_equal(r->downs[0].down.unstarted_from, n + 1);
    rig_wait(r, r->ups == 2);
    close_rig(r);
}

/* ---- timeouts and kills ---- */

static void test_timeouts(void **state)
{
    rig_t *r = open_rig(1);
    const rig_down_t *d;
    (void)state;
    int before = rig_children();
    r->job.timeout_ms = 50;
    r->job.grace_ms = 50;
    check_down(rig_one_down(r, "misbehave", "\"spin\""), SLOT_DOWN_TIMEOUT, true);
    check_down(rig_one_down(r, "misbehave", "\"daemon and spin\""), SLOT_DOWN_TIMEOUT, true);
    assert_int_equal(rig_children(), before);
    check_down(rig_one_down(r, "stubborn", "1"), SLOT_DOWN_TIMEOUT, true);
    assert_int_equal(rig_children(), before);
    check_down(rig_one_down(r, "misbehave", "\"stop parent\""), SLOT_DOWN_TIMEOUT, true);
    assert_int_equal(rig_children(), before);
    r->job.timeout_ms = 2000; /* until then it has said hello, and hears the TERM */
    r->job.grace_ms = 600000;
    r->job.timeout_ms = 1000; /* by then a shell has begun, also where processors are short */
    d = rig_one_down(r, "polite", "1");
    r->job.timeout_ms = 50;
    check_down(d, SLOT_DOWN_TIMEOUT, true);
    assert_non_null(strstr(d->tail, "hello\n"));
    assert_non_null(strstr(d->tail, "bye\n"));
    check_down(rig_one_down(r, "misbehave", "\"wait for cancel\""), SLOT_DOWN_TIMEOUT, true);
    r->job.timeout_ms = 600000;
    assert_string_equal(rig_one(r, "misbehave", "\"fine\"")->value, "\"fine\"");
    close_rig(r);
}

/* The timeout hits the run it is for: those before it are done, those behind it unstarted. */
static void test_a_timeout_in_a_row_of_runs(void **state)
{
    rig_t *r = open_rig(1);
    (void)state;
    r->job.timeout_ms = 2000;
    r->job.grace_ms = 0;
    rig_set_job(r, 0, "misbehave");
    for (int i = 0; i < 5; i++)
        rig_run(r, 0, 0, "\"spin 30\"");
    uint32_t n = rig_run(r, 0, 0, "\"spin\"");
    rig_run(r, 0, 0, "\"fine\"");
    slots_flush(r->slots);
    rig_wait(r, r->downs_n == 1);
    assert_int_equal(r->dones_n, 5);
    check_down(&r->downs[0], SLOT_DOWN_TIMEOUT, true);
    assert_int_equal(r->downs[0].down.n, n);
    assert_int_equal(r->downs[0].down.unstarted_from, n + 1);
    rig_wait(r, r->ups == 2);
    close_rig(r);
}

static void test_kills(void **state)
{
    rig_t *r = open_rig(2);
    (void)state;
    rig_set_job(r, 0, "misbehave");
    rig_set_job(r, 1, "stubborn");
    uint32_t spins = rig_run(r, 0, 0, "\"spin\""), sleeps = rig_run(r, 1, 1, "1");
    uint32_t behind = rig_run(r, 0, 2, "\"fine\"");
    slots_flush(r->slots);
    slots_kill(r->slots, 0, behind + 1, true); /* unknown: nothing happens */
    slots_kill(r->slots, 0, spins, false);
    slots_kill(r->slots, 1, sleeps, false);
    slots_kill(r->slots, 1, sleeps, true);
    rig_wait(r, r->downs_n == 2 && r->ups == 4);
    for (int i = 0; i < 2; i++)
        assert_int_equal(r->downs[i].down.why, SLOT_DOWN_KILLED);
    assert_int_equal(r->dones_n, 0);
    uint32_t done_n = rig_one(r, "noop", "1")->n;
    slots_kill(r->slots, 0, done_n, true); /* over already */
    assert_string_equal(rig_one(r, "noop", "2")->value, "2");
    assert_int_equal(r->downs_n, 2);
    close_rig(r);
}

/* ---- freezing ---- */

static void stay_quiet(rig_t *r, uint64_t dones, int for_ms)
{
    for (int64_t end_ms = loop_clock_ms() + for_ms; loop_clock_ms() < end_ms;) {
        loop_run_once(r->loop, 20);
        assert_int_equal(r->dones_n, dones);
    }
}

/* Waits until nothing has ended for far longer than a run of 30 ms takes. Returns how many have. */
static uint64_t wait_still(rig_t *r)
{
    uint64_t seen = r->dones_n;
    for (int64_t since_ms = loop_clock_ms(); loop_clock_ms() - since_ms < 1000; loop_run_once(r->loop, 10))
        if (r->dones_n != seen) {
            seen = r->dones_n;
            since_ms = loop_clock_ms();
        }
    return seen;
}

/* One has warmed up, and RUNS of 30 ms wait. */
enum { RUNS = 60, TIMEOUT_MS = 1000 };

static void run_many(rig_t *r)
{
    rig_set_job(r, 0, "misbehave");
    for (int i = 0; i < RUNS; i++)
        rig_run(r, 0, 0, "\"spin 30\"");
}

static void test_freeze_and_thaw(void **state)
{
    rig_t *r = open_rig(1);
    (void)state;
    rig_one(r, "misbehave", "\"warm\"");
    r->job.timeout_ms = TIMEOUT_MS;
    run_many(r);
    slots_flush(r->slots);
    rig_wait(r, r->dones_n >= 3);
    slots_freeze(r->slots, 0, true);
    uint64_t seen = wait_still(r);
    stay_quiet(r, seen, TIMEOUT_MS); /* together longer than the timeout, which does not count while frozen */
    assert_true(seen < 1 + RUNS);
    slots_freeze(r->slots, 0, false);
    rig_wait(r, r->dones_n == 1 + RUNS);
    assert_int_equal(r->downs_n, 0);
    rig_set_job(r, 0, "misbehave");
    uint32_t n = rig_run(r, 0, 0, "\"wait for cancel\"");
    slots_flush(r->slots);
    slots_freeze(r->slots, 0, true);
    stay_quiet(r, 1 + RUNS, 50);
    slots_kill(r->slots, 0, n, true);
    rig_wait(r, r->downs_n == 1 && r->ups == 2);
    close_rig(r);
}

static void test_lapse(void **state)
{
    rig_t *r = open_rig(1);
    (void)state;
    rig_one(r, "misbehave", "\"warm\"");
    run_many(r);
    slots_set_lapse(r->slots, 1, loop_clock_ms() + 1000);
    slots_flush(r->slots);
    rig_wait(r, r->dones_n >= 2);
    uint64_t seen = wait_still(r);
    assert_true(seen < 1 + RUNS);
    stay_quiet(r, seen, 300);
    slots_set_lapse(r->slots, 1, INT64_MAX);
    rig_wait(r, r->dones_n == 1 + RUNS);
    slots_set_lapse(r->slots, 1, loop_clock_ms() - 1);
    rig_set_job(r, 0, "noop");
    rig_run(r, 0, 0, "1"); /* of a job whose tokens have lapsed: it does not start */
    slots_flush(r->slots);
    stay_quiet(r, 1 + RUNS, 200);
    slots_set_lapse(r->slots, 1, loop_clock_ms() + 600000);
    rig_wait(r, r->dones_n == 2 + RUNS);
    assert_int_equal(r->downs_n, 0);
    close_rig(r);
}

/* ---- guardians that fail ---- */

static pid_t find_process(pid_t root, const char *comm)
{
    DIR *proc = opendir("/proc");
    pid_t found = 0;
    for (struct dirent *d; proc && (d = readdir(proc));) {
        char path[300], text[300] = "", name[64] = "";
        int parent = 0;
        snprintf(path, sizeof path, "/proc/%s/stat", d->d_name);
        FILE *f = d->d_name[0] > '0' && d->d_name[0] <= '9' ? fopen(path, "re") : NULL;
        if (!f)
            continue;
        if (fgets(text, sizeof text, f) && sscanf(text, "%*d (%63[^)]) %*c %d", name, &parent) == 2 &&
            strcmp(name, comm) == 0 && parent == root)
            found = (pid_t)atoi(d->d_name);
        fclose(f);
    }
    if (proc)
        closedir(proc);
    return found;
}

static void lose_guardian(int signo)
{
    rig_t *r = open_rig(2);
    rig_set_job(r, 0, "misbehave");
    rig_set_job(r, 1, "stubborn");
    uint32_t n = rig_run(r, 0, 0, "\"daemon and spin\"");
    rig_run(r, 1, 0, "1");
    slots_flush(r->slots);
    pid_t guardian = find_process(getpid(), "fanmap-guardian");
    assert_true(guardian > 0);
    rig_wait(r, rig_children() == 8); /* guardian, 2 supervisors, host, daemon; sh and two sleeps */
    kill(guardian, signo);
    rig_wait(r, r->downs_n == 2);
    assert_int_equal(rig_children(), 0);
    assert_int_equal(r->lost, 1);
    for (int i = 0; i < 2; i++)
        check_down(&r->downs[i], SLOT_DOWN_GUARDIAN, true);
    assert_int_equal(r->downs[0].down.n, n);
    rig_wait(r, r->ups == 4);
    assert_string_equal(rig_one(r, "misbehave", "\"fine\"")->value, "\"fine\"");
    close_rig(r);
}

static void test_guardian_killed(void **state)
{
    (void)state;
    lose_guardian(SIGKILL);
}

static void test_guardian_stopped(void **state)
{
    (void)state;
    lose_guardian(SIGSTOP);
}

/* ---- workers that fail ---- */

/* A worker in a process of its own, with a task that spins; it leaves with 0 once its slot went down as lapsed. */
static pid_t start_worker(uint32_t session_ms, int64_t lapse_ms, const char *item)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    rig_t *r = test_malloc(sizeof *r);
    rig_init(r, 1);
    rig_add_libraries(r);
    r->config.session_ms = session_ms;
    rig_open(r);
    rig_set_job(r, 0, "misbehave");
    if (lapse_ms)
        slots_set_lapse(r->slots, 1, loop_clock_ms() + lapse_ms);
    rig_run(r, 0, 0, item);
    slots_flush(r->slots);
    for (int64_t end_ms = loop_clock_ms() + RIG_WAIT_MS; r->downs_n == 0 && loop_clock_ms() < end_ms;)
        loop_run_once(r->loop, 100);
    bool ok = r->downs_n == 1 && r->downs[0].down.why == SLOT_DOWN_LAPSED && r->downs[0].down.has_attempt;
    slots_close(r->slots);
    _exit(ok ? 0 : 1);
}

static void wait_for_children(int at_least, int at_most)
{
    int64_t end_ms = loop_clock_ms() + RIG_WAIT_MS;
    while (loop_clock_ms() < end_ms) {
        int n = rig_children();
        if (n >= at_least && n <= at_most)
            return;
        while (at_most == 0 && waitpid(-1, NULL, WNOHANG | __WALL) > 0)
            ;
        usleep(RIG_LOOK_US);
    }
    fail_msg("%d processes, wanted %d to %d", rig_children(), at_least, at_most);
}

static long ticks_of(pid_t pid)
{
    char path[64], text[512] = "";
    long user = -1, system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    if (f && fgets(text, sizeof text, f))
        sscanf(strrchr(text, ')') + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user, &system);
    if (f)
        fclose(f);
    return user < 0 ? -1 : user + system;
}

/* Whether a process that spins gets no time for so long. */
static bool is_frozen(pid_t pid, int ms)
{
    long before = ticks_of(pid);
    int64_t end_ms = loop_clock_ms() + ms;
    while (loop_clock_ms() < end_ms)
        usleep(RIG_LOOK_US);
    return before >= 0 && ticks_of(pid) == before;
}

static void wait_for_exit(pid_t pid)
{
    int status = 0;
    pid_t got = 0;
    for (int64_t end_ms = loop_clock_ms() + RIG_WAIT_MS; got == 0 && loop_clock_ms() < end_ms;)
        if ((got = waitpid(pid, &status, WNOHANG)) == 0)
            usleep(RIG_LOOK_US);
    assert_int_equal(got, pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Silent for half a session: everything is killed, and said so when it listens again. */
static void test_stopped_worker_loses_its_attempts(void **state)
{
    (void)state;
    pid_t worker = start_worker(8000, 0, "\"daemon and spin\"");
    wait_for_children(5, 5); /* worker, guardian, supervisor, host, daemon */
    kill(worker, SIGSTOP);
    wait_for_children(2, 2);
    kill(worker, SIGCONT);
    wait_for_exit(worker);
    wait_for_children(0, 0);
}

/* Its tokens lapse while it is stopped: what runs is frozen. */
static void test_stopped_worker_lets_tokens_lapse(void **state)
{
    (void)state;
    pid_t worker = start_worker(600000, 3000, "\"spin\"");
    wait_for_children(4, 4); /* worker, guardian, supervisor, host */
    pid_t guardian = find_process(worker, "fanmap-guardian"), supervisor = find_process(guardian, "fanmap-supervis");
    pid_t host = 0;
    for (int64_t until_ms = loop_clock_ms() + RIG_WAIT_MS; host == 0 && loop_clock_ms() < until_ms;)
        host = find_process(supervisor, "fanmap-host"); /* its name comes with its exec */
    assert_true(host > 0);
    kill(worker, SIGSTOP);
    int64_t end_ms = loop_clock_ms() + RIG_WAIT_MS;
    bool stays_frozen = false;
    while (!stays_frozen && loop_clock_ms() < end_ms)
        stays_frozen = is_frozen(host, 1000);
    assert_true(stays_frozen);
    assert_int_equal(rig_children(), 4);
    kill(worker, SIGKILL);
    waitpid(worker, NULL, 0);
    wait_for_children(0, 0);
}

static void test_killed_worker_leaves_nothing(void **state)
{
    (void)state;
    pid_t worker = start_worker(600000, 0, "\"daemon and spin\"");
    wait_for_children(5, 5);
    kill(worker, SIGKILL);
    waitpid(worker, NULL, 0);
    wait_for_children(0, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_crashes),
        rig_test(test_harmless_mischief),
        rig_test(test_a_crash_loses_nothing_else),
        rig_test(test_timeouts),
        rig_test(test_a_timeout_in_a_row_of_runs),
        rig_test(test_kills),
        rig_test(test_freeze_and_thaw),
        rig_test(test_lapse),
        rig_test(test_guardian_killed),
        rig_test(test_guardian_stopped),
        rig_test(test_stopped_worker_loses_its_attempts),
        rig_test(test_stopped_worker_lets_tokens_lapse),
        rig_test(test_killed_worker_leaves_nothing),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* orphans of a worker stay in sight */
    int failed = cmocka_run_group_tests_name("with cgroups", tests, NULL, NULL);
    setenv("FANMAP_CGROUPS", "0", 1);
    return failed + cmocka_run_group_tests_name("without cgroups", tests, NULL, NULL);
}
