/* Items, specs, job logs, jobs and slot frames: the edges that golden vectors do not show. Every cut of every message
 * is refused, nothing hostile is believed, what is out of bounds is no spec. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "schemas/item.h"
#include "schemas/jobs.h"
#include "schemas/slotwire.h"

static spec_t a_spec(void)
{
    spec_t spec;
    spec_init(&spec);
    strcpy(spec.job, "j1");
    strcpy(spec.task, "square");
    strcpy(spec.queue, "default");
    return spec;
}

/* A copy of exactly `len` bytes, so that a read past its end is seen. */
static uint8_t *exact(const buf_t *b, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    if (len > 0)
        memcpy(copy, b->data, len);
    return copy;
}

typedef bool (*decode_fn)(const void *bytes, size_t len);

static void refuses_every_cut(const buf_t *b, decode_fn decode)
{
    assert_true(decode(b->data, b->len));
    for (size_t len = 0; len < b->len; len++) {
        uint8_t *cut = exact(b, len);
        assert_false(decode(cut, len));
        free(cut);
    }
    buf_t longer = {0};
    buf_append(&longer, b->data, b->len);
    mp_put_nil(&longer);
    assert_false(decode(longer.data, longer.len));
    buf_free(&longer);
}

static bool decode_item(const void *bytes, size_t len)
{
    item_t item;
    return item_decode(bytes, len, &item);
}

static bool decode_log(const void *bytes, size_t len)
{
    joblog_record_t record;
    return joblog_decode(bytes, len, &record);
}

static bool spec_decode(const void *bytes, size_t len, spec_t *ret)
{
    mp_reader_t r;
    mp_reader_init(&r, bytes, len);
    return spec_read(&r, ret) && mp_done(&r);
}

static bool decode_spec(const void *bytes, size_t len)
{
    spec_t spec;
    return spec_decode(bytes, len, &spec);
}

static bool decode_frame(const void *bytes, size_t len)
{
    slot_frame_t frame;
    size_t used = 0;
    return slot_frame_decode(bytes, len, 1000, &frame, &used) == 1 && used == len;
}

static void test_cuts(void **state)
{
    (void)state;
    buf_t b = {0}, body = {0};
    spec_t spec = a_spec();
    outcome_t value = {.index = 1, .attempts = 1, .value = (const uint8_t *)"\x92\x01\x02", .value_len = 3};
    outcome_t error = {.index = 300,
                       .kind = FANMAP_EXIT,
                       .type = "T",
                       .type_len = 1,
                       .message = "why",
                       .message_len = 3,
                       .exit_status = 3,
                       .stderr_tail = "e\xFF",
                       .stderr_len = 2};
    item_encode(&b, 70000, "\x93\x01\xA1x\xC0", 5);
    refuses_every_cut(&b, decode_item);
    buf_clear(&b);
    item_t note = {.type = ITEM_DONE_NOTE, .done_offset = 5, .partition = 3, .member = "m"};
    item_encode_note(&b, &note);
    refuses_every_cut(&b, decode_item);
    buf_clear(&b);
    note.type = ITEM_RELEASE_NOTE;
    item_encode_note(&b, &note);
    refuses_every_cut(&b, decode_item);
    buf_clear(&b);
    spec_encode(&b, &spec);
    refuses_every_cut(&b, decode_spec);
    buf_clear(&b);
    joblog_encode_start(&b, &spec);
    refuses_every_cut(&b, decode_log);
    buf_clear(&b);
    joblog_put_outcome(&body, &value);
    joblog_put_outcome(&body, &error);
    joblog_encode_pack(&b, body.data, body.len, 2);
    refuses_every_cut(&b, decode_log);
    buf_clear(&b);
    joblog_encode_progress(&b, &(progress_t){.prefix = 5, .producer = "p", .partitions = 3},
                           (int64_t[]){1, -1, 1 << 20});
    refuses_every_cut(&b, decode_log);
    buf_clear(&b);
    joblog_encode_input(&b, 5, NULL);
    refuses_every_cut(&b, decode_log);
    buf_clear(&b);
    joblog_encode_end(&b, END_HALT);
    refuses_every_cut(&b, decode_log);
    buf_free(&b);
    buf_free(&body);
}

/* An item, a value and a bind may each be as deep as a value may be: what is around them does not count. */
static void test_depth_is_of_the_value(void **state)
{
    (void)state;
    uint8_t deep[MP_DEPTH_MAX];
    buf_t b = {0}, body = {0};
    joblog_record_t record;
    outcome_t o = {.value = deep, .value_len = sizeof deep};
    memset(deep, 0x91, sizeof deep);
    deep[sizeof deep - 1] = 0x90;
    item_encode(&b, 0, deep, sizeof deep);
    assert_true(decode_item(b.data, b.len));
    buf_clear(&b);
    joblog_put_outcome(&body, &o);
    joblog_encode_pack(&b, body.data, body.len, 1);
    assert_true(joblog_decode(b.data, b.len, &record));
    assert_true(joblog_next_outcome(&record, &o));
    assert_int_equal(o.value_len, sizeof deep);
    buf_clear(&b);
    slot_put_run(&b, &(slot_run_t){.deadline_ms = -1, .in = deep, .in_len = sizeof deep});
    assert_true(decode_frame(b.data, b.len));
    buf_clear(&b);
    uint8_t bound[MP_DEPTH_MAX + 2] = {0x81, 0xA1, 'x'};
    memset(bound + 3, 0x91, sizeof bound - 3);
    bound[sizeof bound - 1] = 0x90;
    spec_t spec = a_spec();
    spec.bound = bound;
    spec.bound_len = sizeof bound;
    joblog_encode_start(&b, &spec);
    assert_true(joblog_decode(b.data, b.len, &record));
    assert_int_equal(record.start.bound_len, sizeof bound);
    buf_free(&b);
    buf_free(&body);
}

static void expect_spec(bool is_sound, const spec_t *spec)
{
    buf_t b = {0};
    spec_t back;
    memset(&back, 0x55, sizeof back);
    spec_encode(&b, spec);
    assert_int_equal(spec_decode(b.data, b.len, &back), is_sound);
    if (!is_sound)
        assert_int_equal(((uint8_t *)&back)[0], 0x55);
    buf_free(&b);
}

#define SPEC_WITH(is_sound, ...)                                                                                       \
    do {                                                                                                               \
        spec_t s = a_spec();                                                                                           \
        __VA_ARGS__;                                                                                                   \
        expect_spec(is_sound, &s);                                                                                     \
    } while (0)

static void test_spec_bounds(void **state)
{
    (void)state;
    SPEC_WITH(true, (void)0);
    SPEC_WITH(false, strcpy(s.job, ""));
    SPEC_WITH(false, strcpy(s.job, "../x"));
    SPEC_WITH(false, strcpy(s.job, "-x"));
    SPEC_WITH(false, strcpy(s.task, "a/b"));
    SPEC_WITH(false, strcpy(s.queue, "Upper"));
    SPEC_WITH(false, s.items_partitions = 0);
    SPEC_WITH(false, s.items_partitions = UINT32_MAX);
    SPEC_WITH(false, s.start_offset = -2);
    SPEC_WITH(false, s.submitted_ms = -1);
    SPEC_WITH(false, s.deadline_ms = INT64_MIN);
    SPEC_WITH(false, s.lease_ms = 0);
    SPEC_WITH(false, s.crash_cap = 0);
    SPEC_WITH(false, s.value_bytes_max = 0);
    SPEC_WITH(false, s.is_signed = true);
    SPEC_WITH(true, s.concurrency = UINT64_MAX);
    SPEC_WITH(true, s.halt = (halt_t){HALT_SOON, HALT_DONE, 100, true});
    SPEC_WITH(false, s.halt = (halt_t){HALT_SOON, HALT_DONE, 101, true});
    SPEC_WITH(false, s.halt = (halt_t){HALT_NOW, HALT_FAIL, 0, false});
    SPEC_WITH(false, s.halt = (halt_t){(halt_when_t)3, HALT_FAIL, 1, false});
    SPEC_WITH(true, s.bound = (const uint8_t *)"\x80"; s.bound_len = 1);
    SPEC_WITH(false, s.bound = (const uint8_t *)"\x90"; s.bound_len = 1);
    SPEC_WITH(true, s.final_exits[0] = (exit_range_t){64, 78}; s.final_exits_n = 1; s.cpu_time_ms = 5);
    SPEC_WITH(false, s.final_exits[0] = (exit_range_t){78, 64}; s.final_exits_n = 1);
    SPEC_WITH(false, s.sequences_n = SEQUENCES_MAX + 1);
    SPEC_WITH(true, s.memory_bytes = UINT64_MAX; strcpy(s.retry_of, "nightly-1"));
    SPEC_WITH(false, strcpy(s.retry_of, "../x"));
    SPEC_WITH(true, s.stream = STREAM_UNORDERED; strcpy(s.from, "orders"));
    SPEC_WITH(false, s.stream = STREAM_UNORDERED);
    SPEC_WITH(false, s.stream = (stream_order_t)4; strcpy(s.from, "orders"));
    SPEC_WITH(false, s.stream = STREAM_BY_KEY; strcpy(s.from, "orders"); s.out_format = (stream_format_t)4);
}

static void test_final_exits(void **state)
{
    (void)state;
    spec_t spec = a_spec();
    assert_false(spec_exit_is_final(&spec, 1));
    spec.final_exits[0] = (exit_range_t){2, 2};
    spec.final_exits[1] = (exit_range_t){64, 78};
    spec.final_exits_n = 2;
    assert_true(spec_exit_is_final(&spec, 2));
    assert_true(spec_exit_is_final(&spec, 64));
    assert_true(spec_exit_is_final(&spec, 78));
    assert_false(spec_exit_is_final(&spec, 79));
    assert_false(spec_exit_is_final(&spec, -1));
}

static void test_names(void **state)
{
    (void)state;
    char name[70];
    memset(name, 'a', sizeof name);
    name[63] = '\0';
    assert_true(job_id_valid(name) && task_name_valid(name));
    assert_false(queue_name_valid(name));
    name[63] = 'a';
    name[64] = '\0';
    assert_false(job_id_valid(name) || task_name_valid(name));
    name[48] = '\0';
    assert_true(queue_name_valid(name));
    assert_true(job_id_valid("A.b_c-9") && job_id_valid("_x") && task_name_valid(".x"));
    assert_false(job_id_valid(".x") || job_id_valid("-x") || job_id_valid("a b") || job_id_valid("\xC3\xA9") ||
                 job_id_valid(""));
    assert_false(queue_name_valid("") || queue_name_valid("a.b") || queue_name_valid("a_b"));
}

/* [1, 2, count, ...]: counts that lie. */
static void test_pack_counts(void **state)
{
    (void)state;
    const struct {
        bool is_sound;
        const char *bytes;
        size_t len;
    } cases[] = {
        {true, "\x93\x01\x02\x00", 4},
        {false, "\x93\x01\x02\x01", 4},
        {false, "\x93\x01\x02\xCE\xFF\xFF\xFF\xFF", 8},
        {false, "\x93\x01\x02\xCF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 12},
        {false, "\xDD\xFF\xFF\xFF\xFF\x01\x02\xCE\xFF\xFF\xFF\xFF", 12},
        {false, "\x94\x01\x02\x01\x05", 5}, /* an entry that is no array */
        {false, "\x92\x01\x02", 3},
        {false, "\x93\x02\x02\x00", 4}, /* a later version */
        {false, "\x93\x01\x07\x00", 4}, /* no such type */
        {false, "\x93\x01\x00\x00", 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(decode_log(cases[i].bytes, cases[i].len), cases[i].is_sound);
}

/* A frame that is sound with an entry that is not: what stands before it counts, nothing behind it does. */
static void test_bad_entry(void **state)
{
    (void)state;
    buf_t b = {0}, body = {0};
    joblog_record_t record;
    outcome_t o = {.value = (const uint8_t *)"\x07", .value_len = 1, .index = 4}, got = {.index = 99};
    joblog_put_outcome(&body, &o);
    buf_append(&body, "\x95\x05\x01\x0E\x01\x01", 6); /* kind 14 */
    joblog_put_outcome(&body, &o);
    joblog_encode_pack(&b, body.data, body.len, 3);
    assert_true(joblog_decode(b.data, b.len, &record));
    assert_true(joblog_next_outcome(&record, &got));
    assert_int_equal(got.index, 4);
    got.index = 99;
    assert_false(joblog_next_outcome(&record, &got));
    assert_true(record.outcomes.bad);
    assert_int_equal(got.index, 99);
    assert_false(joblog_next_outcome(&record, &got));
    buf_free(&b);
    buf_free(&body);
}

static bool decode_jobs(const char *key, size_t key_len, const void *value, size_t len)
{
    jobs_record_t record;
    return jobs_decode(key, key_len, value, len, &record);
}

static void test_jobs(void **state)
{
    (void)state;
    buf_t b = {0};
    spec_t spec = a_spec();
    jobs_encode_spec(&b, &spec);
    assert_false(decode_jobs("j1/spec", 7, b.data, b.len)); /* it must say where its log begins */
    buf_clear(&b);
    spec.start_offset = 0;
    jobs_encode_spec(&b, &spec);
    assert_true(decode_jobs("j1/spec", 7, b.data, b.len));
    assert_false(decode_jobs("j2/spec", 7, b.data, b.len)); /* another job's */
    assert_false(decode_jobs("j1/spec", 7, b.data, b.len - 1));
    assert_false(decode_jobs("j1/end", 6, b.data, b.len));
    assert_false(decode_jobs("j1", 2, b.data, b.len));
    assert_false(decode_jobs("j1/", 3, b.data, b.len));
    assert_false(decode_jobs("/spec", 5, b.data, b.len));
    assert_false(decode_jobs("j\0/spec", 7, b.data, b.len));
    assert_false(decode_jobs("j1/spec/spec", 12, b.data, b.len));
    assert_false(decode_jobs(NULL, 0, b.data, b.len));
    assert_true(decode_jobs("j1/paused", 9, NULL, 0));
    assert_false(decode_jobs("../paused", 9, NULL, 0));
    buf_clear(&b);
    jobs_encode_versioned(&b, 2, 1);
    assert_false(decode_jobs("j1/paused", 9, b.data, b.len));
    assert_true(decode_jobs("j1/concurrency", 14, b.data, b.len));
    buf_clear(&b);
    jobs_encode_end(&b, (end_reason_t)7);
    assert_false(decode_jobs("j1/end", 6, b.data, b.len));
    buf_free(&b);
}

static void test_frames(void **state)
{
    (void)state;
    buf_t b = {0};
    slot_frame_t frame;
    size_t used = 0, first;
    slot_put_number(&b, SLOT_CANCEL, 9);
    first = b.len;
    slot_put_bye(&b);
    for (size_t len = 0; len < first; len++) {
        uint8_t *cut = exact(&b, len);
        assert_int_equal(slot_frame_decode(cut, len, 100, &frame, &used), 0);
        free(cut);
    }
    assert_int_equal(used, 0);
    assert_int_equal(slot_frame_decode(b.data, b.len, 100, &frame, &used), 1);
    assert_int_equal(used, first);
    assert_int_equal(frame.cancel_n, 9);
    assert_int_equal(slot_frame_decode(b.data, b.len, first, &frame, &used), 1);
    assert_int_equal(slot_frame_decode(b.data, b.len, first - 1, &frame, &used), -1);
    assert_int_equal(slot_frame_decode("\xFF\xFF\xFF\xFF", 4, 1 << 20, &frame, &used),
                     -1); /* known before it is there */
    assert_int_equal(slot_frame_decode("\0\0\0\0", 4, 100, &frame, &used), -1);
    assert_int_equal(slot_frame_decode("\x01\0\0\0\x90", 5, 100, &frame, &used), -1);
    assert_int_equal(slot_frame_decode("\x02\0\0\0\x91\x08", 6, 100, &frame, &used), -1);
    assert_int_equal(slot_frame_decode("\x02\0\0\0\x91\x06", 6, 100, &frame, &used), -1);
    assert_int_equal(slot_frame_decode("\x03\0\0\0\x91\x07\xC0", 7, 100, &frame, &used), -1);
    buf_free(&b);
}

/* A buffer that fails leaves no half message that anybody could take for a whole one. */
static void test_out_of_memory(void **state)
{
    (void)state;
    buf_t b = {.failed = true};
    slot_put_bye(&b);
    item_encode(&b, 1, "\xC0", 1);
    joblog_encode_end(&b, END_CANCEL);
    assert_true(b.failed);
    assert_int_equal(b.len, 0);
    assert_null(b.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cuts),        cmocka_unit_test(test_depth_is_of_the_value),
                                       cmocka_unit_test(test_spec_bounds), cmocka_unit_test(test_final_exits),
                                       cmocka_unit_test(test_names),       cmocka_unit_test(test_pack_counts),
                                       cmocka_unit_test(test_bad_entry),   cmocka_unit_test(test_jobs),
                                       cmocka_unit_test(test_frames),      cmocka_unit_test(test_out_of_memory)};
    return cmocka_run_group_tests_name("messages", tests, NULL, NULL);
}
