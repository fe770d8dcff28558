/* The list of a job as a function of its log: every rule that closes or completes it, what does not count, and that a
 * late reader lists the same as one that was there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregator/list.h"

/* One reader and what it was told: "0 1! 2" are outcomes (! failed), then the decision. */
typedef struct {
    list_t *list;
    buf_t story;
    int decisions;
    int64_t offset;
    buf_t body; /* the pack being built */
    uint32_t body_n;
} reader_t;

static void on_outcome(void *arg, const outcome_t *outcome)
{
    reader_t *r = arg;
    buf_printf(&r->story, "%llu%s ", (unsigned long long)outcome->index, outcome->kind == FANMAP_VALUE ? "" : "!");
}

static void on_decided(void *arg, uint64_t n, list_state_t state, end_reason_t reason, fanmap_kind_t missing)
{
    static const char *const reasons[] = {"?", "cancel", "deadline", "complete", "fail-fast", "halt", "input-error"};
    reader_t *r = arg;
    r->decisions++;
    buf_printf(&r->story, "%s(%llu %s%s)", state == LIST_COMPLETE ? "complete" : "closed", (unsigned long long)n,
               reasons[reason], missing == FANMAP_DEADLINE ? " missing=deadline" : "");
}

static void reader_new(reader_t *r, const char *job)
{
    static const list_callbacks_t callbacks = {.outcome = on_outcome, .decided = on_decided};
    *r = (reader_t){.list = list_new(job, &callbacks, r)};
    assert_non_null(r->list);
}

static void reader_free(reader_t *r)
{
    list_free(r->list);
    buf_free(&r->story);
    buf_free(&r->body);
}

static const char *story(reader_t *r)
{
    buf_append(&r->story, "", 1);
    r->story.len--;
    return (const char *)r->story.data;
}

static bool feed_as(reader_t *r, const char *job, buf_t *value)
{
    assert_false(value->failed);
    bool good = list_record(r->list, r->offset++, job, strlen(job), value->data, value->len);
    buf_free(value);
    return good;
}

static bool feed(reader_t *r, buf_t *value)
{
    return feed_as(r, "j", value);
}

static spec_t plain_spec(void)
{
    spec_t spec;
    spec_init(&spec);
    strcpy(spec.job, "j");
    strcpy(spec.task, "t");
    strcpy(spec.queue, "q");
    return spec;
}

static bool start(reader_t *r, const spec_t *spec)
{
    buf_t b = {0};
    joblog_encode_start(&b, spec);
    return feed(r, &b);
}

static void started(reader_t *r, const spec_t *spec)
{
    reader_new(r, "j");
    spec_t plain = plain_spec();
    assert_true(start(r, spec ? spec : &plain));
}

static void add(reader_t *r, uint64_t index, fanmap_kind_t kind)
{
    static const uint8_t value[] = {0x01};
    outcome_t o = {.index = index, .attempts = 1, .kind = kind, .value = value, .value_len = 1};
    joblog_put_outcome(&r->body, &o);
    r->body_n++;
}

static bool flush(reader_t *r)
{
    buf_t b = {0};
    joblog_encode_pack(&b, r->body.data, r->body.len, r->body_n);
    buf_clear(&r->body);
    r->body_n = 0;
    return feed(r, &b);
}

/* A pack from text: "0 1 2!" */
static bool pack(reader_t *r, const char *text)
{
    for (char *at = (char *)(uintptr_t)text; *at;) {
        uint64_t index = strtoull(at, &at, 10);
        add(r, index, *at == '!' ? FANMAP_EXCEPTION : FANMAP_VALUE);
        at += strspn(at, "! ");
    }
    return flush(r);
}

static bool input(reader_t *r, uint64_t n, const char *error)
{
    buf_t b = {0};
    joblog_encode_input(&b, n, error);
    return feed(r, &b);
}

static bool end(reader_t *r, end_reason_t reason)
{
    buf_t b = {0};
    joblog_encode_end(&b, reason);
    return feed(r, &b);
}

static bool progress(reader_t *r, uint64_t prefix)
{
    static const int64_t offsets[] = {5, 6};
    buf_t b = {0};
    progress_t p = {.prefix = prefix, .partitions = 2, .producer = "me"};
    joblog_encode_progress(&b, &p, offsets);
    return feed(r, &b);
}

static void ends_as(reader_t *r, const char *expected)
{
    assert_string_equal(story(r), expected);
    reader_free(r);
}

/* ---- completion ---- */

static void test_complete_when_input_names_n_and_n_are_known(void **state)
{
    (void)state;
    reader_t r;
    started(&r, NULL);
    assert_true(pack(&r, "1 0"));
    assert_true(input(&r, 3, NULL));
    assert_int_equal(list_state(r.list), LIST_OPEN);
    assert_int_equal(list_now(r.list)->total, 3);
    assert_true(pack(&r, "2!"));
    assert_int_equal(list_state(r.list), LIST_COMPLETE);
    assert_int_equal(list_failed(r.list), 1);
    ends_as(&r, "1 0 2! complete(3 complete)");
}

static void test_input_last_and_empty_input(void **state)
{
    (void)state;
    reader_t r;
    started(&r, NULL);
    pack(&r, "0 1");
    input(&r, 2, NULL);
    ends_as(&r, "0 1 complete(2 complete)");
    started(&r, NULL);
    input(&r, 0, NULL);
    ends_as(&r, "complete(0 complete)");
}

static void test_nothing_counts_after_the_decision(void **state)
{
    (void)state;
    reader_t r;
    started(&r, NULL);
    pack(&r, "0 1");
    input(&r, 2, NULL);
    assert_true(end(&r, END_CANCEL));
    assert_true(pack(&r, "1! 2"));
    assert_int_equal(r.decisions, 1);
    assert_int_equal(list_now(r.list)->known, 2);
    ends_as(&r, "0 1 complete(2 complete)");
}

static void test_the_first_input_counts(void **state)
{
    (void)state;
    reader_t r;
    started(&r, NULL);
    input(&r, 2, NULL);
    input(&r, 1, "late");
    assert_int_equal(list_now(r.list)->total, 2);
    assert_null(list_input_error(r.list));
    pack(&r, "0 1");
    ends_as(&r, "0 1 complete(2 complete)");
}

static void test_input_with_an_error_closes_after_what_was_published(void **state)
{
    (void)state;
    reader_t r;
    started(&r, NULL);
    pack(&r, "0");
    input(&r, 2, "disk gone");
    assert_int_equal(list_state(r.list), LIST_OPEN);
    pack(&r, "1");
    assert_string_equal(list_input_error(r.list), "disk gone");
    assert_int_equal(list_state(r.list), LIST_CLOSED);
    ends_as(&r, "0 1 closed(2 input-error)");
}

/* ---- end ---- */

static void test_end_before_input_runs_to_the_highest_index(void **state)
{
    (void)state;
    reader_t r;
    started(&r, NULL);
    pack(&r, "4 0");
    progress(&r, 3);
    end(&r, END_CANCEL);
    input(&r, 9, NULL);
    ends_as(&r, "4 0 closed(5 cancel)");
}

static void test_end_before_input_runs_to_the_progress_prefix(void **state)
{
    (void)state;
    reader_t r;
    started(&r, NULL);
    pack(&r, "4 0");
    progress(&r, 7);
    progress(&r, 6);
    assert_int_equal(list_now(r.list)->prefix, 7);
    end(&r, END_CANCEL);
    ends_as(&r, "4 0 closed(7 cancel)");
}

static void test_end_after_input_has_n_entries(void **state)
{
    (void)state;
    reader_t r;
    started(&r, NULL);
    pack(&r, "4 0");
    input(&r, 9, NULL);
    end(&r, END_CANCEL);
    ends_as(&r, "4 0 closed(9 cancel)");
}

static void test_end_of_nothing(void **state)
{
    (void)state;
    reader_t r;
    started(&r, NULL);
    end(&r, END_CANCEL);
    ends_as(&r, "closed(0 cancel)");
}

static void test_the_first_end_counts(void **state)
{
    (void)state;
    reader_t r;
    started(&r, NULL);
    pack(&r, "1");
    end(&r, END_DEADLINE);
    end(&r, END_CANCEL);
    ends_as(&r, "1 closed(2 deadline missing=deadline)");
    started(&r, NULL);
    pack(&r, "1");
    end(&r, END_CANCEL);
    end(&r, END_DEADLINE);
    ends_as(&r, "1 closed(2 cancel)");
}

/* ---- fail-fast and halt ---- */

static void test_fail_fast_closes_inside_a_pack(void **state)
{
    (void)state;
    reader_t r;
    spec_t spec = plain_spec();
    spec.fail_fast = true;
    started(&r, &spec);
    pack(&r, "0 5! 9 6!");
    ends_as(&r, "0 5! closed(6 fail-fast)");
}

static void test_fail_fast_wins_over_completion(void **state)
{
    (void)state;
    reader_t r;
    spec_t spec = plain_spec();
    spec.fail_fast = true;
    started(&r, &spec);
    input(&r, 2, NULL);
    pack(&r, "0 1!");
    ends_as(&r, "0 1! closed(2 fail-fast)");
}

typedef struct {
    halt_when_t when;
    halt_what_t what;
    uint32_t threshold;
    bool is_percent;
    const char *outcomes, *expected;
} halt_case_t;

static void test_halt(void **state)
{
    (void)state;
    static const halt_case_t cases[] = {
        {HALT_NOW, HALT_FAIL, 2, false, "0! 1 2! 3!", "0! 1 2! closed(3 halt)"},
        {HALT_NOW, HALT_SUCCESS, 2, false, "0! 1 2! 7 8", "0! 1 2! 7 closed(8 halt)"},
        {HALT_NOW, HALT_DONE, 3, false, "0! 1 2! 3", "0! 1 2! closed(3 halt)"},
        {HALT_NOW, HALT_FAIL, 50, true, "0! 1! 2 3", "0! 1! 2 closed(3 halt)"},     /* 2 of 3, never 1 of 1 */
        {HALT_NOW, HALT_FAIL, 50, true, "0 1 2! 3! 4", "0 1 2! 3! closed(4 halt)"}, /* 2 of 4 is half */
        {HALT_NOW, HALT_FAIL, 51, true, "0 1 2! 3! 4", "0 1 2! 3! 4 "},
        {HALT_NOW, HALT_SUCCESS, 100, true, "0 1 2 3", "0 1 2 closed(3 halt)"},
        {HALT_NOW, HALT_FAIL, 2, false, "0! 0! 0! 1", "0! 1 "}, /* duplicates are not outcomes */
        {HALT_SOON, HALT_FAIL, 1, false, "0! 1!", "0! 1! "},
        {HALT_NEVER, HALT_FAIL, 1, false, "0! 1!", "0! 1! "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reader_t r;
        spec_t spec = plain_spec();
        spec.halt = (halt_t){cases[i].when, cases[i].what, cases[i].threshold, cases[i].is_percent};
        started(&r, &spec);
        assert_true(pack(&r, cases[i].outcomes));
        ends_as(&r, cases[i].expected);
    }
}

/* It closes nothing; what follows counts, and the list is one that was stopped. */
static void test_halt_soon(void **state)
{
    (void)state;
    reader_t r;
    spec_t spec = plain_spec();
    spec.halt = (halt_t){HALT_SOON, HALT_FAIL, 2, false};
    started(&r, &spec);
    pack(&r, "0! 1 1!");
    assert_false(list_now(r.list)->is_halting);
    pack(&r, "4! 2");
    assert_true(list_now(r.list)->is_halting);
    assert_int_equal(list_now(r.list)->closed_by, 4);
    input(&r, 5, NULL);
    pack(&r, "3");
    ends_as(&r, "0! 1 4! 2 3 closed(5 halt)");
}

/* ---- duplicates and strangers ---- */

static void test_the_earliest_outcome_counts(void **state)
{
    (void)state;
    reader_t r;
    started(&r, NULL);
    assert_true(pack(&r, "0 0! 1! 1"));
    assert_true(pack(&r, "0! 1 2"));
    assert_int_equal(list_now(r.list)->known, 3);
    assert_int_equal(list_failed(r.list), 1);
    assert_true(list_has(r.list, 2));
    assert_false(list_has(r.list, 3));
    ends_as(&r, "0 1! 2 ");
}

static void test_records_of_other_jobs_and_before_start(void **state)
{
    (void)state;
    reader_t r;
    reader_new(&r, "j");
    assert_true(pack(&r, "7"));
    assert_true(end(&r, END_CANCEL));
    assert_null(list_spec(r.list));
    assert_int_equal(list_start_offset(r.list), -1);
    spec_t spec = plain_spec();
    spec.retries = 4;
    start(&r, &spec);
    assert_int_equal(list_start_offset(r.list), 2);
    assert_int_equal(list_spec(r.list)->start_offset, 2);
    spec.retries = 5;
    assert_true(start(&r, &spec));
    assert_int_equal(list_spec(r.list)->retries, 4);
    buf_t b = {0};
    joblog_encode_end(&b, END_CANCEL);
    assert_true(feed_as(&r, "jj", &b));
    joblog_encode_end(&b, END_CANCEL);
    assert_true(feed_as(&r, "", &b));
    strcpy(spec.job, "other");
    assert_false(start(&r, &spec)); /* under our key */
    pack(&r, "0");
    ends_as(&r, "0 ");
}

static void test_bad_records_are_counted_and_skipped(void **state)
{
    (void)state;
    reader_t r;
    started(&r, NULL);
    assert_false(list_record(r.list, 1, "j", 1, NULL, 0));
    assert_false(list_record(r.list, 1, "j", 1, "\xff\xff", 2));
    assert_true(list_record(r.list, 1, "k", 1, "\xff\xff", 2)); /* not ours to judge */
    assert_int_equal(list_bad_records(r.list), 2);
    add(&r, 0, FANMAP_VALUE);
    mp_put_array(&r.body, 1); /* an entry that is an array, but no outcome */
    mp_put_nil(&r.body);
    r.body_n++;
    add(&r, 1, FANMAP_VALUE);
    assert_false(flush(&r));
    assert_int_equal(list_bad_records(r.list), 3);
    pack(&r, "2");
    ends_as(&r, "0 2 ");
}

static void test_foreign_indexes_do_not_count(void **state)
{
    (void)state;
    reader_t r;
    started(&r, NULL);
    add(&r, UINT64_MAX, FANMAP_VALUE);
    assert_false(flush(&r));
    add(&r, JOBLOG_AHEAD_MAX, FANMAP_VALUE);
    assert_false(flush(&r));
    assert_false(progress(&r, JOBLOG_AHEAD_MAX + 1ull));
    assert_false(progress(&r, UINT64_MAX));
    assert_false(input(&r, UINT64_MAX, NULL));
    assert_false(input(&r, JOBLOG_AHEAD_MAX + 1ull, NULL));
    assert_int_equal(list_now(r.list)->known, 0);
    assert_true(progress(&r, 1));
    add(&r, JOBLOG_AHEAD_MAX, FANMAP_VALUE); /* now within reach */
    assert_true(flush(&r));
    assert_true(input(&r, JOBLOG_AHEAD_MAX + 1ull, NULL));
    ends_as(&r, "16777216 ");
}

static void test_outcomes_at_or_beyond_n(void **state)
{
    (void)state;
    reader_t r;
    started(&r, NULL);
    pack(&r, "5 1 2"); /* of a producer whose successor did not find 2 to 5 */
    input(&r, 2, NULL);
    assert_int_equal(list_now(r.list)->known, 3);
    assert_int_equal(list_now(r.list)->total, 6);
    assert_int_equal(list_input_n(r.list), 2);
    assert_int_equal(list_state(r.list), LIST_OPEN);
    assert_false(pack(&r, "3"));
    assert_false(list_has(r.list, 3));
    pack(&r, "0");
    ends_as(&r, "5 1 2 0 complete(6 complete)");
}

/* What was handed out before a shorter `input` stays, however the job ends. */
static void test_a_shorter_input_takes_nothing_back(void **state)
{
    (void)state;
    reader_t r;
    spec_t spec = plain_spec();
    spec.halt = (halt_t){.when = HALT_SOON, .what = HALT_FAIL, .threshold = 1};
    started(&r, &spec);
    pack(&r, "0 1! 2!");
    input(&r, 2, NULL);
    ends_as(&r, "0 1! 2! closed(3 halt)");
    started(&r, NULL);
    pack(&r, "0 1 2");
    input(&r, 2, "broken");
    ends_as(&r, "0 1 2 closed(3 input-error)");
    started(&r, NULL);
    pack(&r, "0 3");
    input(&r, 2, NULL);
    assert_false(pack(&r, "2"));
    end(&r, END_CANCEL);
    ends_as(&r, "0 3 closed(4 cancel)");
}

static void test_a_value_over_the_limit_does_not_count(void **state)
{
    (void)state;
    reader_t r;
    spec_t spec = plain_spec();
    spec.value_bytes_max = 10;
    started(&r, &spec);
    size_t len = 10 + 64 * 1024 + 1;
    buf_t value = {0};
    mp_put_bin(&value, NULL, 0);
    buf_clear(&value);
    char *bytes = calloc(1, len);
    mp_put_bin(&value, bytes, len - 5);
    assert_int_equal(value.len, len);
    outcome_t o = {.index = 0, .attempts = 1, .kind = FANMAP_VALUE, .value = value.data, .value_len = value.len};
    joblog_put_outcome(&r.body, &o);
    r.body_n++;
    assert_false(flush(&r));
    pack(&r, "0");
    free(bytes);
    buf_free(&value);
    ends_as(&r, "0 ");
}

static void test_counts_and_announcements(void **state)
{
    (void)state;
    reader_t r;
    started(&r, NULL);
    assert_string_equal(list_producer(r.list), "");
    buf_t b = {0};
    joblog_encode_producer(&b, "first");
    feed(&r, &b);
    joblog_encode_producer(&b, "second");
    feed(&r, &b);
    assert_string_equal(list_producer(r.list), "second");
    outcome_t o = {.index = 0, .attempts = 4, .kind = FANMAP_EXIT, .exit_status = 3};
    joblog_put_outcome(&r.body, &o);
    r.body_n++;
    flush(&r);
    assert_int_equal(list_now(r.list)->retried, 3);
    reader_free(&r);
}

static void test_bound_arguments_outlive_the_record(void **state)
{
    (void)state;
    reader_t r;
    buf_t bound = {0};
    mp_put_map(&bound, 1);
    mp_put_text(&bound, "k");
    mp_put_uint(&bound, 7);
    spec_t spec = plain_spec();
    spec.bound = bound.data;
    spec.bound_len = bound.len;
    started(&r, &spec); /* the record is freed by now */
    assert_int_equal(list_spec(r.list)->bound_len, bound.len);
    assert_memory_equal(list_spec(r.list)->bound, bound.data, bound.len);
    buf_free(&bound);
    reader_free(&r);
}

/* ---- every reader lists the same ---- */

enum { LOG_MAX = 400, JOB_ITEMS = 60 };

typedef struct {
    buf_t values[LOG_MAX];
    const char *keys[LOG_MAX];
    size_t n;
    uint64_t seed;
} log_t;

static uint64_t draw(log_t *log, uint64_t below)
{
    log->seed = log->seed * 6364136223846793005u + 1442695040888963407u;
    return (log->seed >> 33) % below;
}

static buf_t *next_record(log_t *log, const char *key)
{
    log->keys[log->n] = key;
    return &log->values[log->n++];
}

static void write_pack(log_t *log)
{
    buf_t body = {0};
    uint32_t count = (uint32_t)draw(log, 12);
    for (uint32_t i = 0; i < count; i++) {
        static const uint8_t values[] = {1, 2, 3, 4};
        outcome_t o = {.index = draw(log, JOB_ITEMS), .attempts = 1, .value = &values[draw(log, 4)], .value_len = 1};
        o.kind = draw(log, 20) ? FANMAP_VALUE : FANMAP_EXCEPTION;
        if (draw(log, 50) == 0)
            o.index = draw(log, UINT64_MAX);
        joblog_put_outcome(&body, &o);
    }
    joblog_encode_pack(next_record(log, draw(log, 10) ? "j" : "k"), body.data, body.len, count);
    buf_free(&body);
}

static void write_other(log_t *log)
{
    static const int64_t offset = 3;
    switch (draw(log, 6)) {
    case 0:
        joblog_encode_input(next_record(log, "j"), JOB_ITEMS - draw(log, 2), draw(log, 3) ? NULL : "broke");
        break;
    case 1:
        if (draw(log, 4) == 0)
            joblog_encode_end(next_record(log, "j"), draw(log, 2) ? END_CANCEL : END_DEADLINE);
        break;
    case 2:
        buf_append(next_record(log, "j"), "garbage", 7);
        break;
    default: {
        progress_t p = {.prefix = draw(log, JOB_ITEMS), .partitions = 1};
        joblog_encode_progress(next_record(log, "j"), &p, &offset);
    }
    }
}

static void write_log(log_t *log, uint64_t seed)
{
    *log = (log_t){.seed = seed};
    for (uint64_t i = draw(log, 4); i > 0; i--)
        write_pack(log); /* before the start: no part of the job */
    spec_t spec = plain_spec();
    spec.fail_fast = draw(log, 4) == 0;
    if (draw(log, 3) == 0)
        spec.halt = (halt_t){draw(log, 3) ? HALT_NOW : HALT_SOON, (halt_what_t)draw(log, 3),
                             1 + (uint32_t)draw(log, 40), draw(log, 2)};
    joblog_encode_start(next_record(log, "j"), &spec);
    while (log->n < LOG_MAX - 2) {
        if (draw(log, 5))
            write_pack(log);
        else
            write_other(log);
    }
}

/* Reads records [from, end); a reader that begins late begins at `start`. */
static void read_log(const log_t *log, reader_t *r, size_t from)
{
    reader_new(r, "j");
    for (size_t i = from; i < log->n; i++)
        list_record(r->list, (int64_t)i, log->keys[i], 1, log->values[i].data, log->values[i].len);
}

static void test_a_late_reader_lists_the_same(void **state)
{
    (void)state;
    int decided = 0;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        log_t log;
        write_log(&log, seed);
        reader_t early, late;
        read_log(&log, &early, 0);
        assert_non_null(list_spec(early.list));
        read_log(&log, &late, (size_t)list_start_offset(early.list));
        assert_string_equal(story(&early), story(&late));
        assert_true(early.decisions <= 1);
        assert_int_equal(list_now(early.list)->known, list_now(late.list)->known);
        assert_int_equal(list_bad_records(early.list), list_bad_records(late.list));
        decided += early.decisions;
        reader_free(&early);
        reader_free(&late);
        for (size_t i = 0; i < log.n; i++)
            buf_free(&log.values[i]);
    }
    assert_in_range(decided, 200, 300); /* most logs end in one way or another, or nothing was tested */
}

/* ---- the rules once more, as sentences over everything that stands in the log up to a point ---- */

enum { FACTS_MAX = 8192 };
typedef enum { FACT_OUTCOME, FACT_PROGRESS, FACT_INPUT, FACT_END } fact_type_t;

typedef struct {
    fact_type_t type;
    uint64_t n;  /* index, prefix or n; reason of an end */
    bool is_bad; /* failed outcome, input with an error */
} fact_t;

typedef struct {
    spec_t spec;
    fact_t facts[FACTS_MAX];
    size_t n;
} facts_t;

static void facts_of_record(facts_t *facts, joblog_record_t *record)
{
    outcome_t o;
    while (record->type == JOBLOG_OUTCOMES && joblog_next_outcome(record, &o))
        if (o.index < JOBLOG_AHEAD_MAX)
            facts->facts[facts->n++] = (fact_t){FACT_OUTCOME, o.index, o.kind != FANMAP_VALUE};
    if (record->type == JOBLOG_PROGRESS)
        facts->facts[facts->n++] = (fact_t){FACT_PROGRESS, record->progress.prefix, false};
    if (record->type == JOBLOG_INPUT)
        facts->facts[facts->n++] = (fact_t){FACT_INPUT, record->input_n, record->input_error_len > 0};
    if (record->type == JOBLOG_END)
        facts->facts[facts->n++] = (fact_t){FACT_END, record->end_reason, false};
}

static void facts_of_log(facts_t *facts, const log_t *log)
{
    bool has_start = false;
    facts->n = 0;
    for (size_t i = 0; i < log->n; i++) {
        joblog_record_t record;
        if (*log->keys[i] != 'j' || !joblog_decode(log->values[i].data, log->values[i].len, &record))
            continue;
        if (has_start)
            facts_of_record(facts, &record);
        else if (record.type == JOBLOG_START)
            facts->spec = record.start;
        has_start |= record.type == JOBLOG_START;
        assert_true(facts->n < FACTS_MAX - 64);
    }
}

static const fact_t *first_input(const facts_t *facts, size_t until)
{
    for (size_t i = 0; i < until; i++)
        if (facts->facts[i].type == FACT_INPUT)
            return &facts->facts[i];
    return NULL;
}

/* The outcome at `at` is the earliest of its index, and not beyond an `input` that stands before it. */
static bool counts(const facts_t *facts, size_t at)
{
    const fact_t *fact = &facts->facts[at], *input = first_input(facts, at);
    if (fact->type != FACT_OUTCOME || (input && fact->n >= input->n))
        return false;
    for (size_t i = 0; i < at; i++)
        if (facts->facts[i].type == FACT_OUTCOME && facts->facts[i].n == fact->n && counts(facts, i))
            return false;
    return true;
}

static end_reason_t oracle_reason(const facts_t *facts, const bool *counted, size_t at, bool *soon)
{
    uint64_t outcomes = 0, failed = 0, known = 0;
    const fact_t *fact = &facts->facts[at], *input = first_input(facts, at + 1);
    for (size_t i = 0; i <= at; i++) {
        outcomes += counted[i];
        failed += counted[i] && facts->facts[i].is_bad;
        known += counted[i] && input && facts->facts[i].n < input->n;
    }
    const halt_t *halt = &facts->spec.halt;
    uint64_t hits = halt->what == HALT_FAIL ? failed : halt->what == HALT_SUCCESS ? outcomes - failed : outcomes;
    bool halts = halt->is_percent ? outcomes >= 3 && hits * 100 >= outcomes * halt->threshold : hits >= halt->threshold;
    if (fact->type == FACT_END)
        return (end_reason_t)fact->n;
    if (counted[at] && fact->is_bad && facts->spec.fail_fast)
        return END_FAIL_FAST;
    if (counted[at] && halts && halt->when == HALT_NOW)
        return END_HALT;
    *soon = *soon || (counted[at] && halts && halt->when == HALT_SOON);
    if (input && known == input->n)
        return input->is_bad ? END_INPUT_ERROR : *soon ? END_HALT : END_COMPLETE;
    return (end_reason_t)0;
}

static uint64_t oracle_n(const facts_t *facts, const bool *counted, size_t at)
{
    uint64_t n = 0;
    const fact_t *input = first_input(facts, at + 1);
    for (size_t i = 0; input && &facts->facts[i] != input; i++)
        n = counted[i] && facts->facts[i].n >= n ? facts->facts[i].n + 1 : n;
    if (input)
        return input->n > n ? input->n : n;
    for (size_t i = 0; i <= at; i++) {
        const fact_t *fact = &facts->facts[i];
        uint64_t shown = counted[i] ? fact->n + 1 : fact->type == FACT_PROGRESS ? fact->n : 0;
        n = shown > n ? shown : n;
    }
    return n;
}

static void oracle_story(const facts_t *facts, reader_t *told)
{
    bool counted[FACTS_MAX] = {false}, soon = false;
    for (size_t at = 0; at < facts->n && told->decisions == 0; at++) {
        const fact_t *fact = &facts->facts[at];
        counted[at] = counts(facts, at);
        outcome_t o = {.index = fact->n, .kind = fact->is_bad ? FANMAP_EXCEPTION : FANMAP_VALUE};
        if (counted[at])
            on_outcome(told, &o);
        end_reason_t reason = oracle_reason(facts, counted, at, &soon);
        if (reason)
            on_decided(told, oracle_n(facts, counted, at), reason == END_COMPLETE ? LIST_COMPLETE : LIST_CLOSED, reason,
                       reason == END_DEADLINE ? FANMAP_DEADLINE : FANMAP_CANCELLED);
    }
}

static void test_the_list_is_what_the_rules_say(void **state)
{
    (void)state;
    static facts_t facts;
    unsigned seen = 0; /* reasons */
    for (uint64_t seed = 1000; seed < 1200; seed++) {
        log_t log;
        write_log(&log, seed);
        facts_of_log(&facts, &log);
        reader_t reader, told = {0};
        read_log(&log, &reader, 0);
        oracle_story(&facts, &told);
        assert_string_equal(story(&reader), story(&told));
        for (int reason = END_CANCEL; reason <= END_INPUT_ERROR; reason++) {
            static const char *const names[] = {"",          "cancel", "deadline",   "complete",
                                                "fail-fast", "halt",   "input-error"};
            seen |= strstr(story(&reader), names[reason]) ? 1u << reason : 0;
        }
        reader_free(&reader);
        buf_free(&told.story);
        for (size_t i = 0; i < log.n; i++)
            buf_free(&log.values[i]);
    }
    assert_int_equal(seen, 0x7e); /* each way to end was met */
}

/* Repeating any record later on changes nothing. */
static void test_replayed_records_change_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        log_t log;
        write_log(&log, seed);
        reader_t once, twice;
        read_log(&log, &once, 0);
        reader_new(&twice, "j");
        for (size_t i = 0; i < log.n; i++) {
            size_t again = (size_t)draw(&log, i + 1);
            list_record(twice.list, (int64_t)i, log.keys[i], 1, log.values[i].data, log.values[i].len);
            if ((int64_t)again > list_start_offset(twice.list) && list_start_offset(twice.list) >= 0)
                list_record(twice.list, (int64_t)i, log.keys[again], 1, log.values[again].data, log.values[again].len);
        }
        assert_string_equal(story(&once), story(&twice));
        reader_free(&once);
        reader_free(&twice);
        for (size_t i = 0; i < log.n; i++)
            buf_free(&log.values[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_complete_when_input_names_n_and_n_are_known),
        cmocka_unit_test(test_input_last_and_empty_input),
        cmocka_unit_test(test_nothing_counts_after_the_decision),
        cmocka_unit_test(test_the_first_input_counts),
        cmocka_unit_test(test_input_with_an_error_closes_after_what_was_published),
        cmocka_unit_test(test_end_before_input_runs_to_the_highest_index),
        cmocka_unit_test(test_end_before_input_runs_to_the_progress_prefix),
        cmocka_unit_test(test_end_after_input_has_n_entries),
        cmocka_unit_test(test_end_of_nothing),
        cmocka_unit_test(test_the_first_end_counts),
        cmocka_unit_test(test_fail_fast_closes_inside_a_pack),
        cmocka_unit_test(test_fail_fast_wins_over_completion),
        cmocka_unit_test(test_halt),
        cmocka_unit_test(test_halt_soon),
        cmocka_unit_test(test_the_earliest_outcome_counts),
        cmocka_unit_test(test_records_of_other_jobs_and_before_start),
        cmocka_unit_test(test_bad_records_are_counted_and_skipped),
        cmocka_unit_test(test_foreign_indexes_do_not_count),
        cmocka_unit_test(test_outcomes_at_or_beyond_n),
        cmocka_unit_test(test_a_shorter_input_takes_nothing_back),
        cmocka_unit_test(test_a_value_over_the_limit_does_not_count),
        cmocka_unit_test(test_counts_and_announcements),
        cmocka_unit_test(test_bound_arguments_outlive_the_record),
        cmocka_unit_test(test_a_late_reader_lists_the_same),
        cmocka_unit_test(test_the_list_is_what_the_rules_say),
        cmocka_unit_test(test_replayed_records_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
