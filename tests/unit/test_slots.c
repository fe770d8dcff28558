/* Slots with real processes: values, order, taking back, shapes, logs, the catalogue. */
#include "slots/pool/pool.h"
#include "tests/unit/slots_rig.h"

/* ---- many runs ---- */

typedef struct {
    uint64_t next, end, sent[RIG_SLOTS_MAX][1024];
    uint64_t got, wrong;
    uint32_t first_n[RIG_SLOTS_MAX];
    unsigned char *seen;
} many_t;

static void many_fill(rig_t *r, many_t *m)
{
    for (uint32_t slot = 0; slot < r->config.slots_n; slot++)
        for (; m->next < m->end && rig_has_room(r, slot); m->next++) {
            uint8_t space[16];
            buf_t in = {.data = space, .cap = sizeof space};
            mp_put_uint(&in, m->next);
            slot_run_t run = {.index = m->next, .attempt = 1, .deadline_ms = -1, .in = in.data, .in_len = in.len};
            uint32_t n = slots_run(r->slots, slot, &run);
            m->sent[slot][n % 1024] = m->next;
        }
    slots_flush(r->slots);
}

static void many_done(void *rig, uint32_t slot, const slot_done_t *d)
{
    rig_t *r = rig;
    many_t *m = r->own;
    mp_reader_t in;
    uint64_t index = m->sent[slot][d->n % 1024];
    mp_reader_init(&in, d->value, d->value_len);
    bool ok = d->kind == FANMAP_VALUE && mp_read_uint(&in) == index * index && !in.bad && !m->seen[index];
    m->seen[index] = 1;
    m->wrong += !ok;
    m->got++;
}

static void test_many_runs_over_several_slots(void **state)
{
    rig_t *r = test_malloc(sizeof *r);
    many_t *m = test_calloc(1, sizeof *m);
    (void)state;
    rig_init(r, 4);
    rig_add_libraries(r);
    rig_open(r);
    m->end = 200000;
    m->seen = test_calloc(1, m->end);
    r->own = m;
    r->on_done = many_done;
    for (uint32_t slot = 0; slot < 4; slot++)
        rig_set_job(r, slot, "square");
    int64_t end_ms = loop_clock_ms() + 2 * RIG_WAIT_MS;
    while (m->got < m->end && loop_clock_ms() < end_ms) {
        many_fill(r, m);
        loop_run_once(r->loop, 100);
    }
    assert_int_equal(m->got, m->end);
    assert_int_equal(m->wrong, 0);
    assert_int_equal(r->downs_n, 0);
    rig_close(r);
    test_free(m->seen);
    test_free(m);
    test_free(r);
}

/* ---- taking back ---- */

typedef struct {
    unsigned runs[4096]; /* by n: how often it was done */
    unsigned char back[4096];
} taken_t;

static void taken_done(void *rig, uint32_t slot, const slot_done_t *d)
{
    taken_t *t = ((rig_t *)rig)->own;
    (void)slot;
    if (d->n < 4096)
        t->runs[d->n]++;
}

/* Runs are taken back at all moments while the slot works; every run is done once or was taken back, never both or
 * neither. */
static void test_take_back_is_exact(void **state)
{
    rig_t *r = test_malloc(sizeof *r);
    taken_t *t = test_calloc(1, sizeof *t);
    uint32_t n = 0;
    unsigned turns = 0;
    (void)state;
    rig_init(r, 1);
    rig_add_libraries(r);
    rig_open(r);
    r->own = t;
    rig_one(r, "noop", "1");
    r->on_done = taken_done;
    t->runs[n++] = 1;
    for (int64_t end_ms = loop_clock_ms() + RIG_WAIT_MS; n < 4000 && loop_clock_ms() < end_ms;) {
        while (n < 4000 && rig_has_room(r, 0))
            n = rig_run(r, 0, n, "1") + 1;
        if (n % 3 != 0)
            slots_flush(r->slots);
        for (int64_t until_ns = proc_now_ns() + turns++ % 100 * 1000; proc_now_ns() < until_ns;)
            loop_run_once(r->loop, 0);
        for (uint32_t i = slots_take_back(r->slots, 0); i < n; i++)
            t->back[i]++;
        loop_run_once(r->loop, n % 5 == 0 ? 1 : 0);
    }
    rig_set_job(r, 0, "noop");
    uint32_t last = rig_run(r, 0, n, "1");
    slots_flush(r->slots);
    rig_wait(r, t->runs[last] > 0);
    unsigned back = 0;
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(t->runs[i] + t->back[i], 1);
        back += t->back[i];
    }
    assert_true(back > 0 && back < n);
    rig_close(r);
    test_free(t);
    test_free(r);
}

/* What waits behind a long run comes back, and what was finished before it is reported without waiting for it. */
static void test_take_back_behind_a_long_run(void **state)
{
    rig_t *r = test_malloc(sizeof *r);
    (void)state;
    rig_init(r, 1);
    rig_add_libraries(r);
    rig_open(r);
    rig_set_job(r, 0, "sleep_ms");
    rig_run(r, 0, 0, "0");
    rig_run(r, 0, 1, "0");
    uint32_t running = rig_run(r, 0, 2, "600000");
    rig_run(r, 0, 3, "0");
    slots_flush(r->slots);
    rig_wait(r, r->dones_n == 2 && board_was_claimed(r->slots->slots[0].board, running));
    assert_int_equal(slots_take_back(r->slots, 0), running + 1);
    assert_int_equal(slots_take_back(r->slots, 0), running + 2);
    uint32_t later = rig_run(r, 0, 4, "0");
    slots_flush(r->slots);
    slots_kill(r->slots, 0, running, true);
    rig_wait(r, r->downs_n == 1);
    assert_int_equal(r->downs[0].down.why, SLOT_DOWN_KILLED);
    assert_true(r->downs[0].down.has_attempt);
    assert_int_equal(r->downs[0].down.n, running);
    assert_true(r->downs[0].down.unstarted_from > running && r->downs[0].down.unstarted_from <= later);
    rig_wait(r, r->ups == 2);
    rig_close(r);
    test_free(r);
}

/* ---- what tasks see and give ---- */

#define check_value(r, task, item, expected) assert_string_equal(rig_one(r, task, item)->value, expected)

static void test_values_of_all_shapes(void **state)
{
    rig_t *r = test_malloc(sizeof *r);
    static const char *const same[] = {"9223372036854775807", "-9223372036854775808",  "0.1", "1e+300", "\"\"",
                                       "\"\\u0000a\"",        "{\"$binary\":\"AP8=\"}"};
    (void)state;
    rig_init(r, 1);
    rig_add_libraries(r);
    rig_open(r);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        check_value(r, "scalars", same[i], same[i]);
        check_value(r, "scalars_json", same[i], same[i]);
    }
    check_value(r, "scalars_bytes", "\"123\"", "\"123\"");
    check_value(r, "scalars_bytes", "\"4.5\"", "\"4.5\"");
    check_value(r, "scalars_bytes", "\"abc\"", "\"abc\"");
    check_value(r, "scalars_bytes", "7", "\"7\"");
    check_value(r, "upper", "{\"a\":[1,\"x\"]}", "\"{\\\"A\\\":[1,\\\"X\\\"]}\"");
    check_value(r, "square", "-12", "144");
    assert_int_equal(rig_one(r, "square", "\"x\"")->kind, FANMAP_EXCEPTION);
    assert_int_equal(rig_one(r, "scalars", "[1]")->kind, FANMAP_EXCEPTION);
    assert_int_equal(rig_one(r, "scalars_json", "18446744073709551615")->kind, FANMAP_VALUE);
    r->job.bound = (const uint8_t *)"\x81\xa1k\x05";
    r->job.bound_len = 4;
    r->job.job = "job.X";
    check_value(r, "show", "1", "\"job.X show 23 0 1 3 0 -1 {\\\"k\\\":5}\"");
    rig_close(r);
    test_free(r);
}

static void test_values_that_are_no_values(void **state)
{
    rig_t *r = test_malloc(sizeof *r);
    const rig_done_t *d;
    (void)state;
    rig_init(r, 1);
    rig_add_libraries(r);
    rig_open(r);
    assert_int_equal(rig_one(r, "put_what", "\"nothing\"")->kind, FANMAP_PROTOCOL);
    assert_int_equal(rig_one(r, "put_what", "\"two\"")->kind, FANMAP_PROTOCOL);
    assert_int_equal(rig_one(r, "put_what", "\"cut\"")->kind, FANMAP_PROTOCOL);
    assert_int_equal(rig_one(r, "put_what", "\"deep\"")->kind, FANMAP_PROTOCOL);
    assert_int_equal(rig_one(r, "put_what", "\"huge\"")->kind, FANMAP_TOO_LARGE);
    d = rig_one(r, "put_what", "\"silent failure\"");
    assert_int_equal(d->kind, FANMAP_EXCEPTION);
    assert_string_equal(d->message, "the task returned 7");
    assert_false(d->final);
    d = rig_one(r, "put_what", "\"final\"");
    assert_true(d->final);
    assert_string_equal(d->type, "Type\xef\xbf\xbd");
    assert_string_equal(d->message, "why");
    check_value(r, "put_what", "\"ok\"", "\"ok\"");
    check_value(r, "next_count", "0", "1");
    check_value(r, "next_count", "0", "2");
    assert_int_equal(r->downs_n, 0);
    rig_close(r);
    test_free(r);
}

/* Values larger than the ring, one after the other. */
static void test_values_larger_than_the_ring(void **state)
{
    rig_t *r = test_malloc(sizeof *r);
    size_t len = (1 << 20) - 16;
    char *item = test_malloc(len + 3);
    (void)state;
    rig_init(r, 1);
    rig_add_libraries(r);
    rig_open(r);
    memset(item, 'a', len + 2);
    item[0] = item[len + 1] = '"';
    item[len + 2] = '\0';
    rig_set_job(r, 0, "echo");
    for (int i = 0; i < 5; i++) {
        rig_wait(r, rig_has_room(r, 0));
        rig_run(r, 0, 0, item);
        slots_flush(r->slots);
        rig_wait(r, r->dones_n == (uint64_t)i + 1);
        assert_int_equal(r->dones[i].kind, FANMAP_VALUE);
        assert_int_equal(strlen(r->dones[i].value), sizeof r->dones[i].value - 1);
    }
    rig_close(r);
    test_free(item);
    test_free(r);
}

/* ---- the log ---- */

static void test_each_line_is_labelled_with_its_attempt(void **state)
{
    rig_t *r = test_malloc(sizeof *r);
    char *text = test_malloc(1 << 18), line[64];
    size_t len = 0;
    (void)state;
    rig_init(r, 1);
    rig_add_libraries(r);
    rig_open(r);
    rig_set_job(r, 0, "say");
    for (int i = 0; i < 60; i++) {
        snprintf(line, sizeof line, "\"line %d\\nand \\u001b more %d\"", i, i);
        rig_run(r, 0, (uint64_t)i, line);
    }
    slots_flush(r->slots);
    rig_wait(r, r->dones_n == 60);
    rig_one(r, "noop", "1");
    rig_wait(r, (len = rig_read_log(r, text, len, 1 << 18)) > 0 && strstr(text, "more 59\n"));
    for (int i = 0; i < 60; i++) {
        snprintf(line, sizeof line, "job-1/%d/1: line %d\n", i, i);
        assert_non_null(strstr(text, line));
        snprintf(line, sizeof line, "job-1/%d/1: and \\x1b more %d\n", i, i);
        assert_non_null(strstr(text, line));
    }
    rig_close(r);
    test_free(text);
    test_free(r);
}

/* ---- the catalogue ---- */

static int add_library_of(const char *content, char *message)
{
    char path[] = "/tmp/fanmap-test-XXXXXX";
    slots_catalogue_t c = {0};
    fanmap_error_t err = {0};
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, content, strlen(content)) >= 0);
    close(fd);
    int code = slots_catalogue_add_library(&c, path, &err);
    unlink(path);
    snprintf(message, 504, "%.500s", err.message);
    slots_catalogue_free(&c);
    return code;
}

static void test_catalogue(void **state)
{
    slots_catalogue_t c = {0};
    fanmap_error_t err = {0};
    char message[504];
    static const char *const empty[] = {NULL}, *const item_runs[] = {"{}", NULL};
    (void)state;
    rig_libexec();
    assert_int_equal(slots_catalogue_add_library(&c, "/no/such.so", &err), FANMAP_EUSAGE);
    assert_non_null(strstr(err.message, "/no/such.so: No such file"));
    assert_int_equal(add_library_of("no library", message), FANMAP_EUSAGE);
    assert_non_null(strstr(message, "task library /tmp/fanmap-test-"));
    assert_int_equal(slots_catalogue_add_command(&c, TASK_EXEC, "a", "echo 'x y'  \"z\\\"\" \\  w''", NULL, &err),
                     FANMAP_OK);
    assert_string_equal(c.tasks[0].argv[1], "x y");
    assert_string_equal(c.tasks[0].argv[2], "z\"");
    assert_string_equal(c.tasks[0].argv[3], " ");
    assert_string_equal(c.tasks[0].argv[4], "w");
    assert_null(c.tasks[0].argv[5]);
    assert_int_equal(slots_catalogue_add_command(&c, TASK_EXEC, "b", "echo 'x", NULL, &err), FANMAP_EUSAGE);
    assert_int_equal(slots_catalogue_add_command(&c, TASK_EXEC, "b", "  ", NULL, &err), FANMAP_EUSAGE);
    assert_int_equal(slots_catalogue_add_command(&c, TASK_EXEC, "a", "x", NULL, &err), FANMAP_EUSAGE);
    assert_int_equal(slots_catalogue_add_command(&c, TASK_EXEC, "a b", "x", NULL, &err), FANMAP_EUSAGE);
    assert_int_equal(slots_catalogue_add_words(&c, TASK_EXEC, "b", empty, NULL, &err), FANMAP_EUSAGE);
    assert_int_equal(slots_catalogue_add_words(&c, TASK_EXEC, "b", item_runs, NULL, &err), FANMAP_EUSAGE);
    assert_int_equal(c.n, 1);
    slots_catalogue_free(&c);
}

static void test_wrong_numbers_of_slots_are_refused(void **state)
{
    rig_t *r = test_malloc(sizeof *r);
    static const slots_callbacks_t callbacks = {rig_up,   rig_done,    rig_down,   rig_lost,
                                                rig_note, rig_trouble, rig_failed, rig_back};
    fanmap_error_t err = {0};
    (void)state;
    rig_init(r, 0);
    assert_int_equal(slots_open(r->loop, &r->config, &callbacks, r, &r->slots, &err), FANMAP_EUSAGE);
    assert_null(r->slots);
    rig_close(r);
    test_free(r);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_many_runs_over_several_slots),
        rig_test(test_take_back_is_exact),
        rig_test(test_take_back_behind_a_long_run),
        rig_test(test_values_of_all_shapes),
        rig_test(test_values_that_are_no_values),
        rig_test(test_values_larger_than_the_ring),
        rig_test(test_each_line_is_labelled_with_its_attempt),
        rig_test(test_catalogue),
        rig_test(test_wrong_numbers_of_slots_are_refused),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
