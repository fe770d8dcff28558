/* Reads the .txt files of schemas/golden: bytes that were made by another program after the words of schemas/README.md.
 * Each vector is decoded, its fields are compared with the text beside it, and it is encoded again to the same
 * bytes. A codec that changes on the wire fails here; bytes that are out in the world do not change with it.
 *
 * A vector is a block of `key: value` lines; lines that begin with # say something to people. `again: no`: only
 * decoded. */
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

#include "schemas/commit.h"
#include "schemas/gathered.h"
#include "schemas/item.h"
#include "schemas/jobs.h"
#include "schemas/logs.h"
#include "schemas/place.h"
#include "schemas/position.h"
#include "schemas/served.h"
#include "schemas/slotwire.h"
#include "schemas/value.h"

enum { KEYS_MAX = 12, LINE_MAX_BYTES = 20000 };

typedef struct {
    const char *file;
    char *keys[KEYS_MAX], *values[KEYS_MAX];
    int n;
} vector_t;

/* ---- reading vectors ---- */

static const char *get(const vector_t *v, const char *key)
{
    for (int i = 0; i < v->n; i++) {
        if (strcmp(v->keys[i], key) == 0)
            return v->values[i];
    }
    return "";
}

static uint64_t get_uint(const vector_t *v, const char *key)
{
    return strtoull(get(v, key), NULL, 10);
}

static void get_bytes(const vector_t *v, buf_t *ret)
{
    const char *hex = get(v, "hex");
    unsigned byte;
    for (; sscanf(hex, "%2x", &byte) == 1; hex += strspn(hex, " ")) {
        buf_append(ret, &(uint8_t){(uint8_t)byte}, 1);
        hex += 2;
    }
}

static void expect_bytes(const vector_t *v, const buf_t *got, const void *expected, size_t len)
{
    if (strcmp(get(v, "again"), "no") != 0 && (got->len != len || (len > 0 && memcmp(got->data, expected, len) != 0)))
        fail_msg("%s: %s: encoded again it has other bytes", v->file, get(v, "name"));
}

static void expect_fields(const vector_t *v, buf_t *got)
{
    buf_append(got, "", 1);
    if (strcmp((char *)got->data, get(v, "fields")) != 0)
        fail_msg("%s: %s: decoded as\n%s, not\n%s", v->file, get(v, "name"), (char *)got->data, get(v, "fields"));
    buf_free(got);
}

/* ---- fields as JSON ---- */

static void put_string(buf_t *b, const char *key, const char *text, size_t len)
{
    buf_printf(b, "\"%s\":", key);
    json_put_string(b, text, len);
    buf_append_text(b, ",");
}

static void put_text(buf_t *b, const char *key, const char *text)
{
    put_string(b, key, text, strlen(text));
}

static void put_number(buf_t *b, const char *key, uint64_t value)
{
    buf_printf(b, "\"%s\":%" PRIu64 ",", key, value);
}

static void put_signed(buf_t *b, const char *key, int64_t value)
{
    buf_printf(b, "\"%s\":%" PRId64 ",", key, value);
}

static void put_bool(buf_t *b, const char *key, bool value)
{
    buf_printf(b, "\"%s\":%s,", key, value ? "true" : "false");
}

static void put_object(buf_t *b, const char *key, const uint8_t *mp, size_t len)
{
    buf_printf(b, "\"%s\":", key);
    if (len == 0)
        buf_append_text(b, "null");
    else
        assert_int_equal(value_to_json(b, mp, len, NULL), FANMAP_OK);
    buf_append_text(b, ",");
}

/* Puts the end in the place of the last comma. */
static void close_with(buf_t *b, const char *end)
{
    if (b->data[b->len - 1] == ',')
        b->len--;
    buf_append_text(b, end);
}

/* What is not set is not shown, as it is not written. */
static void put_later(buf_t *b, const spec_t *s)
{
    if (s->memory_bytes > 0)
        put_number(b, "memory_bytes", s->memory_bytes);
    if (s->cpus_milli > 0)
        put_number(b, "cpus_milli", s->cpus_milli);
    if (s->cpu_time_ms > 0)
        put_number(b, "cpu_time_ms", s->cpu_time_ms);
    for (uint32_t i = 0; i < s->final_exits_n; i++)
        buf_printf(b, "%s%u,%u%s", i == 0 ? "\"final_exits\":[" : ",", s->final_exits[i].from, s->final_exits[i].to,
                   i + 1 == s->final_exits_n ? "]," : "");
    if (s->sequences_n > 0)
        put_number(b, "sequences_n", s->sequences_n);
    if (s->retry_of[0] != '\0')
        put_string(b, "retry_of", s->retry_of, strlen(s->retry_of));
    if (s->stream != STREAM_NOT)
        buf_printf(b, "\"stream\":[%d,\"%s\",\"%s\",\"%s\",%d,%d],", s->stream, s->from, s->to, s->errors_to,
                   s->in_format, s->out_format);
    if (s->to_bytes_max > 0)
        put_number(b, "to_bytes_max", s->to_bytes_max);
    const stream_terms_t *t = &s->terms;
    if (!stream_terms_are_default(t))
        buf_printf(b, "\"terms\":[%u,%d,%d,%d,%d,%llu,\"%s\"],", t->dead_headers, t->to_same_partition,
                   t->is_at_least_once, t->tombstones, t->strips_schema, (unsigned long long)t->max_age_ms, t->filter);
    if (s->traceparent[0] != '\0')
        put_string(b, "traceparent", s->traceparent, strlen(s->traceparent));
    if (s->batch_n > 1)
        put_number(b, "batch_n", s->batch_n);
    if (s->batch_within_ms > 0)
        put_number(b, "batch_within_ms", s->batch_within_ms);
    if (s->is_quiet)
        buf_append_text(b, "\"is_quiet\":true,");
    if (s->start_every_us > 0)
        put_number(b, "start_every_us", s->start_every_us);
    if (s->starts_apart)
        put_bool(b, "starts_apart", s->starts_apart);
}

static void put_spec(buf_t *b, const spec_t *s)
{
    buf_append_text(b, "\"spec\":{");
    put_text(b, "job", s->job);
    put_text(b, "task", s->task);
    put_text(b, "queue", s->queue);
    put_number(b, "items_partitions", s->items_partitions);
    put_number(b, "results_partition", s->results_partition);
    put_signed(b, "start_offset", s->start_offset);
    put_signed(b, "submitted_ms", s->submitted_ms);
    put_number(b, "concurrency", s->concurrency);
    put_text(b, "nonce", s->nonce);
    put_number(b, "lease_ms", s->lease_ms);
    put_number(b, "retries", s->retries);
    put_number(b, "backoff_base_ms", s->backoff_base_ms);
    put_number(b, "backoff_factor_milli", s->backoff_factor_milli);
    put_number(b, "backoff_cap_ms", s->backoff_cap_ms);
    put_number(b, "timeout_ms", s->timeout_ms);
    put_number(b, "grace_ms", s->grace_ms);
    put_signed(b, "deadline_ms", s->deadline_ms);
    put_bool(b, "fail_fast", s->fail_fast);
    buf_printf(b, "\"halt\":[%d,%d,%" PRIu32 ",%s],", (int)s->halt.when, (int)s->halt.what, s->halt.threshold,
               s->halt.is_percent ? "true" : "false");
    put_number(b, "crash_cap", s->crash_cap);
    put_number(b, "item_bytes_max", s->item_bytes_max);
    put_number(b, "value_bytes_max", s->value_bytes_max);
    put_bool(b, "is_signed", s->is_signed);
    put_object(b, "bound", s->bound, s->bound_len);
    put_later(b, s);
    close_with(b, "},");
}

static void put_error(buf_t *b, const outcome_t *o)
{
    put_string(b, "type", o->type, o->type_len);
    put_string(b, "message", o->message, o->message_len);
    put_signed(b, "exit_status", o->exit_status);
    put_signed(b, "signo", o->signo);
    put_string(b, "stderr", o->stderr_tail, o->stderr_len);
    if (o->stdout_len > 0)
        put_string(b, "stdout", o->stdout_tail, o->stdout_len);
}

static void put_outcome(buf_t *b, const outcome_t *o)
{
    buf_append_text(b, "{");
    put_number(b, "index", o->index);
    put_number(b, "attempts", o->attempts);
    put_number(b, "kind", o->kind);
    put_number(b, "run_us", o->run_us);
    if (o->has_wait)
        put_number(b, "wait_ms", o->wait_ms);
    if (o->kind == FANMAP_VALUE)
        put_object(b, "value", o->value, o->value_len);
    else
        put_error(b, o);
    close_with(b, "},");
}

/* ---- one check a codec ---- */

static void check_item(const vector_t *v, const buf_t *in)
{
    item_t item;
    buf_t f = {0}, again = {0};
    assert_true(item_decode(in->data, in->len, &item));
    if (item.type == ITEM_RECORD) {
        buf_append_text(&f, "{\"type\":\"item\",");
        put_number(&f, "lane", item.lane);
        put_number(&f, "index", item.index);
        put_object(&f, "in", item.in, item.in_len);
        item_encode(&again, item.index, item.in, item.in_len);
    } else {
        buf_printf(&f, "{\"type\":\"%s\",", item.type == ITEM_DONE_NOTE ? "done_note" : "release_note");
        put_signed(&f, "offset", item.done_offset);
        if (item.partition >= 0)
            buf_printf(&f, "\"partition\":%d,\"member\":\"%s\",", (int)item.partition, item.member);
        if (item.type == ITEM_RELEASE_NOTE) {
            put_number(&f, "attempts", item.attempts);
            put_number(&f, "charges", item.charges);
        }
        if (item.log > 0)
            put_number(&f, "log", item.log);
        item_encode_note(&again, &item);
    }
    close_with(&f, "}");
    expect_fields(v, &f);
    expect_bytes(v, &again, in->data, in->len);
    buf_free(&again);
}

static void show_outcomes(joblog_record_t *record, buf_t *f, buf_t *again)
{
    outcome_t o;
    buf_t body = {0}, waits = {0};
    char worker[64];
    uint32_t count = record->outcomes_left;
    buf_append_text(f, "\"outcomes\":[");
    while (joblog_next_outcome(record, &o)) {
        put_outcome(f, &o);
        joblog_put_outcome(&body, &o);
        joblog_put_wait(&waits, &o);
    }
    assert_false(record->outcomes.bad);
    close_with(f, "],");
    snprintf(worker, sizeof worker, "%.*s", (int)record->worker_len, record->worker ? record->worker : "");
    if (worker[0]) {
        put_text(f, "worker", worker);
        joblog_encode_worker_pack(again, &body, count, worker, &waits);
    } else {
        joblog_encode_pack(again, body.data, body.len, count);
    }
    buf_free(&body);
    buf_free(&waits);
}

static void show_progress(const progress_t *p, buf_t *f, buf_t *again)
{
    int64_t offsets[64];
    put_number(f, "prefix", p->prefix);
    put_number(f, "chain", p->chain);
    put_text(f, "producer", p->producer);
    buf_append_text(f, "\"offsets\":[");
    for (uint32_t i = 0; i < p->partitions; i++) {
        assert_true(joblog_progress_offset(p, i, &offsets[i]));
        buf_printf(f, "%" PRId64 ",", offsets[i]);
    }
    assert_false(joblog_progress_offset(p, p->partitions, &offsets[0]));
    close_with(f, "],");
    joblog_encode_progress(again, p, offsets);
}

static void show_input(const joblog_record_t *record, buf_t *f, buf_t *again)
{
    char error[100];
    snprintf(error, sizeof error, "%.*s", (int)record->input_error_len, record->input_error);
    put_number(f, "n", record->input_n);
    put_text(f, "error", error);
    joblog_encode_input(again, record->input_n, error);
}

static void check_joblog(const vector_t *v, const buf_t *in)
{
    static const char *const names[] = {"", "start", "outcomes", "progress", "input", "end", "producer"};
    joblog_record_t record;
    buf_t f = {0}, again = {0};
    assert_true(joblog_decode(in->data, in->len, &record));
    buf_printf(&f, "{\"type\":\"%s\",", names[record.type]);
    switch (record.type) {
    case JOBLOG_START:
        put_spec(&f, &record.start);
        joblog_encode_start(&again, &record.start);
        break;
    case JOBLOG_OUTCOMES:
        show_outcomes(&record, &f, &again);
        break;
    case JOBLOG_PROGRESS:
        show_progress(&record.progress, &f, &again);
        break;
    case JOBLOG_INPUT:
        show_input(&record, &f, &again);
        break;
    case JOBLOG_END:
        put_number(&f, "reason", record.end_reason);
        joblog_encode_end(&again, record.end_reason);
        break;
    case JOBLOG_PRODUCER:
        put_text(&f, "producer", record.producer);
        joblog_encode_producer(&again, record.producer);
        break;
    }
    close_with(&f, "}");
    expect_fields(v, &f);
    expect_bytes(v, &again, in->data, in->len);
    buf_free(&again);
}

typedef struct {
    buf_t *lines, *ends;
    logs_pack_t pack;
    char worker[64];
} shown_logs_t;

static void show_log_line(void *arg, const logs_line_t *line)
{
    shown_logs_t *shown = arg;
    buf_printf(shown->lines, "%s[%" PRIu64 ",%" PRIu32 ",\"%.*s\"]", shown->pack.lines_n > 0 ? "," : "", line->index,
               line->attempt, (int)line->len, line->text);
    logs_put_line(&shown->pack, line);
}

static void show_log_end(void *arg, const logs_end_t *end)
{
    shown_logs_t *shown = arg;
    buf_printf(shown->ends,
               "%s[%" PRIu64 ",%" PRIu32 ",%d,%" PRId64 ",%" PRIu64 ",\"%.*s\",\"%.*s\",%" PRId32 ",%" PRId32 "]",
               shown->pack.ends_n > 0 ? "," : "", end->index, end->attempt, (int)end->kind, end->ended_ms, end->run_us,
               (int)end->type_len, end->type, (int)end->message_len, end->message, end->exit_status, end->signo);
    snprintf(shown->worker, sizeof shown->worker, "%.*s", (int)end->worker_len, end->worker);
    logs_put_end(&shown->pack, end);
}

static void check_logs(const vector_t *v, const buf_t *in)
{
    static const logs_callbacks_t callbacks = {show_log_line, show_log_end};
    buf_t f = {0}, again = {0}, lines = {0}, ends = {0};
    shown_logs_t shown = {.lines = &lines, .ends = &ends};
    uint64_t dropped = 0;
    assert_true(logs_decode(in->data, in->len, &callbacks, &shown, &dropped));
    buf_append_text(&f, "{");
    put_number(&f, "dropped", dropped);
    buf_append_text(&f, "\"lines\":[");
    buf_append(&f, lines.data, lines.len);
    buf_append_text(&f, "]");
    if (ends.len > 0)
        buf_printf(&f, ",\"worker\":\"%s\",\"ends\":[%.*s]", shown.worker, (int)ends.len, (const char *)ends.data);
    buf_append_text(&f, "}");
    logs_encode(&again, dropped, shown.worker, &shown.pack);
    expect_fields(v, &f);
    expect_bytes(v, &again, in->data, in->len);
    for (size_t len = 0; len < in->len; len++)
        assert_false(logs_decode(in->data, len, NULL, NULL, &dropped));
    buf_free(&again);
    buf_free(&lines);
    buf_free(&ends);
    logs_pack_free(&shown.pack);
}

static void show_jobs(const jobs_record_t *record, buf_t *f, buf_t *again)
{
    if (record->field == JOBS_SPEC) {
        put_spec(f, &record->spec);
        jobs_encode_spec(again, &record->spec);
    } else if (record->field == JOBS_END || record->field == JOBS_HALT) {
        put_number(f, "reason", record->end_reason);
        if (record->counts.is_known) {
            put_number(f, "total", record->counts.total);
            put_number(f, "done", record->counts.done);
            put_number(f, "failed", record->counts.failed);
            put_number(f, "retried", record->counts.retried);
        }
        jobs_encode_end_counted(again, record->end_reason, &record->counts);
    } else {
        put_number(f, "value", record->value);
        put_number(f, "version", record->version);
        jobs_encode_versioned(again, record->value, record->version);
    }
}

static void check_jobs(const vector_t *v, const buf_t *in)
{
    static const char *const names[] = {"", "spec", "concurrency", "paused", "end", "halt"};
    const char *key = get(v, "key");
    char key_again[JOB_ID_MAX + 16];
    jobs_record_t record;
    buf_t f = {0}, again = {0};
    assert_true(jobs_decode(key, strlen(key), in->data, in->len, &record));
    assert_int_equal(jobs_key(key_again, sizeof key_again, record.job, record.field), strlen(key));
    assert_string_equal(key_again, key);
    buf_append_text(&f, "{");
    put_text(&f, "job", record.job);
    put_text(&f, "field", names[record.field]);
    if (record.tombstone)
        put_bool(&f, "tombstone", true);
    else
        show_jobs(&record, &f, &again);
    close_with(&f, "}");
    expect_fields(v, &f);
    expect_bytes(v, &again, in->data, in->len);
    buf_free(&again);
}

static void show_run(const slot_run_t *run, buf_t *f, buf_t *again)
{
    put_number(f, "n", run->n);
    put_number(f, "index", run->index);
    put_number(f, "attempt", run->attempt);
    put_number(f, "fence", run->fence);
    put_signed(f, "deadline_ms", run->deadline_ms);
    put_object(f, "in", run->in, run->in_len);
    if (run->context_len > 0)
        put_object(f, "context", run->context, run->context_len);
    slot_put_run(again, run);
}

static void show_job(const slot_job_t *job, buf_t *f, buf_t *again)
{
    put_number(f, "id", job->id);
    put_string(f, "job", job->job, job->job_len);
    put_string(f, "task", job->task, job->task_len);
    put_number(f, "attempts_max", job->attempts_max);
    put_number(f, "value_bytes_max", job->value_bytes_max);
    put_object(f, "bound", job->bound, job->bound_len);
    if (job->parts > 0)
        put_number(f, "parts", job->parts);
    if (job->traceparent_len > 0) {
        put_string(f, "traceparent", job->traceparent, job->traceparent_len);
        put_number(f, "trace_salt", job->trace_salt);
    }
    slot_put_job(again, job);
}

static void show_done(const slot_done_t *d, buf_t *f, buf_t *again)
{
    put_number(f, "n", d->n);
    put_bool(f, "final", d->final);
    put_number(f, "kind", d->kind);
    put_number(f, "run_us", d->run_us);
    outcome_t o = {.type = d->type,
                   .type_len = d->type_len,
                   .message = d->message,
                   .message_len = d->message_len,
                   .exit_status = d->exit_status,
                   .signo = d->signo,
                   .stderr_tail = d->stderr_tail,
                   .stderr_len = d->stderr_len,
                   .stdout_tail = d->stdout_tail,
                   .stdout_len = d->stdout_len};
    if (d->kind == FANMAP_VALUE)
        put_object(f, "value", d->value, d->value_len);
    else
        put_error(f, &o);
    slot_put_done(again, d);
}

static void show_frame(const slot_frame_t *frame, buf_t *f, buf_t *again)
{
    switch (frame->type) {
    case SLOT_HELLO:
        put_number(f, "version", frame->hello.version);
        buf_append(again, "\3\0\0\0\x92\1\1", 7); /* nothing of ours says these two */
        return;
    case SLOT_READY:
        buf_append(again, "\2\0\0\0\x91\2", 6);
        return;
    case SLOT_DONE:
        show_done(&frame->done, f, again);
        return;
    case SLOT_JOB:
        show_job(&frame->job, f, again);
        return;
    case SLOT_RUN:
        show_run(&frame->run, f, again);
        return;
    case SLOT_CANCEL:
        put_number(f, "n", frame->cancel_n);
        slot_put_number(again, SLOT_CANCEL, frame->cancel_n);
        return;
    case SLOT_BYE:
        slot_put_bye(again);
        return;
    case SLOT_BACK:
        put_number(f, "from", frame->back.from);
        put_number(f, "to", frame->back.to);
        slot_put_back(again, frame->back.from, frame->back.to);
        return;
    case SLOT_CALL:
        put_number(f, "n", frame->call_n);
        slot_put_number(again, SLOT_CALL, frame->call_n);
        return;
    case SLOT_CALL_FAILED:
        show_done(&frame->done, f, again);
        return;
    case SLOT_RUN_BATCH:
        fail_msg("only served programs are told of several runs at once");
    }
}

static void check_slot(const vector_t *v, const buf_t *in)
{
    static const char *const names[] = {"",       "hello", "ready", "done", "job",  "run",
                                        "cancel", "bye",   "",      "back", "call", "call_failed"};
    slot_frame_t frame;
    size_t used = 0;
    buf_t f = {0}, again = {0};
    assert_int_equal(slot_frame_decode(in->data, in->len, in->len, &frame, &used), 1);
    assert_int_equal(used, in->len);
    buf_printf(&f, "{\"type\":\"%s\",", names[frame.type]);
    show_frame(&frame, &f, &again);
    close_with(&f, "}");
    expect_fields(v, &f);
    expect_bytes(v, &again, in->data, in->len);
    buf_free(&again);
}

static void show_said(const served_message_t *said, buf_t *f)
{
    buf_printf(f, "%d n=%" PRIu32 " %s%s%s ahead=%" PRIu32, (int)said->type, said->n, said->is_error ? "error" : "",
               said->final ? " final" : "", said->is_whole ? " whole" : "", said->ahead);
    if (said->is_error)
        buf_printf(f, " %.*s: %.*s (%.*s)", (int)said->error_type_len, said->error_type, (int)said->message_len,
                   said->message, (int)said->report_len, said->report_len ? said->report : "");
    if (said->value)
        value_to_json(f, said->value, said->value_len, NULL);
    if (said->tasks)
        value_to_json(f, said->tasks, said->tasks_len, NULL);
    if (said->calls)
        value_to_json(f, said->calls, said->calls_len, NULL);
    buf_append(f, "", 1);
}

/* What a program says: both encodings give the same. */
static void check_said(const vector_t *v, const buf_t *in, const buf_t *line)
{
    served_reader_t msgpack = {0}, json = {.encoding = SERVED_JSON};
    served_message_t from_msgpack, from_json;
    size_t used;
    buf_t a = {0}, b = {0};
    if (in->data[5] != SLOT_HELLO)
        msgpack.encoding = SERVED_MSGPACK;
    else
        json.encoding = SERVED_UNKNOWN;
    if (served_decode(&msgpack, in->data, in->len, in->len, &from_msgpack, &used) != 1 || used != in->len)
        fail_msg("%s: the frame: %s", get(v, "name"), msgpack.why);
    if (served_decode(&json, line->data, line->len, line->len, &from_json, &used) != 1 || used != line->len)
        fail_msg("%s: the line: %s", get(v, "name"), json.why);
    show_said(&from_msgpack, &a);
    show_said(&from_json, &b);
    assert_string_equal((char *)a.data, (char *)b.data);
    served_reader_free(&msgpack);
    served_reader_free(&json);
    buf_free(&a);
    buf_free(&b);
}

static void put_told(buf_t *b, served_encoding_t encoding, const slot_frame_t *frame)
{
    if (frame->type == SLOT_JOB)
        assert_true(served_put_job(b, encoding, &frame->job));
    else if (frame->type == SLOT_RUN)
        assert_true(served_put_run(b, encoding, &frame->run, 1));
    else if (frame->type == SLOT_CANCEL)
        served_put_cancel(b, encoding, frame->cancel_n);
    else
        served_put_bye(b, encoding);
}

static void check_served(const vector_t *v, const buf_t *in)
{
    slot_frame_t frame;
    size_t used;
    buf_t line = {0}, json = {0}, msgpack = {0};
    buf_printf(&line, "%s\n", get(v, "json"));
    if (in->data[5] <= SLOT_DONE) {
        check_said(v, in, &line);
    } else {
        assert_int_equal(slot_frame_decode(in->data, in->len, in->len, &frame, &used), 1);
        put_told(&json, SERVED_JSON, &frame);
        put_told(&msgpack, SERVED_MSGPACK, &frame);
        assert_int_equal(json.len, line.len);
        assert_memory_equal(json.data, line.data, line.len);
        expect_bytes(v, &msgpack, in->data, in->len);
    }
    buf_free(&line);
    buf_free(&json);
    buf_free(&msgpack);
}

/* Several runs in one message, in both encodings; an item that JSON cannot hold is not put into it. */
static void test_run_batch(void **state)
{
    static const uint8_t nan[] = {0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0}, seven[] = {7};
    static const char line[] = "{\"type\":\"run_batch\",\"runs\":[[5,9,1,0,-1,7],[6,300,2,3,80,7]]}\n";
    static const uint8_t frame[] = {23, 0, 0,    0, 0x92, 8, 0xdd, 0, 0,  0, 2, 0x96, 5, 9,
                                    1,  0, 0xff, 7, 0x96, 6, 0xcd, 1, 44, 2, 3, 80,   7};
    buf_t json = {0}, msgpack = {0};
    const slot_run_t runs[] = {
        {.n = 5, .index = 9, .attempt = 1, .deadline_ms = -1, .in = seven, .in_len = 1},
        {.n = 6, .index = 300, .fence = 3, .attempt = 2, .deadline_ms = 80, .in = seven, .in_len = 1},
        {.n = 7, .in = nan, .in_len = 9}};
    (void)state;
    buf_append(&msgpack, "x", 1); /* it need not be the first in the buffer */
    served_batch_t of_json = {0}, of_msgpack = {0};
    served_batch_end(&of_json, &json, SERVED_JSON, false);
    assert_int_equal(json.len, 0);
    for (size_t i = 0; i < 2; i++) {
        assert_true(served_batch_add(&of_json, &json, SERVED_JSON, &runs[i]));
        assert_true(served_batch_add(&of_msgpack, &msgpack, SERVED_MSGPACK, &runs[i]));
    }
    assert_false(served_batch_add(&of_json, &json, SERVED_JSON, &runs[2]));
    served_batch_end(&of_json, &json, SERVED_JSON, false);
    served_batch_end(&of_msgpack, &msgpack, SERVED_MSGPACK, false);
    assert_int_equal(json.len, strlen(line));
    assert_memory_equal(json.data, line, json.len);
    assert_int_equal(msgpack.len, 1 + sizeof frame);
    assert_memory_equal(msgpack.data + 1, frame, sizeof frame);
    buf_free(&json);
    buf_free(&msgpack);
}

static void show_commit(const commit_meta_t *m, buf_t *f)
{
    buf_append_text(f, "{");
    put_bool(f, "clean", m->clean);
    put_signed(f, "mark", m->mark);
    buf_append_text(f, "\"members\":[");
    for (uint32_t i = 0; i < m->members_n; i++)
        buf_printf(f, "\"%s\",", m->members[i]);
    close_with(f, "],\"names\":[");
    for (uint32_t i = 0; i < m->names_n; i++)
        buf_printf(f, "[%" PRId64 ",%" PRIu32 "],", m->names[i].offset, m->names[i].member);
    close_with(f, "],\"counts\":[");
    for (uint32_t i = 0; i < m->counts_n; i++)
        buf_printf(f, "[%" PRId64 ",%" PRIu32 ",%" PRIu32 "],", m->counts[i].offset, m->counts[i].attempts,
                   m->counts[i].charges);
    close_with(f, "],\"done\":[");
    for (uint32_t i = 0; i < m->done_n; i++)
        buf_printf(f, "[%" PRId64 ",%" PRId64 "],", m->done[i].from, m->done[i].to);
    close_with(f, "]");
    if (m->horizon >= 0)
        buf_printf(f, ",\"horizon\":%" PRId64, m->horizon);
    if (m->log > 0)
        buf_printf(f, ",\"log\":%" PRIu32 ",\"witness\":[%" PRId64 ",%" PRId64 "]", m->log, m->witness, m->witness_ms);
    buf_append_text(f, "}");
}

static void check_commit(const vector_t *v, const buf_t *in)
{
    (void)in;
    const char *text = get(v, "text");
    int64_t prefix = (int64_t)get_uint(v, "prefix");
    commit_decoded_t decoded;
    buf_t f = {0}, again = {0};
    assert_true(commit_decode(text, strlen(text), prefix, &decoded));
    show_commit(&decoded.meta, &f);
    expect_fields(v, &f);
    assert_true(commit_encode(&again, &decoded.meta, prefix, NULL));
    expect_bytes(v, &again, text, strlen(text));
    commit_decoded_free(&decoded);
    buf_free(&again);
}

static void check_gathered(const vector_t *v, const buf_t *in)
{
    (void)in;
    static gathered_t gathered;
    const char *text = get(v, "text");
    int64_t prefix = (int64_t)get_uint(v, "prefix");
    buf_t f = {0}, again = {0};
    assert_true(gathered_decode(text, strlen(text), prefix, &gathered));
    buf_printf(&f, "{\"until\":%" PRId64 ",\"open\":[", gathered.until);
    for (uint32_t i = 0; i < gathered.open_n; i++)
        buf_printf(&f, "%" PRId64 ",", gathered.open[i]);
    close_with(&f, "]}");
    expect_fields(v, &f);
    gathered_encode(&again, prefix, &gathered);
    expect_bytes(v, &again, text, strlen(text));
    buf_free(&again);
}

static void check_position(const vector_t *v, const buf_t *in)
{
    (void)in;
    static position_t p;
    const char *text = get(v, "text");
    buf_t f = {0}, again = {0};
    assert_true(position_decode(text, strlen(text), &p));
    buf_printf(&f, "{\"kind\":%d,\"number\":%" PRIu64 ",\"job\":%" PRIu64 ",\"from\":%" PRIu64, (int)p.kind, p.number,
               p.job, p.from);
    buf_printf(&f, ",\"read\":[%" PRId64 ",%" PRIu64 ",%" PRIu64 ",%" PRId64 "],\"list\":[%" PRIu64 ",%" PRIu64,
               p.reread_at, p.reread_prefix, p.waiting, p.read_to, p.list.known, p.list.failed);
    buf_printf(&f, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRId64 ",%" PRIu64 ",%" PRIu64 ",%" PRId64,
               p.list.retried, p.list.cancelled, p.list.end, p.list.prefix, p.list.total, p.list.input_n, p.list.wanted,
               p.list.input_at);
    buf_printf(&f, ",%" PRId64 ",%d,%" PRIu32 ",%d,%" PRIu64 ",\"%s\"],\"given\":[", p.list.closed_by,
               p.list.is_halting, p.list.state, (int)p.list.end_reason, p.list.decided_n, p.input_error);
    for (uint32_t i = 0; i < p.ranges_n; i++)
        buf_printf(&f, "%" PRIu64 ",%" PRIu64 ",", p.given[i].from, p.given[i].n);
    close_with(&f, "]}");
    expect_fields(v, &f);
    position_encode(&again, &p);
    expect_bytes(v, &again, text, strlen(text));
    buf_free(&again);
}

static void check_value(const vector_t *v, const buf_t *in)
{
    const char *json = get(v, "json");
    buf_t text = {0}, again = {0};
    assert_int_equal(value_to_json(&text, in->data, in->len, NULL), FANMAP_OK);
    buf_append(&text, "", 1);
    if (strcmp(get(v, "again"), "no") != 0)
        assert_string_equal((char *)text.data, json);
    assert_int_equal(value_from_json(&again, json, strlen(json), NULL), FANMAP_OK);
    assert_int_equal(again.len, in->len);
    assert_memory_equal(again.data, in->data, in->len);
    buf_free(&text);
    buf_free(&again);
}

static void check_place(const vector_t *v, const buf_t *in)
{
    const char *job = get(v, "job");
    uint64_t hash = place_job_hash(job);
    assert_int_equal(hash, get_uint(v, "hash"));
    assert_int_equal(place_item(hash, (uint32_t)get_uint(v, "partitions"), get_uint(v, "index")),
                     get_uint(v, "partition"));
    assert_int_equal(place_results(job, (uint32_t)get_uint(v, "results_partitions")), get_uint(v, "results_partition"));
    assert_int_equal(place_chain(get_uint(v, "chain_before"), in->data, in->len), get_uint(v, "chain_after"));
}

static const struct {
    const char *codec;
    void (*check)(const vector_t *v, const buf_t *in);
} codecs[] = {{"item", check_item},     {"joblog", check_joblog},    {"jobs", check_jobs},
              {"logs", check_logs},     {"slot", check_slot},        {"commit", check_commit},
              {"value", check_value},   {"place", check_place},      {"gathered", check_gathered},
              {"served", check_served}, {"position", check_position}};

enum { CODECS = sizeof codecs / sizeof *codecs };

static int check_vector(vector_t *v, int checked[CODECS])
{
    buf_t in = {0};
    if (v->n == 0)
        return 0;
    get_bytes(v, &in);
    int codec = 0;
    while (codec < CODECS && strcmp(codecs[codec].codec, get(v, "codec")) != 0)
        codec++;
    if (codec == CODECS)
        fail_msg("%s: %s: no codec \"%s\"", v->file, get(v, "name"), get(v, "codec"));
    codecs[codec].check(v, &in);
    checked[codec]++;
    buf_free(&in);
    for (; v->n > 0; v->n--)
        free(v->keys[v->n - 1]);
    return 1;
}

static int check_file(const char *path, int checked[CODECS])
{
    static char line[LINE_MAX_BYTES];
    vector_t v = {.file = path};
    int n = 0;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        char *colon = strstr(line, ": ");
        if (line[0] == '\0')
            n += check_vector(&v, checked);
        if (line[0] == '#' || !colon)
            continue;
        assert_true(v.n < KEYS_MAX);
        *colon = '\0';
        v.keys[v.n] = malloc(strlen(line) + strlen(colon + 2) + 2);
        strcpy(v.keys[v.n], line);
        v.values[v.n] = v.keys[v.n] + strlen(line) + 1;
        strcpy(v.values[v.n++], colon + 2);
    }
    n += check_vector(&v, checked);
    fclose(file);
    return n;
}

static void test_golden(void **state)
{
    (void)state;
    glob_t files;
    int checked[CODECS] = {0};
    assert_int_equal(glob(FANMAP_SOURCE_DIR "/schemas/golden/*.txt", 0, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++)
        assert_true(check_file(files.gl_pathv[i], checked) > 0);
    globfree(&files);
    for (int i = 0; i < CODECS; i++)
        assert_true(checked[i] > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden), cmocka_unit_test(test_run_batch)};
    return cmocka_run_group_tests_name("golden", tests, NULL, NULL);
}
