/* The producer's core against golden timelines: tests/unit/golden/producer-*.txt.
 *
 * A line that begins with @ is an event at that time, "config" what the producer is made of, # a comment, `show` asks
 * for its state. The indented lines below an event are what the producer does then, and must come out exactly so. After
 * a wanted change, FANMAP_GOLDEN_UPDATE=1 writes the files anew; read the difference.
 *
 *   config [concurrency=N] [partitions=N] [outbox=N] [ahead=N] [spill=N] [attached]
 *          [resume=PREFIX] [offsets=N,N..] [marks=N,N..] [known=N,N..] [bad=N,N..] [total=N] [closed=REASON]
 *                                                         what is known of the job that is resumed
 *   begin | table ok | table failed | tick | show
 *   other                                                  an item that is not the number it should be
 *   scanned [INDEX@OFFSET[x]..]                            records that were found; x: of another input
 *   announced NAME
 *   carried value|exit                                     an item whose outcome is known from another job
 *   halted
 *   item [N] | bad TEXT | large TEXT | end-input [ERROR]   items are the numbers 0, 1, 2 ... as msgpack
 *   stored FROM..TO OFFSET | refused INDEX                 reports of items; offsets rise by one an item
 *   log-stored NAME OFFSET | jobs-stored NAME              reports of records, the oldest of that name; OFFSET -1:
 * refused for good checked [announced=NAME] [closed=REASON] [input] | decided REASON [total=N done=N] | cancel | deadline | known N
 * [waiting=BYTES]
 */
#include <glob.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/random.h"
#include "producer/core.h"
#include "schemas/item.h"
#include "schemas/place.h"

#ifndef FANMAP_SOURCE_DIR
#define FANMAP_SOURCE_DIR "."
#endif

enum { SAID_MAX = 256, ITEMS_MAX = 5000 };

static const char *const reasons[] = {"none", "cancel", "deadline", "complete", "fail-fast", "halt", "input-error"};
static const char *const log_names[] = {"?", "start", "outcomes", "progress", "input", "end", "producer"};

typedef struct {
    char name[32];
    uint64_t cookie;
    bool reported;
} said_record_t;

typedef struct {
    producer_t *producer;
    producer_actions_t actions;
    buf_t out;
    producer_config_t config;
    prior_t resume;
    uint64_t pushed;
    bool sent[ITEMS_MAX]; /* by index */
    uint64_t items_seen;
    said_record_t said[SAID_MAX];
    size_t said_n;
} play_t;

/* ---- what the producer does, as text ---- */

static void remember(play_t *play, const char *name, uint64_t cookie)
{
    assert_true(play->said_n < SAID_MAX);
    said_record_t *said = &play->said[play->said_n++];
    snprintf(said->name, sizeof said->name, "%s", name);
    said->cookie = cookie;
}

static void print_outcomes(play_t *play, joblog_record_t *record)
{
    outcome_t o;
    while (joblog_next_outcome(record, &o)) {
        const char *kind = fanmap_kind_name(o.kind);
        buf_printf(&play->out, " %" PRIu64 "=%s(%.*s)", o.index, kind, (int)o.message_len,
                   o.kind == FANMAP_VALUE ? "" : o.message);
        if (o.attempts > 0)
            buf_printf(&play->out, "x%u", o.attempts);
    }
    assert_false(record->outcomes.bad);
}

/* The chain is worked out once more from the items as they were pushed. */
static uint64_t chain_of(const play_t *play, uint64_t n)
{
    uint64_t chain = 0;
    for (uint64_t i = 0; i < n; i++) {
        buf_t in = {0};
        mp_put_uint(&in, i);
        chain = place_chain(chain, in.data, play->sent[i] ? in.len : 0);
        buf_free(&in);
    }
    return chain;
}

static void print_progress(play_t *play, const progress_t *progress)
{
    assert_string_equal(progress->producer, play->config.announce);
    bool chain_right = progress->chain == chain_of(play, progress->prefix);
    buf_printf(&play->out, " prefix=%" PRIu64 " chain=%s offsets", progress->prefix, chain_right ? "right" : "WRONG");
    for (uint32_t p = 0; p < progress->partitions; p++) {
        int64_t offset;
        assert_true(joblog_progress_offset(progress, p, &offset));
        buf_printf(&play->out, "%c%" PRId64, p ? ',' : '=', offset);
    }
}

static void print_log(play_t *play, const producer_action_t *action)
{
    joblog_record_t record;
    assert_true(joblog_decode(action->value, action->value_len, &record));
    buf_printf(&play->out, "    log %s", log_names[record.type]);
    remember(play, log_names[record.type], action->cookie);
    if (record.type == JOBLOG_START)
        buf_printf(&play->out, " concurrency=%" PRIu64 " nonce=%s offset=%" PRId64, record.start.concurrency,
                   record.start.nonce, record.start.start_offset);
    else if (record.type == JOBLOG_OUTCOMES)
        print_outcomes(play, &record);
    else if (record.type == JOBLOG_PROGRESS)
        print_progress(play, &record.progress);
    else if (record.type == JOBLOG_INPUT)
        buf_printf(&play->out, " n=%" PRIu64 "%s%.*s", record.input_n, record.input_error_len ? " error=" : "",
                   (int)record.input_error_len, record.input_error);
    else if (record.type == JOBLOG_END)
        buf_printf(&play->out, " %s", reasons[record.end_reason]);
    else
        buf_printf(&play->out, " %s", record.producer);
    buf_append_text(&play->out, "\n");
}

static void print_jobs(play_t *play, const producer_action_t *action)
{
    jobs_record_t record;
    assert_true(jobs_decode(action->key, strlen(action->key), action->value, action->value_len, &record));
    const char *name = record.field == JOBS_SPEC ? "spec" : "end";
    remember(play, record.field == JOBS_SPEC ? "spec" : "jobs-end", action->cookie);
    buf_printf(&play->out, "    jobs %s/%s", record.job, name);
    if (record.field == JOBS_SPEC)
        buf_printf(&play->out, " nonce=%s offset=%" PRId64 "\n", record.spec.nonce, record.spec.start_offset);
    else
        buf_printf(&play->out, " %s", reasons[record.end_reason]);
    if (record.counts.is_known)
        buf_printf(&play->out, " %" PRIu64 "/%" PRIu64, record.counts.done, record.counts.total);
    if (record.field == JOBS_END)
        buf_append_text(&play->out, "\n");
}

static void print_item(play_t *play, const producer_action_t *action)
{
    item_t item;
    assert_true(item_decode(action->value, action->value_len, &item));
    assert_int_equal(item.index, action->cookie);
    uint64_t hash = place_job_hash(play->config.spec.job);
    assert_int_equal(action->partition, place_item(hash, play->config.spec.items_partitions, item.index));
    mp_reader_t r;
    mp_reader_init(&r, item.in, item.in_len);
    assert_int_equal(mp_read_uint(&r), item.index);
    play->items_seen++;
    buf_printf(&play->out, "    item %" PRIu64 " to partition %d\n", item.index, (int)action->partition);
}

static void print_action(play_t *play, const producer_action_t *action)
{
    switch (action->type) {
    case PRODUCER_CREATE_TABLE:
        buf_printf(&play->out, "    create-table nonce=%s\n", producer_spec(play->producer)->nonce);
        break;
    case PRODUCER_PUT_LOG:
        print_log(play, action);
        break;
    case PRODUCER_PUT_JOBS:
        print_jobs(play, action);
        break;
    case PRODUCER_PUT_ITEM:
        print_item(play, action);
        break;
    case PRODUCER_CHECK_LOG:
        buf_append_text(&play->out, "    check-log\n");
        break;
    case PRODUCER_READ_LOG:
        buf_append_text(&play->out, "    read-log\n");
        break;
    case PRODUCER_SCAN:
        buf_append_text(&play->out, "    scan\n");
        break;
    case PRODUCER_FINISHED:
        buf_append_text(&play->out, "    finished\n");
        break;
    case PRODUCER_FAILED:
        buf_printf(&play->out, "    failed %d: %s\n", action->error.code, action->error.message);
        break;
    }
}

static void step(play_t *play, const producer_event_t *event)
{
    producer_actions_clear(&play->actions);
    producer_step(play->producer, event, &play->actions);
    assert_false(play->actions.failed);
    for (size_t i = 0; i < play->actions.n; i++)
        print_action(play, &play->actions.at[i]);
}

static void show(play_t *play)
{
    int64_t next_ms = producer_next_ms(play->producer);
    buf_printf(&play->out, "    published=%" PRIu64 " acknowledged=%" PRIu64 " writable=%s settled=%s next=",
               producer_published(play->producer), producer_acknowledged(play->producer),
               producer_writable(play->producer) ? "yes" : "no", producer_settled(play->producer) ? "yes" : "no");
    if (next_ms == INT64_MAX)
        buf_append_text(&play->out, "never\n");
    else
        buf_printf(&play->out, "%" PRId64 "\n", next_ms);
}

/* ---- events from text ---- */

static bool option(const char *words, const char *name, char *ret, size_t cap)
{
    const char *at = strstr(words, name);
    if (!at)
        return false;
    at += strlen(name);
    snprintf(ret, cap, "%.*s", (int)strcspn(at, " "), at);
    return true;
}

static uint64_t number(const char *words, const char *name, uint64_t otherwise)
{
    char text[32];
    return option(words, name, text, sizeof text) ? strtoull(text, NULL, 10) : otherwise;
}

static end_reason_t reason_of(const char *name)
{
    for (size_t i = 1; i < sizeof reasons / sizeof *reasons; i++)
        if (strlen(reasons[i]) == strcspn(name, " ") && strncmp(reasons[i], name, strlen(reasons[i])) == 0)
            return (end_reason_t)i;
    fail_msg("no reason %s", name);
    return END_CANCEL;
}

/* The numbers behind `name`, given to `fn`. */
static void numbers(play_t *play, const char *words, const char *name, void (*fn)(play_t *play, size_t i, int64_t n))
{
    char text[200];
    if (!option(words, name, text, sizeof text))
        return;
    size_t i = 0;
    for (char *at = text; *at; at += *at == ',')
        fn(play, i++, strtoll(at, &at, 10));
}

static uint64_t chain_of_numbers(uint64_t n)
{
    uint64_t chain = 0;
    for (uint64_t i = 0; i < n; i++) {
        buf_t in = {0};
        mp_put_uint(&in, i);
        chain = place_chain(chain, in.data, in.len);
        buf_free(&in);
    }
    return chain;
}

static void put_progress(play_t *play, uint64_t prefix, const int64_t *offsets)
{
    buf_t b = {0};
    joblog_record_t record;
    progress_t progress = {
        .prefix = prefix, .chain = chain_of_numbers(prefix), .partitions = play->config.spec.items_partitions};
    joblog_encode_progress(&b, &progress, offsets);
    assert_true(joblog_decode(b.data, b.len, &record));
    prior_progress(&play->resume, &record.progress, "");
    buf_free(&b);
}

static void add_mark(play_t *play, size_t i, int64_t n)
{
    static const int64_t unknown[] = {-1, -1, -1, -1};
    (void)i;
    put_progress(play, (uint64_t)n, unknown);
}

static int64_t resume_offsets[4];

static void add_offset(play_t *play, size_t i, int64_t n)
{
    (void)play;
    resume_offsets[i] = n;
}

static void add_known(play_t *play, size_t i, int64_t n)
{
    (void)i;
    prior_outcome(&play->resume, &(outcome_t){.index = (uint64_t)n, .kind = FANMAP_VALUE, .attempts = 1});
}

static void add_bad(play_t *play, size_t i, int64_t n)
{
    (void)i;
    prior_outcome(&play->resume, &(outcome_t){.index = (uint64_t)n, .kind = FANMAP_BAD_INPUT});
}

static void configure_resume(play_t *play, const char *words)
{
    char reason[32];
    producer_config_t *config = &play->config;
    assert_true(prior_init(&play->resume, config->spec.job, config->spec.items_partitions));
    for (size_t i = 0; i < 4; i++)
        resume_offsets[i] = -1;
    numbers(play, words, "marks=", add_mark);
    numbers(play, words, "offsets=", add_offset);
    numbers(play, words, "known=", add_known);
    numbers(play, words, "bad=", add_bad);
    put_progress(play, number(words, "resume=", 0), resume_offsets);
    play->resume.total = (int64_t)number(words, "total=", UINT64_MAX);
    play->resume.is_closed = option(words, "closed=", reason, sizeof reason);
    if (play->resume.is_closed)
        play->resume.reason = reason_of(reason);
    config->spec.start_offset = 7;
    config->prior = &play->resume;
}

static void scanned(play_t *play, producer_event_t event, const char *words)
{
    unsigned long long index, offset;
    int used;
    for (; sscanf(words, "%llu@%llu%n", &index, &offset, &used) == 2; words += strspn(words, " ")) {
        buf_t b = {0}, in = {0};
        words += used;
        bool is_other = *words == 'x';
        words += is_other;
        mp_put_uint(&in, is_other ? index + 1000 : index);
        item_encode(&b, index, in.data, in.len);
        uint32_t p = place_item(place_job_hash("j"), play->config.spec.items_partitions, index);
        prior_record(&play->resume, (int32_t)p, (int64_t)offset, "j", 1, b.data, b.len);
        prior_record(&play->resume, (int32_t)(p + 1), (int64_t)offset, "j", 1, b.data, b.len); /* handed off: a copy */
        prior_record(&play->resume, (int32_t)p, (int64_t)offset, "k", 1, b.data, b.len);
        buf_free(&b);
        buf_free(&in);
    }
    prior_sort(&play->resume);
    event.type = PRODUCER_SCANNED;
    step(play, &event);
}

static void configure(play_t *play, const char *words)
{
    producer_config_t *config = &play->config;
    spec_init(&config->spec);
    strcpy(config->spec.job, "j");
    strcpy(config->spec.task, "t");
    strcpy(config->spec.queue, "q");
    strcpy(config->announce, "me");
    config->spec.concurrency = number(words, "concurrency=", 0);
    if (config->spec.concurrency)
        strcpy(config->spec.nonce, "nonce-1");
    config->spec.items_partitions = (uint32_t)number(words, "partitions=", 2);
    config->outbox_n = number(words, "outbox=", 1000);
    config->ahead_n = number(words, "ahead=", 1000);
    config->spill_bytes = number(words, "spill=", 1000);
    config->attached = strstr(words, "attached") != NULL;
    if (strstr(words, "resume="))
        configure_resume(play, words);
    play->producer = producer_new(config);
    assert_non_null(play->producer);
}

static void push(play_t *play, producer_event_t event, fanmap_kind_t kind, const char *message)
{
    buf_t in = {0};
    assert_true(play->pushed < ITEMS_MAX);
    play->sent[play->pushed] = kind == FANMAP_VALUE;
    mp_put_uint(&in, play->pushed++ + (message && *message == '!' ? 1000 : 0));
    event.type = PRODUCER_ITEM;
    event.kind = kind;
    event.message = message;
    event.in = in.data;
    event.in_len = in.len;
    step(play, &event);
    buf_free(&in); /* what the producer keeps it must have copied */
}

static void carry(play_t *play, producer_event_t event, const char *kind)
{
    buf_t entry = {0}, value = {0};
    mp_put_uint(&value, 1);
    outcome_t outcome = {.index = 99, .attempts = 2, .kind = FANMAP_VALUE, .value = value.data, .value_len = value.len};
    outcome.type = outcome.message = outcome.stderr_tail = "";
    if (strcmp(kind, "value") != 0)
        outcome.kind = FANMAP_EXIT;
    joblog_put_outcome(&entry, &outcome);
    play->sent[play->pushed++] = false;
    event.type = PRODUCER_ITEM;
    event.kind = outcome.kind;
    event.is_outcome = true;
    event.in = entry.data;
    event.in_len = entry.len;
    step(play, &event);
    buf_free(&entry);
    buf_free(&value);
}

static void report_items(play_t *play, producer_event_t event, const char *words)
{
    char *at;
    event.type = PRODUCER_ITEM_STORED;
    uint64_t from = strtoull(words, &at, 10), to = strtoull(at + 2, &at, 10);
    event.offset = strtoll(at, NULL, 10);
    for (event.index = from; event.index <= to; event.index++, event.offset++)
        step(play, &event);
}

static void report_record(play_t *play, producer_event_t event, const char *words)
{
    char name[32];
    long long offset = 0;
    assert_true(sscanf(words, "%31s %lld", name, &offset) >= 1);
    event.offset = offset;
    for (size_t i = 0; i < play->said_n; i++) {
        said_record_t *said = &play->said[i];
        if (said->reported || strcmp(said->name, name) != 0)
            continue;
        said->reported = true;
        event.cookie = said->cookie;
        step(play, &event);
        return;
    }
    fail_msg("no record %s to report", name);
}

static void checked(play_t *play, producer_event_t event, const char *words)
{
    char announced[32] = "me", reason[32];
    option(words, "announced=", announced, sizeof announced);
    event.closed = option(words, "closed=", reason, sizeof reason);
    event.has_input = strstr(words, "input") != NULL;
    event.type = PRODUCER_LOG_CHECKED;
    event.announced = announced;
    if (event.closed)
        event.reason = reason_of(reason);
    step(play, &event);
}

static void event_line(play_t *play, const char *line)
{
    char verb[32];
    int used = 0;
    long long now_ms;
    assert_true(sscanf(line, "@%lld %31s%n", &now_ms, verb, &used) == 2);
    const char *words = line + used + strspn(line + used, " ");
    producer_event_t event = {.now_ms = now_ms, .offset = 0};
    if (strcmp(verb, "item") == 0) {
        for (uint64_t n = *words ? strtoull(words, NULL, 10) : 1; n > 0; n--)
            push(play, event, FANMAP_VALUE, NULL);
    } else if (strcmp(verb, "other") == 0) {
        push(play, event, FANMAP_VALUE, "!");
    } else if (strcmp(verb, "scanned") == 0) {
        scanned(play, event, words);
    } else if (strcmp(verb, "carried") == 0) {
        carry(play, event, words);
    } else if (strcmp(verb, "halted") == 0) {
        event.type = PRODUCER_HALTED;
        step(play, &event);
    } else if (strcmp(verb, "announced") == 0) {
        event.type = PRODUCER_ANNOUNCED;
        event.announced = words;
        step(play, &event);
    } else if (strcmp(verb, "bad") == 0) {
        push(play, event, FANMAP_BAD_INPUT, words);
    } else if (strcmp(verb, "large") == 0) {
        push(play, event, FANMAP_TOO_LARGE, words);
    } else if (strcmp(verb, "stored") == 0) {
        report_items(play, event, words);
    } else if (strcmp(verb, "log-stored") == 0) {
        event.type = PRODUCER_LOG_STORED;
        report_record(play, event, words);
    } else if (strcmp(verb, "jobs-stored") == 0) {
        event.type = PRODUCER_JOBS_STORED;
        report_record(play, event, words);
    } else if (strcmp(verb, "checked") == 0) {
        checked(play, event, words);
    } else {
        static const struct {
            const char *verb;
            producer_event_type_t type;
        } plain[] = {
            {"begin", PRODUCER_BEGIN},          {"table", PRODUCER_TABLE},   {"tick", PRODUCER_TICK},
            {"refused", PRODUCER_ITEM_REFUSED}, {"cancel", PRODUCER_CANCEL}, {"deadline", PRODUCER_CANCEL},
            {"decided", PRODUCER_DECIDED},      {"known", PRODUCER_KNOWN},   {"end-input", PRODUCER_END_INPUT}};
        size_t i = 0, n = sizeof plain / sizeof *plain;
        while (i < n && strcmp(plain[i].verb, verb) != 0)
            i++;
        if (i == n)
            fail_msg("no such event: %s", line);
        event.type = plain[i].type;
        event.ok = strcmp(words, "ok") == 0;
        event.index = event.known = strtoull(words, NULL, 10);
        event.waiting_bytes = number(words, "waiting=", 0);
        event.message = *words ? words : NULL;
        event.counts.total = number(words, "total=", 0);
        event.counts.is_known = event.counts.total > 0;
        event.counts.done = number(words, "done=", 0);
        if (event.type == PRODUCER_DECIDED)
            event.reason = reason_of(words);
        if (strcmp(verb, "deadline") == 0)
            event.reason = END_DEADLINE;
        step(play, &event);
    }
}

static void play_line(play_t *play, const char *line)
{
    if (*line == ' ')
        return; /* what was expected */
    buf_printf(&play->out, "%s\n", line);
    if (strncmp(line, "config", 6) == 0)
        configure(play, line);
    else if (strcmp(line, "show") == 0)
        show(play);
    else if (*line == '@')
        event_line(play, line);
    else
        assert_true(*line == '#' || *line == '\0');
}

/* ---- files ---- */

static char *read_file(const char *path)
{
    buf_t text = {0};
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    for (int c; (c = fgetc(f)) != EOF;) {
        char byte = (char)c;
        buf_append(&text, &byte, 1);
    }
    fclose(f);
    buf_append(&text, "", 1);
    return (char *)text.data;
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void play_file(const char *path)
{
    static play_t play;
    play = (play_t){0};
    char *expected = read_file(path), *copy = strdup(expected);
    for (char *line = copy, *next; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        play_line(&play, line);
    }
    buf_append(&play.out, "", 1);
    const char *got = (const char *)play.out.data;
    if (getenv("FANMAP_GOLDEN_UPDATE"))
        write_file(path, got);
    else if (strcmp(expected, got) != 0)
        fail_msg("%s came out as:\n%s", path, got);
    producer_free(play.producer);
    prior_free(&play.resume);
    producer_actions_free(&play.actions);
    buf_free(&play.out);
    free(expected);
    free(copy);
}

static void test_golden_timelines(void **state)
{
    (void)state;
    glob_t files;
    assert_int_equal(glob(FANMAP_SOURCE_DIR "/tests/unit/golden/producer-*.txt", 0, NULL, &files), 0);
    assert_true(files.gl_pathc >= 10);
    for (size_t i = 0; i < files.gl_pathc; i++)
        play_file(files.gl_pathv[i]);
    globfree(&files);
}

/* ---- bounds ---- */

static void begin(play_t *play, const char *words)
{
    *play = (play_t){0};
    configure(play, words);
    event_line(play, "@0 begin");
}

static void open_up(play_t *play)
{
    event_line(play, "@1 log-stored start 0");
    event_line(play, "@1 log-stored producer 1");
    event_line(play, "@1 checked");
    event_line(play, "@1 jobs-stored spec");
}

static void finish(play_t *play)
{
    producer_free(play->producer);
    producer_actions_free(&play->actions);
    buf_free(&play->out);
}

static void test_the_queue_before_the_start_is_bounded(void **state)
{
    (void)state;
    static play_t play;
    begin(&play, "config outbox=100000 ahead=100000");
    uint64_t n = 0;
    for (; producer_writable(play.producer); n++)
        event_line(&play, "@0 item");
    assert_int_equal(n, 1024);
    assert_int_equal(producer_published(play.producer), 0);
    open_up(&play);
    assert_int_equal(play.items_seen, n);
    assert_true(producer_writable(play.producer));
    finish(&play);

    begin(&play, "config outbox=100000 ahead=100000");
    static uint8_t large[300 * 1024] = {0xc6, 0, 4, 0xaf, 0xfb}; /* bin 32 of all the rest */
    producer_event_t item = {.type = PRODUCER_ITEM, .in = large, .in_len = sizeof large};
    for (n = 0; producer_writable(play.producer); n++)
        step(&play, &item);
    assert_int_equal(n, 4); /* the one that goes over the bound is the last */
    finish(&play);
}

static void test_a_long_message_is_cut_at_a_character(void **state)
{
    (void)state;
    static play_t play;
    begin(&play, "config attached");
    open_up(&play);
    static char message[4000], expected[2000];
    for (size_t i = 0; i + 3 < sizeof message; i += 3)
        memcpy(message + i, "\xe2\x82\xac", 3);
    push(&play, (producer_event_t){.now_ms = 2}, FANMAP_BAD_INPUT, message);
    buf_clear(&play.out);
    event_line(&play, "@7 tick");
    buf_append(&play.out, "", 1);
    snprintf(expected, sizeof expected, "    log outcomes 0=bad_input(%.1023s)\n", message);
    assert_string_equal((const char *)play.out.data, expected);
    finish(&play);
}

static void test_many_refused_items_make_bounded_packs(void **state)
{
    (void)state;
    static play_t play;
    begin(&play, "config attached outbox=5000 ahead=5000");
    open_up(&play);
    static char message[1001];
    memset(message, 'x', 1000);
    size_t said_before = play.said_n;
    for (int i = 0; i < 200; i++)
        push(&play, (producer_event_t){.now_ms = 2}, FANMAP_BAD_INPUT, message);
    assert_in_range(play.said_n - said_before, 200 / 17, 200 / 14); /* about 16 KiB each, without waiting for time */
    finish(&play);
}

/* Readers refuse an index that lies too far beyond the progress that is stored (JOBLOG_AHEAD_MAX); so none is
 * published. */
static void test_nothing_is_published_beyond_the_readers_reach(void **state)
{
    (void)state;
    static play_t play;
    begin(&play, "config outbox=16");
    open_up(&play);
    static const uint8_t in[] = {7};
    producer_actions_t *actions = &play.actions;
    for (uint64_t i = 0; producer_writable(play.producer); i++) {
        producer_event_t item = {.type = PRODUCER_ITEM, .now_ms = 2, .in = in, .in_len = 1};
        producer_event_t stored = {.type = PRODUCER_ITEM_STORED, .now_ms = 2, .index = i, .offset = (int64_t)i};
        producer_actions_clear(actions);
        producer_step(play.producer, &item, actions);
        producer_step(play.producer, &stored, actions);
    }
    assert_int_equal(producer_published(play.producer), JOBLOG_AHEAD_MAX);
    producer_actions_clear(actions);
    producer_event_t tick = {.type = PRODUCER_TICK, .now_ms = 1002};
    producer_step(play.producer, &tick, actions);
    assert_int_equal(actions->n, 1);
    producer_event_t stored = {.type = PRODUCER_LOG_STORED, .now_ms = 1003, .cookie = actions->at[0].cookie};
    producer_step(play.producer, &stored, actions);
    assert_true(producer_writable(play.producer));
    finish(&play);
}

/* ---- any order of reports ---- */

enum { MODEL_ITEMS = 400, MODEL_PARTITIONS = 5 };

/* What the reports so far say, worked out from scratch for each record of progress. */
typedef struct {
    random_t random;
    producer_t *producer;
    producer_actions_t actions;
    uint64_t pushed, log_said, log_reported;
    int64_t offsets[MODEL_ITEMS]; /* -1: not reported; -2: its pack is stored */
    int64_t ends[MODEL_PARTITIONS], now_ms;
    bool produced[MODEL_ITEMS], refused[MODEL_ITEMS];
    uint64_t cookies[MODEL_ITEMS * 4];
    buf_t packs[MODEL_ITEMS * 4]; /* what a record of the log said, where it is a pack */
    uint64_t progress_n, input_n;
} model_t;

static uint32_t model_partition(uint64_t index)
{
    return place_item(place_job_hash("j"), MODEL_PARTITIONS, index);
}

static uint64_t model_prefix(const model_t *m)
{
    uint64_t prefix = 0;
    while (prefix < m->pushed && m->offsets[prefix] != -1)
        prefix++;
    return prefix;
}

static int64_t model_offset(const model_t *m, uint64_t prefix, uint32_t partition)
{
    int64_t behind = -1, later = -1;
    for (uint64_t i = 0; i < m->pushed; i++) {
        int64_t offset = m->offsets[i];
        if (model_partition(i) != partition || offset < 0)
            continue;
        if (i < prefix)
            behind = offset + 1 > behind ? offset + 1 : behind;
        else if (later < 0 || offset < later)
            later = offset;
    }
    return behind < 0 || (later >= 0 && later < behind) ? later : behind;
}

static void model_check_progress(model_t *m, const progress_t *progress)
{
    uint64_t chain = 0;
    assert_int_equal(progress->prefix, model_prefix(m));
    for (uint64_t i = 0; i < progress->prefix; i++) {
        uint8_t in[] = {0xcd, (uint8_t)(i >> 8), (uint8_t)i};
        chain = place_chain(chain, in, m->produced[i] ? sizeof in : 0);
    }
    assert_true(progress->chain == chain);
    for (uint32_t p = 0; p < MODEL_PARTITIONS; p++) {
        int64_t offset;
        assert_true(joblog_progress_offset(progress, p, &offset));
        assert_int_equal(offset, model_offset(m, progress->prefix, p));
    }
    m->progress_n++;
}

static void model_action(model_t *m, const producer_action_t *action)
{
    joblog_record_t record;
    if (action->type == PRODUCER_PUT_ITEM)
        m->produced[action->cookie] = true;
    if (action->type != PRODUCER_PUT_LOG)
        return;
    assert_true(joblog_decode(action->value, action->value_len, &record));
    if (record.type == JOBLOG_PROGRESS)
        model_check_progress(m, &record.progress);
    if (record.type == JOBLOG_OUTCOMES)
        buf_append(&m->packs[m->log_said], action->value, action->value_len);
    if (record.type == JOBLOG_INPUT)
        m->input_n = record.input_n;
    m->cookies[m->log_said++] = action->cookie;
}

static void model_step(model_t *m, producer_event_t event)
{
    event.now_ms = m->now_ms;
    producer_actions_clear(&m->actions);
    producer_step(m->producer, &event, &m->actions);
    assert_false(m->actions.failed);
    for (size_t i = 0; i < m->actions.n; i++)
        model_action(m, &m->actions.at[i]);
}

static void model_push(model_t *m)
{
    uint64_t i = m->pushed;
    if (i == MODEL_ITEMS || !producer_writable(m->producer))
        return;
    m->offsets[m->pushed++] = -1;
    uint8_t in[] = {0xcd, (uint8_t)(i >> 8), (uint8_t)i};
    producer_event_t event = {.type = PRODUCER_ITEM, .in = in, .in_len = sizeof in, .message = "bad"};
    if (random_below(&m->random, 10) == 0)
        event.kind = FANMAP_BAD_INPUT;
    model_step(m, event);
}

static void model_report_item(model_t *m)
{
    if (m->pushed == 0)
        return;
    uint64_t from = m->pushed > 60 ? m->pushed - 60 : 0, i = from + random_below(&m->random, m->pushed - from);
    while (i < m->pushed && (!m->produced[i] || m->offsets[i] != -1 || m->refused[i]))
        i++;
    if (i == m->pushed)
        return;
    producer_event_t event = {.type = PRODUCER_ITEM_REFUSED, .index = i};
    m->refused[i] = random_below(&m->random, 15) == 0;
    if (!m->refused[i]) {
        int64_t *end = &m->ends[model_partition(i)];
        *end += 1 + (int64_t)random_below(&m->random, 3);
        event.type = PRODUCER_ITEM_STORED;
        event.offset = m->offsets[i] = random_below(&m->random, 8) ? *end : *end / 2; /* as if published again */
    }
    model_step(m, event);
}

static void model_report_log(model_t *m)
{
    if (m->log_reported == m->log_said)
        return;
    uint64_t k = m->log_reported++;
    joblog_record_t record;
    outcome_t outcome;
    if (m->packs[k].len > 0 && joblog_decode(m->packs[k].data, m->packs[k].len, &record))
        while (joblog_next_outcome(&record, &outcome))
            m->offsets[outcome.index] = -2;
    model_step(m, (producer_event_t){.type = PRODUCER_LOG_STORED, .cookie = m->cookies[k], .offset = (int64_t)k});
}

static void model_run(model_t *m)
{
    bool ended = false;
    for (int turn = 0; turn < 100000 && !producer_settled(m->producer); turn++) {
        m->now_ms += (int64_t)random_below(&m->random, 30);
        uint64_t what = random_below(&m->random, 10);
        if (what < 4)
            model_push(m);
        else if (what < 8)
            model_report_item(m);
        else if (what == 8)
            model_report_log(m);
        else
            model_step(m, (producer_event_t){.type = PRODUCER_TICK});
        for (size_t i = 0; i < m->actions.n; i++)
            if (m->actions.at[i].type == PRODUCER_CHECK_LOG)
                model_step(m, (producer_event_t){.type = PRODUCER_LOG_CHECKED});
        if (m->pushed == MODEL_ITEMS && !ended) {
            model_step(m, (producer_event_t){.type = PRODUCER_END_INPUT});
            ended = true;
        }
    }
}

static void say_progress(prior_t *prior, const char *producer, uint64_t prefix, int64_t offset, const char *announced)
{
    buf_t b = {0};
    joblog_record_t record;
    progress_t progress = {.prefix = prefix, .chain = prefix, .partitions = 1};
    (void)snprintf(progress.producer, sizeof progress.producer, "%s", producer);
    joblog_encode_progress(&b, &progress, &offset);
    assert_true(joblog_decode(b.data, b.len, &record));
    prior_progress(prior, &record.progress, announced);
    buf_free(&b);
}

/* It was slow to hear that another goes on, whose items lie where it does not know of. */
static void test_a_superseded_producers_progress_does_not_count(void **state)
{
    prior_t prior;
    (void)state;
    assert_true(prior_init(&prior, "job", 1));
    say_progress(&prior, "first", 3, 5, "first");
    say_progress(&prior, "first", 5, 12, "second");
    assert_int_equal(prior.prefix, 3);
    assert_int_equal(prior.offsets[0], 5);
    say_progress(&prior, "second", 4, 7, "second");
    assert_int_equal(prior.prefix, 4);
    assert_int_equal(prior.offsets[0], 7);
    prior_free(&prior);
}

/* It had published all when another took over, and its `input` is the one that counts. */
static void test_what_a_superseded_producer_finished_is_compared(void **state)
{
    prior_t prior;
    uint64_t from = 0;
    (void)state;
    assert_true(prior_init(&prior, "job", 1));
    say_progress(&prior, "first", 3, 5, "first");
    say_progress(&prior, "first", 7, 12, "second");
    prior_input(&prior, 7);
    assert_int_equal(prior.total, 7);
    assert_int_equal(prior.prefix, 3);
    assert_true(prior_compare(&prior, 3, 3, &from));
    assert_true(prior_compare(&prior, 5, 99, &from));
    assert_false(prior_compare(&prior, 7, 99, &from));
    assert_int_equal(from, 3);
    assert_true(prior_compare(&prior, 7, 7, &from));
    prior_free(&prior);
}

static void test_any_order_of_reports(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        static model_t m;
        m = (model_t){0};
        random_seed(&m.random, seed);
        producer_config_t config = {.outbox_n = 50, .announce = "me"};
        spec_init(&config.spec);
        strcpy(config.spec.job, "j");
        strcpy(config.spec.task, "t");
        strcpy(config.spec.queue, "q");
        config.spec.items_partitions = MODEL_PARTITIONS;
        m.producer = producer_new(&config);
        model_step(&m, (producer_event_t){.type = PRODUCER_BEGIN});
        model_report_log(&m); /* start */
        model_step(&m, (producer_event_t){.type = PRODUCER_JOBS_STORED, .cookie = m.actions.at[0].cookie});
        model_report_log(&m); /* the announcement, which asks for the check */
        model_step(&m, (producer_event_t){.type = PRODUCER_LOG_CHECKED});
        model_run(&m);
        assert_true(producer_settled(m.producer));
        assert_int_equal(m.input_n, MODEL_ITEMS);
        assert_int_equal(producer_acknowledged(m.producer), MODEL_ITEMS);
        assert_true(m.progress_n > 5);
        producer_free(m.producer);
        producer_actions_free(&m.actions);
        for (size_t i = 0; i < sizeof m.packs / sizeof *m.packs; i++)
            buf_free(&m.packs[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_timelines),
        cmocka_unit_test(test_the_queue_before_the_start_is_bounded),
        cmocka_unit_test(test_a_long_message_is_cut_at_a_character),
        cmocka_unit_test(test_many_refused_items_make_bounded_packs),
        cmocka_unit_test(test_nothing_is_published_beyond_the_readers_reach),
        cmocka_unit_test(test_a_superseded_producers_progress_does_not_count),
        cmocka_unit_test(test_what_a_superseded_producer_finished_is_compared),
        cmocka_unit_test(test_any_order_of_reports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
