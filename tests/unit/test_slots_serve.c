/* Programs that speak the slot protocol, well and badly: tests/unit/nasty_slot.py does what an item tells it to.
 * Whatever it does, that item fails with its kind and the next one runs. */
#include "tests/unit/slots_rig.h"

enum { START_TIMEOUT_MS = 400 };

static void add_program(rig_t *r, const char *name, const char *arguments)
{
    char command[2200];
    fanmap_error_t err = {0};
    snprintf(command, sizeof command, "python3 '%s/tests/unit/nasty_slot.py' %s", FANMAP_SOURCE_DIR, arguments);
    if (slots_catalogue_add_command(&r->tasks, TASK_SERVE, name, command, NULL, &err) != FANMAP_OK)
        fail_msg("%s", err.message);
}

static rig_t *open_lasting(const char *arguments, uint32_t lasts_ms)
{
    rig_t *r = test_malloc(sizeof *r);
    rig_init(r, 1);
    r->config.bye_ms = RIG_WAIT_MS; /* the program is to end by itself, whatever else the machine does */
    r->config.lasts_ms = lasts_ms;
    rig_add_libraries(r);
    rig_add_command(r, "shout", "tr a-z A-Z");
    rig_add_command(r, "leaver", "sh -c 'setsid sleep 600 & echo left'");
    add_program(r, "nasty", arguments);
    add_program(r, "other", arguments);
    rig_open(r);
    return r;
}

/* No run lasts: that the machine was busy elsewhere takes nothing back of what a program is told ahead. */
static rig_t *open_rig(const char *arguments)
{
    return open_lasting(arguments, RIG_WAIT_MS);
}

static void close_rig(rig_t *r)
{
    rig_close(r);
    test_free(r);
}

static void check_well(rig_t *r)
{
    assert_string_equal(rig_one(r, "nasty", "\"fine\"")->value, "\"fine\"");
}

/* ---- well behaved ---- */

static void serve_well(const char *arguments)
{
    rig_t *r = open_rig(arguments);
    char log[8192];
    check_well(r);
    assert_string_equal(rig_one(r, "nasty", "\"print\"")->value, "\"print\"");
    const rig_done_t *d = rig_one(r, "nasty", "\"fail\"");
    assert_int_equal(d->kind, FANMAP_EXCEPTION);
    assert_false(d->final);
    assert_string_equal(d->type, "ValueError");
    assert_string_equal(d->message, "no good");
    assert_string_equal(d->tail, "so sad\n");
    d = rig_one(r, "other", "\"fail for good\"");
    assert_true(d->final);
    assert_string_equal(d->type, "TypeError");
    assert_int_equal(strlen(d->tail), BOARD_TAIL_BYTES); /* the end of a report that is longer */
    assert_non_null(strstr(d->tail, "it says why\n"));
    check_well(r);
    assert_int_equal(r->downs_n, 0);
    rig_read_log(r, log, 0, sizeof log);
    assert_non_null(strstr(log, "job-1/1/1: a stray line\n"));
    assert_non_null(strstr(log, "job-1/2/1: so sad\n"));
    close_rig(r);
}

static void test_json_lines(void **state)
{
    (void)state;
    serve_well("well json");
}

static void test_msgpack_frames(void **state)
{
    (void)state;
    serve_well("well msgpack");
}

static void test_stdin_and_stdout(void **state)
{
    (void)state;
    serve_well("well stdio");
}

/* What it prints before its hello is output, even if it looks like the beginning of one. */
static void test_output_before_the_hello(void **state)
{
    rig_t *r = open_rig("chatty json");
    char log[4096];
    (void)state;
    check_well(r);
    rig_read_log(r, log, 0, sizeof log);
    assert_non_null(strstr(log, "{\"type\": starting up"));
    close_rig(r);
}

static void test_what_a_job_tells(void **state)
{
    rig_t *r = open_rig("well json");
    static const uint8_t bound[] = {0x81, 0xa1, 'e', 3};
    (void)state;
    r->job.bound = bound;
    r->job.bound_len = sizeof bound;
    assert_string_equal(rig_one(r, "nasty", "\"job\"")->value,
                        "{\"type\":\"job\",\"id\":1,\"job\":\"job-1\",\"task\":\"nasty\",\"attempts_max\":3,"
                        "\"value_bytes_max\":1048576,\"bound\":{\"e\":3}}");
    r->job.bound_len = 0;
    r->job.attempts_max = 1;
    assert_string_equal(rig_one(r, "other", "\"job\"")->value,
                        "{\"type\":\"job\",\"id\":1,\"job\":\"job-1\",\"task\":\"other\",\"attempts_max\":1,"
                        "\"value_bytes_max\":1048576,\"bound\":null}");
    close_rig(r);
}

/* Nobody needs it any longer: it is told so, and ends by itself. */
static void say_bye(const char *arguments)
{
    rig_t *r = open_rig(arguments);
    char log[4096];
    check_well(r);
    rig_one(r, "noop", "1");
    slots_close(r->slots);
    r->slots = NULL;
    rig_read_log(r, log, 0, sizeof log);
    assert_non_null(strstr(log, "nasty: farewell\n"));
    close_rig(r);
}

static void test_bye(void **state)
{
    (void)state;
    say_bye("well json");
    say_bye("well msgpack");
    say_bye("well stdio");
}

/* One slot runs functions, commands and two tasks of one program in turn; what a command leaves behind is killed, and
 * the program is not. */
static void test_engines_in_turn(void **state)
{
    rig_t *r = open_rig("well json");
    (void)state;
    check_well(r);
    int with_program = rig_children();
    for (int i = 0; i < 3; i++) {
        assert_string_equal(rig_one(r, "shout", "\"abc\"")->value, "\"ABC\"");
        assert_string_equal(rig_one(r, "leaver", "1")->value, "\"left\"");
        assert_string_equal(rig_one(r, "nasty", "\"fine\"")->value, "\"fine\"");
        assert_string_equal(rig_one(r, "noop", "7")->value, "7");
        assert_string_equal(rig_one(r, "other", "\"fine\"")->value, "\"fine\"");
    }
    assert_int_equal(r->downs_n, 0);
    assert_int_equal(rig_children(), with_program + 1); /* the task host */
    close_rig(r);
}

static void test_many_in_a_row(void **state)
{
    rig_t *r = open_rig("well msgpack");
    (void)state;
    rig_set_job(r, 0, "nasty");
    for (uint64_t i = 0; i < 2000;) {
        for (; i < 2000 && rig_has_room(r, 0); i++)
            rig_run(r, 0, i, "\"fine\"");
        slots_flush(r->slots);
        loop_run_once(r->loop, 5);
    }
    rig_wait(r, r->dones_n == 2000);
    assert_int_equal(r->downs_n, 0);
    close_rig(r);
}

/* ---- the protocol broken ---- */

static void check_protocol(rig_t *r, const char *item, const char *why)
{
    unsigned downs = r->downs_n, ups = r->ups;
    const rig_done_t *d = rig_one(r, "nasty", item);
    if (d->kind != FANMAP_PROTOCOL || !strstr(d->message, why))
        fail_msg("%s: kind %d, %s", item, (int)d->kind, d->message);
    rig_wait(r, r->downs_n == downs + 1 && r->ups == ups + 1);
    assert_false(r->downs[downs].down.has_attempt);
    assert_int_equal(r->downs[downs].down.why, SLOT_DOWN_DIED);
}

static void test_broken_lines(void **state)
{
    rig_t *r = open_rig("well json");
    (void)state;
    check_protocol(r, "\"bad json\"", "not JSON at byte");
    check_protocol(r, "\"twice\"", "more after its answer");
    check_protocol(r, "\"other n\"", "answered run");
    check_well(r);
    check_protocol(r, "\"earlier n\"", "answered run");
    check_protocol(r, "\"no n\"", "n is missing");
    check_protocol(r, "\"both\"", "both a value and an error");
    check_protocol(r, "\"nothing\"", "value is missing");
    check_protocol(r, "\"unknown type\"", "does not send");
    check_protocol(r, "\"hello again\"", "hello twice");
    check_protocol(r, "\"not utf-8\"", "UTF-8");
    check_protocol(r, "\"endless line\"", "over the limit");
    check_protocol(r, "\"close\"", "did not end");
    check_well(r);
    close_rig(r);
}

static void test_broken_frames(void **state)
{
    rig_t *r = open_rig("well msgpack");
    (void)state;
    check_protocol(r, "\"huge frame\"", "over the limit");
    check_protocol(r, "\"bad frame\"", "not an array");
    check_protocol(r, "\"bad kind\"", "neither a value");
    check_protocol(r, "\"other n\"", "answered run");
    check_well(r);
    close_rig(r);
}

static void test_broken_stdio(void **state)
{
    rig_t *r = open_rig("well stdio");
    (void)state;
    check_protocol(r, "\"close\"", "did not end");
    check_protocol(r, "\"bad json\"", "not JSON at byte");
    check_well(r);
    close_rig(r);
}

static void test_too_large(void **state)
{
    static const char *const programs[] = {"well json", "well msgpack"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        rig_t *r = open_rig(programs[i]);
        const rig_done_t *d = rig_one(r, "nasty", "\"large\"");
        assert_int_equal(d->kind, FANMAP_TOO_LARGE);
        check_well(r);
        assert_int_equal(r->downs_n, 0);
        close_rig(r);
    }
}

static void test_floods(void **state)
{
    rig_t *r = open_rig("well json");
    (void)state;
    assert_string_equal(rig_one(r, "nasty", "\"flood\"")->value, "\"flood\"");
    check_well(r);
    assert_int_equal(r->downs_n, 0);
    close_rig(r);
}

/* Between two items: nobody's fault, whatever it says or however it ends. */
static void test_trouble_between_items(void **state)
{
    rig_t *r = open_rig("well json");
    (void)state;
    const rig_done_t *d = rig_one(r, "nasty", "\"answer, then talk\"");
    assert_true(d->kind == FANMAP_VALUE || d->kind == FANMAP_PROTOCOL); /* as soon as it is heard of, or too late */
    rig_wait(r, r->downs_n == 1 && r->ups == 2);
    assert_false(r->downs[0].down.has_attempt);
    assert_string_equal(rig_one(r, "nasty", "\"answer and die\"")->value, "\"answer and die\"");
    rig_wait(r, r->downs_n == 2 && r->ups == 3);
    assert_false(r->downs[1].down.has_attempt);
    check_well(r);
    close_rig(r);
}

/* It leaves after each answer while the next run is on its way to it: that run was not started, and is not charged. */
static void leave_after_each(const char *arguments)
{
    rig_t *r = open_rig(arguments);
    for (unsigned turn = 0; turn < 4; turn++) {
        uint64_t dones = r->dones_n;
        unsigned downs = r->downs_n, ups = r->ups;
        rig_set_job(r, 0, "nasty");
        uint32_t n = rig_run(r, 0, 0, "\"answer and leave\"");
        rig_run(r, 0, 1, "\"fine\"");
        rig_run(r, 0, 2, "\"fine\"");
        slots_flush(r->slots);
        rig_wait(r, r->downs_n == downs + 1 && r->ups == ups + 1);
        assert_int_equal(r->dones_n, dones + 1);
        assert_false(r->downs[downs].down.has_attempt);
        assert_int_equal(r->downs[downs].down.unstarted_from, n + 1);
    }
    close_rig(r);
}

static void test_leaving_between_items(void **state)
{
    (void)state;
    leave_after_each("well json");
    leave_after_each("well msgpack");
    leave_after_each("well stdio");
}

/* ---- attempts that end their slot ---- */

static void check_down(const rig_down_t *d, slot_down_why_t why, bool has_attempt)
{
    assert_int_equal(d->down.why, why);
    assert_int_equal(d->down.has_attempt, has_attempt);
}

static void test_deaths(void **state)
{
    rig_t *r = open_rig("well json");
    const rig_down_t *d;
    (void)state;
    check_well(r);
    d = rig_one_down(r, "nasty", "\"exit\"");
    check_down(d, SLOT_DOWN_DIED, true);
    assert_int_equal(d->down.exit_status, 3);
    assert_string_equal(d->tail, "going\n");
    d = rig_one_down(r, "nasty", "\"segfault\"");
    check_down(d, SLOT_DOWN_DIED, true);
    assert_int_equal(d->down.signo, SIGSEGV);
    d = rig_one_down(r, "nasty", "\"kill parent\"");
    check_down(d, SLOT_DOWN_DIED, true);
    assert_int_equal(d->down.signo, SIGKILL);
    check_well(r);
    close_rig(r);
}

static void test_timeouts(void **state)
{
    rig_t *r = open_rig("well json");
    (void)state;
    check_well(r);
    r->job.timeout_ms = 300;
    r->job.grace_ms = 50;
    check_down(rig_one_down(r, "nasty", "\"stubborn\""), SLOT_DOWN_TIMEOUT, true);
    check_down(rig_one_down(r, "nasty", "\"stop\""), SLOT_DOWN_TIMEOUT, true);
    int before = rig_children();
    check_down(rig_one_down(r, "nasty", "\"daemon\""), SLOT_DOWN_TIMEOUT, true);
    assert_int_equal(rig_children(), before);
    r->job.timeout_ms = 0;
    check_well(r);
    close_rig(r);
}

/* Told to stop by a cancel and TERM, it says so and is through: nobody waits for the rest of the grace period. */
static void test_cancel(void **state)
{
    rig_t *r = open_rig("well json");
    (void)state;
    rig_one(r, "noop", "1"); /* an idle task host beside it is not waited for either */
    check_well(r);
    r->job.grace_ms = 600000;
    rig_set_job(r, 0, "nasty");
    uint32_t n = rig_run(r, 0, 0, "\"polite\"");
    slots_flush(r->slots);
    char log[4096];
    size_t len = 0;
    rig_wait(r, (len = rig_read_log(r, log, len, sizeof log)) > 0 && strstr(log, "waiting"));
    slots_kill(r->slots, 0, n, false);
    rig_wait(r, r->downs_n == 1 && r->ups == 2);
    check_down(&r->downs[0], SLOT_DOWN_KILLED, true);
    assert_non_null(strstr(r->downs[0].tail, "cancel True"));
    close_rig(r);
}

/* ---- runs ahead ---- */

/* Several runs at once, in a slot that is ready. The first one's number. */
static uint32_t run_some(rig_t *r, const char *task, const char *const *items, uint32_t call_n)
{
    uint32_t first = 0;
    rig_set_job(r, 0, task);
    if (call_n > 0)
        slots_call(r->slots, 0, call_n);
    for (size_t i = 0; items[i]; i++) {
        uint32_t n = rig_run(r, 0, i, items[i]);
        first = i == 0 ? n : first;
    }
    slots_flush(r->slots);
    return first;
}

static uint32_t run_all(rig_t *r, const char *const *items)
{
    return run_some(r, "nasty", items, 0);
}

static void test_runs_are_told_ahead(void **state)
{
    rig_t *r = open_rig("ahead");
    static const char *const items[] = {"\"fine\"", "\"fail\"", "[1]", "\"told\"", NULL};
    (void)state;
    check_well(r);
    uint64_t before = r->dones_n;
    run_all(r, items);
    rig_wait(r, r->dones_n == before + 4);
    assert_string_equal(r->dones[before].value, "\"fine\"");
    assert_string_equal(r->dones[before + 1].message, "no good");
    assert_string_equal(r->dones[before + 2].value, "[1]");
    assert_string_equal(r->dones[before + 3].value, "4"); /* in one message */
    assert_int_equal(r->downs_n + r->backs_n, 0);
    close_rig(r);
}

/* What waits behind one that lasts is given back in time, and passed over. */
static void test_what_lasts_holds_nothing_up(void **state)
{
    rig_t *r = open_lasting("ahead", 0);
    static const char *const items[] = {"\"nap\"", "\"say\"", "\"say\"", "\"say\"", NULL};
    char log[8192];
    (void)state;
    check_well(r);
    uint64_t before = r->dones_n;
    uint32_t n = run_all(r, items);
    rig_wait(r, r->backs_n == 1);
    assert_int_equal(r->dones_n, before);
    assert_int_equal(r->back_from, n + 1);
    assert_int_equal(r->back_to, n + 4);
    uint32_t later = rig_run(r, 0, 9, "\"fine\""); /* while it naps */
    slots_flush(r->slots);
    rig_wait(r, r->dones_n == before + 2);
    assert_int_equal(r->dones[before + 1].n, later);
    check_well(r);
    rig_read_log(r, log, 0, sizeof log);
    assert_null(strstr(log, "it began"));
    close_rig(r);
}

/* Each has a time of its own, and the one that dies is charged. */
static void test_ahead_limits_and_deaths(void **state)
{
    enum { WINKS = 60, WINK_MS = 50, TIMEOUT_MS = WINKS * WINK_MS / 2 }; /* all of them together take twice as long */
    rig_t *r = open_rig("ahead");
    static const char *const dies[] = {"\"fine\"", "\"exit\"", "\"say\"", NULL};
    static const char *const stays[] = {"\"fine\"", "\"stubborn\"", "\"say\"", NULL};
    const char *winks[WINKS + 1] = {NULL};
    char log[8192];
    (void)state;
    for (size_t i = 0; i < WINKS; i++)
        winks[i] = "\"wink\"";
    check_well(r);
    r->job.timeout_ms = TIMEOUT_MS;
    r->job.grace_ms = 50;
    uint64_t before = r->dones_n;
    int64_t began_ms = loop_clock_ms();
    run_all(r, winks);
    rig_wait(r, r->dones_n == before + WINKS || r->downs_n > 0 || r->backs_n > 0);
    assert_int_equal(r->downs_n + r->backs_n, 0);
    assert_true(loop_clock_ms() - began_ms > TIMEOUT_MS);
    for (unsigned i = 0; i < 2; i++) {
        unsigned ups = r->ups;
        before = r->dones_n;
        uint32_t n = run_all(r, i == 0 ? dies : stays);
        rig_wait(r, r->downs_n == i + 1 && r->ups > ups);
        assert_int_equal(r->dones_n, before + 1);
        check_down(&r->downs[i], i == 0 ? SLOT_DOWN_DIED : SLOT_DOWN_TIMEOUT, true);
        assert_int_equal(r->downs[i].down.n, n + 1);
        check_well(r);
    }
    rig_read_log(r, log, 0, sizeof log);
    assert_null(strstr(log, "it began"));
    close_rig(r);
}

/* Runs of a call begin together, have an outcome each, and fail together if the call does. Of one that dies the first run is
 * the one that is named; all of them had begun. A task that takes no calls gets its runs one by one. */
static void test_calls(void **state)
{
    rig_t *r = open_rig("ahead");
    static const char *const fine[] = {"1", "2", "3", NULL}, *const whole[] = {"1", "\"whole\"", "3", NULL},
                             *const dies[] = {"1", "\"exit\"", NULL};
    (void)state;
    run_some(r, "nasty", fine, 3); /* also the first thing that the program gets */
    rig_wait(r, r->dones_n == 3);
    assert_string_equal(r->dones[0].value, "[1,3]");
    assert_string_equal(r->dones[2].value, "[3,3]");
    run_some(r, "nasty", whole, 3);
    rig_wait(r, r->dones_n == 6);
    for (unsigned i = 3; i < 6; i++) {
        assert_int_equal(r->dones[i].kind, FANMAP_EXCEPTION);
        assert_true(r->dones[i].is_whole);
        assert_string_equal(r->dones[i].message, "one of them");
    }
    run_some(r, "other", fine, 3);
    rig_wait(r, r->dones_n == 9);
    assert_string_equal(r->dones[7].value, "2");
    assert_int_equal(r->downs_n, 0);
    uint32_t n = run_some(r, "nasty", dies, 2);
    rig_wait(r, r->downs_n == 1 && r->ups == 2);
    check_down(&r->downs[0], SLOT_DOWN_DIED, true);
    assert_int_equal(r->downs[0].down.n, n);
    assert_int_equal(r->downs[0].down.unstarted_from, n + 2);
    check_well(r);
    close_rig(r);
}

/* Whoever prints is told one at a time: each line has its own label. */
static void test_what_prints_is_not_told_ahead(void **state)
{
    rig_t *r = open_rig("ahead");
    static const char *const items[] = {"\"say\"", "\"fine\"", "\"say\"", "\"told\"", NULL};
    char log[8192];
    (void)state;
    rig_one(r, "nasty", "\"say\"");
    uint64_t before = r->dones_n;
    run_all(r, items);
    rig_wait(r, r->dones_n == before + 4);
    assert_string_equal(r->dones[before + 3].value, "1");
    rig_read_log(r, log, 0, sizeof log);
    assert_non_null(strstr(log, "job-1/0/1: it began\n"));
    assert_non_null(strstr(log, "job-1/2/1: it began\n"));
    assert_null(strstr(log, "job-1/1/1: it began\n"));
    close_rig(r);
}

/* ---- programs that do not start ---- */

static void check_unusable(const char *arguments, const char *why)
{
    rig_t *r = test_malloc(sizeof *r);
    rig_init(r, 1);
    r->config.start_timeout_ms = strcmp(why, "in time") == 0 ? START_TIMEOUT_MS : RIG_WAIT_MS;
    add_program(r, "nasty", arguments);
    rig_open(r);
    const rig_down_t *d = rig_one_down(r, "nasty", "\"fine\"");
    check_down(d, SLOT_DOWN_UNUSABLE, false);
    if (!strstr(d->message, "task nasty") || !strstr(d->message, why))
        fail_msg("%s: %s", arguments, d->message);
    close_rig(r);
}

static void test_failed_starts(void **state)
{
    (void)state;
    check_unusable("silent", "in time");
    check_unusable("'never ready'", "in time");
    check_unusable("die", "status 9");
    check_unusable("future", "version 2");
    check_unusable("future msgpack", "version 2");
    check_unusable("garbage", "neither as a frame");
    check_unusable("garbage stdio", "in time"); /* that was output */
    check_unusable("unasked", "without a run");
    check_unusable("deaf", "without looking at its first run");
}

/* Long before it is given up, those who wait are told what it has not said. */
static void test_slow_starts_are_told(void **state)
{
    static const char *const how[] = {"silent", "'never ready'"};
    static const char *const missing[] = {"has said no hello on FANMAP_SLOT_FD or stdout for 3 s",
                                          "has said hello, but not ready, for 3 s"};
    rig_t *r = test_malloc(sizeof *r);
    char name[] = "slow0";
    (void)state;
    rig_init(r, 2);
    for (uint32_t i = 0; i < 2; i++, name[4]++)
        add_program(r, name, how[i]);
    rig_open(r);
    name[4] = '0';
    for (uint32_t i = 0; i < 2; i++, name[4]++) {
        rig_set_job(r, i, name);
        rig_run(r, i, i, "1");
    }
    slots_flush(r->slots);
    rig_wait(r, r->notes_n == 2);
    for (uint32_t i = 0; i < 2; i++) {
        assert_non_null(strstr(r->notes[i], missing[i]));
        assert_non_null(strstr(r->notes[i], i == 0 ? "task slow0: 'python3 " : "task slow1: 'python3 "));
        assert_non_null(strstr(r->notes[i], "at 60 s (--start-timeout) it is started again, its items wait"));
    }
    assert_int_equal(r->downs_n, 0);
    close_rig(r);
}

static void test_a_program_that_is_not_there(void **state)
{
    rig_t *r = test_malloc(sizeof *r);
    fanmap_error_t err = {0};
    (void)state;
    rig_init(r, 1);
    assert_int_equal(slots_catalogue_add_command(&r->tasks, TASK_SERVE, "nasty", "/nowhere/slot", NULL, &err),
                     FANMAP_OK);
    rig_open(r);
    const rig_down_t *d = rig_one_down(r, "nasty", "1");
    check_down(d, SLOT_DOWN_UNUSABLE, false);
    assert_non_null(strstr(d->message, "No such file"));
    close_rig(r);
}

static void test_a_task_that_the_program_does_not_name(void **state)
{
    rig_t *r = open_rig("elsewhere json");
    (void)state;
    const rig_done_t *d = rig_one(r, "nasty", "\"fine\"");
    assert_int_equal(d->kind, FANMAP_UNKNOWN_TASK);
    assert_non_null(strstr(d->message, "does not name it"));
    assert_int_equal(r->downs_n, 0);
    close_rig(r);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_json_lines),
        rig_test(test_msgpack_frames),
        rig_test(test_stdin_and_stdout),
        rig_test(test_output_before_the_hello),
        rig_test(test_what_a_job_tells),
        rig_test(test_bye),
        rig_test(test_engines_in_turn),
        rig_test(test_many_in_a_row),
        rig_test(test_broken_lines),
        rig_test(test_broken_frames),
        rig_test(test_broken_stdio),
        rig_test(test_too_large),
        rig_test(test_floods),
        rig_test(test_trouble_between_items),
        rig_test(test_leaving_between_items),
        rig_test(test_deaths),
        rig_test(test_timeouts),
        rig_test(test_cancel),
        rig_test(test_runs_are_told_ahead),
        rig_test(test_what_lasts_holds_nothing_up),
        rig_test(test_ahead_limits_and_deaths),
        rig_test(test_calls),
        rig_test(test_what_prints_is_not_told_ahead),
        rig_test(test_failed_starts),
        rig_test(test_slow_starts_are_told),
        rig_test(test_a_program_that_is_not_there),
        rig_test(test_a_task_that_the_program_does_not_name),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
