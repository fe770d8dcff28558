/* What tasks are told of the record that an item of a stream is. */
#include "schemas/record.h"
#include "slots/shared/record_env.h"
#include "tests/unit/slots_rig.h"

typedef struct {
    buf_t headers, bytes;
    record_context_t context;
} made_t;

static void add(made_t *m, const char *name, const void *value, size_t len)
{
    streamlog_put_header(&m->headers, name, value, len);
    m->context.headers_n++;
}

static void add_text(made_t *m, const char *name, const char *value)
{
    add(m, name, value, strlen(value));
}

static made_t make(const void *key, size_t key_len)
{
    return (made_t){.context = {.topic = "orders",
                                .topic_len = 6,
                                .partition = 3,
                                .offset = 7,
                                .timestamp_ms = 1700000000123,
                                .schema_id = -1,
                                .key = key,
                                .key_len = key_len}};
}

static const buf_t *encode(made_t *m)
{
    buf_clear(&m->bytes);
    record_context_put(&m->bytes, &m->context, m->headers.data, m->headers.len);
    return &m->bytes;
}

static void unmake(made_t *m)
{
    buf_free(&m->headers);
    buf_free(&m->bytes);
}

/* ---- the environment ---- */

static void check_env(made_t *m, const char *const *expected)
{
    record_env_t env = {0};
    const buf_t *b = encode(m);
    size_t n = 0;
    assert_true(record_env_make(&env, b->data, b->len));
    for (; expected[n]; n++) {
        assert_true(n < env.n);
        assert_string_equal(env.vars[n], expected[n]);
    }
    assert_int_equal(env.n, n);
    assert_null(env.vars[n]);
    buf_free(&env.texts);
    unmake(m);
}

static void test_variables(void **state)
{
    made_t m = make("k=1", 3);
    (void)state;
    add_text(&m, "Content-Type", "a/b");
    add_text(&m, "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    add_text(&m, "content.type", "second of what is one variable");
    check_env(&m, (const char *[]){"FANMAP_TOPIC=orders", "FANMAP_PARTITION=3", "FANMAP_OFFSET=7",
                                   "FANMAP_TIMESTAMP=1700000000123", "FANMAP_KEY=k=1",
                                   "FANMAP_HEADER_TRACEPARENT=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                   "TRACEPARENT=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                   "FANMAP_HEADER_CONTENT_TYPE=second of what is one variable", NULL});
}

/* Whoever writes to the topic chooses names and values. */
static void test_hostile_headers(void **state)
{
    char name[RECORD_ENV_NAME_MAX + 2], value[RECORD_ENV_VALUE_MAX + 1];
    made_t m = make("a\0b", 3);
    (void)state;
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    memset(value, 'v', sizeof value);
    add_text(&m, "X=1\nLD_PRELOAD", "evil.so");
    add_text(&m, "", "no name");
    add_text(&m, name, "a long name");
    add(&m, "long", value, sizeof value);
    add(&m, "nul", "a\0b", 3);
    add(&m, "null", NULL, 0);
    add_text(&m, "traceparent", "$(reboot)");
    add_text(&m, "\xc3\xa4", "() { :; }");
    add(&m, "empty", "", 0);
    check_env(&m, (const char *[]){"FANMAP_TOPIC=orders", "FANMAP_PARTITION=3", "FANMAP_OFFSET=7",
                                   "FANMAP_TIMESTAMP=1700000000123", "FANMAP_HEADER_X_1_LD_PRELOAD=evil.so",
                                   "FANMAP_HEADER_TRACEPARENT=$(reboot)", "FANMAP_HEADER___=() { :; }",
                                   "FANMAP_HEADER_EMPTY=", NULL});
}

static void test_all_the_headers_that_there_can_be(void **state)
{
    made_t m = make(NULL, 0);
    record_env_t env = {0};
    char name[16];
    (void)state;
    add_text(&m, "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    for (int i = 1; i < STREAMLOG_HEADERS_MAX; i++) {
        snprintf(name, sizeof name, "h%d", i);
        add_text(&m, name, "x");
    }
    const buf_t *b = encode(&m);
    assert_true(record_env_make(&env, b->data, b->len));
    assert_int_equal(env.n, 4 + 1 + STREAMLOG_HEADERS_MAX);
    add_text(&m, "over", "x");
    b = encode(&m);
    assert_false(record_env_make(&env, b->data, b->len));
    assert_false(record_env_make(&env, (const uint8_t *)"\x96\xc0", 2));
    buf_free(&env.texts);
    unmake(&m);
}

/* ---- in a slot ---- */

static rig_t *open_rig(void)
{
    rig_t *r = test_malloc(sizeof *r);
    rig_init(r, 1);
    rig_add_libraries(r);
    rig_add_command(r, "env", "sh -c 'echo \"$FANMAP_TOPIC,$FANMAP_KEY,$FANMAP_HEADER_NAME,$TRACEPARENT\"'");
    setenv("TRACEPARENT", "of the worker", 1);
    rig_open(r);
    return r;
}

static void run_one(rig_t *r, const char *task, made_t *m, const char *expected)
{
    uint64_t before = r->dones_n;
    slot_run_t run = {.attempt = 1, .deadline_ms = -1, .in = (const uint8_t *)"\xa6record", .in_len = 7};
    if (m) {
        run.context = encode(m)->data;
        run.context_len = m->bytes.len;
    }
    rig_set_job(r, 0, task);
    slots_run(r->slots, 0, &run);
    slots_flush(r->slots);
    rig_wait(r, r->dones_n > before);
    assert_string_equal(r->dones[before % RIG_EVENTS_MAX].value, expected);
}

/* Of a call, each item has its own record, and all of them are there at once. */
static void test_a_call(void **state)
{
    rig_t *r = open_rig();
    made_t m[3] = {make("one", 3), make("other", 5), make(NULL, 0)};
    static const char *const expected[] = {"\"onefirstrecord\"", "\"other-record\"", "\"-record\""};
    (void)state;
    add_text(&m[0], "name", "first");
    rig_set_job(r, 0, "keys");
    slots_call(r->slots, 0, 3);
    for (unsigned i = 0; i < 3; i++) {
        slot_run_t run = {
            .index = i, .attempt = 1, .deadline_ms = -1, .in = (const uint8_t *)"\xa6record", .in_len = 7};
        run.context = encode(&m[i])->data;
        run.context_len = m[i].bytes.len;
        slots_run(r->slots, 0, &run);
    }
    slots_flush(r->slots);
    rig_wait(r, r->dones_n == 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_string_equal(r->dones[i].value, expected[i]);
        unmake(&m[i]);
    }
    rig_close(r);
    test_free(r);
}

static void test_functions_and_commands(void **state)
{
    rig_t *r = open_rig();
    made_t m = make("key", 3), bare = make(NULL, 0);
    (void)state;
    add_text(&m, "name", "first");
    add(&m, "none", NULL, 0);
    add_text(&m, "name", "last");
    run_one(r, "record", &m, "\"orders 3 7 1700000000123 key name=first none=null name=last last\"");
    run_one(r, "record", &bare, "\"orders 3 7 1700000000123 null -\"");
    run_one(r, "record", NULL, "\"none\"");
    run_one(r, "env", &m, "\"orders,key,last,\"");
    run_one(r, "env", NULL, "\",,,\"");
    add_text(&m, "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    run_one(r, "env", &m, "\"orders,key,last,00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"");
    unmake(&m);
    unmake(&bare);
    unsetenv("TRACEPARENT");
    rig_close(r);
    test_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_variables),
        cmocka_unit_test(test_hostile_headers),
        cmocka_unit_test(test_all_the_headers_that_there_can_be),
        cmocka_unit_test(test_a_call),
        cmocka_unit_test(test_functions_and_commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
