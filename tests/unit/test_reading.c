/* Readers that stop and go on, by positions: whatever the log is and wherever they are cut, together they are given what
 * one reader is given who reads it all, in the same order; and they begin no earlier in the log than they must. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregator/order.h"
#include "aggregator/reading.h"

enum { RECORDS_MAX = 600, TEXT_MAX = 40, START_AT = 1000 };

/* ---- a log ---- */

typedef struct {
    buf_t at[RECORDS_MAX];
    int n;
    spec_t spec;
} log_t;

static unsigned seed;

static unsigned draw(unsigned n)
{
    seed = seed * 1103515245 + 12345;
    return (seed >> 8) % n;
}

static buf_t *next_record(log_t *log)
{
    assert_true(log->n < RECORDS_MAX);
    return &log->at[log->n++];
}

static void put_pack(log_t *log, const uint64_t *indexes, unsigned n, unsigned failures)
{
    buf_t body = {0};
    for (unsigned i = 0; i < n; i++) {
        uint8_t value[4] = {0xcd, (uint8_t)(log->n >> 8), (uint8_t)log->n, 0}; /* which copy it is */
        outcome_t o = {.index = indexes[i], .attempts = 1 + draw(3), .value = value, .value_len = 3};
        o.type = o.stderr_tail = o.stdout_tail = "";
        o.message = "no";
        o.message_len = 2;
        o.kind = draw(100) < failures ? FANMAP_EXCEPTION : FANMAP_VALUE;
        joblog_put_outcome(&body, &o);
    }
    joblog_encode_pack(next_record(log), body.data, body.len, n);
    buf_free(&body);
}

static void put_progress(log_t *log, uint64_t prefix)
{
    static const int64_t offsets[] = {5, 6};
    progress_t p = {.prefix = prefix, .partitions = 2, .producer = "me"};
    joblog_encode_progress(next_record(log), &p, offsets);
}

static void draw_policy(spec_t *spec)
{
    spec->fail_fast = draw(5) == 0;
    if (draw(3) == 0)
        spec->halt = (halt_t){draw(2) ? HALT_NOW : HALT_SOON, (halt_what_t)draw(3), 1 + draw(60), draw(2)};
}

/* Indexes come in the order of a window that slides, or in any; some twice; some that are beyond the input, or too far. */
static void draw_log(log_t *log)
{
    unsigned n = 1 + draw(120), window = 1 + draw(n), at = 0, failures = draw(3) ? 0 : draw(30);
    uint64_t *items = malloc((n + 1) * sizeof *items);
    *log = (log_t){0};
    spec_init(&log->spec);
    strcpy(log->spec.job, "j");
    strcpy(log->spec.task, "t");
    strcpy(log->spec.queue, "q");
    bool is_far = draw(6) == 0; /* never decided: its list would be long */
    if (!is_far)
        draw_policy(&log->spec);
    log->spec.start_offset = START_AT;
    joblog_encode_start(next_record(log), &log->spec);
    for (unsigned i = 0; i < n; i++)
        items[i] = draw(8) == 0 ? 0 : i;
    for (unsigned i = 0; i < n; i++) {
        unsigned other = i + draw(window);
        uint64_t kept = items[i];
        items[i] = items[other < n ? other : n - 1];
        items[other < n ? other : n - 1] = kept;
    }
    for (unsigned turn = 0; at < n || turn < 3; turn++) {
        uint64_t pack[8];
        unsigned size = 1 + draw(7);
        for (unsigned i = 0; i < size; i++) {
            pack[i] = draw(6) == 0 || at == n ? draw(n + 4) : items[at++];
            if (is_far && draw(20) == 0)
                pack[i] = JOBLOG_AHEAD_MAX + draw(n); /* counts once the producer is so far */
        }
        if (draw(4) == 0)
            put_progress(log, draw(n + 1));
        if (!is_far && draw(60) == 0)
            joblog_encode_input(next_record(log), n - draw(2), draw(4) ? NULL : "broke");
        put_pack(log, pack, size, failures);
    }
    if (!is_far && draw(2))
        joblog_encode_input(next_record(log), n, NULL);
    for (uint64_t i = 0; i < n; i++)
        if (draw(3))
            put_pack(log, &i, 1, failures);
    if (!is_far && draw(3))
        joblog_encode_end(next_record(log), draw(2) ? END_CANCEL : END_DEADLINE);
    free(items);
}

static void log_free(log_t *log)
{
    for (int i = 0; i < log->n; i++)
        buf_free(&log->at[i]);
}

/* ---- a reader ---- */

typedef struct {
    const log_t *log;
    list_t *list;
    order_t *order;
    reading_t reading;
    bool is_decided;
} reader_t;

static void on_outcome(void *arg, const outcome_t *outcome)
{
    reader_t *r = arg;
    if (reading_accepts(&r->reading, outcome->index))
        assert_int_equal(order_put(r->order, outcome, NULL), FANMAP_OK);
}

static void on_decided(void *arg, uint64_t n, list_state_t state, end_reason_t reason, fanmap_kind_t missing)
{
    reader_t *r = arg;
    (void)state;
    (void)reason;
    r->is_decided = true;
    order_decide(r->order, n, missing);
}

static bool is_known(const void *arg, uint64_t index)
{
    return list_has(arg, index);
}

static void open_reader(reader_t *r, const log_t *log, bool is_unordered, const position_t *from)
{
    static const list_callbacks_t callbacks = {on_outcome, on_decided};
    *r = (reader_t){.log = log};
    assert_int_equal(order_new(SIZE_MAX, NULL, &r->order, NULL), FANMAP_OK);
    r->list = list_new("j", &callbacks, r);
    if (is_unordered)
        order_by_arrival(r->order, is_known, r->list);
    assert_true(reading_begin(&r->reading, is_unordered, from));
    order_begin_at(r->order, r->reading.from);
    r->reading.next_offset = START_AT;
    if (from && (from->kind == POSITION_ORDERED || from->kind == POSITION_ARRIVAL)) {
        r->reading.next_offset = from->reread_at;
        assert_true(list_resume(r->list, &log->spec, from));
    }
}

static void close_reader(reader_t *r)
{
    list_free(r->list);
    order_free(r->order);
    reading_free(&r->reading);
}

/* False: the log is at its end, or the reader at that of its list. */
static bool read_record(reader_t *r)
{
    int64_t offset = r->reading.next_offset;
    if (r->is_decided || offset >= START_AT + r->log->n)
        return false;
    const buf_t *record = &r->log->at[offset - START_AT];
    order_mark(r->order, reading_record(&r->reading, offset, r->list));
    (void)list_record(r->list, offset, "j", 1, record->data, record->len);
    assert_false(list_is_misfit(r->list));
    return true;
}

/* "INDEX/KIND/VALUE " of the next outcome. */
static bool take(reader_t *r, buf_t *story)
{
    outcome_t o;
    bool is_due = r->is_decided || r->reading.is_unordered || list_has(r->list, order_position(r->order));
    int code = is_due ? order_next(r->order, &o, NULL) : FANMAP_AGAIN;
    while (code == FANMAP_OK && reading_skips(&r->reading, o.index))
        code = order_next(r->order, &o, NULL);
    if (code != FANMAP_OK)
        return false;
    assert_true(reading_out(&r->reading, o.index, order_out_mark(r->order)));
    buf_printf(story, "%llu/%d/%d ", (unsigned long long)o.index, (int)o.kind,
               o.kind == FANMAP_VALUE ? o.value[1] << 8 | o.value[2] : -1);
    return true;
}

static void tell_end(const reader_t *r, buf_t *story)
{
    jobs_counts_t counts = list_counts(r->list);
    const char *error = list_input_error(r->list);
    buf_printf(story, "%d: %llu %llu %llu %llu %llu, total %lld by %lld%s%s", (int)list_state(r->list),
               (unsigned long long)counts.total, (unsigned long long)counts.done, (unsigned long long)counts.failed,
               (unsigned long long)counts.retried, (unsigned long long)list_now(r->list)->known,
               (long long)list_now(r->list)->total, (long long)list_now(r->list)->closed_by, error ? " " : "",
               error ? error : "");
    buf_append(story, "", 1);
}

/* ---- what is held against what ---- */

static void tell_whole(const log_t *log, bool is_unordered, const position_t *from, buf_t *story)
{
    reader_t r;
    open_reader(&r, log, is_unordered, from);
    while (read_record(&r))
        ;
    while (take(&r, story))
        ;
    tell_end(&r, story);
    close_reader(&r);
}

/* The first record that has an outcome which was read and waits, by brute force: what a reader may begin with at the
 * latest. */
static int64_t first_needed(const reader_t *r)
{
    for (size_t i = 0; i < r->reading.stretches_n; i++)
        if (r->reading.stretches[i].waiting)
            return r->reading.stretches[i].offset;
    return r->reading.next_offset;
}

static void cut(reader_t *r, bool is_unordered, const char **ret_last)
{
    static position_t position, again;
    static char last[POSITION_TEXT_MAX + 1];
    buf_t text = {0};
    const log_t *log = r->log;
    reading_position(&r->reading, r->list, position_job(&log->spec), &position);
    if (position.kind == POSITION_ORDERED || position.kind == POSITION_ARRIVAL)
        assert_true(position.reread_at >= first_needed(r));
    position_encode(&text, &position);
    buf_append(&text, "", 1);
    assert_true(text.len <= sizeof last);
    assert_true(position_decode((const char *)text.data, text.len - 1, &again));
    assert_int_equal(again.job, position.kind == POSITION_INDEX ? 0 : position_job(&log->spec));
    if (*ret_last)
        assert_true(strncmp(*ret_last, (const char *)text.data, POSITION_DIGITS) <= 0);
    memcpy(last, text.data, text.len);
    *ret_last = last;
    buf_free(&text);
    close_reader(r);
    open_reader(r, log, is_unordered, &again);
}

static void tell_in_pieces(const log_t *log, bool is_unordered, const position_t *from, buf_t *story)
{
    reader_t r;
    const char *last = NULL;
    unsigned cuts = 0, odds = 2 + draw(40);
    open_reader(&r, log, is_unordered, from);
    for (bool moves = true; moves;) {
        unsigned reads = draw(12), takes = draw(30);
        moves = false;
        for (unsigned i = 0; i < reads; i++)
            moves |= read_record(&r);
        for (unsigned i = 0; i < takes && take(&r, story); i++)
            moves = true;
        moves |= reads == 0 || takes == 0;
        if (draw(odds) == 0 && cuts++ < 200)
            cut(&r, is_unordered, &last);
    }
    while (take(&r, story))
        ;
    cut(&r, is_unordered, &last); /* behind the last one there is nothing */
    while (read_record(&r))
        ;
    assert_false(take(&r, story));
    tell_end(&r, story);
    close_reader(&r);
}

static void any_cut_gives_what_a_whole_reading_gives(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3000; i++) {
        log_t log;
        buf_t whole = {0}, pieces = {0};
        seed = i * 7919 + 1;
        draw_log(&log);
        bool is_unordered = draw(2);
        position_t *from = NULL;
        if (draw(3) == 0) {
            from = calloc(1, sizeof *from);
            from->number = draw(30);
        }
        tell_whole(&log, is_unordered, from, &whole);
        tell_in_pieces(&log, is_unordered, from, &pieces);
        if (strcmp((char *)whole.data, (char *)pieces.data) != 0)
            fail_msg("log %u%s:\n%s\n%s", i, is_unordered ? ", by arrival" : "", (char *)whole.data,
                     (char *)pieces.data);
        buf_free(&whole);
        buf_free(&pieces);
        free(from);
        log_free(&log);
    }
}

static void begin_plain(log_t *log)
{
    *log = (log_t){0};
    spec_init(&log->spec);
    strcpy(log->spec.job, "j");
    strcpy(log->spec.task, "t");
    strcpy(log->spec.queue, "q");
    log->spec.start_offset = START_AT;
    joblog_encode_start(next_record(log), &log->spec);
}

static void it_begins_with_the_first_outcome_that_waits(void **state)
{
    (void)state;
    static const uint64_t order[] = {0, 1, 5, 2, 3, 6, 4};
    log_t log;
    reader_t r;
    buf_t story = {0};
    static position_t p;
    begin_plain(&log);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        put_pack(&log, &order[i], 1, 0);
    open_reader(&r, &log, false, NULL);
    while (read_record(&r))
        ;
    for (int i = 0; i < 2; i++)
        assert_true(take(&r, &story));
    reading_position(&r.reading, r.list, 7, &p);
    assert_int_equal(p.reread_at, START_AT + 3); /* 5 is there */
    for (int i = 0; i < 4; i++)
        assert_true(take(&r, &story));
    reading_position(&r.reading, r.list, 7, &p);
    assert_int_equal(p.reread_at, START_AT + 6); /* and 6 */
    assert_int_equal(p.waiting, 1);
    assert_true(take(&r, &story));
    reading_position(&r.reading, r.list, 7, &p);
    assert_int_equal(p.reread_at, START_AT + 8);
    assert_int_equal(p.waiting, 0);
    close_reader(&r);
    buf_free(&story);
    log_free(&log);
}

/* More records wait than there are stretches: it begins a little early, and no later than it must. */
static void a_long_wait_costs_no_memory(void **state)
{
    (void)state;
    log_t log;
    reader_t r;
    buf_t story = {0};
    static position_t p;
    begin_plain(&log);
    for (uint64_t i = 1; i < 500; i++)
        put_pack(&log, &i, 1, 0);
    put_pack(&log, &(uint64_t){0}, 1, 0);
    open_reader(&r, &log, false, NULL);
    while (read_record(&r))
        ;
    for (int i = 0; i < 300; i++)
        assert_true(take(&r, &story));
    reading_position(&r.reading, r.list, 7, &p);
    assert_true(p.reread_at <= START_AT + 300 && p.reread_at > START_AT + 300 - 32);
    close_reader(&r);
    buf_free(&story);
    log_free(&log);
}

/* Where too much is scattered, the position says how many there were. */
static void scattered_readers_count(void **state)
{
    (void)state;
    log_t log;
    reader_t r;
    buf_t story = {0}, whole = {0};
    static position_t p;
    uint64_t pack[1200];
    begin_plain(&log);
    for (uint64_t i = 0; i < 1200; i++)
        pack[i] = i * 2 + 1;
    put_pack(&log, pack, 1200, 0);
    put_pack(&log, &(uint64_t){0}, 1, 0);
    joblog_encode_end(next_record(&log), END_CANCEL);
    tell_whole(&log, true, NULL, &whole);
    open_reader(&r, &log, true, NULL);
    while (read_record(&r))
        ;
    for (int i = 0; i < 700; i++)
        assert_true(take(&r, &story));
    reading_position(&r.reading, r.list, 7, &p);
    assert_int_equal(p.kind, POSITION_COUNT);
    close_reader(&r);
    open_reader(&r, &log, true, &p);
    while (read_record(&r))
        ;
    for (int i = 0; i < 900; i++) /* some of those that never came */
        assert_true(take(&r, &story));
    reading_position(&r.reading, r.list, 7, &p);
    close_reader(&r);
    open_reader(&r, &log, true, &p);
    while (read_record(&r))
        ;
    while (take(&r, &story))
        ;
    tell_end(&r, &story);
    assert_string_equal(story.data, whole.data);
    close_reader(&r);
    buf_free(&story);
    buf_free(&whole);
    log_free(&log);
}

static void another_log_is_noticed(void **state)
{
    (void)state;
    log_t log;
    reader_t r;
    buf_t story = {0};
    static position_t p;
    begin_plain(&log);
    for (uint64_t i = 0; i < 9; i++)
        put_pack(&log, &(uint64_t){(i + 1) % 9}, 1, 0);
    open_reader(&r, &log, false, NULL);
    for (int i = 0; i < 6; i++)
        assert_true(read_record(&r));
    reading_position(&r.reading, r.list, 7, &p);
    assert_int_equal(p.waiting, 5);
    close_reader(&r);
    for (int i = 2; i < 6; i++)
        buf_clear(&log.at[i]);
    open_reader(&r, &log, false, &p);
    for (int i = 0; i < 6 && !list_is_misfit(r.list); i++) {
        const buf_t *record = &log.at[r.reading.next_offset - START_AT];
        int64_t offset = r.reading.next_offset;
        order_mark(r.order, reading_record(&r.reading, offset, r.list));
        (void)list_record(r.list, offset, "j", 1, record->data, record->len);
    }
    assert_true(list_is_misfit(r.list));
    close_reader(&r);
    buf_free(&story);
    log_free(&log);
}

static void texts_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      ".",
                                      "x",
                                      "1x",
                                      "-1",
                                      "000000000000000000001",
                                      "1.",
                                      "1.AAAA",
                                      "1.k",
                                      "288230376151711744",
                                      "1.lAEBAAA",
                                      "1.lAEDAAA+",
                                      "99999999999999999999"};
    static position_t p;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (position_decode(bad[i], strlen(bad[i]), &p))
            fail_msg("\"%s\" was taken", bad[i]);
    assert_true(position_decode("17", 2, &p));
    assert_int_equal(p.number, 17);
    assert_true(position_decode("00000000000000000017.lAEDBwk", 28, &p));
    assert_int_equal(p.kind, POSITION_COUNT);
    assert_int_equal(p.from, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_begins_with_the_first_outcome_that_waits),
        cmocka_unit_test(any_cut_gives_what_a_whole_reading_gives),
        cmocka_unit_test(a_long_wait_costs_no_memory),
        cmocka_unit_test(scattered_readers_count),
        cmocka_unit_test(another_log_is_noticed),
        cmocka_unit_test(texts_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
