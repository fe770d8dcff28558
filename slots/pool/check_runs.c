/* What a check tells a program to run, and how it judges the answers. */
#include <stdio.h>
#include <string.h>

#include "schemas/value.h"
#include "slots/pool/check.h"

enum { QUIET_MS = 200, TASKS_MAX = 16, ROW_RUNS = 200, LONG_BYTES = 100000 };

bool check_send(check_t *c, buf_t *bytes)
{
    bool is_sent = peer_send(&c->peer, bytes);
    buf_free(bytes);
    return is_sent;
}

bool check_send_job(check_t *c, const char *task, const char *bound_json)
{
    buf_t b = {0}, bound = {0};
    char id[32];
    snprintf(id, sizeof id, "check-%u", ++c->job_id);
    slot_job_t job = {.id = c->job_id, .job = id, .job_len = strlen(id), .task = task, .task_len = strlen(task)};
    job.attempts_max = 3;
    job.value_bytes_max = CHECK_VALUE_MAX;
    if (bound_json)
        value_from_json(&bound, bound_json, strlen(bound_json), NULL);
    job.bound = bound.data;
    job.bound_len = bound.len;
    bool is_put = served_put_job(&b, check_encoding(c), &job);
    buf_free(&bound);
    return check_send(c, &b) && is_put;
}

void check_put_run(check_t *c, buf_t *b, const buf_t *in, uint64_t index)
{
    slot_run_t run = {.n = c->n, .index = index, .attempt = 1, .deadline_ms = -1, .in = in->data, .in_len = in->len};
    if (index == UINT64_MAX)
        run.fence = UINT64_MAX;
    served_put_run(b, check_encoding(c), &run, c->job_id);
}

bool check_answer(check_t *c, const char *what, peer_event_t event)
{
    const served_message_t *message = &c->peer.message;
    if (event != PEER_MESSAGE || message->type != SLOT_DONE)
        return check_instead(c, what, event);
    if (message->n != c->n)
        return check_note(c, false, "%s: it answered run %u instead of run %u", what, message->n, c->n);
    if (c->peer.in.len > c->peer.in_used)
        return check_note(c, false, "%s: it said more after its answer", what);
    c->values += !message->is_error;
    c->errors += message->is_error;
    c->n++;
    return true;
}

static bool run_bytes(check_t *c, const char *what, const buf_t *in, uint64_t index)
{
    buf_t b = {0};
    check_put_run(c, &b, in, index);
    if (!check_send(c, &b))
        return check_note(c, false, "%s: it does not read its runs", what);
    return check_answer(c, what, peer_receive(&c->peer, ANSWER_MS));
}

static bool run_json(check_t *c, const char *what, const char *json, uint64_t index)
{
    buf_t in = {0};
    value_from_json(&in, json, strlen(json), NULL);
    bool ok = run_bytes(c, what, &in, index);
    buf_free(&in);
    return ok;
}

static bool run_long(check_t *c, const char *what)
{
    buf_t in = {0};
    mp_put_str_head(&in, LONG_BYTES);
    void *room = buf_reserve(&in, LONG_BYTES);
    if (room)
        memset(room, 'x', LONG_BYTES);
    in.len += room ? LONG_BYTES : 0;
    bool ok = run_bytes(c, what, &in, 2);
    buf_free(&in);
    return ok;
}

static bool run_task(check_t *c, const char *task)
{
    static const char *const items[] = {"null",
                                        "true",
                                        "-1",
                                        "18446744073709551615",
                                        "1.5",
                                        "\"\"",
                                        "\"line\\nz\\u00fcrich \\u0000 \\ud83d\\ude00\"",
                                        "[1,[2,{\"a\":null}],\"x\"]",
                                        "{\"a\":1,\"b\":[]}",
                                        "{\"$binary\":\"AP8=\"}"};
    char what[160];
    c->values = c->errors = 0;
    if (!check_send_job(c, task, NULL))
        return check_note(c, false, "task %s: it does not read", task);
    for (size_t i = 0; i < sizeof items / sizeof *items; i++) {
        snprintf(what, sizeof what, "task %.63s: an answer to the item %.50s", task, items[i]);
        if (!run_json(c, what, items[i], i))
            return false;
    }
    snprintf(what, sizeof what, "task %.63s: an answer to an item of %d bytes", task, LONG_BYTES);
    if (!run_long(c, what))
        return false;
    snprintf(what, sizeof what, "task %.63s: an answer with bound arguments and the largest index and fence", task);
    if (!check_send_job(c, task, "{\"name\":\"x\"}") || !run_json(c, what, "1", UINT64_MAX))
        return false;
    return check_note(c, true, "task %s: %u values and %u errors, one answer a run", task, c->values, c->errors);
}

bool check_run_tasks(check_t *c)
{
    mp_reader_t r;
    mp_reader_init(&r, c->tasks.data, c->tasks.len);
    uint32_t count = mp_read_array(&r);
    for (uint32_t i = 0; i < count && i < TASKS_MAX; i++) {
        char task[TASK_NAME_MAX + 1] = "";
        mp_read_text(&r, task, sizeof task);
        if (!run_task(c, task))
            return false;
    }
    return true;
}

bool check_run_many(check_t *c)
{
    if (!check_send_job(c, c->task, NULL))
        return check_note(c, false, "it does not read");
    for (unsigned i = 0; i < ROW_RUNS; i++)
        if (!run_json(c, "many runs, one after the other, n beyond 32 bits' end", "7", i))
            return false;
    return check_note(c, true, "%d runs, one after the other, n beyond 32 bits' end", ROW_RUNS);
}

bool check_run_later(check_t *c)
{
    static const uint8_t unknown[] = {3, 0, 0, 0, 0x92, 99, 0xc0};
    static const uint8_t text_one[] = {1};
    buf_t b = {0}, in = {0};
    buf_append(&in, text_one, sizeof text_one);
    if (check_encoding(c) == SERVED_JSON) {
        buf_append_text(&b, "{\"type\":\"later\",\"x\":1}\n");
        check_put_run(c, &b, &in, 3);
        b.len -= 2; /* "}\n" */
        buf_append_text(&b, ",\"later\":{\"x\":[]}}\n");
    } else {
        buf_append(&b, unknown, sizeof unknown);
        size_t start = b.len;
        check_put_run(c, &b, &in, 3);
        mp_put_nil(&b); /* the context of a record: it has none */
        mp_put_text(&b, "later");
        b.data[start] = (uint8_t)(b.data[start] + 7);
        b.data[start + 4] = (uint8_t)(b.data[start + 4] + 2);
    }
    buf_free(&in);
    const char *what = "what it does not know, a message or a field, it steps over";
    return check_send(c, &b) && check_answer(c, what, peer_receive(&c->peer, ANSWER_MS)) &&
           check_note(c, true, "%s", what);
}

bool check_send_cancel(check_t *c, uint32_t n)
{
    buf_t b = {0};
    served_put_cancel(&b, check_encoding(c), n);
    return check_send(c, &b);
}

bool check_cancel_stale(check_t *c)
{
    const char *what = "a cancel of a run that was answered changes nothing";
    return check_send_cancel(c, c->n - 1) && run_json(c, what, "1", 4) && check_note(c, true, "%s", what);
}

bool check_quiet(check_t *c, const char *what)
{
    peer_event_t event = peer_receive(&c->peer, QUIET_MS);
    return event == PEER_SILENT ? check_note(c, true, "%s", what) : check_instead(c, what, event);
}
